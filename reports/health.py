"""Health checks: whether the search was one to learn from, and what to do where it was not."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np

from reports.confirmed import confirmed, difference
from reports.figures.importances import importances
from reports.figures.pruning import pruning
from reports.figures.timeline import timeline
from reports.once import once
from reports.ranking import trained
from reports.reference import is_blind, outcomes, random_trials
from reports.scale import Scale, scales
from reports.wording import duration, listing, plural, setting
from search.records import State, Sweep, Trial

Verdict = Literal["PASS", "WARN", "UNKNOWN"]

BEST = 5
"""Trials that are looked at as the best ones."""

MOST_OF_BEST = 3
"""How many of them make a pattern: that three of five lie in the same tenth of a range by chance happens
once in 120 times."""

EDGE = 0.1
"""Share of a range, next to one of its ends."""

LATE = 0.1
"""Share of the trials, the last ones, in which a best one says that the search was still improving."""

TOO_MANY = 0.1
"""Share of trials that may fail, diverge or repeat a recipe."""

FEWEST = 10
"""Trials below which a share of them says nothing."""

CHANCE = 0.05

BUSY = 0.6
"""Share of the search's time in which its workers should train."""

SHORT = 60.0
"""Seconds of search below which that share says nothing."""


class Check(NamedTuple):
    """One check.

    key, title: what is checked. verdict: "UNKNOWN" where there is too little to tell by. told: what was seen,
    a sentence. advice: what to do about it, a sentence; "" where it passed.
    """

    key: str
    title: str
    verdict: Verdict
    told: str
    advice: str = ""


@once
def health(sweep: Sweep) -> tuple[Check, ...]:
    """All checks, the warnings first; none before the first trial was trained."""
    if not any(trial.epochs for trial in sweep.trials):
        return ()
    checks = [check(sweep) for check in CHECKS]
    order = ("WARN", "UNKNOWN", "PASS")
    return tuple(sorted(checks, key=lambda check: order.index(check.verdict)))


def health_sentence(checks: tuple[Check, ...]) -> str:
    """How many passed."""
    if not checks:
        return "No trial has been trained yet, so there is nothing to check."
    warned = [check for check in checks if check.verdict == "WARN"]
    unknown = [check for check in checks if check.verdict == "UNKNOWN"]
    known = len(checks) - len(unknown)
    told = (
        f"{known - len(warned)} of {plural(known, 'check')} passed" if known else "No check can be made yet"
    )
    rest = f"; {plural(len(unknown), 'other')} cannot be told yet" if unknown and known else ""
    return f"{told}{rest}."


# Whether the ranges were wide enough -----------------------------------------------------------------


def edges(sweep: Sweep) -> Check:
    """Whether the best trials crowd an end of a range. An end at 0 is taken for a natural one."""
    key, title = "edges", "Ranges wide enough"
    best = _best(sweep)
    if len(best) < BEST:
        return Check(key, title, "UNKNOWN", f"Fewer than {BEST} trials are complete.")
    crowded = [found for scale in scales(sweep) if (found := _crowded(scale, best)) is not None]
    if not crowded:
        return Check(key, title, "PASS", f"The best {BEST} trials crowd no end of a range.")
    told = listing(
        [f"{count} of them lie next to the {end} end of {scale.name}" for scale, end, count in crowded]
    )
    wider = " ".join(
        f"--set {shlex.quote(f'space.{scale.name}.{end}={_beyond(scale, end)}')}" for scale, end, _ in crowded
    )
    return Check(
        key,
        title,
        "WARN",
        f"Of the best {BEST} trials {told}: better ones may lie beyond.",
        f"Widen the space: benchsweep extend {shlex.quote(sweep.name)} --trials 20 {wider}",
    )


def _crowded(scale: Scale, best: list[Trial]) -> tuple[Scale, str, int] | None:
    if scale.choices or scale.high <= scale.low:
        return None
    shares = [scale.share(trial.sampled[scale.name]) for trial in best if scale.name in trial.sampled]
    ends = {"low": sum(share < EDGE for share in shares), "high": sum(share > 1 - EDGE for share in shares)}
    for end, count in ends.items():
        natural = end == "low" and scale.low == 0
        if count >= MOST_OF_BEST and not natural:
            return scale, end, count
    return None


def _beyond(scale: Scale, end: str) -> str:
    """An end further out: a third of the range more, on the range's own scale; whole where it is."""
    low, high = (math.log(scale.low), math.log(scale.high)) if scale.log else (scale.low, scale.high)
    moved = high + (high - low) / 3 if end == "high" else low - (high - low) / 3
    value = math.exp(moved) if scale.log else moved
    if scale.whole:
        return str(math.ceil(value) if end == "high" else math.floor(value))
    return f"{value:.2g}" if value > 0 or scale.low < 0 else "0"


# Whether the trials were sound -----------------------------------------------------------------------


def broken(sweep: Sweep) -> Check:
    """How many trials failed or diverged, and which setting they have in common."""
    key, title = "broken", "Trials that come to an end"
    own = trained(sweep)
    bad = [trial for trial in own if trial.state in (State.DIVERGED, State.FAILED)]
    share = len(bad) / len(own)
    diverged = sum(trial.state is State.DIVERGED for trial in bad)
    told = (
        f"{diverged} of {plural(len(own), 'trial')} diverged and {len(bad) - diverged} failed "
        f"({_percent(share)})."
        if bad
        else f"None of {plural(len(own), 'trial')} failed or diverged."
    )
    if share <= TOO_MANY:
        return Check(key, title, "PASS", told)
    common = _in_common(sweep, bad, [trial for trial in own if trial.state in (State.COMPLETE, State.PRUNED)])
    advice = f"They have {common}: narrow that range." if common else "See their causes under Failures."
    return Check(key, title, "WARN", told, advice)


def _in_common(sweep: Sweep, bad: list[Trial], good: list[Trial]) -> str:
    """The setting whose values tell the bad ones apart best, as "learning_rate above 0.03"; "" where none
    does: seven of eight pairs of a good and a bad one must be in order."""
    best, words = 0.875, ""
    for scale in scales(sweep):
        if scale.choices:
            continue
        ours, others = (
            np.array(
                [scale.position(trial.sampled[scale.name]) for trial in some if scale.name in trial.sampled]
            )
            for some in (bad, good)
        )
        if len(ours) < 2 or len(others) < 2:
            continue
        above = float(np.mean(ours[:, None] > others[None, :]))
        side = max(above, 1 - above)
        if side > best:
            best = side
            words = f"{scale.name} {'above' if above > 0.5 else 'below'} {setting(float(np.median(others)))}"
    return words


def repeats(sweep: Sweep) -> Check:
    """How many draws repeat a recipe."""
    key, title = "repeats", "Recipes that are new"
    again = len(sweep.trials) - len(trained(sweep))
    told = f"{again} of {plural(len(sweep.trials), 'trial')} repeat a recipe that was trained before."
    if len(sweep.trials) < FEWEST:
        return Check(key, title, "UNKNOWN", f"Fewer than {FEWEST} trials were drawn.")
    if again <= TOO_MANY * len(sweep.trials):
        return Check(key, title, "PASS", told if again else "Every trial has a recipe of its own.")
    return Check(
        key, title, "WARN", told, "The space is nearly used up: widen it, or spend the budget on more epochs."
    )


def pruned_too_early(sweep: Sweep) -> Check:
    """Whether trials are stopped where scores do not foretell the final ones."""
    key, title = "pruning", "Pruned not too early"
    told = pruning(sweep)
    if isinstance(told, str):
        return Check(key, title, "UNKNOWN", told)
    first = told.first
    if not told.pruned:
        return Check(key, title, "PASS", "No trial was stopped early.")
    if told.too_early is None or first is None or first.correlation is None:
        return Check(
            key, title, "UNKNOWN", "Too few complete trials to tell whether early scores foretell late ones."
        )
    seen = (
        f"Scores after epoch {first.epoch}, where the first are stopped, order trials as their final ones do "
    )
    seen += f"with a rank correlation of {first.correlation.value:.2f} "
    seen += f"({first.correlation.low:.2f} to {first.correlation.high:.2f})."
    if not told.too_early:
        return Check(key, title, "PASS", seen)
    return Check(key, title, "WARN", seen, "Stop later: raise min_resource in [pruner].")


def busy_workers(sweep: Sweep) -> Check:
    """Whether the workers trained for most of the search's time."""
    key, title = "workers", "Workers kept busy"
    told = timeline(sweep)
    if isinstance(told, str):
        return Check(key, title, "UNKNOWN", told)
    seen = f"{plural(told.workers, 'worker')} trained {_percent(told.utilisation)} of the search's time"
    if told.seconds < SHORT:
        return Check(key, title, "UNKNOWN", f"{seen}; a search this short is mostly start and end.")
    if told.utilisation >= BUSY:
        return Check(key, title, "PASS", f"{seen}.")
    return Check(
        key,
        title,
        "WARN",
        f"{seen}; starting took {duration(told.startup)}, the idle end {duration(told.tail)}.",
        "See the timeline: trials that are too short for their overhead gain by more epochs, few long ones "
        "by more trials at once.",
    )


# Whether it was long enough --------------------------------------------------------------------------


def still_improving(sweep: Sweep) -> Check:
    """Whether the best trial came among the last ones. Of equal draws the best is among the last tenth in
    one search of ten."""
    key, title = "trials", "Trials enough"
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    best = sweep.best()
    if len(complete) < FEWEST or best is None:
        return Check(key, title, "UNKNOWN", f"Fewer than {FEWEST} trials are complete.")
    after = sum(trial.number > best.number for trial in trained(sweep))
    told = f"{plural(after, 'trial')} came after the best one, trial {best.number}, and did not beat it."
    if after >= LATE * len(trained(sweep)):
        return Check(key, title, "PASS", told)
    return Check(
        key,
        title,
        "WARN",
        f"The best one, trial {best.number}, is among the last tenth of "
        f"{plural(len(trained(sweep)), 'trial')}: the search was still improving.",
        f"Go on: benchsweep extend {shlex.quote(sweep.name)} --trials {max(10, len(sweep.trials) // 2)}",
    )


def still_learning(sweep: Sweep) -> Check:
    """Whether the best trials' curves still rise by more than they waver."""
    key, title = "epochs", "Epochs enough"
    gains = [told for trial in _best(sweep) if (told := _last_quarter(sweep, trial)) is not None]
    if len(gains) < MOST_OF_BEST:
        return Check(key, title, "UNKNOWN", "Too few trials of 8 epochs or more are complete.")
    rising = sum(gain > 2 * noise for gain, noise in gains)
    gain = difference(sweep.metric, float(np.median([gain for gain, _ in gains])))
    if rising < MOST_OF_BEST:
        return Check(
            key,
            title,
            "PASS",
            f"In their last quarter {rising} of the best {len(gains)} trials improved by more than their "
            f"curves waver.",
        )
    return Check(
        key,
        title,
        "WARN",
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
    sign = 1.0 if sweep.metric.direction == "maximize" else -1.0
    quarter = len(values) // 4
    # The second differences of a smooth curve are small, and those of noise have six times its variance.
    noise = float(np.sqrt(np.mean(np.diff(values[len(values) // 2 :], 2) ** 2) / 6))
    return sign * float(values[-1] - values[-1 - quarter]), noise


# Whether its result is more than luck ----------------------------------------------------------------


def beyond_noise(sweep: Sweep) -> Check:
    """Whether the gain over the default recipe is larger than what seeds alone make of it."""
    key, title = "noise", "Gain beyond the seeds' noise"
    told = confirmed(sweep)
    if told is None or not told.decided:
        return Check(
            key,
            title,
            "UNKNOWN",
            "The best trial's lead may be the luck of its seed: nothing was trained again with fresh ones.",
            f"Confirm it: benchsweep confirm {shlex.quote(sweep.name)}",
        )
    first = told.rows[0] if told.rows else None
    default = next((row for row in told.rows if row.trial is None), None)
    if first is None or first.mean is None or default is None or default.mean is None:
        return Check(key, title, "UNKNOWN", "The default recipe was not trained beside the winner.")
    if first.trial is None:
        return Check(
            key,
            title,
            "WARN",
            "The default recipe itself is among the best: the search found nothing better.",
            "Widen the space, or take the default.",
        )
    gain = difference(sweep.metric, first.mean - default.mean)
    noise = max(first.deviation or 0.0, default.deviation or 0.0)
    side = "above" if first.mean >= default.mean else "below"
    seen = f"The winner is {gain} {side} the default recipe on validation, where a seed is worth "
    seen += f"{difference(sweep.metric, noise)} (standard deviation)"
    if default.state == "behind":
        return Check(key, title, "PASS", f"{seen}.")
    return Check(
        key,
        title,
        "WARN",
        f"{seen}; they are not told apart.",
        f"More seeds may tell: benchsweep confirm {shlex.quote(sweep.name)} --seeds 20",
    )


def better_than_random(sweep: Sweep) -> Check:
    """Whether the sampler drew better than at random: the complete trials that it chose against those of the
    same search that it drew blindly (Mann and Whitney's test, one-sided)."""
    key, title = "random", "Better than random search"
    if is_blind(sweep):
        return Check(
            key, title, "UNKNOWN", "The sampler never looks at a score, so there is nothing to compare."
        )
    blind = {trial.number for trial in random_trials(sweep)}
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    chosen, drawn = (
        outcomes(sweep, [trial for trial in complete if (trial.number in blind) is random])
        for random in (False, True)
    )
    if min(len(chosen), len(drawn)) < 5:
        return Check(
            key,
            title,
            "UNKNOWN",
            f"{len(drawn)} random and {len(chosen)} chosen trials are complete; it takes five of each.",
        )
    from scipy.stats import mannwhitneyu  # a second that a page without trials saves

    p = float(mannwhitneyu(chosen, drawn, alternative="greater").pvalue)
    share = float(
        np.mean(chosen[:, None] > drawn[None, :]) + 0.5 * np.mean(chosen[:, None] == drawn[None, :])
    )
    words = "p < 0.001" if p < 0.001 else f"p = {p:.3f}"
    told = (
        f"A trial that the sampler chose beats a random one of this search {_percent(share)} of the time "
        f"({len(chosen)} against {len(drawn)} complete ones, {words})"
    )
    if p <= CHANCE:
        return Check(key, title, "PASS", f"{told}.")
    return Check(
        key,
        title,
        "WARN",
        f"{told}: no better than chance.",
        "Scores may be too noisy to learn from, or the space too flat: give it more trials, or fewer "
        "settings.",
    )


def stable_importances(sweep: Sweep) -> Check:
    """Whether the leading setting would lead again."""
    key, title = "importances", "Importances that hold"
    told = importances(sweep)
    if isinstance(told, str):
        return Check(key, title, "UNKNOWN", told)
    if len(told.names) < 2:
        return Check(key, title, "UNKNOWN", f"{told.names[0]} is the only setting that moved.")
    seen = f"{told.names[0]} is the most important setting in {_percent(told.leading)} of resamples."
    if told.stable:
        return Check(key, title, "PASS", seen)
    return Check(
        key, title, "WARN", seen, "Do not fix or drop settings by their order yet; more trials tell."
    )


def sealed_test_set(sweep: Sweep) -> Check:
    """How often the test set was looked at."""
    key, title = "test", "One look at the test set"
    count = len(sweep.openings)
    if count <= 1:
        told = "It was opened once." if count else "It is still sealed."
        return Check(key, title, "PASS", told)
    return Check(
        key,
        title,
        "WARN",
        f"It was opened {count} times.",
        "Each look after the first makes its figures a little too kind; choose nothing by them.",
    )


CHECKS: tuple[Callable[[Sweep], Check], ...] = (
    beyond_noise,
    better_than_random,
    still_improving,
    still_learning,
    edges,
    broken,
    repeats,
    pruned_too_early,
    busy_workers,
    stable_importances,
    sealed_test_set,
)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _best(sweep: Sweep) -> list[Trial]:
    return [trial for trial in sweep.ranked() if trial.state is State.COMPLETE][:BEST]
