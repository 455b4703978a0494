"""Incumbents: the best score so far of several searches, by trials, by epochs and by search time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from reports.analysis.ranking import trained
from reports.analysis.runs import ComparableRuns, ComparedRun
from reports.figures.stroke import stroke
from reports.figures.style import Window, figure, plain, value_axis, window
from reports.formatting.wording import NOTHING, duration, listing, plural
from search.records.sweep import Session, State, Sweep, Trial
from trainable.contract import Metric

By = Literal["trials", "epochs", "seconds"]
QUARTER = timedelta(minutes=15)
"""Clocks of two places differ by whole quarters of an hour."""
FEW = 4
"""Runs up to which a sentence tells of each."""


class Incumbent(NamedTuple):
    """A trial that was the best so far when it was over.

    trials, epochs: how many trials were over by then and how many epochs these had trained, its own
    included. seconds: of search time by then; None where the clock tells nothing.
    """

    number: int
    score: float
    trials: int
    epochs: int
    seconds: float | None

    def at(self, by: By) -> float | None:
        """What it had cost."""
        return {"trials": self.trials, "epochs": self.epochs, "seconds": self.seconds}[by]


class Trace(NamedTuple):
    """The incumbents of one run in the order in which they came, each strictly better than the one before;
    none before a trial is COMPLETE. trials, epochs, seconds: what the whole run has cost so far."""

    run: ComparedRun
    incumbents: tuple[Incumbent, ...]
    trials: int
    epochs: int
    seconds: float | None

    def end(self, by: By) -> float | None:
        """What the whole run has cost."""
        return {"trials": self.trials, "epochs": self.epochs, "seconds": self.seconds}[by]

    @property
    def best(self) -> Incumbent | None:
        """The last of them."""
        return self.incumbents[-1] if self.incumbents else None

    def reached(self, metric: Metric, score: float) -> Incumbent | None:
        """The first that is at least as good as `score`."""
        return next((each for each in self.incumbents if not metric.better(score, each.score)), None)


class Incumbents(NamedTuple):
    """The traces of runs with the same metric and data that have an incumbent, and what they are drawn by.
    untimed: the runs that are left out because their records tell no time."""

    metric: Metric
    by: By
    traces: tuple[Trace, ...]
    window: Window
    untimed: tuple[str, ...] = ()


def trace(run: ComparedRun) -> Trace:
    """How the best score of a run came.

    Trials are taken in the order in which they were over, not in that of their numbers: with several
    workers these differ, and what is known is what is over. Those that repeat a recipe trained nothing and
    count for nothing; those that are not over count at the end, by the epochs they have.
    """
    sweep = run.sweep
    own = sorted(trained(sweep), key=lambda trial: (not _over(trial), _ended(trial), trial.number))
    elapsed = search_seconds(sweep)
    incumbents: list[Incumbent] = []
    epochs = 0
    for count, trial in enumerate(own, 1):
        epochs += len(trial.epochs)
        if trial.state is not State.COMPLETE or trial.score is None:
            continue
        if not incumbents or sweep.metric.better(trial.score, incumbents[-1].score):
            seconds = None if elapsed is None else elapsed.get(trial.number)
            incumbents.append(Incumbent(trial.number, trial.score, count, epochs, seconds))
    ends = [*(elapsed or {}).values(), sweep.seconds]
    return Trace(run, tuple(incumbents), len(own), epochs, None if elapsed is None else max(ends))


def _over(trial: Trial) -> bool:
    return trial.state not in (State.RUNNING, State.INTERRUPTED)


def _ended(trial: Trial) -> float:
    return float("inf") if trial.ended is None else trial.ended.timestamp()


def search_seconds(sweep: Sweep) -> dict[int, float] | None:
    """For each trial that is over, how long the search had run by then: the lengths of the starts before
    its own, and its own start's age. Pauses between starts do not count.

    None where the trials' times do not lie within their starts, as when a run is read in another time zone
    than it was made in (Optuna records the local clock, without a zone) and no shift by quarters of an hour
    puts that right.
    """
    timed = [(trial, trial.ended) for trial in trained(sweep) if _over(trial) and trial.ended is not None]
    placed = [(trial.number, _start_of(sweep, trial, ended), ended) for trial, ended in timed]
    known = [(number, start, ended) for number, start, ended in placed if start is not None]
    if not known or len(known) < sum(_over(trial) for trial in trained(sweep)):
        return None
    first = min(ended - start.started for _, start, ended in known)
    for shift in (timedelta(), QUARTER * round(first / QUARTER)):
        ages = [
            (number, start, (ended - shift - start.started).total_seconds()) for number, start, ended in known
        ]
        slack = QUARTER.total_seconds() / 2
        if all(-slack <= age <= start.seconds + slack for _, start, age in ages):
            before = {
                session.number: sum(each.seconds for each in sweep.sessions[:place])
                for place, session in enumerate(sweep.sessions)
            }
            return {
                number: before[start.number] + min(max(age, 0.0), start.seconds)
                for number, start, age in ages
            }
    return None


def _start_of(sweep: Sweep, trial: Trial, ended: datetime) -> Session | None:
    """The start in which the trial ended: as recorded, else the last that had begun by then."""
    if trial.session is not None:
        return next((each for each in sweep.sessions if each.number == trial.session), None)
    begun = [each for each in sweep.sessions if each.started <= ended]
    return begun[-1] if begun else None


def incumbents(group: ComparableRuns, by: By) -> Incumbents | str:
    """The numbers, or why there are none."""
    made = [told for told in map(trace, group.runs) if told.incumbents]
    if not made:
        who = listing([run.short for run in group.runs])
        return f"No trial of {who} has trained to its end yet, so there is no best score."
    untimed: list[str] = []
    if by == "seconds":
        untimed = [told.run.short for told in made if told.seconds is None]
        made = [told for told in made if told.seconds is not None]
        if not made:
            return "The records do not tell when the trials were over, so there is nothing to draw by time."
    scores = [each.score for told in made for each in told.incumbents]
    return Incumbents(
        group.metric, by, tuple(made), window(scores, group.metric, scores, reach=1.5), tuple(untimed)
    )


def cost(by: By, value: float) -> str:
    """ "41 trials", "1,204 epochs", "12 min 03 s"."""
    return duration(value) if by == "seconds" else plural(int(value), by.removesuffix("s"))


def sentence(numbers: Incumbents) -> str:
    """How soon each run reached the weakest of their best scores, and what is left out."""
    said = _reached(numbers)
    if numbers.by == "seconds" and any(len(told.run.sweep.sessions) > 1 for told in numbers.traces):
        said += " Pauses between starts do not count."
    if left := numbers.untimed:
        said += f" The records of {listing(left)} do not tell when trials were over, so it is left out."
    if numbers.window.outside:
        said += " Some early scores lie beyond the window; a double click shows them."
    return said


def _reached(numbers: Incumbents) -> str:
    metric, by = numbers.metric, numbers.by
    bests = [(told, told.best) for told in numbers.traces if told.best is not None]
    weakest, target = bests[0]
    for told, best in bests[1:]:
        if metric.better(target.score, best.score):
            weakest, target = told, best
    score, name = metric.format(target.score), weakest.run.short
    if len(bests) == 1:
        at, end = target.at(by), weakest.end(by)
        came = "" if at is None or end is None else f" after {cost(by, at)} of {cost(by, end)}"
        return f"{name} came to its best, {score},{came}."
    reached = [
        (at, told.run.short)
        for told, _ in bests
        if (first := told.reached(metric, target.score)) is not None and (at := first.at(by)) is not None
    ]
    parts = [f"{cost(by, at)} in {run}" for at, run in sorted(reached)]
    if len(parts) > FEW:
        parts = [f"{parts[0]} at the soonest", f"{parts[-1]} at the latest"]
    return f"{score}, the best of {name}, came after {listing(parts)}."


def draw(numbers: Incumbents) -> go.Figure:
    """A staircase a run, marked where a trial was better than all before it."""
    return figure(
        [_stair(numbers, told) for told in numbers.traces],
        height=340 + 14 * len(numbers.traces),
        showlegend=True,
        legend_entrywidth=150 if any(len(told.run.short) > 9 for told in numbers.traces) else 90,
        xaxis=_axis(numbers),
        yaxis=value_axis(numbers.metric, numbers.window),
    )


def _axis(numbers: Incumbents) -> dict[str, object]:
    title = {"trials": "trials that were over", "epochs": "epochs trained", "seconds": "search time"}
    axis: dict[str, object] = {"title": {"text": title[numbers.by]}, "rangemode": "tozero"}
    if numbers.by != "seconds":
        return axis | {"tickformat": ",d"}
    axis["title"] = {"text": f"search time ({_unit(numbers)[1]})"}
    return axis


def _unit(numbers: Incumbents) -> tuple[float, str]:
    longest = max(told.end("seconds") or 0.0 for told in numbers.traces)
    if longest < 180:
        return 1.0, "seconds"
    return (60.0, "minutes") if longest < 3 * 3600 else (3600.0, "hours")


def _stair(numbers: Incumbents, told: Trace) -> go.Scatter:
    look, by = stroke(told.run.place), numbers.by
    unit = _unit(numbers)[0] if by == "seconds" else 1.0
    known = [(at, each) for each in told.incumbents if (at := each.at(by)) is not None]
    xs = [at / unit for at, _ in known]
    ys = [each.score for _, each in known]
    said = [
        [plain(told.run.short), str(e.number), numbers.metric.format(e.score), cost(by, at)]
        for at, e in known
    ]
    end = told.end(by)
    sizes = [look.marker["size"]] * len(xs)
    if xs and end is not None and end / unit > xs[-1]:
        last = said[-1]
        xs, ys, sizes = [*xs, end / unit], [*ys, ys[-1]], [*sizes, 0]
        said = [*said, [last[0], last[1], last[2], f"{cost(by, end)}, all of the run"]]
    return go.Scatter(
        x=xs,
        y=ys,
        customdata=said,
        mode="lines+markers",
        line={**look.line, "shape": "hv"},
        marker={**look.marker, "size": sizes, "opacity": 1, "line": {"width": 0}},
        name=plain(told.run.short),
        hovertemplate="%{customdata[0]}, trial %{customdata[1]}: %{customdata[2]}<br>"
        "after %{customdata[3]}<extra></extra>",
    )


def table(numbers: Incumbents) -> pd.DataFrame:
    """One row an incumbent."""
    rows = [
        {
            "run": told.run.label,
            "trial": each.number,
            numbers.metric.name.replace("_", " "): numbers.metric.format(each.score),
            "trials over": each.trials,
            "epochs trained": each.epochs,
            "search time": NOTHING if each.seconds is None else duration(each.seconds),
        }
        for told in numbers.traces
        for each in told.incumbents
    ]
    return pd.DataFrame(rows)
