"""`benchsweep list`: the runs in a folder."""

from __future__ import annotations

from benchsweep.options import RUNS, JsonOption, RunsOption


def runs(runs: RunsOption = RUNS, json: JsonOption = False) -> None:
    """List all runs: their progress and their best score.

    --json prints an array with an object for each run: name, folder, state (running, finished, interrupted,
    empty or unreadable), metric, trials (total, planned, and the number in each state), best (trial, score,
    sampled: what the confirmation chose, if any) or null, top (the same: the top score in the search) or
    null, winner (trial 12 or default, for example) or null, test (trial, metrics, count, low, high) or null,
    seconds and last_seen. A run that cannot be read has only name, folder, state and error.
    """
    from benchsweep.actions.list_runs import list_runs

    list_runs(runs, json)
