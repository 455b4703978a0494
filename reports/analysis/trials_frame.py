"""The trials of a search as a data frame."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pandas as pd

from reports.analysis.ranking import trained
from reports.formatting.wording import listing, plural
from search.records.sweep import State, Sweep, Trial


def trials_table(sweep: Sweep) -> pd.DataFrame:
    """One row a trial, by number.

    Columns:
        number      int64
        rank        Int64: 1 for the best; NA for trials that are not ranked (`Sweep.ranked`)
        state       str, a `search.records.sweep.State`
        same_as     Int64: the trial that trained the same recipe before; NA for those that were trained
        score       float64, in the metric's own unit; NaN before the first epoch
        epochs      int64: epochs trained
        seconds     float64: training time
        sampled.X   object: the value that the sampler chose for the setting X; NA where X was not asked
        error       str; "" where there is none
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
        # Half a character, as in a file name that is not UTF-8, is more than a frame's text can hold.
        "error": (trial.error or "").encode("utf-8", "backslashreplace").decode(),
    }


def sampled_settings(sweep: Sweep) -> list[str]:
    """The names of all settings that any trial sampled: in the plan's order, then as they came."""
    asked = {name: None for trial in sweep.trials for name in trial.sampled}
    ordered = [name for name in sweep.plan.space if name in asked]
    return list(dict.fromkeys([*ordered, *asked]))


def states_sentence(sweep: Sweep, brackets: bool = False) -> str:
    """ "40 trials: 29 complete, 9 pruned and 2 that repeat a recipe"; the parts in brackets if asked."""
    states = Counter(trial.state for trial in trained(sweep))
    order = sorted(State, key=lambda state: -states[state])
    parts = [f"{states[state]} {state.lower()}" for state in order if states[state]]
    if not sweep.trials:
        return "no trials"
    total = plural(sweep.count(), "trial")
    if again := sweep.count() - states.total():
        parts.append(f"{again} that {'repeats' if again == 1 else 'repeat'} a recipe")
    elif len(parts) == 1 and sweep.count() > 1:
        return f"{total}, all {parts[0].split()[1]}"
    return f"{total} ({listing(parts)})" if brackets else f"{total}: {listing(parts)}"
