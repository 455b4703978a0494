"""Whether the search was long enough, in trials and in epochs."""

from __future__ import annotations

import numpy as np

from reports.analysis.best_trials import MOST_OF_BEST, best_trials
from reports.analysis.ranking import trained
from reports.analysis.verdict import run_argument
from reports.formatting.estimates import difference
from reports.formatting.wording import plural
from reports.statistics.arrays import Floats
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep, Trial

LATE = 0.1
"""Share of the trials, the last ones: a best trial among them means that the search was still improving."""

FEWEST = 10
"""Minimum number of complete trials for this check."""

FEWEST_EPOCHS = 8
"""Minimum number of epochs of a trial whose last quarter is looked at."""

MAXIMUM = 4.0
"""Standard deviations by which the best of some dozens of equal, noisy epochs hardly exceeds the last one."""


def still_improving(sweep: Sweep) -> Finding:
    """Whether the top score came with one of the last trials. Without any progress it is among the
    last tenth in one search of ten."""
    name = "Enough trials"
    own = trained(sweep)
    complete = [trial for trial in own if trial.state is State.COMPLETE]
    top = sweep.top()
    if len(complete) < FEWEST or top is None:
        return unknown(name, f"Fewer than {FEWEST} trials are complete.")
    later = sum(trial.number > top.number for trial in own)
    if later >= LATE * len(own):
        return passed(
            name,
            f"{plural(later, 'trial')} came after the top score, of trial {top.number}, and did not beat it.",
        )
    return warned(
        name,
        f"The top score came with trial {top.number}, among the last tenth of "
        f"{plural(len(own), 'trial')}: the search was still improving.",
        f"Continue with: benchsweep extend {run_argument(sweep)} --trials {max(10, len(sweep.trials) // 2)}",
    )


def still_learning(sweep: Sweep) -> Finding:
    """Whether the best trials' learning curves still rise by more than their noise."""
    name = "Enough epochs"
    ends = [end for trial in best_trials(sweep) if (end := _last_quarter(sweep, trial)) is not None]
    if len(ends) < MOST_OF_BEST:
        return unknown(name, f"Too few trials with at least {FEWEST_EPOCHS} epochs are complete.")
    rising = sum(gain > 2 * noise for gain, noise in ends)
    gain = difference(sweep.metric, float(np.median([gain for gain, _ in ends])))
    if rising < MOST_OF_BEST:
        return passed(
            name,
            f"{rising} of the best {len(ends)} trials improved by more than their noise in their last "
            f"quarter of epochs.",
        )
    return warned(
        name,
        f"{rising} of the best {len(ends)} trials were still improving in their last quarter of epochs, with "
        f"a median gain of {gain}.",
        "More epochs may gain more than more trials: raise epochs in [recipe]. (A learning rate that decays "
        "towards the end lifts any curve there, so check with a comparison.)",
    )


def not_past_best(sweep: Sweep) -> Finding:
    """Whether the best trials end about as good as they were in their best epoch."""
    name = "Not too many epochs"
    if sweep.metric.take == "best":
        return passed(name, "A trial's score is that of its best epoch, so later ones cannot lower it.")
    ends = [end for trial in best_trials(sweep) if (end := _fall(sweep, trial)) is not None]
    if len(ends) < MOST_OF_BEST:
        return unknown(name, f"Too few trials with at least {FEWEST_EPOCHS} epochs are complete.")
    fallen = [fall for fall, noise in ends if fall > MAXIMUM * noise]
    if len(fallen) < MOST_OF_BEST:
        return passed(
            name,
            f"{len(fallen)} of the best {len(ends)} trials ended clearly below their best epoch.",
        )
    return warned(
        name,
        f"{len(fallen)} of the best {len(ends)} trials ended below their best epoch by more than their "
        f"noise: by a median of {difference(sweep.metric, float(np.median(fallen)))}.",
        'Their last epochs made them worse: take the best epoch (take = "best" in [metric]), lower epochs in '
        "[recipe], or search more regularization.",
    )


def _fall(sweep: Sweep, trial: Trial) -> tuple[float, float] | None:
    """By how much the trial's last epoch is worse than its best one, and the noise of its score (standard
    deviation); None for fewer than `FEWEST_EPOCHS` epochs."""
    values = _values(sweep, trial)
    if values is None:
        return None
    best = sweep.metric.best(map(float, values))
    return sweep.metric.gain(best, float(values[-1])), _noise(values)


def _last_quarter(sweep: Sweep, trial: Trial) -> tuple[float, float] | None:
    """What the trial gained in the last quarter of its epochs, and the noise of its score there (standard
    deviation); None for fewer than `FEWEST_EPOCHS` epochs."""
    values = _values(sweep, trial)
    if values is None:
        return None
    quarter = len(values) // 4
    return sweep.metric.gain(float(values[-1]), float(values[-1 - quarter])), _noise(values)


def _values(sweep: Sweep, trial: Trial) -> Floats | None:
    """The metric after each epoch; None for fewer than `FEWEST_EPOCHS`, or one that is not finite."""
    values = np.array([epoch.metrics.get(sweep.metric.name, np.nan) for epoch in trial.epochs])
    return values if len(values) >= FEWEST_EPOCHS and bool(np.isfinite(values).all()) else None


def _noise(values: Floats) -> float:
    """The noise of the second half of a curve (standard deviation)."""
    # The second differences of a smooth curve are small, and those of noise have six times its variance.
    return float(np.sqrt(np.mean(np.diff(values[len(values) // 2 :], 2) ** 2) / 6))
