"""Whether the search was long enough, in trials and in epochs."""

from __future__ import annotations

import numpy as np

from reports.analysis.ranking import trained
from reports.analysis.verdict import run_argument
from reports.formatting.estimates import difference
from reports.formatting.wording import plural
from reports.health.best import MOST_OF_BEST, best_trials
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep, Trial

LATE = 0.1
"""Share of the trials, the last ones, in which a best one says that the search was still improving."""

FEWEST = 10
"""Complete trials below which that says nothing."""


def still_improving(sweep: Sweep) -> Finding:
    """Whether the best trial came among the last ones. Of equal draws the best is among the last tenth in
    one search of ten."""
    name = "Trials enough"
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    best = sweep.best()
    if len(complete) < FEWEST or best is None:
        return unknown(name, f"Fewer than {FEWEST} trials are complete.")
    after = sum(trial.number > best.number for trial in trained(sweep))
    told = f"{plural(after, 'trial')} came after the best one, trial {best.number}, and did not beat it."
    if after >= LATE * len(trained(sweep)):
        return passed(name, told)
    return warned(
        name,
        f"The best one, trial {best.number}, is among the last tenth of "
        f"{plural(len(trained(sweep)), 'trial')}: the search was still improving.",
        f"Go on: benchsweep extend {run_argument(sweep)} --trials {max(10, len(sweep.trials) // 2)}",
    )


def still_learning(sweep: Sweep) -> Finding:
    """Whether the best trials' curves still rise by more than they waver."""
    name = "Epochs enough"
    gains = [told for trial in best_trials(sweep) if (told := _last_quarter(sweep, trial)) is not None]
    if len(gains) < MOST_OF_BEST:
        return unknown(name, "Too few trials of 8 epochs or more are complete.")
    rising = sum(gain > 2 * noise for gain, noise in gains)
    gain = difference(sweep.metric, float(np.median([gain for gain, _ in gains])))
    if rising < MOST_OF_BEST:
        return passed(
            name,
            f"In their last quarter {rising} of the best {len(gains)} trials improved by more than their "
            f"curves waver.",
        )
    return warned(
        name,
        f"{rising} of the best {len(gains)} trials still improved in their last quarter of epochs, in the "
        f"median by {gain}.",
        "More epochs may gain more than more trials: raise epochs in [recipe]. (A learning rate that falls "
        "towards its end lifts any curve there, so compare before you believe it.)",
    )


def _last_quarter(sweep: Sweep, trial: Trial) -> tuple[float, float] | None:
    """What the trial gained in the last quarter of its epochs, and by how much an epoch's score wavers there
    (standard deviation); None for fewer than 8 epochs."""
    values = np.array([epoch.metrics.get(sweep.metric.name, np.nan) for epoch in trial.epochs])
    if len(values) < 8 or not np.isfinite(values).all():
        return None
    quarter = len(values) // 4
    # The second differences of a smooth curve are small, and those of noise have six times its variance.
    noise = float(np.sqrt(np.mean(np.diff(values[len(values) // 2 :], 2) ** 2) / 6))
    return sweep.metric.gain(float(values[-1]), float(values[-1 - quarter])), noise
