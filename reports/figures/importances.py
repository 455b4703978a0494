"""Importances: which settings separate the best trials from the rest, and which move the score."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray

from reports.analysis.once import once_per_sweep
from reports.analysis.scale import Scale, scales
from reports.figures.figure import Figure
from reports.figures.style import BLUE, ORANGE, drawing, plain
from reports.formatting.wording import NOTHING, listing, plural, steady, whole_percent
from reports.importance.fanova import fanova
from reports.importance.ped_anova import binned_column, ped_anova
from reports.importance.surrogate import complete_trials, encoding_of, scores_of, varies
from reports.statistics.intervals import Interval
from search.records.sweep import Sweep, Trial

FEWEST = 8
"""Complete trials below which an importance would be a guess."""

TOP = 5
"""Trials that should be in the top group at least; the evaluator is unstable with fewer."""

RESAMPLES = 500
"""Of the trials, for the intervals of PED-ANOVA."""

STABLE = 0.8
"""Share of resamples in which the leading setting must lead to be called stable."""


class Importances(NamedTuple):
    """Settings by falling importance.

    names: settings that were sampled in complete trials.
    shares: their importances by PED-ANOVA, 0..1, summing to 1.
    trials: complete trials it was told from. top: how many of them made the top group.
    intervals: of the shares, 95 %, over `resamples` resamples of the trials (bootstrap, percentiles). Of
        settings that matter they hold the share that endless trials would give in 94 to 100 of 100 searches
        (of 50, 125 and 600 random trials); one that does nothing keeps a little by chance, and above 0.
    leading: share of the resamples, 0..1, in which the first setting is the first.
    fanova: shares of the variance of the score that the settings account for alone, 0..1; what they leave
        to 1 is joint effects and noise. None for settings that not every trial was asked for: to these
        fANOVA can give no share.
    fanova_intervals: 95 % of its trees, each of which was grown on a resample of the trials of its own.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    trials: int
    top: int
    intervals: tuple[Interval, ...]
    resamples: int
    leading: float
    fanova: tuple[float | None, ...]
    fanova_intervals: tuple[Interval | None, ...]

    @property
    def stable(self) -> bool:
        """Whether the first setting would most likely be the first again (`STABLE`)."""
        return self.leading >= STABLE


@once_per_sweep
def importances(sweep: Sweep) -> Importances | str:
    """The numbers, or why they cannot be told.

    PED-ANOVA (`reports.importance.ped_anova`): how much the distribution of a setting among the best trials
    departs from that among all. Settings that are asked only under a condition count where they were asked.
    The top group is a tenth of the complete trials, but five of them at least and half of them at most.
    fANOVA (`reports.importance.fanova`): how much of the score's variance, good or bad, a setting accounts
    for by itself.
    """
    complete = complete_trials(sweep)
    if len(complete) < FEWEST:
        return (
            f"Importances need at least {FEWEST} complete trials to mean anything; "
            f"there {'is' if len(complete) == 1 else 'are'} {len(complete)}."
        )
    if len({trial.score for trial in complete}) == 1:
        return "Every complete trial has the same score, so no setting can be said to matter."
    moving = [scale for scale in scales(sweep) if varies(scale, complete)]
    if not moving:
        return "No setting took more than one value, so none can be said to matter."
    losses = -sweep.metric.sign * scores_of(complete)
    quantile = min(0.5, max(0.1, TOP / len(complete)))
    columns = [binned_column(scale, complete) for scale in moving]
    (told,) = _normalised(ped_anova(columns, losses, np.ones((1, len(complete))), quantile))
    if not told.sum() > 0:
        return "No setting sets the best trials apart from the rest."
    drawn = np.random.default_rng(0).multinomial(
        len(complete), np.full(len(complete), 1 / len(complete)), size=RESAMPLES
    )
    again = _normalised(ped_anova(columns, losses, drawn.astype(np.float64), quantile))
    again = again[again.sum(axis=1) > 0]
    order = sorted(range(len(moving)), key=lambda place: (-told[place], moving[place].name))
    effects = _fanova(moving, complete)
    return Importances(
        names=tuple(moving[place].name for place in order),
        shares=tuple(steady(told[place]) for place in order),
        trials=len(complete),
        top=math.ceil(quantile * len(complete)),
        intervals=tuple(_interval(again[:, place]) for place in order),
        resamples=len(again),
        leading=steady((again.argmax(axis=1) == order[0]).mean()),
        fanova=tuple(effects[moving[place].name][0] for place in order),
        fanova_intervals=tuple(effects[moving[place].name][1] for place in order),
    )


def _normalised(told: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each row made to sum to 1, or left at 0."""
    total = told.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(told, total, out=np.zeros_like(told), where=total > 0)
    return shares


def _interval(draws: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(steady(low), steady(high))


def _fanova(moving: list[Scale], complete: list[Trial]) -> dict[str, tuple[float | None, Interval | None]]:
    """Each setting's share and interval; None for those not asked in every trial, and where every tree
    predicts one value alone."""
    always = encoding_of(moving, complete)
    asked = [scale for scale in moving if scale.name not in always.conditional]
    known = fanova(encoding_of(asked, complete), complete, scores_of(complete)) if asked else np.empty((0, 0))
    told: dict[str, tuple[float | None, Interval | None]] = {scale.name: (None, None) for scale in moving}
    if len(known):
        for place, scale in enumerate(asked):
            told[scale.name] = steady(known[:, place].mean()), _interval(known[:, place])
    return told


def sentence(numbers: Importances) -> str:
    """What matters most, how surely that is known, and what moves the score by itself."""
    first = numbers.names[0]
    most = [
        f"{name} ({whole_percent(share)})" for name, share in zip(numbers.names, numbers.shares, strict=True)
    ]
    told = (
        f"What sets the best {numbers.top} of {plural(numbers.trials, 'complete trial')} apart is "
        f"mostly {listing(most[:2])}"
    )
    if len(numbers.names) > 1:
        only = "" if numbers.stable else "only "
        told += f"; {first} leads in {only}{whole_percent(numbers.leading)} of {numbers.resamples} resamples"
    effects = [(share, name) for name, share in zip(numbers.names, numbers.fanova, strict=True) if share]
    if not effects:
        return f"{told}."
    share, name = max(effects)
    conditional = [name for name, share in zip(numbers.names, numbers.fanova, strict=True) if share is None]
    left_out = f", which cannot tell of {listing(conditional)}" if conditional else ""
    alone = f"{name} alone explains {whole_percent(share)} of the variance"
    return f"{told}. Over all trials {alone} (fANOVA{left_out})."


def draw(numbers: Importances) -> go.Figure:
    """Two bars a setting with their intervals, the most important setting at the top."""
    names = [plain(name.replace("_", " "), 30) for name in numbers.names]
    blue = _bars(names, numbers.shares, numbers.intervals, "sets the best apart", BLUE, "47,127,193")
    orange = _bars(names, numbers.fanova, numbers.fanova_intervals, "moves the score", ORANGE, "213,94,0")
    known = any(share is not None for share in numbers.fanova)
    return drawing(
        [blue, orange] if known else [blue],
        height=110 + 46 * len(names),
        bargap=0.3,
        bargroupgap=0.1,
        legend_entrywidth=130,
        xaxis={
            "tickformat": ".0%",
            "range": [0, 1.02],
            "title": {"text": "importance, with 95 % intervals"},
        },
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )


def _bars(
    names: Sequence[str],
    shares: Sequence[float | None],
    intervals: Sequence[Interval | None],
    name: str,
    colour: str,
    rgb: str,
) -> go.Bar:
    known = [
        (label, share, interval)
        for label, share, interval in zip(names, shares, intervals, strict=True)
        if share is not None and interval is not None
    ]
    return go.Bar(
        x=[share for _, share, _ in known],
        y=[label for label, _, _ in known],
        customdata=[[whole_percent(share), _interval_words(interval)] for _, share, interval in known],
        orientation="h",
        name=name,
        marker={"color": f"rgba({rgb},0.4)"},
        error_x={
            "array": [max(0.0, interval.high - share) for _, share, interval in known],
            "arrayminus": [max(0.0, share - interval.low) for _, share, interval in known],
            **{"thickness": 1.6, "width": 4, "color": colour},
        },
        hovertemplate="%{y}: %{customdata[0]} (%{customdata[1]})<extra>" + name + "</extra>",
    )


def _interval_words(interval: Interval) -> str:
    return f"{100 * interval.low:.0f} to {100 * interval.high:.0f} %"


def table(numbers: Importances) -> pd.DataFrame:
    """A row a setting, the most important first."""
    return pd.DataFrame(
        {
            "setting": numbers.names,
            "PED-ANOVA": [whole_percent(share) for share in numbers.shares],
            "95 % of resamples": [_interval_words(interval) for interval in numbers.intervals],
            "fANOVA": [NOTHING if share is None else whole_percent(share) for share in numbers.fanova],
            "95 % of trees": [
                NOTHING if interval is None else _interval_words(interval)
                for interval in numbers.fanova_intervals
            ],
        }
    )


def record(numbers: Importances | str) -> dict[str, Any]:
    """The keys of results.json: shares by hyperparameter, or nulls and a note that says why."""
    if isinstance(numbers, str):
        keys = ("importances", "importances_intervals", "importances_leading", "fanova", "fanova_intervals")
        return {**dict.fromkeys(keys), "importances_note": numbers}
    names = numbers.names
    return {
        "importances": dict(zip(names, numbers.shares, strict=True)),
        "importances_note": None,
        "importances_intervals": {
            name: interval._asdict() for name, interval in zip(names, numbers.intervals, strict=True)
        },
        "importances_leading": numbers.leading,
        "fanova": dict(zip(names, numbers.fanova, strict=True)),
        "fanova_intervals": {
            name: None if interval is None else interval._asdict()
            for name, interval in zip(names, numbers.fanova_intervals, strict=True)
        },
    }


FIGURE = Figure[Sweep, Importances](
    key="importances",
    title="What matters",
    numbers=importances,
    sentence=sentence,
    draw=draw,
    table=table,
    record=record,
)
