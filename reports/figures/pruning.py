"""Pruning: what stopping trials early saved, and whether early scores predict the final ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from reports.analysis.once import once_per_sweep
from reports.analysis.ranking import trained
from reports.analysis.rungs import planned_epochs, reduction_factor_of, rungs_of
from reports.figures.figure import Figure
from reports.figures.style import AMBER, BLUE, GREY, ORANGE, count_axis, drawing
from reports.formatting.wording import NOTHING, duration, plural
from reports.statistics.correlation import Correlation, rank_correlation
from search.records.sweep import State, Sweep, Trial

POINTS = 8
"""Epochs that are looked at beside the rungs; of a pruner without rungs, all there are."""

CROWD = 5
"""Trials at an epoch below which a place among them is not drawn: of two, one is always the last."""

WEAK = 0.5
"""A rank correlation below which early scores order the trials hardly better than chance would: it leaves
more than three quarters of the final order's variance unexplained."""


class Look(NamedTuple):
    """The search after one epoch.

    rung: whether the pruner decides there. reached: trials that finished the epoch. stopped: those of
    them that were pruned right after it.
    correlation: of the scores there with the final ones, over the complete trials; None where it cannot
    be told (`reports.statistics.correlation`).
    winner: the best trial's rank there, 1 for the best of the `reached`; None where there is no best
    trial, or it has no such epoch. percentile: the share of the others, 0..1, that were no better than
    the winner there. places: how many of the `reached` go on at a rung, were all judged together; None where
    that is not known (`reports.analysis.rungs.reduction_factor_of`). Trials come one by one, so those that
    came early were compared to fewer.
    """

    epoch: int
    rung: bool
    reached: int
    stopped: int
    correlation: Correlation | None
    winner: int | None
    percentile: float | None
    places: int | None


class Pruning(NamedTuple):
    """What pruning did, and what early scores tell.

    pruned, complete: trials. of: trials that were trained. planned, saved: epochs that the pruned ones would
    have trained, and those of them that they did not. trained: epochs of all trials. seconds: training time
    of the saved epochs, each at its own trial's mean time an epoch. spent: training time of all trials.
    looks: by epoch, the last one of the longest recipe left out. best: the best trial's number.
    """

    pruned: int
    complete: int
    of: int
    planned: int
    saved: int
    trained: int
    seconds: float
    spent: float
    looks: tuple[Look, ...]
    best: int | None

    @property
    def first(self) -> Look | None:
        """The look after the epoch at which trials were first stopped; None where none was, or it was not
        looked at."""
        return next((look for look in self.looks if look.stopped), None)

    @property
    def too_early(self) -> bool | None:
        """Whether trials are stopped before their scores tell who will be good: the whole interval of the
        correlation at the first stop lies below `WEAK`. None where there is no stop or no correlation.

        Only survivors have an end, and among them ranks agree less than among all: so a weak correlation
        is a warning, no proof, and a strong one is on the safe side.
        """
        if self.first is None or self.first.correlation is None:
            return None
        return self.first.correlation.high < WEAK

    @property
    def winner_at_risk(self) -> tuple[Look, ...]:
        """The rungs at which the winner was not among those that go on, counting all trials that ever came
        there: it went on because it came before some of them."""
        return tuple(
            look
            for look in self.looks
            if look.winner is not None and look.places is not None and look.winner > look.places
        )


@once_per_sweep
def pruning(sweep: Sweep) -> Pruning | str:
    """The numbers, or why there are none."""
    own = [trial for trial in trained(sweep) if trial.epochs]
    longest = max((planned_epochs(trial) for trial in own), default=0)
    if longest < 2:
        return (
            "Every trial trains a single epoch, so there is nothing to stop early."
            if own
            else "No trial has finished an epoch yet, so nothing could be stopped early."
        )
    stopped = [trial for trial in own if trial.state is State.PRUNED and not trial.abandoned]
    saved = [max(0, planned_epochs(trial) - trial.epochs[-1].number) for trial in stopped]
    complete = [trial for trial in own if trial.state is State.COMPLETE and trial.score is not None]
    best = sweep.best()
    rungs, factor = rungs_of(sweep), reduction_factor_of(sweep)
    values = {trial.number: _values(sweep, trial) for trial in own}
    ends: dict[int, int] = {}
    for trial in stopped:
        ends[trial.epochs[-1].number] = ends.get(trial.epochs[-1].number, 0) + 1
    return Pruning(
        pruned=len(stopped),
        complete=len(complete),
        of=len(own),
        planned=sum(planned_epochs(trial) for trial in stopped),
        saved=sum(saved),
        trained=sum(len(trial.epochs) for trial in own),
        seconds=sum(
            left * trial.seconds / len(trial.epochs) for trial, left in zip(stopped, saved, strict=True)
        ),
        spent=sum(trial.seconds for trial in own),
        looks=tuple(
            _look(sweep, epoch, ends.get(epoch, 0), values, complete, best)._replace(
                rung=epoch in rungs, places=_places(values, epoch, factor) if epoch in rungs else None
            )
            for epoch in _looked_at(longest, rungs, min(ends, default=None))
        ),
        best=best.number if best else None,
    )


def _values(sweep: Sweep, trial: Trial) -> dict[int, float]:
    """The metric after each epoch that has it."""
    name = sweep.metric.name
    return {epoch.number: epoch.metrics[name] for epoch in trial.epochs if name in epoch.metrics}


def _looked_at(longest: int, rungs: Sequence[int], first: int | None) -> list[int]:
    """The rungs, the epoch of the first stop, and a handful of others, close together at the start, where
    curves still cross."""
    spread = np.unique(np.round(np.geomspace(1, longest - 1, POINTS)).astype(int)).tolist()
    wanted = {*spread, *rungs} | ({first} if first is not None and first < longest else set())
    return sorted(wanted)


def _places(values: dict[int, dict[int, float]], epoch: int, factor: int | None) -> int | None:
    """As Optuna counts them: the best one goes on, however few there are."""
    return None if factor is None else max(1, sum(epoch in told for told in values.values()) // factor)


def _look(
    sweep: Sweep,
    epoch: int,
    stopped: int,
    values: dict[int, dict[int, float]],
    complete: Sequence[Trial],
    best: Trial | None,
) -> Look:
    there = {number: told[epoch] for number, told in values.items() if epoch in told}
    pairs = [
        (there[trial.number], trial.score)
        for trial in complete
        if trial.number in there and trial.epochs[-1].number > epoch and trial.score is not None
    ]
    early, final = [one for one, _ in pairs], [other for _, other in pairs]
    # Of many trials a few resamples tell as much: their interval is narrow.
    draws = min(1000, max(200, 300_000 // max(1, len(pairs))))
    rank = percentile = None
    if best is not None and best.number in there:
        better = sum(sweep.metric.better(value, there[best.number]) for value in there.values())
        rank = 1 + better
        percentile = 1.0 if len(there) == 1 else 1 - better / (len(there) - 1)
    return Look(
        epoch=epoch,
        rung=False,
        reached=len(there),
        stopped=stopped,
        correlation=rank_correlation(early, final, draws),
        winner=rank,
        percentile=percentile,
        places=None,
    )


def sentence(numbers: Pruning) -> str:
    """What was saved, and whether the scores it was saved by predict the final ones."""
    if numbers.pruned:
        share = numbers.seconds / (numbers.seconds + numbers.spent) if numbers.spent else 0.0
        told = (
            f"Stopping {plural(numbers.pruned, 'trial')} early saved {numbers.saved:,} of the "
            f"{plural(numbers.planned, 'epoch')} they would have trained, about "
            f"{duration(numbers.seconds)} or {100 * share:.0f} % of all training"
        )
    else:
        told = f"None of {plural(numbers.of, 'trial')} was stopped early"
    return (
        f"{told}. {_foretold(numbers)}; {winner}."
        if (winner := _winner(numbers))
        else (f"{told}. {_foretold(numbers)}.")
    )


def _foretold(numbers: Pruning) -> str:
    look = numbers.first or next((each for each in numbers.looks if each.correlation), None)
    if look is None or look.correlation is None:
        complete = plural(numbers.complete, "complete trial")
        return f"Not enough data yet to say whether early scores predict the final ranking: {complete}"
    found = look.correlation
    verb = "predict" if found.low >= WEAK else "hardly predict" if found.high < WEAK else "partly predict"
    where = f"epoch {look.epoch}" + (", where the first were stopped," if look.stopped else "")
    survivors = ", the only ones with an end to compare" if numbers.pruned else ""
    return (
        f"Scores after {where} {verb} the final ranking (rank correlation {_figure(found)}, over "
        f"{plural(found.pairs, 'complete trial')}{survivors})"
    )


def _winner(numbers: Pruning) -> str:
    """Where the best trial stood when the first were stopped, or where it would have been stopped."""
    if numbers.winner_at_risk:
        look = numbers.winner_at_risk[0]
        return (
            f"the best trial was number {look.winner:,} of {look.reached:,} after epoch {look.epoch}, where "
            f"{look.places:,} would go on: it was kept because it came early"
        )
    first = numbers.first
    if first is None or first.winner is None:
        return ""
    return f"the best trial was number {first.winner:,} of {first.reached:,} after epoch {first.epoch}"


def _figure(found: Correlation) -> str:
    return f"{found.value:.2f}, 95 % interval {found.low:.2f} to {found.high:.2f}"


def draw(numbers: Pruning) -> go.Figure:
    """The rank correlation by epoch with its interval as a band, and how far up the winner stood."""
    known = [(look, look.correlation) for look in numbers.looks if look.correlation is not None]
    traces: list[go.Scatter] = []
    if known:
        epochs = [look.epoch for look, _ in known]
        traces.append(
            go.Scatter(
                x=[*epochs, *reversed(epochs)],
                y=[*(found.high for _, found in known), *(found.low for _, found in reversed(known))],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor="rgba(47,127,193,0.18)",
                showlegend=False,
                hoverinfo="skip",
            )
        )
        traces.append(
            go.Scatter(
                x=epochs,
                y=[found.value for _, found in known],
                customdata=[[_figure(found), plural(found.pairs, "complete trial")] for _, found in known],
                mode="lines+markers",
                line={"color": BLUE, "width": 2},
                marker={"size": 7},
                name="correlation, 95 % interval",
                hovertemplate="epoch %{x}: %{customdata[0]}<br>%{customdata[1]}<extra></extra>",
            )
        )
    crowd = [look for look in numbers.looks if look.reached >= CROWD]
    placed = [look for look in crowd if look.percentile is not None]
    if placed:
        traces.append(
            go.Scatter(
                x=[look.epoch for look in placed],
                y=[look.percentile for look in placed],
                customdata=[[f"{look.winner:,} of {look.reached:,}", look.stopped] for look in placed],
                mode="lines+markers",
                line={"color": AMBER, "width": 1.2, "dash": "dot"},
                marker={"symbol": "star", "size": 12},
                name="best trial's percentile",
                hovertemplate="epoch %{x}: best trial is number %{customdata[0]}<br>"
                "%{customdata[1]} stopped here<extra></extra>",
            )
        )
    needed = [(look, look.places) for look in crowd if look.places is not None]
    if needed:
        traces.append(
            go.Scatter(
                x=[look.epoch for look, _ in needed],
                y=[1 - (places - 1) / (look.reached - 1) for look, places in needed],
                customdata=[f"{places} of {look.reached}" for look, places in needed],
                mode="markers",
                marker={
                    "symbol": "line-ew-open",
                    "size": 22,
                    "color": ORANGE,
                    "line": {"width": 2.5, "color": ORANGE},
                },
                name="needed to go on",
                hovertemplate="epoch %{x}: %{customdata} would go on<extra></extra>",
            )
        )
    rungs = [look.epoch for look in numbers.looks if look.rung]
    if rungs:
        low, high = _ends(numbers)
        traces.append(
            go.Scatter(
                x=[x for rung in rungs for x in (rung, rung, None)],
                y=[y for _ in rungs for y in (low, high, None)],
                mode="lines",
                line={"color": GREY, "width": 1, "dash": "dot"},
                name="rung",
                hoverinfo="skip",
            )
        )
    last = numbers.looks[-1].epoch
    room = max(0.3, 0.03 * last)
    return drawing(
        traces,
        height=360,
        legend_entrywidth=150,
        xaxis=count_axis("epoch", last) | {"showgrid": False, "range": [1 - room, last + room]},
        yaxis={"range": list(_ends(numbers)), "title": {"text": "correlation, percentile"}, "dtick": 0.25},
    )


def _ends(numbers: Pruning) -> tuple[float, float]:
    lows = [look.correlation.low for look in numbers.looks if look.correlation is not None]
    return min(-0.04, *(low - 0.04 for low in lows)) if lows else -0.04, 1.06


def table(numbers: Pruning) -> pd.DataFrame:
    """A row an epoch that was looked at."""
    rows = []
    for look in numbers.looks:
        found = look.correlation
        rows.append(
            {
                "after epoch": look.epoch,
                "rung": "yes" if look.rung else "",
                "reached": look.reached,
                "stopped there": look.stopped,
                "rank correlation": NOTHING if found is None else f"{found.value:.2f}",
                "95 % interval": "" if found is None else f"{found.low:.2f} to {found.high:.2f}",
                "complete trials": "" if found is None else found.pairs,
                "best trial": NOTHING if look.winner is None else f"{look.winner:,} of {look.reached:,}",
            }
        )
    return pd.DataFrame(rows)


FIGURE = Figure[Sweep, Pruning](
    key="pruning",
    title="Pruning",
    numbers=pruning,
    sentence=sentence,
    draw=draw,
    table=table,
)
