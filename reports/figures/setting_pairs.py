"""The complete trials over two hyperparameters at once, for the most important ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

from reports.analysis.scale import Scale, scales
from reports.figures.axis import setting_axis
from reports.figures.importances import importances
from reports.figures.style import plain
from reports.formatting.wording import setting
from reports.importance.surrogate import complete_trials
from search.records.sweep import Sweep
from search.records.trial import Trial

SPREAD = (0.7548776662466927, 0.5698402909980532)
"""Steps of a sequence that fills a square evenly: the powers of 1/x with x³ = x + 1 (M. Roberts, "The
Unreasonable Effectiveness of Quasirandom Sequences", 2018)."""

MOST = 3
"""Number of the most important hyperparameters, every two of which are paired. A conditional one is left out
unless the best trial and more than half of the complete ones sampled it: a pair without the best trial, or
without most trials, shows where others lie."""


class Pair(NamedTuple):
    """Two hyperparameters in the complete trials that sampled both, the top score first."""

    across: Scale
    """The more important hyperparameter, on the horizontal axis."""
    up: Scale
    """The other one, on the vertical axis."""
    numbers: tuple[int, ...]
    """Numbers of the trials."""
    across_at: tuple[float, ...]
    """Each trial's position on the horizontal scale (`Scale.position`)."""
    up_at: tuple[float, ...]
    """Each trial's position on the vertical scale (`Scale.position`)."""
    values: tuple[tuple[str, str], ...]
    """Each trial's two values as text."""
    scores: tuple[float, ...]
    """Each trial's score, in the metric's unit."""
    best: int | None
    """Index of the best trial (`Sweep.best`); None if it is not among them."""

    @property
    def key(self) -> str:
        """ "learning_rate, dropout"."""
        return f"{self.across.name}, {self.up.name}"

    def drawn_at(self, index: int) -> tuple[float, float]:
        """The drawn position of a trial: on an axis of choices, trials are spread around the choice by their
        number, because they would hide each other."""
        sides = (self.across, self.across_at[index]), (self.up, self.up_at[index])
        across, up = (
            at + 0.55 * (self.numbers[index] * step % 1 - 0.5) if scale.choices else at
            for (scale, at), step in zip(sides, SPREAD, strict=True)
        )
        return across, up


def pairs(sweep: Sweep) -> tuple[Pair, ...] | str:
    """Returns the pairs of the most important hyperparameters, or why there are none."""
    important = importances(sweep)
    if isinstance(important, str):
        return important
    by_name: Mapping[str, Scale] = {scale.name: scale for scale in scales(sweep)}
    if len(important.names) < 2:
        return "Only one hyperparameter took more than one value, so there is no pair to show."
    sign = sweep.metric.sign
    ranked = sorted(complete_trials(sweep), key=lambda trial: (-sign * (trial.score or 0.0), trial.number))
    best = sweep.best()
    sampled = (best or ranked[0]).sampled  # the latter's where the default recipe won
    names = [name for name in important.names if name in sampled and _is_general(name, ranked)]
    candidates = [
        _pair(by_name[one], by_name[other], ranked, best) for one, other in combinations(names[:MOST], 2)
    ]
    known = tuple(pair for pair in candidates if len(pair.numbers) > 1)
    return known or (
        "Fewer than two of the hyperparameters that differ were sampled by the best trial and by most of "
        "the others, so there is no pair to show."
    )


def _is_general(name: str, ranked: list[Trial]) -> bool:
    """Whether more than half of the trials sampled the hyperparameter."""
    return 2 * sum(name in trial.sampled for trial in ranked) > len(ranked)


def _pair(across: Scale, up: Scale, ranked: list[Trial], best: Trial | None) -> Pair:
    trials = [trial for trial in ranked if across.name in trial.sampled and up.name in trial.sampled]
    values = [(trial.sampled[across.name], trial.sampled[up.name]) for trial in trials]
    numbers = tuple(trial.number for trial in trials)
    return Pair(
        across=across,
        up=up,
        numbers=numbers,
        across_at=tuple(across.position(one) for one, _ in values),
        up_at=tuple(up.position(other) for _, other in values),
        values=tuple((setting(one), setting(other)) for one, other in values),
        scores=tuple(trial.score or 0.0 for trial in trials),
        best=numbers.index(best.number) if best and best.number in numbers else None,
    )


def hover(pair: Pair, index: int, score: str) -> list[str]:
    """A trial's customdata for `HOVER`: its number, the score and the two values."""
    one, other = pair.values[index]
    names = plain(pair.across.name), plain(pair.up.name)
    return [str(pair.numbers[index]), score, f"{names[0]} = {plain(one)}", f"{names[1]} = {plain(other)}"]


def axes(pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    """Plotly's properties of the horizontal and of the vertical axis."""
    across, up = setting_axis(pair.across), setting_axis(pair.up)
    # With a colour bar plotly computes the title's position before it has placed the labels.
    return across | {"title": {**across["title"], "standoff": 26}}, up | {"tickangle": 0}


HOVER = "trial %{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>"
