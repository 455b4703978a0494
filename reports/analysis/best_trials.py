"""The best trials of a search, as the health checks use them."""

from __future__ import annotations

from search.records.sweep import State, Sweep, Trial

BEST = 5
"""Number of trials that count as the best ones."""

MOST_OF_BEST = 3
"""How many of them make a pattern: that three of five lie in the same tenth of a range by chance happens
once in 120 times."""


def best_trials(sweep: Sweep) -> list[Trial]:
    """The best complete trials, at most `BEST` of them, best first."""
    return [trial for trial in sweep.ranked() if trial.state is State.COMPLETE][:BEST]
