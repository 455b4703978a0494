"""The report: one object of all that is shown, and the four files made from it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup
from plotly.offline import get_plotlyjs
from plotly.utils import PlotlyJSONEncoder

from reports import markdown
from reports.bars import Bars, bars
from reports.confirmed import called
from reports.failures import Failure, failures, failures_sentence
from reports.provenance import Version, versions, warm_start_sentence
from reports.ranking import (
    TIES,
    benchmark_applies,
    leaderboard,
    leaderboard_markdown,
    standing,
    states_sentence,
    to_csv,
    trials_table,
)
from reports.results import record, results
from reports.sections import Section, confirmation_section, sections
from reports.trials import Trials, missing, trials
from reports.verdict import Verdict, reproduce_command, verdict
from reports.wording import duration, flatten, moment, plural, setting, shorten
from search.records import Sweep
from trainable.durable import write_whole

ENDINGS = {"budget": "budget spent", "error": "ended by an error"}
"""How the end of a start is called where its record has a bare word for it."""


@dataclass(frozen=True, eq=False)
class Report:
    """Everything the report shows, computed once; page, Markdown and data are made from it alone.

    leaderboard, trials: as `reports.ranking` documents them; trials_table: the page's; same_rules: the
    leaderboard of single networks without augmentation alone. bars: one per leaderboard row.
    sections: the figures. environment: (key, value) rows. plan: (table, its rows) in the file's
    order. versions: of the plan, none where it never changed. results: what results.json holds.
    """

    sweep: Sweep
    status: str
    verdict: Verdict
    confirmation: Section
    leaderboard: pd.DataFrame
    same_rules: pd.DataFrame
    leaderboard_sentence: str
    bars: Bars
    sections: tuple[Section, ...]
    trials: pd.DataFrame
    trials_table: Trials
    failures: tuple[Failure, ...]
    environment: tuple[tuple[str, str], ...]
    plan: tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
    versions: tuple[Version, ...]
    results: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        sweep: Sweep,
        benchmarks: pd.DataFrame,
        reproduce_command: Callable[[Sweep], str] = reproduce_command,
    ) -> Report:
        """The report on a sweep in any state: empty, running, interrupted, failed or finished.

        benchmarks: as `reports.benchmarks.read_benchmarks` returns them.
        reproduce_command: what a reader types to train the best trial again.
        """
        board = leaderboard(sweep, benchmarks)
        command = reproduce_command(sweep)
        applies, why = benchmark_applies(sweep)
        return cls(
            sweep=sweep,
            status=sweep.status,
            verdict=verdict(sweep, board, command),
            confirmation=confirmation_section(sweep),
            leaderboard=board,
            same_rules=leaderboard(sweep, benchmarks, same_rules=True),
            leaderboard_sentence=standing(board) if applies else why,
            bars=bars(board),
            sections=sections(sweep),
            trials=trials_table(sweep),
            trials_table=trials(sweep),
            failures=tuple(failures(sweep)),
            environment=tuple(flatten(sweep.environment)),
            plan=tuple(_plan_tables(sweep.plan)),
            versions=versions(sweep),
            results=results(sweep, benchmarks, command),
        )

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(key, title) of every part of the page, in order."""
        return [
            ("verdict", "Verdict"),
            ("confirmation", "Confirmation"),
            ("leaderboard", "Leaderboard"),
            *((section.key, section.title) for section in self.sections),
            ("trials", "Trials"),
            ("failures", "Failures"),
            ("openings", "Test set"),
            ("environment", "Environment"),
            ("plan", "Plan"),
        ]

    @property
    def boards(self) -> list[tuple[str, str, pd.DataFrame, Bars]]:
        """The leaderboard's views: key, name, rows and their bars."""
        views = [("all", "All results", self.leaderboard), ("same", "Same rules", self.same_rules)]
        return [(key, name, frame, bars(frame)) for key, name, frame in views]

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
        space = self.sweep.plan.get("space")
        count = len(space) if isinstance(space, Mapping) else 0
        trainable = self.sweep.plan.get("trainable", "trainable.mlp")
        told = f"{plural(count, 'setting')} of {shorten(str(trainable))} searched."
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


def write(sweep: Sweep, benchmarks: pd.DataFrame, folder: Path) -> dict[str, Path]:
    """Write the report's four files into `folder`, each of them whole, and return their paths by name.

    The same sweep gives the same bytes. Raises OSError when the folder cannot be written to.
    """
    report = Report.of(sweep, benchmarks)
    made = {
        "report.html": html(report),
        "report.md": as_markdown(report),
        "leaderboard.csv": to_csv(report.leaderboard),
        "results.json": json.dumps(report.results, indent=1, allow_nan=False, ensure_ascii=False) + "\n",
    }
    for name, content in made.items():
        # A file name in an error may hold half a character; in JSON its escape is even exact.
        write_whole(folder / name, content.encode("utf-8", "backslashreplace"))
    return {name: folder / name for name in made}


def html(report: Report) -> str:
    """The page: one file that needs no other, no network, and to be read no JavaScript either."""
    scripts = {
        "early": _source("theme.js"),
        "plotly": _plotly_script(),
        "late": _source("page.js"),
        "trials": _source("trials.js"),
    }
    return (
        _environment(autoescape=True)
        .get_template("page.html")
        .render(
            report=report,
            style=Markup(_source("page.css")),
            scripts={name: Markup(script) for name, script in scripts.items()},
            policy=_policy(list(scripts.values())),
            figures=Markup(_figures_json(report)),
            trials_data=Markup(_inert(report.trials_table.data)),
            record=Markup(_inert(record(report.results))),
            has_figures=any(section.figures for section in (report.confirmation, *report.sections)),
        )
    )


def as_markdown(report: Report) -> str:
    """The report as Markdown, without the drawings."""
    return _environment(autoescape=False).get_template("page.md").render(report=report)


def _environment(autoescape: bool) -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.globals["ties"] = TIES
    made.filters |= {
        "called": called,
        "setting": setting,
        "shorten": shorten,
        "moment": moment,
        "duration": duration,
        "text": markdown.text,
        "code": markdown.code,
        "table": markdown.table,
        "leaderboard": leaderboard_markdown,
    }
    made.tests["missing"] = missing
    return made


def _source(name: str) -> str:
    """A file that lies beside this one, and in the installed package too."""
    return (files("reports") / name).read_text(encoding="utf-8")


def _plotly_script() -> str:
    return str(get_plotlyjs())


def _policy(scripts: list[str]) -> str:
    """A Content-Security-Policy that runs these scripts, known by their hashes, and nothing else,
    and lets nothing be loaded from anywhere.

    Styles are allowed inline because plotly makes its own; images as data, for its download button.
    """
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    allowed = " ".join(f"'sha256-{each}'" for each in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        f"base-uri 'none'; form-action 'none'"
    )


def _figures_json(report: Report) -> str:
    """All drawings as JSON.

    Keys are sorted and floats written by Python, so that the same figures are the same bytes.
    """
    drawn = {
        key: {"data": told["data"], "layout": told["layout"]}
        for section in (report.confirmation, *report.sections)
        for key, told in ((key, figure.to_plotly_json()) for key, figure in section.figures)
    }
    return _inert(drawn)


def _inert(value: Any) -> str:
    """The value as JSON that may stand in a <script> element whatever its strings hold."""
    text = json.dumps(value, cls=PlotlyJSONEncoder, sort_keys=True, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
