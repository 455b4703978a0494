"""How the best score of a search improved, by trials, epochs and search time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from reports.analysis.ranking import trained
from reports.analysis.runs import ComparedRun
from reports.formatting.wording import duration, plural
from search.records.sweep import Session, State, Sweep, Trial
from trainable.contract import Metric

By = Literal["trials", "epochs", "seconds"]
"""What the cost of a score is counted in."""

QUARTER = timedelta(minutes=15)
"""Time zones differ by multiples of a quarter of an hour."""


class Incumbent(NamedTuple):
    """A trial that was the best so far when it finished."""

    number: int
    score: float
    trials: int
    """Finished by then, itself included."""
    epochs: int
    """Trained by these trials."""
    seconds: float | None
    """Search time by then; None if the records do not say."""

    def at(self, by: By) -> float | None:
        """Returns what it had cost."""
        return {"trials": self.trials, "epochs": self.epochs, "seconds": self.seconds}[by]


class Trace(NamedTuple):
    """The incumbents of one run."""

    run: ComparedRun
    incumbents: tuple[Incumbent, ...]
    """In order, each strictly better than the one before; empty until a trial is COMPLETE."""
    trials: int
    """Of the complete run so far."""
    epochs: int
    """Of the complete run so far."""
    seconds: float | None
    """Search time so far; None if the records do not say."""

    def end(self, by: By) -> float | None:
        """Returns what the run has cost so far."""
        return {"trials": self.trials, "epochs": self.epochs, "seconds": self.seconds}[by]

    @property
    def best(self) -> Incumbent | None:
        """The last incumbent."""
        return self.incumbents[-1] if self.incumbents else None

    def reached(self, metric: Metric, score: float) -> Incumbent | None:
        """Returns the first incumbent that is at least as good as `score`."""
        return next(
            (incumbent for incumbent in self.incumbents if not metric.better(score, incumbent.score)), None
        )


def trace(run: ComparedRun) -> Trace:
    """Returns the incumbents of a run.

    Trials are taken in the order in which they finished: with several workers that is not the order of their
    numbers. Trials that repeat a recipe trained nothing and do not count; unfinished ones count at the end,
    with the epochs they have.
    """
    sweep = run.sweep
    trials = sorted(trained(sweep), key=lambda trial: (not _finished(trial), _end(trial), trial.number))
    elapsed = search_seconds(sweep)
    incumbents: list[Incumbent] = []
    epochs = 0
    for count, trial in enumerate(trials, 1):
        epochs += len(trial.epochs)
        if trial.state is not State.COMPLETE or trial.score is None:
            continue
        if not incumbents or sweep.metric.better(trial.score, incumbents[-1].score):
            seconds = None if elapsed is None else elapsed.get(trial.number)
            incumbents.append(Incumbent(trial.number, trial.score, count, epochs, seconds))
    ends = [*(elapsed or {}).values(), sweep.seconds]
    return Trace(run, tuple(incumbents), len(trials), epochs, None if elapsed is None else max(ends))


def _finished(trial: Trial) -> bool:
    return trial.state.is_finished()


def _end(trial: Trial) -> float:
    return float("inf") if trial.ended is None else trial.ended.timestamp()


def search_seconds(sweep: Sweep) -> dict[int, float] | None:
    """Returns the search time at the end of each finished trial.

    That is the length of the earlier starts plus the age of the trial's own start; pauses between starts do
    not count. None if the trials' times do not lie within their starts, as when a run is read in another time
    zone than it was made in (Optuna records local time without a zone) and no shift by quarters of an hour
    corrects it.
    """
    finished = [trial for trial in trained(sweep) if _finished(trial)]
    ends = [
        (trial.number, start, trial.ended)
        for trial in finished
        if trial.ended is not None and (start := _start_of(sweep, trial, trial.ended)) is not None
    ]
    if not ends or len(ends) < len(finished):
        return None
    earliest = min(ended - start.started for _, start, ended in ends)
    for shift in (timedelta(), QUARTER * round(earliest / QUARTER)):
        ages = [
            (number, start, (ended - shift - start.started).total_seconds()) for number, start, ended in ends
        ]
        slack = QUARTER.total_seconds() / 2
        if all(-slack <= age <= start.seconds + slack for _, start, age in ages):
            before = {
                session.number: sum(earlier.seconds for earlier in sweep.sessions[:count])
                for count, session in enumerate(sweep.sessions)
            }
            return {
                number: before[start.number] + min(max(age, 0.0), start.seconds)
                for number, start, age in ages
            }
    return None


def _start_of(sweep: Sweep, trial: Trial, ended: datetime) -> Session | None:
    """The start in which the trial ended: the recorded one, or the last that had begun by then."""
    if trial.session is not None:
        return next((session for session in sweep.sessions if session.number == trial.session), None)
    begun = [session for session in sweep.sessions if session.started <= ended]
    return begun[-1] if begun else None


def cost(by: By, value: float) -> str:
    """ "41 trials", "1,204 epochs", "12 min 03 s"."""
    return duration(value) if by == "seconds" else plural(int(value), by.removesuffix("s"))
