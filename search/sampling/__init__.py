"""Optuna's samplers and pruners, and the history of a study that they learn from."""
