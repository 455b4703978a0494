"""Ablation: which changes to the default recipe make the best one better, one setting at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from numpy.typing import NDArray
from scipy import special

from reports.analysis.winner import chosen_trial
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, ORANGE, drawing, plain, value_axis
from reports.formatting.estimates import difference
from reports.formatting.wording import NOTHING, listing, plural, setting, steady
from reports.importance.encoding import is_outside
from reports.importance.surrogate import WEAK, Surrogate, fit_quality, surrogate
from reports.statistics.intervals import spread
from search.records.confirmation import Candidate, candidate_name
from search.records.sweep import Sweep
from trainable.contract import Metric

MOST = 3
"""Changes that a sentence names at most."""

ENOUGH = 0.9
"""Share of the gain, 0..1, that the named changes need not exceed."""


class Change(NamedTuple):
    """A setting's value before and after, as text; "–" where it is not asked."""

    name: str
    before: str
    after: str


class Step(NamedTuple):
    """One stop on the path; the first one is the default recipe.

    changes: the setting that was changed and those that are asked, or not asked any more, with it; none
    where the path begins. predicted: the model's mean, in the metric's unit; deviation: over its trees.
    gain: on the step before, > 0 for better, in the metric's unit; low, high: 95 % of the trees' gains.
    """

    changes: tuple[Change, ...]
    predicted: float
    deviation: float
    gain: float
    low: float
    high: float


class Measured(NamedTuple):
    """What an end of the path scored with fresh seeds: mean and 95 % interval by Student's t, the mean alone
    for one seed."""

    seeds: int
    mean: float
    low: float
    high: float


class Ablation(NamedTuple):
    """The path from the plan's default recipe to the chosen one.

    trial: the chosen one. steps: in order, the default recipe first. start, end: what the two ends scored
    with fresh seeds, None where they were not trained so; all between them is the model's word.
    beyond: settings of which the default's value lies outside of what was searched, so that the model takes
    the nearest one for it. r_squared: see `Surrogate`.
    """

    metric: Metric
    trial: int
    steps: tuple[Step, ...]
    start: Measured | None
    end: Measured | None
    beyond: tuple[str, ...]
    r_squared: float

    @property
    def order(self) -> tuple[int, ...]:
        """The places in `steps` of the changes, the one with the largest gain first."""
        return tuple(sorted(range(1, len(self.steps)), key=lambda place: (-self.steps[place].gain, place)))


def ablation(sweep: Sweep) -> Ablation | str:
    """The numbers, or why there are none.

    From the default recipe, the setting is changed to the best recipe's value that is predicted to gain most,
    then the next, until nothing differs: C. Fawcett, H. Hoos, "Analysing differences between algorithm
    configurations through ablation", J. Heuristics 22 (2016), pages 431-458, with a model's predictions in
    place of runs: A. Biedenkapp et al., "Efficient Parameter Importance Analysis via Ablation with
    Surrogates", AAAI 2017, pages 773-779. A setting that is asked only under a condition goes with the one
    that it depends on. The default recipe is known from the confirmation, where it was trained: the plan
    holds only what is fixed, and its trainable's defaults may have changed since.
    """
    told = sweep.confirmation
    if told is None:
        return (
            "The default recipe was not trained beside the best trials, so it is not on record; "
            "a confirmation trains it."
        )
    chosen = chosen_trial(sweep)
    if chosen is None:
        return "The confirmation has found no winner yet, so no path leads there from the default recipe."
    if chosen[0] is None:
        return "The default recipe itself was chosen, so no change to it is to be explained."
    reference = told.reference
    if reference is None:
        return "The default recipe is not among the candidates, so there is no path from it to the best one."
    model = surrogate(sweep)
    if isinstance(model, str):
        return model
    best = next((trial for trial in sweep.trials if trial.number == chosen[0]), None)
    if best is None:
        return f"Trial {chosen[0]} is not on record."
    target = {name: value for name, value in best.sampled.items() if _known(model, name)}
    conditions = _conditions(sweep, model)
    missing = _missing(conditions, reference.recipe)
    if missing:
        return f"The record of the default recipe lacks {listing(missing)}, so there is no path from it."
    begin = _asked(conditions, reference.recipe)
    steps = _path(model, conditions, begin, target)
    if len(steps) == 1:
        return "The best recipe has the default's value in every setting that the model knows."
    own = next(each for each in told.candidates if each.trial == best.number)
    scales = {scale.name: scale for scale in model.encoding.scales}
    return Ablation(
        metric=sweep.metric,
        trial=best.number,
        steps=tuple(steps),
        start=_measured(reference),
        end=_measured(own),
        beyond=tuple(name for name, value in begin.items() if is_outside(scales[name], value)),
        r_squared=model.r_squared,
    )


def _known(model: Surrogate, name: str) -> bool:
    return any(scale.name == name for scale in model.encoding.scales)


Conditions = Mapping[str, Mapping[str, frozenset[str]]]
"""Of each setting of the model: for each setting that it depends on, the values under which it is asked."""


def _conditions(sweep: Sweep, model: Surrogate) -> Conditions:
    """As the plan in force has them; parents outside its space are decided, and so left out."""
    space = sweep.plan.space
    return {
        scale.name: {
            parent: frozenset(map(setting, values))
            for parent, values in (space[scale.name].when.items() if scale.name in space else ())
            if parent in space
        }
        for scale in model.encoding.scales
    }


def _asked(conditions: Conditions, values: Mapping[str, Any]) -> dict[str, Any]:
    """Of these values those that the space would have asked for."""

    def asked(name: str) -> bool:
        return name in values and all(
            setting(values.get(parent)) in allowed and (parent not in conditions or asked(parent))
            for parent, allowed in conditions[name].items()
        )

    return {name: values[name] for name in conditions if asked(name)}


def _missing(conditions: Conditions, recipe: Mapping[str, Any]) -> list[str]:
    return [name for name, when in conditions.items() if not when and name not in recipe]


def _path(
    model: Surrogate, conditions: Conditions, begin: Mapping[str, Any], target: Mapping[str, Any]
) -> list[Step]:
    """Greedily, the largest predicted gain first; in a tie the plan's order."""
    sign = model.metric.sign
    now = dict(begin)
    before = model.predict([now]).trees[:, 0]
    steps = [Step((), steady(before.mean()), steady(before.std()), 0.0, 0.0, 0.0)]
    while open_ := [name for name in now if name in target and _differ(now[name], target[name])]:
        options = [_changed(conditions, now, target, name) for name in open_]
        trees = model.predict(options).trees
        at = int((sign * trees.mean(axis=0)).argmax())
        steps.append(_step(_changes(conditions, now, options[at], open_[at]), before, trees[:, at], sign))
        now, before = options[at], trees[:, at]
    return steps


def _changed(
    conditions: Conditions, now: Mapping[str, Any], target: Mapping[str, Any], name: str
) -> dict[str, Any]:
    """The settings once `name` has the best recipe's value, and what is asked with it too."""
    values = {**target, **now, name: target[name]}
    return _asked(conditions, values)


def _changes(
    conditions: Conditions, old: Mapping[str, Any], new: Mapping[str, Any], name: str
) -> tuple[Change, ...]:
    moved = [
        each
        for each in conditions
        if (each in old) != (each in new) or (each in old and _differ(old[each], new[each]))
    ]
    moved.sort(key=lambda each: each != name)
    return tuple(Change(each, _told(old, each), _told(new, each)) for each in moved)


def _told(values: Mapping[str, Any], name: str) -> str:
    return setting(values[name]) if name in values else NOTHING


def _differ(one: Any, other: Any) -> bool:
    """Whether two values are told apart when they are written."""
    return setting(one) != setting(other)


def _step(
    changes: tuple[Change, ...], before: NDArray[np.float64], after: NDArray[np.float64], sign: float
) -> Step:
    gains = sign * (after - before)
    low, high = np.quantile(gains, [0.025, 0.975])
    told = (after.mean(), after.std(), gains.mean(), low, high)
    return Step(changes, *(steady(each) for each in told))


def _measured(candidate: Candidate) -> Measured | None:
    if not candidate.scores:
        return None
    told = spread(candidate.scores)
    reach = 0.0
    if told.deviation is not None:
        reach = float(special.stdtrit(told.runs - 1, 0.975)) * told.deviation / math.sqrt(told.runs)
    return Measured(told.runs, told.mean, told.mean - reach, told.mean + reach)


def _words(step: Step) -> str:
    """ "schedule constant → step, gamma – → 0.4"."""
    if not step.changes:
        return "default recipe"
    return ", ".join(f"{each.name} {each.before} → {each.after}" for each in step.changes)


def sentence(numbers: Ablation) -> str:
    """Which changes carry most of the gain, what was measured of the whole, and how far the model goes."""
    total = numbers.metric.gain(numbers.steps[-1].predicted, numbers.steps[0].predicted)
    to = f"from the default recipe to {candidate_name(numbers.trial)}"
    if total <= 0:
        told = f"The model predicts no gain {to}"
    else:
        named: list[Step] = []
        for place in numbers.order[:MOST]:
            step = numbers.steps[place]
            if step.gain > 0 and sum(each.gain for each in named) < ENOUGH * total:
                named.append(step)
        parts = [f"{_words(step)} ({difference(numbers.metric, step.gain)})" for step in named]
        told = f"Of the {difference(numbers.metric, total)} predicted {to}, most is {listing(parts)}"
    if numbers.start is not None and numbers.end is not None:
        whole = numbers.metric.gain(numbers.end.mean, numbers.start.mean)
        side = "" if whole >= 0 else ", for the worse"
        told += f"; measured with fresh seeds, the whole is {difference(numbers.metric, whole)}{side}"
    weak = ", too little to rely on" if numbers.r_squared < WEAK else ""
    outside = f" and was shown no {listing(numbers.beyond)} like the default's" if numbers.beyond else ""
    return f"{told}. The steps are a model's, which {fit_quality(numbers.r_squared)}{outside}{weak}."


def draw(numbers: Ablation) -> go.Figure:
    """A waterfall from the default recipe at the top: each bar begins where the one before ended."""
    labels = [_label(step) for step in numbers.steps]
    rows = list(range(len(labels)))
    traces = [
        _bars(numbers, [row for row in rows[1:] if numbers.steps[row].gain >= 0], "predicted gain", BLUE),
        _bars(numbers, [row for row in rows[1:] if numbers.steps[row].gain < 0], "predicted loss", ORANGE),
        _predictions(numbers, rows),
        _measurements(numbers, rows),
    ]
    return drawing(
        [trace for trace in traces if trace is not None and len(trace.y)],
        height=130 + 46 * len(rows),
        bargap=0.45,
        legend_entrywidth=120,
        xaxis=value_axis(numbers.metric) | {"nticks": 5},
        yaxis={
            "tickvals": rows,
            "ticktext": labels,
            "range": [len(rows) - 0.4, -0.6],
            "showgrid": False,
        },
    )


def _label(step: Step) -> str:
    if not step.changes:
        return "default recipe"
    first, others = step.changes[0], len(step.changes) - 1
    more = f" +{others}" if others else ""
    name = plain(first.name.replace("_", " "), 20)
    return f"{name}{more}<br>{plain(first.before, 11)} → {plain(first.after, 11)}"


def _bars(numbers: Ablation, rows: Sequence[int], name: str, colour: str) -> go.Bar:
    steps = numbers.steps
    return go.Bar(
        y=list(rows),
        base=[steps[row - 1].predicted for row in rows],
        x=[steps[row].predicted - steps[row - 1].predicted for row in rows],
        customdata=[_hover(numbers, row) for row in rows],
        orientation="h",
        name=name,
        marker={"color": colour},
        hovertemplate="%{customdata[0]}<br>predicted %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
    )


def _hover(numbers: Ablation, row: int) -> list[str]:
    step, metric = numbers.steps[row], numbers.metric
    return [
        "<br>".join(plain(f"{each.name}: {each.before} → {each.after}", 80) for each in step.changes),
        f"{metric.format(step.predicted)} ± {_size(metric, step.deviation)}",
        f"{_gain(metric, step.gain)} (trees: {_gain(metric, step.low)} to {_gain(metric, step.high)})",
    ]


def _size(metric: Metric, value: float) -> str:
    return f"{100 * value:.2f}" if metric.unit == "share" else f"{value:.2g}"


def _gain(metric: Metric, value: float) -> str:
    """A signed gain: "+0.51 points"."""
    shown = f"{100 * value:+.2f} points" if metric.unit == "share" else f"{value:+.3g} {metric.unit}"
    return shown.rstrip()


def _predictions(numbers: Ablation, rows: Sequence[int]) -> go.Scatter:
    return go.Scatter(
        x=[step.predicted for step in numbers.steps],
        y=list(rows),
        customdata=[
            f"{numbers.metric.format(step.predicted)} ± {_size(numbers.metric, step.deviation)}"
            for step in numbers.steps
        ],
        error_x={
            "array": [step.deviation for step in numbers.steps],
            **{"thickness": 1.4, "width": 4, "color": GREY},
        },
        mode="markers",
        marker={"color": GREY, "size": 6},
        name="predicted ± trees",
        hovertemplate="predicted %{customdata}<extra></extra>",
    )


def _measurements(numbers: Ablation, rows: Sequence[int]) -> go.Scatter:
    ends = [(rows[0], numbers.start), (rows[-1], numbers.end)]
    known = [(row, end) for row, end in ends if end is not None]
    return go.Scatter(
        x=[end.mean for _, end in known],
        y=[row + 0.34 for row, _ in known],
        customdata=[[numbers.metric.format(end.mean), plural(end.seeds, "fresh seed")] for _, end in known],
        error_x={
            "array": [end.high - end.mean for _, end in known],
            **{"thickness": 1.6, "width": 5, "color": AMBER},
        },
        mode="markers",
        marker={"color": AMBER, "size": 10, "symbol": "diamond"},
        name="measured",
        hovertemplate="measured: %{customdata[0]}, mean of %{customdata[1]}<extra></extra>",
    )


def table(numbers: Ablation) -> pd.DataFrame:
    """A row a step, the default recipe first."""
    metric = numbers.metric
    rows = []
    for place, step in enumerate(numbers.steps):
        end = {0: numbers.start, len(numbers.steps) - 1: numbers.end}.get(place)
        gain = _gain(metric, step.gain) if place else ""
        rows.append(
            {
                "step": _words(step),
                "predicted": f"{metric.format(step.predicted)} ± {_size(metric, step.deviation)}",
                "gain": gain,
                "95 % of trees": f"{_gain(metric, step.low)} to {_gain(metric, step.high)}" if place else "",
                "measured": "" if end is None else f"{metric.format(end.mean)} ({plural(end.seeds, 'seed')})",
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Ablation](
    key="ablation",
    title="From the default to the best",
    numbers=ablation,
    sentence=sentence,
    draw=draw,
    table=table,
)
