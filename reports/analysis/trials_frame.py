"""The trials of a search as a data frame."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from reports.analysis.ranking import trained
from reports.formatting.wording import listing, plural
from search.records.sweep import State, Sweep, Trial


def trials_table(sweep: Sweep) -> pd.DataFrame:
    """One row per trial, by number.

    Columns:
        number      int64
        rank        Int64: 1 for the best; NA if not ranked (see `Sweep.ranked`)
        state       str, a `search.records.sweep.State`
        same_as     Int64: the trial with the same recipe whose result was reused; NA if it was trained
        score       float64, in the metric's own unit; NaN before the first epoch
        epochs      int64: epochs trained
        seconds     float64: training time
        sampled.X   object: the value that the sampler chose for hyperparameter X; NA if X was not sampled
        error       str; "" if there is none
    """
    ranks = {trial.number: rank for rank, trial in enumerate(sweep.ranked(), 1)}
    rows = [_trial_row(trial, ranks.get(trial.number)) for trial in sweep.trials]
    kinds = {
        "number": "int64",
        "rank": "Int64",
        "state": "str",
        "same_as": "Int64",
        "score": "float64",
        "epochs": "int64",
        "seconds": "float64",
        **{f"sampled.{name}": "object" for name in sampled_settings(sweep)},
        "error": "str",
    }
    frame = pd.DataFrame([{name: row.get(name, pd.NA) for name in kinds} for row in rows], columns=[*kinds])
    return frame.astype(object).astype(kinds)


def _trial_row(trial: Trial, rank: int | None) -> dict[str, Any]:
    return {
        "number": trial.number,
        "rank": pd.NA if rank is None else rank,
        "state": str(trial.state),
        "same_as": pd.NA if trial.same_as is None else trial.same_as,
        "score": float("nan") if trial.score is None else trial.score,
        "epochs": len(trial.epochs),
        "seconds": trial.seconds,
        **{f"sampled.{name}": value for name, value in trial.sampled.items()},
        # A frame's text cannot hold lone surrogates, as in a file name that is not UTF-8.
        "error": (trial.error or "").encode("utf-8", "backslashreplace").decode(),
    }


def sampled_settings(sweep: Sweep) -> list[str]:
    """All hyperparameters that any trial sampled: in the plan's order, then in the order of the trials."""
    sampled = {name: None for trial in sweep.trials for name in trial.sampled}
    ordered = [name for name in sweep.plan.space if name in sampled]
    return list(dict.fromkeys([*ordered, *sampled]))


def states_sentence(sweep: Sweep, brackets: bool = False) -> str:
    """ "40 trials: 29 complete, 9 pruned and 2 that repeat a recipe".

    brackets: put the states in brackets, for use within a sentence.
    """
    states = Counter(trial.state for trial in trained(sweep))
    order = sorted(State, key=lambda state: -states[state])
    parts = [f"{states[state]} {state.lower()}" for state in order if states[state]]
    if not sweep.trials:
        return "no trials"
    total = plural(sweep.count(), "trial")
    if repeats := sweep.count() - states.total():
        parts.append(f"{repeats} that {'repeats' if repeats == 1 else 'repeat'} a recipe")
    elif len(parts) == 1 and sweep.count() > 1:
        return f"{total}, all {parts[0].split()[1]}"
    return f"{total} ({listing(parts)})" if brackets else f"{total}: {listing(parts)}"
