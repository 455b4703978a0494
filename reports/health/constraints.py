"""Whether the trials, and the winner with fresh seeds, keep the bounds of the plan."""

from __future__ import annotations

from reports.analysis.ranking import trained
from reports.formatting.wording import plural
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep

MANY = 0.5
"""Share of the complete trials that may break a bound."""


def kept(sweep: Sweep) -> Finding:
    """How many complete trials keep the bounds, and whether the winner does with fresh seeds."""
    name = "Constraints kept"
    constraints = sweep.plan.constraints
    bounds = ", ".join(bound.in_words(metric) for metric, bound in constraints.bounds.items())
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    if not complete:
        return unknown(name, f"No trial is complete, so none can keep {bounds}.")
    good = sum(not trial.excess for trial in complete)
    message = f"{good} of {plural(len(complete), 'complete trial')} keep {bounds}."
    if not good:
        return warned(
            name,
            message,
            "The best trial breaks them least. Widen the space to where they hold, or the bounds.",
        )
    winner = None if sweep.confirmation is None else sweep.confirmation.winner
    if winner is not None:
        broken = [
            rerun
            for rerun in winner.complete
            if constraints.excess(constraints.values(rerun.epochs, sweep.metric))
        ]
        if broken:
            seeds = f"{len(broken)} of {plural(len(winner.complete), 'fresh seed')}"
            return warned(
                name,
                f"{message} {winner.name.capitalize()}, the winner, breaks them with {seeds}.",
                "Measure what is bounded more exactly, or leave it room below the bound.",
            )
    if good < MANY * len(complete):
        return warned(name, message, "Narrow the space to where they hold, so that fewer trials are lost.")
    return passed(name, message)
