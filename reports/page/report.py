"""The report: one object of all that is shown, and the four files made from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from reports.analysis.failures import Failure, failures, failures_sentence
from reports.analysis.provenance import VersionSummary, version_summaries, warm_start_sentence
from reports.analysis.ranking import benchmark_applies, leaderboard, leaderboard_sentence, to_csv
from reports.analysis.trials import SortableTrials, trials
from reports.analysis.trials_frame import states_sentence, trials_table
from reports.analysis.verdict import Verdict, reproduce_command, verdict
from reports.exports.results import reproduction_record, results
from reports.figures.all import ABOVE_LEADERBOARD, BELOW_LEADERBOARD
from reports.figures.figure import Section, sections
from reports.figures.leaderboard_bars import LeaderboardBars, leaderboard_bars
from reports.formatting.wording import duration, flatten, moment, plural, setting, shorten
from reports.health.health import health, health_sentence
from reports.page.template import environment, page
from search.doctor.finding import Finding
from search.records.sweep import Sweep
from trainable.storage.durable import write_atomic

ENDINGS = {"budget": "budget spent", "error": "ended by an error"}
"""How the end of a start is called where its record has a bare word for it."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the report shows, computed once; page, Markdown and data are made from it alone.

    leaderboard, trials: as `reports.analysis.ranking` documents them; trials_table: the page's; same_rules:
    the leaderboard of single networks without augmentation alone. bars: one per leaderboard row.
    sections: the figures. environment: (key, value) rows. plan: (table, its rows) in the file's
    order. versions: of the plan, none where it never changed. results: what results.json holds.
    """

    sweep: Sweep
    status: str
    verdict: Verdict
    health: Mapping[str, Finding]
    sections_above: tuple[Section, ...]
    leaderboard: pd.DataFrame
    same_rules: pd.DataFrame
    leaderboard_sentence: str
    bars: LeaderboardBars
    sections: tuple[Section, ...]
    trials: pd.DataFrame
    trials_table: SortableTrials
    failures: tuple[Failure, ...]
    environment: tuple[tuple[str, str], ...]
    plan: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    versions: tuple[VersionSummary, ...]
    results: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        sweep: Sweep,
        benchmarks: pd.DataFrame,
        reproduce_command: Callable[[Sweep], str] = reproduce_command,
    ) -> Report:
        """The report on a sweep in any state: empty, running, interrupted, failed or finished.

        benchmarks: as `reports.analysis.benchmarks.read_benchmarks` returns them.
        reproduce_command: what a reader types to train the best trial again.
        """
        board = leaderboard(sweep, benchmarks)
        command = reproduce_command(sweep)
        applies, why = benchmark_applies(sweep)
        return cls(
            sweep=sweep,
            status=sweep.status,
            verdict=verdict(sweep, board, command),
            health=health(sweep),
            sections_above=sections(ABOVE_LEADERBOARD, sweep),
            leaderboard=board,
            same_rules=leaderboard(sweep, benchmarks, same_rules=True),
            leaderboard_sentence=leaderboard_sentence(board) if applies else why,
            bars=leaderboard_bars(board),
            sections=sections(BELOW_LEADERBOARD, sweep),
            trials=trials_table(sweep),
            trials_table=trials(sweep),
            failures=tuple(failures(sweep)),
            environment=tuple(flatten(sweep.environment)),
            plan=tuple(_plan_tables(sweep.plan.table)),
            versions=version_summaries(sweep),
            results=results(sweep, benchmarks, command),
        )

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(key, title) of every part of the page, in order."""
        return [
            ("verdict", "Verdict"),
            ("health", "Health"),
            *((section.key, section.title) for section in self.sections_above),
            ("leaderboard", "Leaderboard"),
            *((section.key, section.title) for section in self.sections),
            ("trials", "Trials"),
            ("failures", "Failures"),
            ("openings", "Test set"),
            ("environment", "Environment"),
            ("plan", "Plan"),
        ]

    @property
    def all_sections(self) -> tuple[Section, ...]:
        """Those that may hold drawings."""
        return (*self.sections_above, *self.sections)

    @property
    def boards(self) -> list[tuple[str, str, pd.DataFrame, LeaderboardBars]]:
        """The leaderboard's views: key, name, rows and their bars."""
        views = [("all", "All results", self.leaderboard), ("same", "Same rules", self.same_rules)]
        return [(key, name, frame, leaderboard_bars(frame)) for key, name, frame in views]

    @property
    def health_sentence(self) -> str:
        """How many of the health checks passed."""
        return health_sentence(self.health)

    @property
    def trials_told(self) -> pd.DataFrame:
        """`trials` without the column of repeated recipes where no trial repeats one."""
        return self.trials if self.trials["same_as"].notna().any() else self.trials.drop(columns="same_as")

    @property
    def trials_sentence(self) -> str:
        """How many trials in which state, and what they cost."""
        told = states_sentence(self.sweep)
        epochs = sum(len(trial.epochs) for trial in self.sweep.trials)
        spent = duration(sum(trial.seconds for trial in self.sweep.trials))
        return f"{told[:1].upper()}{told[1:]}; {plural(epochs, 'epoch')} trained in {spent}."

    @property
    def failures_sentence(self) -> str:
        """How many trials went wrong, and for how many causes."""
        return failures_sentence(self.sweep)

    @property
    def environment_sentence(self) -> str:
        """Over how many starts the search ran, and how long."""
        sessions = self.sweep.sessions
        if not sessions:
            return "The search has not been started yet."
        return f"{plural(len(sessions), 'start')} of the search, {duration(self.sweep.seconds)} in all."

    @property
    def starts(self) -> list[tuple[str, str]]:
        """A (name, what became of it) row for every start of the search."""
        last = self.sweep.sessions[-1].number if self.sweep.sessions and self.sweep.alive else None
        rows = []
        for session in self.sweep.sessions:
            end = ENDINGS.get(session.ended, session.ended) or (
                "still running" if session.number == last else "killed"
            )
            told = f"{moment(session.started)}, {duration(session.seconds)}, {shorten(end)}"
            rows.append((f"start {session.number}", told))
        return rows

    @property
    def plan_sentence(self) -> str:
        """What is searched, over how many settings, and by which version of the plan."""
        plan = self.sweep.plan
        told = f"{plural(len(plan.space), 'setting')} of {shorten(plan.trainable)} searched."
        if self.versions:
            told += f" The plan was changed while the run went on: version {len(self.versions)} is in force."
        return told

    @property
    def warm_start_sentence(self) -> str:
        """What the sampler knew from another run; "" where it knew nothing."""
        return warm_start_sentence(self.sweep)

    @property
    def openings_sentence(self) -> str:
        """How often the test set was looked at."""
        count = len(self.sweep.openings)
        if not count:
            return "The test set has not been opened: nothing here was chosen or judged by it."
        models = sum(opening.models for opening in self.sweep.openings)
        times = {1: "once", 2: "twice"}.get(count, f"{count} times")
        warning = "" if count == 1 else " Every look after the first makes its figures a little too kind."
        return f"The test set was opened {times}, for {plural(models, 'model')} in all.{warning}"


def _plan_tables(plan: Mapping[str, Any]) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The plan as in its TOML file: ("", the keys outside any table), then ("[space]", its rows)."""
    loose = tuple((key, setting(value)) for key, value in plan.items() if not isinstance(value, Mapping))
    tables = [
        (f"[{key}]", tuple((name, setting(held)) for name, held in value.items()))
        for key, value in plan.items()
        if isinstance(value, Mapping)
    ]
    return ([("", loose)] if loose else []) + tables


def write(
    sweep: Sweep, benchmarks: pd.DataFrame, folder: Path, plotlyjs: Literal["inline", "cdn"] = "inline"
) -> dict[str, Path]:
    """Write the report's four files into `folder`, each of them whole, and return their paths by name.

    plotlyjs: as in `html`. The same sweep gives the same bytes. Raises OSError when the folder cannot be
    written to.
    """
    report = Report.of(sweep, benchmarks)
    made = {
        "report.html": _encoded(html(report, plotlyjs)),
        "report.md": _encoded(as_markdown(report)),
        "leaderboard.csv": _encoded(to_csv(report.leaderboard)),
        "results.json": results_json(report.results),
    }
    for name, content in made.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in made}


def results_json(told: Mapping[str, Any]) -> bytes:
    """The content of results.json. told: `reports.exports.results.results`."""
    return _encoded(json.dumps(told, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _encoded(text: str) -> bytes:
    # A file name in an error may hold half a character; in JSON its escape is even exact.
    return text.encode("utf-8", "backslashreplace")


def html(report: Report, plotlyjs: Literal["inline", "cdn"] = "inline") -> str:
    """The page. plotlyjs: see `reports.page.template.page`."""
    table = report.trials_table
    return page(
        "page.html",
        report.contents,
        report.all_sections,
        ["page.js", "trials.js"] if table.rows else ["page.js"],
        {"record": reproduction_record(report.results), "trials-data": table.data},
        plotlyjs,
        report=report,
    )


def as_markdown(report: Report) -> str:
    """The report as Markdown, without the drawings."""
    return environment(autoescape=False).get_template("page.md").render(report=report)
