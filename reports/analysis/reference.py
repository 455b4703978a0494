"""What random search would have found: the random trials of a sweep, and their expected best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from reports.analysis.ranking import trained
from search.plan.sampler import Auto
from search.records.sweep import State, Sweep, Trial

UNINFORMED = ("random", "qmc", "grid")
"""Samplers that ignore scores."""

FEWEST = 5
"""Minimum number of random trials for a statement about random search."""


def random_trials(sweep: Sweep) -> tuple[Trial, ...]:
    """The trained trials that were sampled at random, by number: all if the sampler ignores scores, otherwise
    those of its start. Without those that somebody asked for; empty if the search was warm-started.

    The start of `auto` are its first `n_startup_trials`, of which the first is the default recipe; that of
    other samplers is what began before so many trials (by the plan in force) had ended.
    """
    own = trained(sweep)
    chosen = [trial for trial in own if not trial.requested]
    if sampler_ignores_scores(sweep):
        return tuple(chosen)
    startup = getattr(sweep.plan.sampler, "n_startup_trials", None)
    if sweep.warm_start is not None or startup is None:
        return ()
    if isinstance(sweep.plan.sampler, Auto):
        start = {trial.number for trial in own[:startup]}
        return tuple(trial for trial in chosen[1:] if trial.number in start)
    ends = np.sort([trial.ended.timestamp() for trial in own if trial.ended is not None])
    return tuple(
        trial
        for trial in chosen
        if trial.started is not None and np.searchsorted(ends, trial.started.timestamp(), "right") < startup
    )


def sampler_ignores_scores(sweep: Sweep) -> bool:
    """Whether the plan's sampler ignores scores."""
    return sweep.plan.sampler_name in UNINFORMED


def outcomes(sweep: Sweep, trials: Sequence[Trial]) -> NDArray[np.float64]:
    """The score of each trial, float64 [N], higher is better: the negative score if the metric is minimized,
    the last one for a pruned trial, -inf for a trial that failed, diverged or has not ended."""
    ended = (State.COMPLETE, State.PRUNED)
    return np.array(
        [
            sweep.metric.sign * trial.score if trial.state in ended and trial.score is not None else -np.inf
            for trial in trials
        ],
        dtype=np.float64,
    )


def expected_best(values: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """The expected best of n draws from these outcomes, with replacement, for each n in `counts` (>= 1).

    It is conditional on a finite best; NaN if no outcome is finite. J. Dodge et al., "Show Your Work:
    Improved Reporting of Experimental Results", EMNLP 2019, section 3.1, equation 2:
    https://arxiv.org/abs/1909.03004
    """
    ordered = np.sort(values)
    finite = ordered[np.isfinite(ordered)]
    if not len(finite):
        return np.full(len(counts), np.nan)
    missing = len(ordered) - len(finite)
    below = np.arange(missing, len(ordered)) / len(ordered)
    upto = np.arange(missing + 1, len(ordered) + 1) / len(ordered)
    weights = upto[None, :] ** counts[:, None] - below[None, :] ** counts[:, None]
    expected: NDArray[np.float64] = (weights @ finite) / weights.sum(axis=1)
    return expected
