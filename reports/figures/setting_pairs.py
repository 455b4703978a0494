"""The complete trials over two settings at once, for the settings that matter most."""

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
"""Settings that are paired, the most important ones."""


class Pair(NamedTuple):
    """Two settings, the more important one across, in the complete trials that were asked for both.

    numbers: of the trials, best first. across_at, up_at: on the settings' scales (`Scale.position`).
    told: the two values as text. scores: in the metric's unit. best: whether the best trial is among them;
    it is the first then.
    """

    across: Scale
    up: Scale
    numbers: tuple[int, ...]
    across_at: tuple[float, ...]
    up_at: tuple[float, ...]
    told: tuple[tuple[str, str], ...]
    scores: tuple[float, ...]
    best: bool

    @property
    def key(self) -> str:
        """ "learning_rate, dropout"."""
        return f"{self.across.name}, {self.up.name}"

    def drawn_at(self, place: int) -> tuple[float, float]:
        """Where a trial is drawn: a choice's trials are spread over its row, by the trial's number, for they
        would hide each other."""
        sides = (self.across, self.across_at[place]), (self.up, self.up_at[place])
        across, up = (
            at + 0.55 * (self.numbers[place] * step % 1 - 0.5) if scale.choices else at
            for (scale, at), step in zip(sides, SPREAD, strict=True)
        )
        return across, up


def pairs(sweep: Sweep) -> tuple[Pair, ...] | str:
    """The pairs of the most important settings, or why there are none."""
    told = importances(sweep)
    if isinstance(told, str):
        return told
    by_name: Mapping[str, Scale] = {scale.name: scale for scale in scales(sweep)}
    if len(told.names) < 2:
        return "Only one setting took more than one value, so there is no pair to show."
    sign = sweep.metric.sign
    ranked = sorted(complete_trials(sweep), key=lambda trial: (-sign * (trial.score or 0.0), trial.number))
    made = [_pair(by_name[one], by_name[other], ranked) for one, other in combinations(told.names[:MOST], 2)]
    known = tuple(pair for pair in made if len(pair.numbers) > 1)
    return known or "The settings that matter most were never asked together, so there is no pair to show."


def _pair(across: Scale, up: Scale, ranked: list[Trial]) -> Pair:
    held = [trial for trial in ranked if across.name in trial.sampled and up.name in trial.sampled]
    values = [(trial.sampled[across.name], trial.sampled[up.name]) for trial in held]
    return Pair(
        across=across,
        up=up,
        numbers=tuple(trial.number for trial in held),
        across_at=tuple(across.position(one) for one, _ in values),
        up_at=tuple(up.position(other) for _, other in values),
        told=tuple((setting(one), setting(other)) for one, other in values),
        scores=tuple(trial.score or 0.0 for trial in held),
        best=bool(held) and held[0] is ranked[0],
    )


def hover(pair: Pair, place: int, score: str) -> list[str]:
    """What is told of a trial: its number, the score and the two values, as `HOVER` shows them."""
    one, other = pair.told[place]
    names = plain(pair.across.name), plain(pair.up.name)
    return [str(pair.numbers[place]), score, f"{names[0]} = {plain(one)}", f"{names[1]} = {plain(other)}"]


def axes(pair: Pair) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the axis across and of the upright one."""
    across, up = setting_axis(pair.across), setting_axis(pair.up)
    # Beside a colour bar plotly reckons the title's place before it has set the labels.
    return across | {"title": {**across["title"], "standoff": 26}}, up | {"tickangle": 0}


HOVER = "trial %{customdata[0]}: %{customdata[1]}<br>%{customdata[2]}<br>%{customdata[3]}<extra></extra>"
