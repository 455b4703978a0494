"""Optuna's samplers and pruners, and what they are shown of a study's history."""
