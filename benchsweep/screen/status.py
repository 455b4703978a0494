"""The status of a run as people read it: as one line, and as a table of a few lines."""

from __future__ import annotations

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from benchsweep.progress.run_status import RunStatus, repeated
from benchsweep.screen.lines import hyperparameters
from benchsweep.screen.live import STYLES, short_metric
from benchsweep.screen.runs_table import RUN_STYLES
from benchsweep.screen.setting_columns import GAP, SettingColumns, ordered
from reports.analysis.trials_frame import sampled_settings
from reports.formatting.wording import duration, listing, moment, plural
from search.records.sweep import State, Sweep, Trial

_PHASES = {"starting": "starting Ray", "searching": "running", "closing": "finishing"}
_LABEL = 10
"""Columns of the labels on the left."""


def line(status: RunStatus) -> str:
    """ "laptop running: 10 of 40 trials finished, 8 complete, 2 pruned; trial 10 3/10 epochs 97.10 %"."""
    sweep, limit = status.sweep, status.progress.limits.trials
    finished = _finished(sweep)
    trials = f"{finished:,} of {plural(limit, 'trial')}" if limit else plural(finished, "trial")
    figures = [f"{trials} finished", *_counts(sweep)]
    if status.remaining is not None:
        figures.append(f"{duration(status.remaining)} left")
    parts = [f"{sweep.name} {sweep.status}: {', '.join(figures)}"]
    parts += [
        f"trial {active.trial.number} {len(active.trial.epochs)}/{active.epochs_planned} epochs "
        f"{sweep.metric.format(active.trial.score)}"
        for active in status.active_trials
    ]
    parts += [
        f"{name} {sweep.metric.format(trial.score)}, trial {trial.number}" for name, trial in _best(sweep)
    ]
    return "; ".join(parts)


def picture(status: RunStatus, command: str | None, width: int = 80) -> list[RenderableType]:
    """The complete status, for a width of 60 columns or more. command: from `next_command`."""
    parts: list[RenderableType] = [_header(status), _budget(status), *_facts(status)]
    if status.active_trials:
        parts += [Text(), _active_trials(status, width)]
    if command is not None:
        parts.append(next_step(status, command))
    return parts


def next_step(status: RunStatus, command: str) -> Text:
    """ "Continue with: benchsweep resume laptop"."""
    label = "View it with:" if status.sweep.status == "finished" else "Continue with:"
    return Text.assemble(f"{label} ", (command, "bold cyan"))


def _header(status: RunStatus) -> Text:
    sweep, owner = status.sweep, status.owner
    header = Text.assemble((sweep.name, "bold"), "  ")
    state = _PHASES[status.phase] if status.phase else sweep.status
    header.append(state, RUN_STYLES.get(sweep.status, ""))
    if owner is not None:
        header.append(f" in process {owner.pid} on {owner.host}, since {owner.since}")
    elif status.last_seen is not None:
        header.append(f", last seen {moment(status.last_seen)}")
    if status.stop_asked:
        header.append("; it was asked to stop", "yellow")
    return header


def _budget(status: RunStatus) -> Table:
    """What is spent of each limit; without a limit there is no bar."""
    progress, limits = status.progress, status.progress.limits
    table = Table.grid(padding=(0, 2, 0, 0), expand=True)
    table.add_column(no_wrap=True, style="dim", width=_LABEL)
    table.add_column(ratio=1)
    table.add_column(no_wrap=True)
    trials, epochs = _finished(status.sweep), progress.epochs_trained
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
    for label, spent, limit, spent_text, limit_text in rows:
        bar = ProgressBar(total=limit, completed=min(spent, limit)) if limit else ""
        table.add_row(label, bar, f"{spent_text} of {limit_text}" if limit_text else spent_text)
    return table


def _finished(sweep: Sweep) -> int:
    """Number of trials that have ended or are paused, as the search's own screen counts them."""
    return sum(trial.state.is_finished() or trial.state is State.PAUSED for trial in sweep.trials)


def _counts(sweep: Sweep) -> list[str]:
    """ "10 complete", "2 running": the states that occur, the most frequent first."""
    counts = sorted(((sweep.count(state), state.lower()) for state in State), key=lambda pair: -pair[0])
    return [f"{count:,} {state}" for count, state in counts if count]


def _best(sweep: Sweep) -> list[tuple[str, Trial]]:
    """The trial that the confirmation chose, if any, and the one with the top score in the search, if it is
    another one; each with its label."""
    best, top = sweep.best(), sweep.top()
    named = [("best", best), ("top score", None if top is best else top)]
    return [(name, trial) for name, trial in named if trial is not None]


def _facts(status: RunStatus) -> list[Text]:
    sweep = status.sweep
    states = listing(_counts(sweep)) or "no trial has started yet"
    if count := repeated(sweep):
        states += f"; {count:,} of them only repeat another trial's recipe"
    facts = [("states", Text(states))]
    if status.remaining is not None:
        facts.append(("left", Text(f"about {duration(status.remaining)}")))
    for name, trial in _best(sweep):
        score = (sweep.metric.format(trial.score), "bold green")
        facts.append(
            (
                name,
                Text.assemble(
                    score,
                    f"  trial {trial.number}: {hyperparameters(trial.sampled, sampled_settings(sweep))}",
                ),
            )
        )
    facts.append(("started", Text(plural(len(sweep.sessions), "time"))))
    if len(sweep.plans) > 1:
        last = sweep.plans[-1]
        since = f"version {last.number + 1} since {moment(last.since)} and trial {last.trials}"
        facts.append(("plan", Text(f"{since}: {'; '.join(last.changes)}")))
    if sweep.warm_start is not None:
        facts.append(("warm start", Text(sweep.warm_start.sentence)))
    return [Text.assemble((f"{name:{_LABEL}}  ", "dim"), value) for name, value in facts]


def _active_trials(status: RunStatus, width: int) -> Table:
    sweep, metric = status.sweep, status.sweep.metric
    rows = []
    for active in status.active_trials:
        trial, seconds = active.trial, active.seconds_since_epoch
        state = "waiting" if active.waiting else trial.state.lower()
        rows.append(
            (
                Text(str(trial.number)),
                Text(state, style="dim" if active.waiting else STYLES[trial.state]),
                Text(f"{len(trial.epochs)} of {active.epochs_planned}"),
                Text(metric.format(trial.score)),
                Text("–" if seconds is None else f"{duration(seconds)} ago"),
            )
        )
    titles = ("trial", "state", "epoch", short_metric(metric.name), "last epoch")
    sizes = [max(len(title), *(len(row[at]) for row in rows)) for at, title in enumerate(titles)]
    sampled = [active.trial.sampled for active in status.active_trials]
    taken = sum(sizes) + GAP * (len(sizes) - 1)
    columns = SettingColumns.fitted(ordered(list(sweep.plan.space), sampled), sampled, width - taken)
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, GAP, 0, 0))
    for title, size in zip(titles, sizes, strict=True):
        table.add_column(title, justify="left" if title == "state" else "right", width=size, no_wrap=True)
    for title, size in zip(columns.headers, columns.widths, strict=True):
        table.add_column(title, width=size, no_wrap=True, overflow="ellipsis")
    for row, values in zip(rows, sampled, strict=True):
        table.add_row(*row, *(Text(text, style="dim") for text in columns.cells(values)))
    return table
