"""A run and its trials as tables for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from benchsweep.screen.ending import print_confirmation, print_leaderboard
from benchsweep.screen.live import STYLES, short_metric
from benchsweep.screen.setting_columns import GAP, SettingColumns
from reports.analysis.provenance import (
    code_changes,
    version_of_trial,
    version_summaries,
    warm_start_sentence,
)
from reports.analysis.ranking import trained
from reports.analysis.trials_frame import sampled_settings, states_sentence
from reports.formatting.wording import duration, flatten, moment, plural, setting, shorten
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric
from trainable.storage.record_file import read_record

_TOP = 10
"""Ranked trials shown of a run, at most."""
_ERRORS = 3
"""Trials whose errors are shown, at most."""
_TRACEBACK_LINES = 30
"""Lines of a traceback that are shown, at most: its last ones."""


def print_run(console: Console, sweep: Sweep) -> None:
    """Prints the plan, the progress, the best trials and the leaderboard of a run."""
    _print_pairs(console, _facts(sweep))
    ranked = sweep.ranked()
    if ranked:
        console.print()
        for part in _top_trials(sweep, ranked[:_TOP], console.width):
            console.print(part)
        if len(ranked) > _TOP:
            console.print(f"and {plural(len(ranked) - _TOP, 'more ranked trial')}: --json lists them all")
    for trial in [trial for trial in trained(sweep) if trial.error][:_ERRORS]:
        error = " ".join((trial.error or "").split())
        console.print(f"trial {trial.number} {trial.state.lower()}: {error}", soft_wrap=True)
    print_confirmation(console, sweep)
    print_leaderboard(console, sweep)


def _facts(sweep: Sweep) -> list[tuple[str, str]]:
    plan = sweep.plan
    budget = plan.budget.model_dump(mode="json", exclude_none=True)
    if plan.max_trials is not None:
        budget["trials"] = plan.max_trials
    environment = sweep.environment
    facts = [
        ("run", f"{sweep.name}, {sweep.status}"),
        ("folder", str(sweep.folder)),
        ("trainable", plan.trainable + (f" on {_in_words(plan.data)}" if plan.data else "")),
        ("budget", _in_words(budget)),
        ("space", ", ".join(plan.space)),
        ("sampler", plan.sampler_name),
        ("pruner", plan.pruner_name),
        ("trials", states_sentence(sweep)),
        ("epochs", f"{sum(len(trial.epochs) for trial in sweep.trials):,}"),
        ("time", f"{duration(sweep.seconds)} in {plural(len(sweep.sessions), 'start')}"),
    ]
    facts += [("code", sentence) for sentence in code_changes(sweep)]
    if sentence := warm_start_sentence(sweep):
        facts.append(("warm start", shorten(sentence)))
    for version in version_summaries(sweep)[1:]:
        since = f"since {moment(version.since)}, {version.drawn}"
        facts.append((f"plan {version.number}", f"{since}: {'; '.join(map(shorten, version.changes))}"))
    if environment:
        workers = plural(environment.get("workers", 1), "worker")
        facts.append(("machine", f"{workers}, {environment.get('device')}, {environment.get('processor')}"))
    return facts


def _in_words(table: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in flatten(table))


def _top_trials(sweep: Sweep, trials: Sequence[Trial], width: int) -> list[RenderableType]:
    metric = sweep.metric
    titles = ("#>", "trial>", "state", "epochs>", f"{short_metric(metric.name)}>")
    rows = [
        (
            str(rank),
            str(trial.number),
            trial.state.lower(),
            str(len(trial.epochs)),
            metric.format(trial.score),
        )
        for rank, trial in enumerate(trials, 1)
    ]
    taken = sum(
        GAP + max(len(title.rstrip(">")), *(len(row[at]) for row in rows)) for at, title in enumerate(titles)
    )
    sampled = [trial.sampled for trial in trials]
    columns = SettingColumns.fitted(sampled_settings(sweep), sampled, width - taken + GAP)
    table = _table(*titles, *columns.headers)
    for column, size in zip(table.columns[len(titles) :], columns.widths, strict=True):
        column.width, column.no_wrap, column.overflow = size, True, "ellipsis"
    for row, trial in zip(rows, trials, strict=True):
        cells = [Text(text, style="dim") for text in columns.cells(trial.sampled)]
        table.add_row(row[0], row[1], _state(trial.state), *row[3:], *cells)
    return [table, *([Text(f"{columns.note}: --json has all of them", style="dim")] if columns.note else [])]


def print_trial(console: Console, sweep: Sweep, trial: Trial) -> None:
    """Prints a trial in full: its result, its recipe and its epochs."""
    metric = sweep.metric
    facts = [
        ("trial", f"{trial.number} of {sweep.name}"),
        ("state", trial.state.lower()),
        (metric.name.replace("_", " "), metric.format(trial.score)),
        ("started", moment(trial.started)),
        ("ended", moment(trial.ended)),
        ("trained", _training(trial)),
    ]
    if (version := version_of_trial(sweep, trial.number)) is not None:
        facts.append(("plan", f"version {version} of {len(sweep.plans)}"))
    if trial.resumed_from:
        facts.append(("resumed after", _epoch_list(trial.resumed_from)))
    if trial.pauses:
        facts.append(("paused after", _epoch_list(trial.pauses)))
    if trial.audited is not None:
        facts.append(("audit", f"its pruner would have stopped it after epoch {trial.audited}"))
    if trial.error:
        facts.append(("error", " ".join(trial.error.split())))
    facts += [("note", note) for note in trial.notes]
    _print_pairs(console, facts)
    console.print("\nrecipe (* chosen by the search)")
    recipe = [
        (f"{'*' if name in trial.sampled else ' '} {name}", setting(value))
        for name, value in trial.recipe.items()
    ]
    _print_pairs(console, recipe)
    if trial.epochs:
        console.print()
        console.print(_epochs(metric, trial))
    if trial.state is State.FAILED and (lines := _traceback(sweep, trial)):
        console.print("\ntraceback")
        console.print(Text("\n".join(lines)), soft_wrap=True)


def _traceback(sweep: Sweep, trial: Trial) -> list[str]:
    """The last lines of a failed trial's traceback; none if its file is missing or damaged."""
    try:
        text = read_record(sweep.run.trial(trial.number).error)
    except (OSError, ValueError):
        return []
    return text.rstrip().splitlines()[-_TRACEBACK_LINES:]


def _training(trial: Trial) -> str:
    if trial.same_as is not None:
        return f"not again: it has the recipe of trial {trial.same_as} and got its result"
    return f"{duration(trial.seconds)} by {trial.worker or 'no worker yet'}"


def _epochs(metric: Metric, trial: Trial) -> Table:
    names = list(trial.epochs[0].metrics)
    table = _table("epoch>", *[f"{name.replace('_', ' ')}>" for name in names], "time>")
    for epoch in trial.epochs:
        cells = [
            metric.format(value) if name == metric.name else f"{value:.4g}"
            for name, value in epoch.metrics.items()
        ]
        table.add_row(str(epoch.number), *cells, duration(epoch.seconds))
    return table


def _table(*headers: str) -> Table:
    """A table without lines. A header that ends in > belongs to a right-aligned column."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in headers:
        table.add_column(header.rstrip(">"), justify="right" if header.endswith(">") else "left")
    return table


def _epoch_list(numbers: Sequence[int]) -> str:
    return ", ".join(f"epoch {number}" for number in numbers)


def _state(state: State) -> Text:
    return Text(state.lower(), style=STYLES[state], no_wrap=True)


def _print_pairs(console: Console, pairs: Sequence[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        console.print(Text.assemble((f"{name:{width}}", "dim"), f"  {value}"), soft_wrap=True)
