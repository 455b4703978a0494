"""What the page shows of one trial on request: its recipe, its metrics by epoch, error and notes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reports.analysis.verdict import run_argument
from reports.formatting.wording import plain_json, shorten
from search.records.sweep import Sweep, Trial

MOST_VALUES = 40_000
"""Values of metrics other than the judged one that a page holds, at most: about 0.3 MB."""
LONGEST = 2000
"""Characters of an error or of a note, at most."""


def trial_details(sweep: Sweep) -> dict[str, Any]:
    """The details as plain JSON values.

    metric (name, unit, sign), metrics (all names, the judged one first), shared (what all recipes have in
    common), run (the run as an argument of a command), trials: by number, each with recipe (what is not
    shared), sampled (names), state, epochs, values (by metric, null where an epoch lacks it), error, notes.
    Trials beyond `MOST_VALUES`, the lowest ranked ones, have the judged metric alone."""
    name = sweep.metric.name
    names = [
        name,
        *sorted({key for trial in sweep.trials for epoch in trial.epochs for key in epoch.metrics} - {name}),
    ]
    shared = _shared([trial.recipe for trial in sweep.trials if trial.recipe])
    ranks = {trial.number: rank for rank, trial in enumerate(sweep.ranked())}
    order = sorted(sweep.trials, key=lambda trial: ranks.get(trial.number, len(ranks)))
    left, complete = MOST_VALUES, set()
    for trial in order:
        left -= len(trial.epochs) * (len(names) - 1)
        if left >= 0:
            complete.add(trial.number)
    return {
        "metric": {"name": name, "unit": sweep.metric.unit, "sign": sweep.metric.sign},
        "metrics": names,
        "shared": plain_json(shared),
        "run": run_argument(sweep),
        "trials": {
            str(trial.number): _details(trial, shared, names if trial.number in complete else names[:1])
            for trial in sweep.trials
        },
    }


def _shared(recipes: Sequence[Any]) -> dict[str, Any]:
    if len(recipes) < 2:
        return {}
    first = recipes[0]
    return {
        name: value
        for name, value in first.items()
        if all(name in recipe and _same(recipe[name], value) for recipe in recipes)
    }


def _same(one: Any, other: Any) -> bool:
    return json.dumps(one, sort_keys=True, default=str) == json.dumps(other, sort_keys=True, default=str)


def _details(trial: Trial, shared: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    values = {name: [_rounded(epoch.metrics.get(name)) for epoch in trial.epochs] for name in names}
    details: dict[str, Any] = {
        "recipe": plain_json({name: value for name, value in trial.recipe.items() if name not in shared}),
        "sampled": list(trial.sampled),
        "state": trial.state.lower(),
        "epochs": [epoch.number for epoch in trial.epochs],
        "values": {name: own for name, own in values.items() if any(value is not None for value in own)},
    }
    if trial.error:
        details["error"] = shorten(trial.error, LONGEST)
    if trial.notes:
        details["notes"] = [shorten(note, LONGEST) for note in trial.notes]
    return details


def _rounded(value: float | None) -> float | None:
    """To five significant digits, which no drawing resolves further."""
    return None if value is None else float(f"{value:.5g}")
