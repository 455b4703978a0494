"""Checks of a machine and of the files of a run, each with its advice."""
