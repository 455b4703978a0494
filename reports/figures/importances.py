"""Importances: which hyperparameters distinguish the best trials, and which explain the scores' variance."""

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
"""Minimum number of complete trials for an importance."""

TOP = 5
"""Minimum size of the top group, if there are twice as many trials; PED-ANOVA is unstable with fewer."""

RESAMPLES = 500
"""Number of bootstrap resamples of the trials, for the intervals of PED-ANOVA."""

STABLE = 0.8
"""Share of resamples in which a hyperparameter must be the most important one to be called stable."""


class Importances(NamedTuple):
    """The importances of the hyperparameters, largest first."""

    names: tuple[str, ...]
    """Hyperparameters that took more than one value in the complete trials."""
    shares: tuple[float, ...]
    """Their importances by PED-ANOVA, 0..1, with sum 1."""
    trials: int
    """Number of complete trials."""
    top: int
    """Number of them in the top group."""
    intervals: tuple[Interval, ...]
    """95 % intervals of `shares`, the percentiles over `resamples` bootstrap resamples of the trials. In 94
    to 100 of 100 searches with 50, 125 and 600 random trials, they contained the share for infinitely many
    trials, for hyperparameters with an effect. One without any effect keeps a small share by chance, and
    its interval lies above 0."""
    resamples: int
    """Number of resamples, at most `RESAMPLES`."""
    leading: float
    """Share of the resamples, 0..1, in which the first hyperparameter is the most important one."""
    fanova: tuple[float | None, ...]
    """Shares of the scores' variance, 0..1, that the hyperparameters explain alone; the rest to 1 is
    interactions and noise. None for those that not every trial sampled: fANOVA cannot give them a share."""
    fanova_intervals: tuple[Interval | None, ...]
    """95 % intervals of `fanova` over the forest's trees, each grown on its own resample of the trials."""

    @property
    def stable(self) -> bool:
        """Whether the first hyperparameter would most likely be the first again (`STABLE`)."""
        return self.leading >= STABLE


@once_per_sweep
def importances(sweep: Sweep) -> Importances | str:
    """Returns the numbers, or why there are none.

    PED-ANOVA (`reports.importance.ped_anova`) measures how much a hyperparameter's distribution among the
    best trials differs from that among all; conditional ones count in the trials that sampled them. The top
    group is a tenth of the complete trials, but at least five and at most half of them. fANOVA
    (`reports.importance.fanova`) measures which share of the scores' variance a hyperparameter explains by
    itself.
    """
    complete = complete_trials(sweep)
    if len(complete) < FEWEST:
        return (
            f"Importances need at least {FEWEST} complete trials to mean anything; "
            f"there {'is' if len(complete) == 1 else 'are'} {len(complete)}."
        )
    if len({trial.score for trial in complete}) == 1:
        return "Every complete trial has the same score, so no hyperparameter can be called important."
    varying = [scale for scale in scales(sweep) if varies(scale, complete)]
    if not varying:
        return "No hyperparameter took more than one value, so none can be called important."
    losses = -sweep.metric.sign * scores_of(complete)
    quantile = min(0.5, max(0.1, TOP / len(complete)))
    columns = [binned_column(scale, complete) for scale in varying]
    (shares,) = _normalised(ped_anova(columns, losses, np.ones((1, len(complete))), quantile))
    if not shares.sum() > 0:
        return "No hyperparameter distinguishes the best trials from the rest."
    weights = np.random.default_rng(0).multinomial(
        len(complete), np.full(len(complete), 1 / len(complete)), size=RESAMPLES
    )
    resampled = _normalised(ped_anova(columns, losses, weights.astype(np.float64), quantile))
    resampled = resampled[resampled.sum(axis=1) > 0]
    order = sorted(range(len(varying)), key=lambda index: (-shares[index], varying[index].name))
    effects = _fanova(varying, complete)
    return Importances(
        names=tuple(varying[index].name for index in order),
        shares=tuple(steady(shares[index]) for index in order),
        trials=len(complete),
        top=math.ceil(quantile * len(complete)),
        intervals=tuple(_interval(resampled[:, index]) for index in order),
        resamples=len(resampled),
        leading=steady((resampled.argmax(axis=1) == order[0]).mean()),
        fanova=tuple(effects[varying[index].name][0] for index in order),
        fanova_intervals=tuple(effects[varying[index].name][1] for index in order),
    )


def _normalised(importances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divides each row by its sum; a row with sum 0 stays 0. float64 [rows, hyperparameters]."""
    total = importances.sum(axis=1, keepdims=True)
    shares: NDArray[np.float64] = np.divide(
        importances, total, out=np.zeros_like(importances), where=total > 0
    )
    return shares


def _interval(draws: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(draws, [0.025, 0.975])
    return Interval(steady(low), steady(high))


def _fanova(varying: list[Scale], complete: list[Trial]) -> dict[str, tuple[float | None, Interval | None]]:
    """Each hyperparameter's share and interval; None for conditional ones, and for all if no tree has a
    split."""
    encoding = encoding_of(varying, complete)
    always = [scale for scale in varying if scale.name not in encoding.conditional]
    by_tree = (
        fanova(encoding_of(always, complete), complete, scores_of(complete)) if always else np.empty((0, 0))
    )
    effects: dict[str, tuple[float | None, Interval | None]] = {scale.name: (None, None) for scale in varying}
    if len(by_tree):
        for index, scale in enumerate(always):
            effects[scale.name] = steady(by_tree[:, index].mean()), _interval(by_tree[:, index])
    return effects


def sentence(numbers: Importances) -> str:
    """The most important hyperparameters, how stable that is, and the largest effect on its own."""
    first = numbers.names[0]
    most = [
        f"{name} ({whole_percent(share)})" for name, share in zip(numbers.names, numbers.shares, strict=True)
    ]
    text = (
        f"The best {numbers.top} of {plural(numbers.trials, 'complete trial')} differ from the rest mostly "
        f"in {listing(most[:2])}"
    )
    if len(numbers.names) > 1:
        only = "" if numbers.stable else "only "
        text += f"; {first} leads in {only}{whole_percent(numbers.leading)} of {numbers.resamples} resamples"
    effects = [(share, name) for name, share in zip(numbers.names, numbers.fanova, strict=True) if share]
    if not effects:
        return f"{text}."
    share, name = max(effects)
    conditional = [name for name, share in zip(numbers.names, numbers.fanova, strict=True) if share is None]
    excluded = f", which does not apply to {listing(conditional)}" if conditional else ""
    alone = f"{name} alone explains {whole_percent(share)} of the variance"
    return f"{text}. Over all trials {alone} (fANOVA{excluded})."


def draw(numbers: Importances) -> go.Figure:
    """Two bars per hyperparameter with their intervals, the most important one at the top."""
    names = [plain(name.replace("_", " "), 30) for name in numbers.names]
    blue = _bars(names, numbers.shares, numbers.intervals, "PED-ANOVA", BLUE, "47,127,193")
    orange = _bars(names, numbers.fanova, numbers.fanova_intervals, "fANOVA", ORANGE, "213,94,0")
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
    """One row per hyperparameter, the most important first."""
    return pd.DataFrame(
        {
            "hyperparameter": numbers.names,
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
