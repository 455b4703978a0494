"""A run's standing as people read it: in a line, and as a picture of a few lines."""

from __future__ import annotations

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchsweep.progress.run_status import RunStatus, repeated
from benchsweep.screen.lines import settings
from benchsweep.screen.live import STYLES
from reports.formatting.wording import duration, listing, moment, plural
from search.records.sweep import State, Sweep

_PHASES = {"starting": "starting Ray", "searching": "running", "closing": "finishing"}
_STATUS_STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow"}
_LABEL = 9
"""Columns of the words on the left."""


def line(standing: RunStatus) -> str:
    """ "laptop running: 12 of 40 trials started, 10 complete, 41 s left; trial 11 3/10 epochs 97.10 %"."""
    sweep, limit = standing.sweep, standing.progress.limits.trials
    trials = (
        f"{len(sweep.trials):,} of {plural(limit, 'trial')}" if limit else plural(len(sweep.trials), "trial")
    )
    parts = [f"{trials} started", *_counts(sweep)]
    if standing.remaining is not None:
        parts.append(f"{duration(standing.remaining)} left")
    told = [f"{sweep.name} {sweep.status}: {', '.join(parts)}"]
    told += [
        f"trial {work.trial.number} {len(work.trial.epochs)}/{work.planned} epochs "
        f"{sweep.metric.format(work.trial.score)}"
        for work in standing.works
    ]
    if (best := sweep.best()) is not None:
        told.append(f"best {sweep.metric.format(best.score)}, trial {best.number}")
    return "; ".join(told)


def picture(standing: RunStatus, command: str | None) -> list[RenderableType]:
    """All of it, at any width from 60 columns on. command: as `next_command` has it."""
    parts: list[RenderableType] = [_head(standing), _budget(standing), *_facts(standing)]
    if standing.works:
        parts += [Text(), _trials(standing)]
    if command is not None:
        parts.append(going_on(standing, command))
    return parts


def going_on(standing: RunStatus, command: str) -> Text:
    """ "go on with: benchsweep resume laptop"."""
    label = "look at it with:" if standing.sweep.status == "finished" else "go on with:"
    return Text.assemble(f"{label} ", (command, "bold cyan"))


def _head(standing: RunStatus) -> Text:
    sweep, owner = standing.sweep, standing.owner
    head = Text.assemble((sweep.name, "bold"), "  ")
    head.append(
        _PHASES[standing.phase] if standing.phase else sweep.status, _STATUS_STYLES.get(sweep.status, "")
    )
    if owner is not None:
        head.append(f" by process {owner.pid} on {owner.host}, since {owner.since}")
    elif standing.last_seen is not None:
        head.append(f", last seen {moment(standing.last_seen)}")
    if standing.stop_asked:
        head.append("; it was asked to stop", "yellow")
    return head


def _budget(standing: RunStatus) -> Table:
    """How far each limit is; what has none is told without a bar."""
    progress, limits = standing.progress, standing.progress.limits
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, style="dim", width=_LABEL)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    trials, epochs = len(standing.sweep.trials), progress.epochs_trained
    rows: list[tuple[str, float, float | None, str, str]] = [
        ("trials", trials, limits.trials, f"{trials:,}", f"{limits.trials:,}" if limits.trials else ""),
        (
            "wall time",
            progress.spent,
            limits.wall_time,
            duration(progress.spent),
            duration(limits.wall_time) if limits.wall_time else "",
        ),
        ("epochs", epochs, limits.epochs, f"{epochs:,}", f"{limits.epochs:,}" if limits.epochs else ""),
    ]
    for label, spent, limit, told, of in rows:
        bar = ProgressBar(total=limit, completed=min(spent, limit)) if limit else ""
        table.add_row(label, bar, f"{told} of {of}" if of else told)
    return table


def _counts(sweep: Sweep) -> list[str]:
    """ "10 complete", "2 running": the states there are, those with most trials first."""
    counts = sorted(((sweep.count(state), state.lower()) for state in State), key=lambda pair: -pair[0])
    return [f"{count:,} {state}" for count, state in counts if count]


def _facts(standing: RunStatus) -> list[Text]:
    sweep, best = standing.sweep, standing.sweep.best()
    states = listing(_counts(sweep)) or "no trial has started yet"
    if again := repeated(sweep):
        states += f"; {again:,} of them only repeat another one's recipe"
    facts = [("states", Text(states))]
    if standing.remaining is not None:
        facts.append(("left", Text(f"about {duration(standing.remaining)}")))
    if best is not None:
        score = (sweep.metric.format(best.score), "bold green")
        facts.append(("best", Text.assemble(score, f"  trial {best.number}: {settings(best.sampled)}")))
    facts.append(("started", Text(plural(len(sweep.sessions), "time"))))
    if len(sweep.plans) > 1:
        last = sweep.plans[-1]
        since = f"version {last.number + 1} since {moment(last.since)} and trial {last.trials}"
        facts.append(("plan", Text(f"{since}: {'; '.join(last.changes)}")))
    if sweep.warm_start is not None:
        facts.append(("began", Text(f"warm: {sweep.warm_start.sentence}")))
    return [Text.assemble((f"{name:{_LABEL}}  ", "dim"), told) for name, told in facts]


def _trials(standing: RunStatus) -> Table:
    """The trials that are not over."""
    metric = standing.sweep.metric
    table = Table(box=None, pad_edge=False, expand=True, header_style="dim")
    table.add_column("trial", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("epoch", justify="right", no_wrap=True)
    table.add_column(metric.name.rpartition("_")[2] or metric.name, justify="right", no_wrap=True)
    table.add_column("last epoch", justify="right", no_wrap=True)
    table.add_column("settings", ratio=1, no_wrap=True, overflow="ellipsis")
    for work in standing.works:
        trial = work.trial
        state = "waiting" if work.waiting else trial.state.lower()
        table.add_row(
            Text(str(trial.number)),
            Text(state, style="dim" if work.waiting else STYLES[trial.state]),
            Text(f"{len(trial.epochs)} of {work.planned}"),
            Text(metric.format(trial.score)),
            Text("–" if work.silent is None else f"{duration(work.silent)} ago"),
            Text(settings(trial.sampled), style="dim"),
        )
    return table
