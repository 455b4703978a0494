"""The report's files: complete, the same for the same sweep, and harmless whatever a run holds."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs
from sweeps import ENVIRONMENT, PLAN, START, boosting_sweep, make_opening, make_sweep, make_trial, sweep_of

from reports.benchmarks import read_benchmarks
from reports.page import Report, as_markdown, html, write
from reports.statistics import wilson
from search.records import Session, State, Sweep
from trainable.contract import Metric
from trainable.evaluation import Evaluation

PUBLISHED = read_benchmarks()
PLOTLY = get_plotlyjs()
FAILED = sweep_of(
    [make_trial(k, state=State.FAILED, score=None, epochs=(), error=f"ValueError: {k % 2}") for k in range(5)]
)
STATES = {
    "empty": sweep_of(()),
    "running": make_sweep(6, openings=(), alive=True),
    "interrupted": sweep_of([make_trial(0), make_trial(1, state=State.INTERRUPTED)]),
    "all failed": FAILED,
    "one": make_sweep(1),
    "other trainable": boosting_sweep(),
    "no plan": sweep_of([make_trial(0, sampled={})], plan={}, environment={}, sessions=()),
    "odd plan": make_sweep(9, plan={"space": [1], "data": "x", "limit": float("nan"), "when": START}),
}


class Page(HTMLParser):
    """What a browser would see of a page: its elements and the text outside scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text.append(data)

    def attribute(self, tag: str, name: str) -> list[str]:
        """The attribute's value in every such element that has it."""
        return [value for each, held in self.tags if each == tag and (value := held.get(name)) is not None]


def page_of(sweep: Sweep) -> Page:
    """Without plotly's own 5 MB, which take most of a parser's time."""
    return Page(html(Report.of(sweep, PUBLISHED)).replace(PLOTLY, "plotly"))


@pytest.mark.parametrize("name", STATES)
def test_a_sweep_in_any_state_has_all_four_files(name: str, tmp_path: Path) -> None:
    made = write(STATES[name], PUBLISHED, tmp_path)
    assert sorted(made) == ["leaderboard.csv", "report.html", "report.md", "results.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(made)
    assert all(path.stat().st_size > 50 for path in made.values())
    stored = json.loads(made["results.json"].read_text())
    assert stored["schema"] == 1
    assert len(stored["trials"]) == len(STATES[name].trials)


def test_the_same_sweep_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    first = write(make_sweep(), PUBLISHED, tmp_path / "one")
    second = write(make_sweep(), read_benchmarks(), tmp_path / "other")
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


def test_plotly_is_there_once_and_the_page_of_200_trials_stays_below_8_mb() -> None:
    page = html(Report.of(make_sweep(200), PUBLISHED))
    assert page.count(PLOTLY) == 1
    assert len(page.encode()) < 8_000_000


def test_a_page_without_drawings_does_without_plotly() -> None:
    assert len(html(Report.of(sweep_of(()), PUBLISHED))) < 100_000


def test_every_script_that_runs_is_known_to_the_policy_and_nothing_else_may_load() -> None:
    page = Page(html(Report.of(make_sweep(), PUBLISHED)))
    (policy,) = [value for value in page.attribute("meta", "content") if "default-src" in value]
    kinds = [held.get("type") for tag, held in page.tags if tag == "script"]
    running = [script for script, kind in zip(page.scripts, kinds, strict=True) if kind is None]
    assert len(running) == 3
    for script in running:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_the_page_names_no_foreign_address() -> None:
    page = page_of(make_sweep())
    links = page.attribute("a", "href") + page.attribute("img", "src") + page.attribute("link", "href")
    assert all(link.startswith("#") for link in links)
    assert not page.attribute("script", "src")


def test_ids_are_unique_and_every_link_leads_somewhere() -> None:
    page = page_of(make_sweep())
    ids = [held["id"] for _, held in page.tags if "id" in held]
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.attribute("a", "href")} <= set(ids)
    drawn = json.loads(
        page.scripts[[held.get("id") for t, held in page.tags if t == "script"].index("figures")]
    )
    assert set(drawn) <= set(ids)


def test_the_numbers_of_the_verdict_are_those_of_the_records() -> None:
    sweep = make_sweep()
    best, evaluation = sweep.best(), sweep.openings[0].evaluation
    assert best is not None
    assert evaluation is not None
    low, high = wilson(round(evaluation.metrics["accuracy"] * evaluation.count), evaluation.count)
    told = " ".join(page_of(sweep).text)
    assert f"{100 * evaluation.metrics['accuracy']:.2f} %" in told
    assert f"{100 * low:.2f} to {100 * high:.2f} %" in told
    assert sweep.metric.format(best.score) in told
    assert f"Trial {best.number} was chosen" in told
    assert f"benchsweep reproduce laptop {best.number}" in told
    assert "above 8 of 27 published results" in told


def test_results_json_holds_what_was_measured() -> None:
    sweep = make_sweep()
    stored = json.loads(json.dumps(dict(Report.of(sweep, PUBLISHED).results), allow_nan=False))
    best = sweep.best()
    assert best is not None
    assert stored["best"] == best.number
    assert stored["test"]["correct"] == 9838
    assert stored["trials"][best.number]["score"] == best.score
    assert stored["trials"][best.number]["sampled"] == best.sampled
    assert len(stored["trials"][best.number]["epochs"]) == len(best.epochs)
    assert Evaluation.from_json(stored["openings"][0]["evaluation"]).count == 10_000
    assert [row["ours"] for row in stored["leaderboard"]].count(True) == 1
    assert stored["plan"] == PLAN


def test_failures_are_grouped_by_cause() -> None:
    told = " ".join(page_of(FAILED).text)
    assert "5 trials of 5 went wrong, for 2 causes" in told
    assert "Every trial failed: 5 trials, all failed." in told
    assert "0, 2, 4" in told


def test_looks_at_the_test_set_are_counted_with_time_and_reason() -> None:
    cut = make_opening(2, reason="checked again")
    cut = type(cut)(**{**vars(cut), "evaluation": None})
    told = " ".join(page_of(make_sweep(openings=(make_opening(2), cut))).text)
    assert "The test set was opened twice." in told
    assert "2026-11-20 09:43 UTC" in told
    assert "checked again" in told
    assert "it was cut off" in told


def test_a_trainable_without_classes_has_no_class_sections() -> None:
    keys = [section.key for section in Report.of(boosting_sweep(), PUBLISHED).sections]
    assert keys == ["history", "curves", "importances", "parallel", "slices"]


def test_nothing_of_a_page_that_is_read_needs_javascript() -> None:
    told = " ".join(page_of(make_sweep()).text)
    for words in ("98.38", "LeNet-5", "learning_rate", "successive_halving", "CUDA out of memory"):
        assert words in told


def test_a_file_name_with_half_a_character_can_be_written(tmp_path: Path) -> None:
    sweep = sweep_of([make_trial(0, state=State.FAILED, error="OSError: \udce9t\udce9.txt")])
    made = write(sweep, PUBLISHED, tmp_path)
    stored = json.loads(made["results.json"].read_text())
    assert stored["trials"][0]["error"] == "OSError: \udce9t\udce9.txt"


HOSTILE = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "</script><script>alert(1)</script>",
            "<!--<script>",
            "<img src=x onerror=alert(1)>",
            "\"onmouseover='alert(1)'",
            "{{ 7 * 7 }}{% raw %}",
            "]]>\u2028\u2029\x00\r\n|`*",
            "$(touch x); `id` && 'quoted'",
            "%{x} %{customdata} <a href='javascript:alert(1)'>x</a>",
            "x" * 10_000,
            "\u202eright to left \U0001f600",
        ]
    ),
)


def hostile_sweep(draw: list[str]) -> Sweep:
    """Every place where a run holds text holds some of these."""
    name, setting, value, error, key, unit, reason, model, trainable, ended = draw
    sampled: dict[str, Any] = {setting: value, "x": 0.5}
    trials = [
        make_trial(
            k,
            sampled={**sampled, setting: value if k % 2 else model},
            recipe={**sampled, key: [value, {key: error}]},
            state=State.FAILED if k == 9 else State.COMPLETE,
            error=error if k == 9 else None,
            score=0.9 + k / 1000,
        )
        for k in range(10)
    ]
    seen = Evaluation({"accuracy": 0.5, key: 1.0}, 10, class_names=(name,))
    classed = Evaluation({"accuracy": 1.0}, 2, np.eye(2, dtype=np.int64), class_names=(value, model))
    return sweep_of(
        trials,
        name=name,
        metric=Metric("validation_accuracy", "maximize", unit),
        plan={"trainable": trainable, "space": {setting: {"choices": [value, model]}, key: {}}, key: value},
        environment={**ENVIRONMENT, key: {value: error}},
        openings=(make_opening(8, seen, reason=reason), make_opening(8, classed, reason=reason)),
        sessions=(Session(0, START, 1.0, ended),),
    )


@cache
def harmless_page() -> Page:
    """What the page of `hostile_sweep` is when its texts are words."""
    return page_of(hostile_sweep([f"plain{k}" for k in range(10)]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE, min_size=10, max_size=10))
def test_hostile_text_adds_no_element_no_attribute_and_no_script(drawn: list[str]) -> None:
    harmless = harmless_page()
    sweep = hostile_sweep(drawn)
    page = page_of(sweep)
    allowed = {(tag, name) for tag, held in harmless.tags for name in held}
    assert {(tag, name) for tag, held in page.tags for name in held} <= allowed
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in harmless.tags}
    assert len(page.scripts) == len(harmless.scripts)
    figures = page.scripts[1]
    assert not re.search("[<>&]", figures)
    json.loads(figures)
    as_markdown(Report.of(sweep, PUBLISHED))


@settings(max_examples=50, deadline=None)
@given(HOSTILE)
def test_hostile_text_starts_no_element_in_markdown(text: str) -> None:
    told = as_markdown(Report.of(sweep_of([make_trial(0, state=State.FAILED, error=text)]), PUBLISHED))
    assert not re.search(r"<[a-zA-Z/!]", told)


def test_the_last_start_of_a_running_search_is_not_called_killed() -> None:
    sessions = (Session(0, START, 60.0, ""), Session(1, START, 5.0, ""))
    running = Report.of(sweep_of([make_trial(0)], sessions=sessions, alive=True), PUBLISHED)
    assert [told.split(", ")[-1] for _, told in running.starts] == ["killed", "still running"]
    over = Report.of(sweep_of([make_trial(0)], sessions=sessions), PUBLISHED)
    assert [told.split(", ")[-1] for _, told in over.starts] == ["killed", "killed"]
