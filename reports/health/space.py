"""Whether the search space was wide enough."""

from __future__ import annotations

import shlex

from reports.analysis.best_trials import BEST
from reports.analysis.narrow_ends import narrow_ends, where
from reports.analysis.ranking import trained
from reports.analysis.verdict import run_argument
from reports.formatting.wording import plural
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import Sweep

TOO_MANY = 0.1
"""Share of trials that may repeat a recipe."""

FEWEST = 10
"""Minimum number of trials for the check of repeated recipes."""


def edges(sweep: Sweep) -> Finding:
    """Whether the best trials cluster next to an end of a range. An end at 0, or at 1 for integers,
    is assumed to be a limit."""
    name = "Search ranges wide enough"
    narrow = narrow_ends(sweep)
    if narrow is None:
        return unknown(name, f"Fewer than {BEST} trials are complete.")
    if not narrow:
        return passed(name, "No search range looks too narrow.")
    wider = " ".join(
        f"--set {shlex.quote(f'space.{scale.name}.{end}={scale.wider(end)}')}" for scale, end, _ in narrow
    )
    return warned(
        name,
        f"{where(narrow)}: better ones may lie beyond.",
        f"Widen the search space: benchsweep extend {run_argument(sweep)} --trials 20 {wider}",
    )


def repeats(sweep: Sweep) -> Finding:
    """How many trials repeat a recipe."""
    name = "Few repeated recipes"
    repeated = len(sweep.trials) - len(trained(sweep))
    message = f"{repeated} of {plural(len(sweep.trials), 'trial')} repeat a recipe that was trained before."
    if len(sweep.trials) < FEWEST:
        return unknown(name, f"There are fewer than {FEWEST} trials.")
    if repeated <= TOO_MANY * len(sweep.trials):
        return passed(name, message if repeated else "Every trial has a recipe of its own.")
    return warned(
        name,
        message,
        "The search space is nearly exhausted: widen it, or spend the budget on more epochs.",
    )
