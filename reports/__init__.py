"""Reads a sweep and tells what was found. Never starts anything."""
