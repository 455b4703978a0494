"""The empirical distribution of a search's scores: the share of complete trials at least as good as one."""

from __future__ import annotations

import plotly.graph_objects as go

from reports.analysis.runs import ComparableRuns, compared_runs
from reports.figures import edf
from reports.figures.edf import Edf
from reports.figures.figure import Figure
from reports.formatting.wording import plural
from search.records.sweep import Sweep

FEWEST = 3
"""Complete trials, at least: fewer have no distribution worth drawing."""


def scores(sweep: Sweep) -> Edf | str:
    """Returns the numbers, or why there are none."""
    numbers = edf.edf(ComparableRuns(sweep.metric, compared_runs([sweep])))
    if isinstance(numbers, str):
        return "No trial is complete yet, so there is no distribution of scores."
    if (trials := numbers.distributions[0].trials) < FEWEST:
        return f"{plural(trials, 'complete trial')} are too few for a distribution of scores."
    return numbers


def sentence(numbers: Edf) -> str:
    """The scores that half and a tenth of the trials reach."""
    run, metric = numbers.distributions[0], numbers.metric
    half, tenth = (metric.format(run.reached_by(metric, share)) for share in (0.5, 0.1))
    text = f"Of {plural(run.trials, 'complete trial')}, half reach {half} and a tenth reach {tenth}."
    if numbers.window.outside:
        text += f" {plural(numbers.window.outside, 'score lies', 'scores lie')} outside the visible range."
    return text


def draw(numbers: Edf) -> go.Figure:
    """A staircase: the further it reaches to the good side, the better the space."""
    drawing = edf.draw(numbers)
    drawing.update_layout(showlegend=False, height=340)
    return drawing


FIGURE = Figure[Sweep, Edf](
    key="scores",
    title="Distribution of scores",
    numbers=scores,
    sentence=sentence,
    draw=draw,
    table=edf.table,
)
