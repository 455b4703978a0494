"""Ranks: where the better trials lie over two hyperparameters at once, as measured."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.scale import Scale
from reports.figures.figure import Figure
from reports.figures.setting_pairs import HOVER, Pair, axes, hover, pairs
from reports.figures.style import AMBER, BLUE, GREY, OF_TRIALS, ORANGE, drawing
from reports.formatting.wording import capitalized, listing, plural, setting
from reports.importance.surrogate import complete_trials
from search.records.sweep import Sweep, Trial
from trainable.contract import Metric


class BestRange(NamedTuple):
    """Where the best trials lie on one hyperparameter."""

    name: str
    """The hyperparameter's."""
    share: float
    """Of the searched range, 0..1, that the best trials span; for choices, the share of the best trials with
    the most frequent one."""
    words: str
    """ "0.001 to 0.01", a single value, or the most frequent choice."""
    choices: bool
    """Whether it is categorical."""
    trials: int
    """Number of the best trials that sampled it."""


class Ranks(NamedTuple):
    """The pairs of hyperparameters, with their trials' ranks."""

    metric: Metric
    pairs: tuple[Pair, ...]
    """One drawing each."""
    ranks: tuple[tuple[float, ...], ...]
    """Of each pair's trials among all complete ones, 1 for the best; equal scores share the mean of their
    ranks."""
    trials: int
    """Number of complete trials."""
    top: int
    """Number of trials that are called the best: a tenth, but at least five."""
    ranges: tuple[BestRange, ...]
    """The most important hyperparameter first."""


def ranks(sweep: Sweep) -> Ranks | str:
    """Returns the numbers, or why there are none."""
    known = pairs(sweep)
    if isinstance(known, str):
        return known
    complete = complete_trials(sweep)
    scores = pd.Series([trial.score for trial in complete], index=[trial.number for trial in complete])
    ranked = scores.rank(ascending=not sweep.metric.higher_is_better)
    top = min(len(complete), max(5, round(len(complete) / 10)))
    best = set(ranked.sort_values(kind="stable").index[:top])
    return Ranks(
        metric=sweep.metric,
        pairs=known,
        ranks=tuple(tuple(float(ranked[number]) for number in pair.numbers) for pair in known),
        trials=len(complete),
        top=top,
        ranges=tuple(_ranges(known, [trial for trial in complete if trial.number in best])),
    )


def _ranges(pairs: tuple[Pair, ...], best: list[Trial]) -> list[BestRange]:
    """The range of each hyperparameter of the pairs over all of the best trials that sampled it."""
    named = {scale.name: scale for pair in pairs for scale in (pair.across, pair.up)}
    return [
        _range(scale, [trial.sampled[name] for trial in best if name in trial.sampled])
        for name, scale in named.items()
    ]


def _range(scale: Scale, values: list[Any]) -> BestRange:
    """values: at least the best trial's."""
    if scale.choices:
        words = [setting(value) for value in values]
        most = max(dict.fromkeys(words), key=words.count)
        return BestRange(scale.name, words.count(most) / len(words), most, True, len(words))
    low, high = min(values, key=scale.position), max(values, key=scale.position)
    share = scale.share(high) - scale.share(low)
    ends = setting(low), setting(high)
    return BestRange(
        scale.name, share, ends[0] if ends[0] == ends[1] else " to ".join(ends), False, len(values)
    )


def sentence(numbers: Ranks) -> str:
    """How closely the best trials lie together on the two most important hyperparameters."""
    numeric = [_words(span, numbers.top) for span in numbers.ranges[:2] if not span.choices]
    chosen = [_words(span, numbers.top) for span in numbers.ranges[:2] if span.choices]
    best = f"the best {numbers.top} of {plural(numbers.trials, 'complete trial')}"
    if not numeric:
        return f"Of {best} {listing(chosen)}."
    return f"{capitalized(best)} lie {listing(numeric)}{''.join(f'; {words}' for words in chosen)}."


def _words(span: BestRange, top: int) -> str:
    """top: number of the best trials; those that sampled it are named if they are fewer."""
    share = f"{100 * span.share:.0f} %"
    if span.choices:
        them = "them" if span.trials == top else f"the {span.trials} that sampled it"
        return f"{share} of {them} have {span.name} {span.words}"
    fewer = "" if span.trials == top else f", in the {span.trials} that sampled it"
    if span.share == 0:
        return f"at {span.name} {span.words}{fewer}"
    return f"within {share} of the range of {span.name} ({span.words}{fewer})"


def draw(numbers: Ranks) -> dict[str, go.Figure]:
    """One small drawing per pair, by its key; the best trials come last, so that they stay visible."""
    return {
        pair.key: _draw(numbers, pair, own_ranks)
        for pair, own_ranks in zip(numbers.pairs, numbers.ranks, strict=True)
    }


def _draw(numbers: Ranks, pair: Pair, own_ranks: tuple[float, ...]) -> go.Figure:
    order = range(len(pair.numbers) - 1, -1, -1)
    scores = [
        f"{numbers.metric.format(score)}, rank {rank:g} of {numbers.trials}"
        for score, rank in zip(pair.scores, own_ranks, strict=True)
    ]
    points = go.Scatter(
        x=[pair.drawn_at(index)[0] for index in order],
        y=[pair.drawn_at(index)[1] for index in order],
        customdata=[hover(pair, index, scores[index]) for index in order],
        mode="markers",
        marker={
            "size": 8,
            "color": [own_ranks[index] for index in order],
            "cmin": 1,
            "cmax": numbers.trials,
            # Contrast of at least 3:1 in both themes, and safe for colour-blind readers.
            "colorscale": [[0, BLUE], [0.5, GREY], [1, ORANGE]],
            "colorbar": {
                **{"orientation": "h", "thickness": 8, "x": 0.5, "xanchor": "center", "len": 1.0},
                **{"y": 1.0, "yanchor": "bottom", "outlinewidth": 0, "ypad": 6},
                "tickvals": [1, numbers.trials],
                "ticktext": ["best", "worst"],
                "ticklabelposition": "inside top",
            },
        },
        meta=OF_TRIALS,
        hovertemplate=HOVER,
    )
    traces = [points]
    if pair.best is not None:
        star = {"color": AMBER, "symbol": "star", "size": 15}
        x, y = pair.drawn_at(pair.best)
        at = {"x": [x], "y": [y], "customdata": [hover(pair, pair.best, scores[pair.best])]}
        traces.append(go.Scatter(**at, mode="markers", marker=star, hovertemplate=HOVER))
    across, up = axes(pair)
    return drawing(traces, height=340, showlegend=False, xaxis=across, yaxis=up)


def table(numbers: Ranks) -> pd.DataFrame:
    """Where the best trials lie, one row per hyperparameter."""
    return pd.DataFrame(
        {
            "hyperparameter": [span.name for span in numbers.ranges],
            f"the best {numbers.top}": [span.words for span in numbers.ranges],
            "share": [
                f"{100 * span.share:.0f} % {'of them' if span.choices else 'of the range'}"
                for span in numbers.ranges
            ],
            "trials": [span.trials for span in numbers.ranges],
        }
    )


FIGURE = Figure[Sweep, Ranks](
    key="ranks",
    title="Two hyperparameters at once, as measured",
    numbers=ranks,
    sentence=sentence,
    draw=draw,
    table=table,
    shape="small",
)
