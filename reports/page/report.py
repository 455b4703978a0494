"""The report: one object with everything that is shown, and the four files rendered from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from reports.analysis.failures import Failure, failures, failures_sentence
from reports.analysis.provenance import (
    VersionSummary,
    code_changes,
    version_summaries,
    warm_start_sentence,
)
from reports.analysis.ranking import benchmark_applies, leaderboard, leaderboard_sentence, to_csv
from reports.analysis.run_state import RunState, run_state
from reports.analysis.trial_details import trial_details
from reports.analysis.trials import SortableTrials, trials
from reports.analysis.trials_frame import states_sentence, trials_table
from reports.analysis.verdict import Verdict, reproduce_command, verdict
from reports.exports.results import reproduction_record, results
from reports.figures.all import ABOVE_LEADERBOARD, BELOW_LEADERBOARD
from reports.figures.figure import Section, sections
from reports.figures.leaderboard_bars import LeaderboardBars, leaderboard_bars
from reports.formatting.wording import capitalized, duration, flatten, moment, plural, setting, shorten
from reports.health.health import health, health_sentence
from reports.page.leaderboard import rows_near_ours
from reports.page.template import environment, page
from search.doctor.finding import Finding
from search.records.sweep import Sweep
from trainable.storage.durable import write_atomic

ENDINGS = {"budget": "budget spent", "error": "ended by an error"}
"""Descriptions of how a start ended; other values are shown as recorded."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the report shows, computed once; page, Markdown and data are rendered from it alone."""

    sweep: Sweep
    status: str
    """The sweep's: "empty", "running", "interrupted", "failed" or "finished"."""
    state: RunState
    """How far the search is, and what to do next."""
    verdict: Verdict
    health: Mapping[str, Finding]
    """The health checks by key; empty before any trial has trained an epoch."""
    sections_above: tuple[Section, ...]
    """The figures above the leaderboard."""
    leaderboard: pd.DataFrame
    """As `reports.analysis.ranking.leaderboard` documents it."""
    same_rules: pd.DataFrame
    """The leaderboard of single networks without augmentation."""
    leaderboard_sentence: str
    """"" where the published results are of another kind: then there is no leaderboard."""
    bars: LeaderboardBars
    """Of `leaderboard`."""
    sections: tuple[Section, ...]
    """The figures below the leaderboard."""
    trials: pd.DataFrame
    """As `reports.analysis.trials_frame.trials_table` documents it."""
    trials_table: SortableTrials
    """The page's table of trials."""
    failures: tuple[Failure, ...]
    """Failed and diverged trials by cause."""
    environment: tuple[tuple[str, str], ...]
    """(key, value) of the last start's environment."""
    plan: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    """(table, its (key, value) rows), in the file's order."""
    versions: tuple[VersionSummary, ...]
    """Versions of the plan; empty if it never changed."""
    results: Mapping[str, Any]
    """The content of results.json."""

    @classmethod
    def of(
        cls,
        sweep: Sweep,
        benchmarks: pd.DataFrame,
        reproduce_command: Callable[[Sweep], str] = reproduce_command,
    ) -> Report:
        """The report on a sweep in any state.

        benchmarks: as `reports.analysis.benchmarks.read_benchmarks` returns them.
        reproduce_command: returns the command that trains the best trial again.
        """
        board = leaderboard(sweep, benchmarks)
        command = reproduce_command(sweep)
        applies, why = benchmark_applies(sweep)
        return cls(
            sweep=sweep,
            status=sweep.status,
            state=run_state(sweep),
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
    def best(self) -> int | None:
        """Number of the best trial (`Sweep.best`); None if there is none."""
        best = self.sweep.best()
        return None if best is None else best.number

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(key, title) of every part of the page, in order."""
        parts = [("verdict", "Verdict", True), ("health", "Health", True)]
        parts += [(section.key, section.title, section.shown) for section in self.sections_above]
        parts.append(("leaderboard", "Leaderboard", self.leaderboard_shown))
        parts += [(section.key, section.title, section.shown) for section in self.sections]
        parts += [
            ("trials", "Trials", bool(self.trials_table.rows)),
            ("failures", "Failures", bool(self.failures)),
            ("openings", "Test set", bool(self.sweep.openings)),
            ("not-shown", "Not shown yet", bool(self.not_shown)),
            ("environment", "Environment", True),
            ("plan", "Plan", True),
        ]
        return [(key, title) for key, title, shown in parts if shown]

    @property
    def leaderboard_shown(self) -> bool:
        """Whether the page has the leaderboard: without a result of ours it would only repeat a file."""
        return bool(self.leaderboard_sentence) and bool(self.leaderboard["ours"].any())

    @property
    def not_shown(self) -> list[tuple[list[str], str]]:
        """(titles, why) of the parts that have nothing to show yet, in the page's order; those with the same
        reason together."""
        parts = [(section.title, section.sentence) for section in self.sections_above if not section.shown]
        if self.leaderboard_sentence and not self.leaderboard_shown:
            parts.append(("Leaderboard", self.leaderboard_sentence))
        parts += [(section.title, section.sentence) for section in self.sections if not section.shown]
        if not self.trials_table.rows:
            parts.append(("Trials", self.trials_sentence))
        if not self.failures:
            parts.append(("Failures", self.failures_sentence))
        if not self.sweep.openings:
            parts.append(("Test set", self.openings_sentence))
        titles: dict[str, list[str]] = {}
        for title, sentence in parts:
            titles.setdefault(sentence, []).append(title)
        return [(own, sentence) for sentence, own in titles.items()]

    @property
    def all_sections(self) -> tuple[Section, ...]:
        """The sections that may have drawings."""
        return (*self.sections_above, *self.sections)

    @property
    def boards(self) -> list[tuple[str, str, pd.DataFrame, LeaderboardBars, range]]:
        """(key, name, rows, bars, positions of the rows next to ours) of each view of the leaderboard."""
        views = [("all", "All results", self.leaderboard), ("same", "Same rules", self.same_rules)]
        return [
            (key, name, frame, leaderboard_bars(frame), rows_near_ours(frame)) for key, name, frame in views
        ]

    @property
    def folded_rows(self) -> int:
        """How many rows of the leaderboard are far from ours."""
        return len(self.leaderboard) - len(rows_near_ours(self.leaderboard))

    @property
    def health_sentence(self) -> str:
        """How many of the health checks passed."""
        return health_sentence(self.health)

    @property
    def shown_trials(self) -> pd.DataFrame:
        """`trials`, without the column `same_as` if no trial repeats a recipe."""
        return self.trials if self.trials["same_as"].notna().any() else self.trials.drop(columns="same_as")

    @property
    def trials_sentence(self) -> str:
        """The number of trials by state, and what they cost."""
        states = capitalized(states_sentence(self.sweep))
        epochs = sum(len(trial.epochs) for trial in self.sweep.trials)
        spent = duration(sum(trial.seconds for trial in self.sweep.trials))
        return f"{states}; {plural(epochs, 'epoch')} trained in {spent}."

    @property
    def failures_sentence(self) -> str:
        """The number of trials that failed or diverged, and of their causes."""
        return failures_sentence(self.sweep)

    @property
    def environment_sentence(self) -> str:
        """The number of starts, the search time, and how the code changed between them."""
        sessions = self.sweep.sessions
        if not sessions:
            return "The search has not been started yet."
        starts = f"{plural(len(sessions), 'start')} of the search, {duration(self.sweep.seconds)} in total."
        return " ".join([starts, *code_changes(self.sweep)])

    @property
    def starts(self) -> list[tuple[str, str]]:
        """(name, description) of every start of the search."""
        last = self.sweep.sessions[-1].number if self.sweep.sessions and self.sweep.alive else None
        rows = []
        for session in self.sweep.sessions:
            end = ENDINGS.get(session.ended, session.ended) or (
                "still running" if session.number == last else "killed"
            )
            text = f"{moment(session.started)}, {duration(session.seconds)}, {shorten(end)}"
            rows.append((f"start {session.number}", text))
        return rows

    @property
    def plan_sentence(self) -> str:
        """What is searched, over how many hyperparameters, and with which version of the plan."""
        plan = self.sweep.plan
        text = f"{plural(len(plan.space), 'hyperparameter')} of {shorten(plan.trainable)} searched."
        if self.versions:
            text += f" The plan was changed during the search: version {len(self.versions)} is in force."
        return text

    @property
    def warm_start_sentence(self) -> str:
        """What the sampler knew from another run; "" without a warm start."""
        return warm_start_sentence(self.sweep)

    @property
    def openings_sentence(self) -> str:
        """How often the test set was opened."""
        count = len(self.sweep.openings)
        if not self.sweep.plan.has_test_split:
            return "There is no test split: the winner is chosen and reported on validation data."
        if not count:
            return "The test set has not been opened: nothing here was selected or evaluated on it."
        models = sum(opening.models for opening in self.sweep.openings)
        times = {1: "once", 2: "twice"}.get(count, f"{count} times")
        warning = (
            "" if count == 1 else " Each opening after the first makes its results slightly too optimistic."
        )
        return f"The test set was opened {times}, for {plural(models, 'model')} in total.{warning}"


def _plan_tables(plan: Mapping[str, Any]) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """The plan as in its TOML file: ("", keys outside any table), then ("[space]", its rows) and so on."""
    top_level = tuple((key, setting(value)) for key, value in plan.items() if not isinstance(value, Mapping))
    tables = [
        (f"[{key}]", tuple((name, setting(item)) for name, item in value.items()))
        for key, value in plan.items()
        if isinstance(value, Mapping)
    ]
    return ([("", top_level)] if top_level else []) + tables


def write(
    sweep: Sweep, benchmarks: pd.DataFrame, folder: Path, plotlyjs: Literal["inline", "cdn"] = "inline"
) -> dict[str, Path]:
    """Writes the report's four files into `folder` atomically, and returns their paths by name.

    plotlyjs: as in `html`. The same sweep gives the same bytes. Raises OSError if the folder is not writable.
    """
    report = Report.of(sweep, benchmarks)
    contents = {
        "report.html": _encoded(html(report, plotlyjs)),
        "report.md": _encoded(as_markdown(report)),
        "leaderboard.csv": _encoded(to_csv(report.leaderboard)),
        "results.json": results_json(report.results),
    }
    for name, content in contents.items():
        write_atomic(folder / name, content)
    return {name: folder / name for name in contents}


def results_json(results: Mapping[str, Any]) -> bytes:
    """The content of results.json. results: as `reports.exports.results.results` returns them."""
    return _encoded(json.dumps(results, indent=1, allow_nan=False, ensure_ascii=False) + "\n")


def _encoded(text: str) -> bytes:
    # A file name in an error may contain an unpaired surrogate; in JSON its escape is exact.
    return text.encode("utf-8", "backslashreplace")


def html(report: Report, plotlyjs: Literal["inline", "cdn"] = "inline") -> str:
    """The page. plotlyjs: see `reports.page.template.page`."""
    table = report.trials_table
    return page(
        "page.html",
        report.contents,
        report.all_sections,
        ["page.js", "trials.js", "panel.js"] if table.rows else ["page.js"],
        {
            "record": reproduction_record(report.results),
            "trials-data": table.data,
            "details": trial_details(report.sweep),
        },
        plotlyjs,
        report=report,
    )


def as_markdown(report: Report) -> str:
    """The report as Markdown, without the drawings."""
    return environment(autoescape=False).get_template("page.md").render(report=report)
