"""The report's files: complete, the same for the same sweep, and harmless whatever a run holds."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sweeps import (
    ENVIRONMENT,
    PLAN,
    START,
    boosting_sweep,
    confirmed_sweep,
    make_confirmation,
    make_evaluation,
    make_look,
    make_mistake,
    make_opening,
    make_plans,
    make_repeat,
    make_sweep,
    make_trial,
    sweep_of,
)

from benchsweep.find import run_folder
from benchsweep.report_record import recorded_best
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.once import once_per_sweep
from reports.analysis.verdict import run_argument
from reports.analysis.winner import winner_of
from reports.figures.figure import Figure
from reports.page.report import Report, as_markdown, html, write
from reports.page.template import Plotly
from reports.statistics.intervals import wilson
from search.records.sweep import Session, State, Sweep, WarmStartSummary
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation

PUBLISHED = read_benchmarks()
PLOTLY = Plotly.of("inline").packed
FAILED = sweep_of(
    [
        make_trial(
            k, state=State.FAILED, score=None, epochs=(), error=f"{('Value', 'Type')[k % 2]}Error: got {k}"
        )
        for k in range(5)
    ]
)
STATES = {
    "empty": sweep_of(()),
    "running": make_sweep(6, openings=(), alive=True),
    "interrupted": sweep_of([make_trial(0), make_trial(1, state=State.INTERRUPTED)]),
    "all failed": FAILED,
    "one": make_sweep(1),
    "confirmed": confirmed_sweep(),
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


def unpacked(script: str) -> str:
    """The script that a page holds packed."""
    return gzip.decompress(base64.b64decode(script)).decode()


@once_per_sweep
def report_of(sweep: Sweep) -> Report:
    """The report of a sweep, made once for the tests that read it."""
    return Report.of(sweep, PUBLISHED)


@once_per_sweep
def page_of(sweep: Sweep) -> Page:
    """Its page, without plotly's own 2 MB, which take most of a parser's time."""
    return Page(html(report_of(sweep)).replace(PLOTLY, "plotly"))


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_a_sweep_in_any_state_has_all_four_files(name: str, tmp_path: Path) -> None:
    made = write(STATES[name], PUBLISHED, tmp_path)
    assert sorted(made) == ["leaderboard.csv", "report.html", "report.md", "results.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(made)
    assert all(path.stat().st_size > 50 for path in made.values())
    stored = json.loads(made["results.json"].read_text())
    assert stored["schema"] == 3
    assert len(stored["trials"]) == len(STATES[name].trials)


@pytest.mark.slow
def test_the_same_sweep_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    first = write(make_sweep(), PUBLISHED, tmp_path / "one")
    second = write(replace(make_sweep()), read_benchmarks(), tmp_path / "other")  # analysed anew
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


@pytest.mark.slow
def test_plotly_is_there_once_and_the_page_of_200_trials_stays_below_3_5_mb() -> None:
    page = html(Report.of(make_sweep(200), PUBLISHED))
    assert page.count(PLOTLY) == 1
    assert len(page.encode()) < 3_500_000


def test_a_page_without_drawings_does_without_plotly() -> None:
    assert len(html(Report.of(sweep_of(()), PUBLISHED))) < 100_000


def test_every_script_that_runs_is_known_to_the_policy_and_nothing_else_may_load() -> None:
    page = Page(html(report_of(make_sweep())))
    (policy,) = [value for value in page.attribute("meta", "content") if "default-src" in value]
    kinds = [held.get("type") for tag, held in page.tags if tag == "script"]
    running = [
        unpacked(script) if kind == "text/plain" else script
        for script, kind in zip(page.scripts, kinds, strict=True)
        if kind in (None, "text/plain")
    ]
    assert len(running) == 5
    for script in running:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy
    assert "'unsafe-eval'" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_the_page_names_no_foreign_address() -> None:
    page = page_of(make_sweep())
    links = page.attribute("a", "href") + page.attribute("link", "href")
    assert all(link.startswith("#") for link in links)
    assert all(source.startswith("data:image/png;base64,") for source in page.attribute("img", "src"))
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
    best, evaluation = sweep.best(), sweep.openings[0].looks[0].evaluation
    assert best is not None
    low, high = wilson(round(evaluation.metrics["accuracy"] * evaluation.count), evaluation.count)
    told = " ".join(page_of(sweep).text)
    assert f"{100 * evaluation.metrics['accuracy']:.2f} %" in told
    assert f"{100 * low:.2f} to {100 * high:.2f} %" in told
    assert sweep.metric.format(best.score) in told
    assert f"Trial {best.number} was chosen" in told
    assert f"benchsweep reproduce /runs/laptop {best.number}" in told
    assert "better than 8 of 27 published results" in told


def test_results_json_holds_what_was_measured() -> None:
    sweep = make_sweep()
    stored = json.loads(json.dumps(dict(report_of(sweep).results), allow_nan=False))
    best = sweep.best()
    assert best is not None
    assert stored["best"] == {"trial": best.number, "score": best.score, "sampled": best.sampled}
    assert (stored["test"]["mean"], stored["test"]["seeds"], stored["test"]["deviation"]) == (0.9838, 1, None)
    assert stored["trials"][best.number]["score"] == best.score
    assert stored["trials"][best.number]["sampled"] == best.sampled
    assert len(stored["trials"][best.number]["epochs"]) == len(best.epochs)
    assert Evaluation.from_json(stored["openings"][0]["looks"][0]["evaluation"]).count == 10_000
    assert [row["ours"] for row in stored["leaderboard"]].count(True) == 1
    assert stored["plan"] == PLAN


@pytest.fixture(scope="module", params=[16, None])
def not_on_top(request: pytest.FixtureRequest) -> Sweep:
    """A sweep whose confirmation chose this one, and not the trial with the top score."""
    searched = make_sweep(openings=())
    first, second = searched.ranked()[:2]
    assert second.number == 16
    behind = {first.number: [0.961, 0.962, 0.963], None: [0.951, 0.952, 0.953]}
    race = make_confirmation(
        {**behind, request.param: [0.981, 0.982, 0.983]},
        {first.number: first.score or 0.0, second.number: second.score or 0.0},
        seeds=(11, 12, 13),
    )
    looks = [
        make_look(each.trial, rerun.recipe["seed"], make_evaluation(160))
        for each in race.finalists
        for rerun in each.complete
    ]
    return replace(searched, confirmation=race, openings=(make_opening(*looks),))


def test_one_trial_is_the_best_in_every_part_of_a_page(not_on_top: Sweep) -> None:
    sweep, chosen = not_on_top, not_on_top.best()
    number, top = (None if chosen is None else chosen.number), sweep.top()
    assert top is not None
    told = report_of(sweep)
    assert (
        told.verdict.command == f"benchsweep reproduce /runs/laptop {'default' if number is None else number}"
    )
    assert told.results["winner"]["trial"] == number
    assert (told.results["best"] and told.results["best"]["trial"]) == number
    assert told.results["top"]["trial"] == top.number
    assert f"Trial {top.number} had the top score in the search" in " ".join(told.verdict.sentences)
    rows = re.findall(r'<tr id="trial-(\d+)" class="best ours"', html(told, "cdn"))
    assert rows == ([] if number is None else [str(number)])
    numbers = {section.key: section.numbers for section in told.all_sections}
    for key in ("history", "parallel"):
        at = numbers[key].best
        assert (None if at is None else numbers[key].numbers[at]) == number
    for key in ("curves", "schedules", "timeline", "pruning"):
        assert numbers[key].best == number, key
    for key, one in (("slices", "slices"), ("ranks", "pairs")):
        starred = {part.numbers[part.best] for part in getattr(numbers[key], one) if part.best is not None}
        assert starred == (set() if number is None else {number}), key


def test_a_report_reproduces_the_trial_that_it_calls_the_best(not_on_top: Sweep, tmp_path: Path) -> None:
    write(not_on_top, PUBLISHED, tmp_path, "cdn")
    best = not_on_top.best()
    for name in ("results.json", "report.html"):
        assert recorded_best(tmp_path / name) == ("default" if best is None else str(best.number))


def test_a_command_names_the_run_so_that_it_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    here, elsewhere = tmp_path / "runs" / "laptop", tmp_path / "other" / "runs" / "laptop"
    for folder, named in ((here, "laptop"), (elsewhere, str(elsewhere))):
        folder.mkdir(parents=True)
        (folder / "plan.toml").touch()
        assert run_argument(replace(make_sweep(), folder=folder)) == named
        assert run_folder(named, Path("runs")).path == folder


def test_failures_are_grouped_by_cause() -> None:
    told = " ".join(page_of(FAILED).text)
    assert "5 trials of 5 went wrong, for 2 causes" in told
    assert "Every trial failed (5 trials)." in told
    assert "0, 2, 4" in told


def test_looks_at_the_test_set_are_counted_with_time_and_reason() -> None:
    cut = make_opening(reason="checked again", models=3, overlap=None)
    told = " ".join(page_of(make_sweep(openings=(make_opening(make_look(2)), cut))).text)
    assert "The test set was opened twice, for 4 models in total." in told
    assert "not known" in told
    assert "2026-11-20 09:43 UTC" in told
    assert "checked again" in told
    assert "it was interrupted" in told


def test_a_trainable_without_classes_has_no_class_sections() -> None:
    keys = [section.key for section in Report.of(boosting_sweep(), PUBLISHED).sections]
    assert {"history", "curves", "importances", "parallel", "slices"} <= set(keys)
    assert not {"classes", "confusion"} & set(keys)


@pytest.mark.slow
def test_the_worst_mistakes_are_shown_as_images_with_words_for_who_does_not_see_them() -> None:
    page = page_of(confirmed_sweep())
    winner = winner_of(confirmed_sweep())
    assert winner is not None
    assert winner.evaluation.mistakes is not None
    shown = [held for tag, held in page.tags if tag == "img"]
    assert len(shown) == len(winner.evaluation.mistakes) == 24
    for held, mistake in zip(shown, winner.evaluation.mistakes, strict=True):
        source = (held["src"] or "").removeprefix("data:image/png;base64,")
        assert base64.b64decode(source) == mistake.png
        assert held["alt"] == (
            f"{mistake.true} predicted as {mistake.predicted}, probability {100 * mistake.probability:.1f} %"
        )
    assert f"test example {winner.evaluation.mistakes[0].index}" in page.attribute("li", "title")
    keys = [section.key for section in report_of(confirmed_sweep()).sections]
    assert keys.index("gallery") == keys.index("confusion") + 1


@pytest.mark.slow
def test_results_json_and_markdown_tell_mistakes_without_their_pixels() -> None:
    report = report_of(confirmed_sweep())
    stored = json.loads(json.dumps(dict(report.results), allow_nan=False))
    winner = winner_of(report.sweep)
    assert winner is not None
    assert winner.evaluation.mistakes is not None
    assert winner.evaluation.calibration is not None
    first, told = winner.evaluation.mistakes[0], stored["winner"]["mistakes"]
    assert len(told) == 24
    assert told[0] == {
        "index": first.index,
        "true": str(first.true),
        "predicted": str(first.predicted),
        "probability": first.probability,
        "true_probability": first.true_probability,
    }
    assert stored["winner"]["calibration"]["error"] == winner.evaluation.calibration.error
    assert all(look["evaluation"]["mistakes"] is None for look in stored["openings"][0]["looks"])
    picture = base64.b64encode(first.png).decode()
    assert picture in html(report)
    assert picture not in json.dumps(stored)
    markdown = as_markdown(report)
    assert picture not in markdown
    row = f"| {first.index} | {first.true} | {first.predicted} | {100 * first.probability:.1f} % |"
    assert row in markdown


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
    trials.append(make_repeat(10, trials[8]))
    seen = Evaluation({"accuracy": 0.5, key: 1.0}, 10, class_names=(name,))
    counts = np.array([[1, 0], [1, 0]])
    mistakes = (make_mistake(1, 1, 0),)
    classed = Evaluation({"accuracy": 0.5}, 2, counts, class_names=(value, model), mistakes=mistakes)
    return sweep_of(
        trials,
        name=name,
        metric=Metric("validation_accuracy", "maximize", unit),
        plan={"trainable": trainable, "space": {setting: {"choices": [value, model]}, key: {}}, key: value},
        environment={**ENVIRONMENT, key: {value: error}},
        openings=(
            make_opening(make_look(8, 0, seen), reason=reason),
            make_opening(make_look(8, 0, classed), reason=reason),
        ),
        sessions=(Session(0, START, 1.0, ended),),
        plans=make_plans((4, (value, error, f"{key}: {value} -> {model}"))),
        warm_start=WarmStartSummary(name, 3, reason),
    )


@cache
def harmless_page() -> Page:
    """What the page of `hostile_sweep` is when its texts are words."""
    return page_of(hostile_sweep([f"plain{k}" for k in range(10)]))


@pytest.mark.slow
@settings(max_examples=examples(6, 25), deadline=None, suppress_health_check=[HealthCheck.too_slow])
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
    as_markdown(report_of(sweep))


@pytest.mark.slow
@settings(max_examples=examples(5, 50), deadline=None)
@given(st.lists(HOSTILE, min_size=10, max_size=10))
def test_hostile_text_starts_no_element_in_markdown(texts: list[str]) -> None:
    failed = [make_trial(number, state=State.FAILED, error=text) for number, text in enumerate(texts)]
    told = as_markdown(Report.of(sweep_of(failed), PUBLISHED))
    assert not re.search(r"<[a-zA-Z/!]", told)


def test_the_last_start_of_a_running_search_is_not_called_killed() -> None:
    sessions = (Session(0, START, 60.0, ""), Session(1, START, 5.0, ""))
    running = Report.of(sweep_of([make_trial(0)], sessions=sessions, alive=True), PUBLISHED)
    assert [told.split(", ")[-1] for _, told in running.starts] == ["killed", "still running"]
    over = Report.of(sweep_of([make_trial(0)], sessions=sessions), PUBLISHED)
    assert [told.split(", ")[-1] for _, told in over.starts] == ["killed", "killed"]


def test_starts_are_called_by_how_they_ended() -> None:
    sessions = tuple(Session(k, START, 5.0, end) for k, end in enumerate(["error", "interrupted", "budget"]))
    told = Report.of(sweep_of([make_trial(0)], sessions=sessions), PUBLISHED).starts
    assert [end.split(", ")[-1] for _, end in told] == ["ended by an error", "interrupted", "budget spent"]


CHANGES = (
    (4, ("budget.trials: 40 -> 60", "space.dropout.high: 0.4 -> 0.5")),
    (4, ("budget.trials: 60 -> 80",)),
    (5, ("<img src=x onerror=alert(1)> *[l](u)*: 1 -> 2",)),
)


@cache
def changed_sweep() -> Sweep:
    """One whose plan was changed three times."""
    return make_sweep(plans=make_plans(*CHANGES))


@pytest.mark.slow
def test_each_version_of_a_plan_is_listed_with_its_time_its_trials_and_its_changes() -> None:
    sweep = changed_sweep()
    told = " ".join(" ".join(page_of(sweep).text).split())
    assert "The plan was changed during the search: version 4 is in force." in told
    assert "Version 1 since 2026-11-20 09:30 UTC, trials 0 to 3 Version 2" in told
    assert (
        "Version 2 since 2026-11-20 10:30 UTC, no trial budget.trials: 40 -> 60 "
        "space.dropout.high: 0.4 -> 0.5 Version 3" in told
    )
    assert "Version 3 since 2026-11-20 11:30 UTC, trial 4 budget.trials: 60 -> 80" in told
    assert "Version 4 since 2026-11-20 12:30 UTC, from trial 5 on" in told
    lines = as_markdown(report_of(sweep)).splitlines()
    first = lines.index("2. Version 2, since 2026-11-20 10:30 UTC, no trial")
    assert lines[first + 1 : first + 3] == [
        "    - budget.trials: 40 -> 60",
        "    - space.dropout.high: 0.4 -> 0.5",
    ]


@pytest.mark.slow
def test_marks_in_a_change_of_the_plan_stay_text() -> None:
    sweep = changed_sweep()
    page = page_of(sweep)
    assert "x" not in page.attribute("img", "src")
    assert "<img src=x onerror=alert(1)> *[l](u)*: 1 -> 2" in page.text
    markdown = as_markdown(report_of(sweep))
    assert "&lt;img src=x onerror=alert(1)> \\*\\[l\\](u)\\*: 1 -> 2" in markdown


@pytest.mark.slow
def test_a_warm_start_is_told_with_the_plan() -> None:
    origin = WarmStartSummary("first", 3, "3 of 4 finished trials of first seed the sampler")
    sweep = make_sweep(warm_start=origin)
    said = f"Warm start: {origin.sentence}. None of them is ranked here."
    assert said in page_of(sweep).text
    assert said in as_markdown(report_of(sweep)).splitlines()


@pytest.mark.slow
def test_a_plan_that_never_changed_adds_nothing_to_the_report() -> None:
    plain, versioned = (Report.of(make_sweep(plans=plans), PUBLISHED) for plans in ((), make_plans()))
    assert html(versioned) == html(plain)
    assert as_markdown(versioned) == as_markdown(plain)
    shown, markdown = " ".join(page_of(plain.sweep).text), as_markdown(plain)
    for words in ("Version", "Warm start", "same recipe", "same_as", "repeat a recipe", "repeats a recipe"):
        assert words not in shown
        assert words not in markdown


def repeating_sweep() -> Sweep:
    """Two trained, one stopped, one diverged; then each of them once more, not trained."""
    own = [
        make_trial(0, score=0.9),
        make_trial(1, score=0.95),
        make_trial(2, state=State.PRUNED),
        make_trial(3, state=State.DIVERGED, error="epoch 3: train_loss became nan"),
    ]
    return sweep_of([*own, *(make_repeat(4 + trial.number, trial) for trial in own)])


def test_a_trial_that_repeats_a_recipe_is_marked_and_leads_to_the_other_one() -> None:
    page = page_of(repeating_sweep())
    links = Counter(link for link in page.attribute("a", "href") if link.startswith("#trial-"))
    assert links == {f"#trial-{number}": 2 if number < 4 else 1 for number in range(8)}
    assert {f"trial-{number}" for number in range(8)} <= set(page.attribute("tr", "id"))
    assert "same recipe as trial 1, not trained again" in "".join(page.text)
    markdown = as_markdown(Report.of(repeating_sweep(), PUBLISHED))
    assert "| number | rank | state | same_as | score |" in markdown
    assert "| 5 |  | COMPLETE | 1 | 0.95 | 0 |" in markdown


def test_what_was_not_trained_is_not_counted_as_trained() -> None:
    report = Report.of(repeating_sweep(), PUBLISHED)
    facts = dict(report.verdict.facts)
    assert (facts["trials"], facts["stopped early"], facts["training time"]) == ("8", "1", "12 s")
    assert report.failures_sentence.startswith("1 trial of 4 went wrong, for 1 cause")
    assert "(2 complete, 1 pruned, 1 diverged and 4 that repeat a recipe)" in report.verdict.sentences[0]
    assert "8 epochs trained in 12 s" in report.trials_sentence


def test_results_json_holds_the_plans_the_warm_start_and_what_repeats_what() -> None:
    origin = WarmStartSummary("first", 3, "3 of 4 finished trials of first seed the sampler")
    sweep = sweep_of(repeating_sweep().trials, plans=make_plans(*CHANGES), warm_start=origin)
    stored = json.loads(json.dumps(dict(report_of(sweep).results), allow_nan=False))
    assert stored["schema"] == 3
    assert [trial["same_as"] for trial in stored["trials"]] == [None] * 4 + [0, 1, 2, 3]
    assert stored["warm_start"] == {"run": "first", "taken": 3, "sentence": origin.sentence}
    assert [version["number"] for version in stored["plans"]] == [0, 1, 2, 3]
    assert stored["plans"][1] == {
        "number": 1,
        "since": "2026-11-20T10:30:00+00:00",
        "trials": 4,
        "session": 0,
        "table": PLAN,
        "changes": ["budget.trials: 40 -> 60", "space.dropout.high: 0.4 -> 0.5"],
    }
    bare = report_of(make_sweep()).results
    assert (bare["plans"], bare["warm_start"]) == ([], None)


@pytest.mark.slow
def test_the_verdict_is_one_figure_and_three_lines_with_one_interval() -> None:
    made = report_of(confirmed_sweep()).verdict
    assert made.figure == "98.42 %"
    assert (made.caption, *made.lines) == (
        "Best recipe: trial 2, test accuracy, mean of 10 seeds (95 % interval 98.20 to 98.61 %)",
        "0.70 points better than the default recipe, significant (p < 0.001)",
        "Statistically tied with trials 4 and 16",
    )
    for sweep in STATES.values():
        assert len(report_of(sweep).verdict.lines) <= 2


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_what_has_nothing_to_show_is_one_line_and_no_part_of_the_page(name: str) -> None:
    report = report_of(STATES[name])
    page = page_of(STATES[name])
    parts = {key for key, _ in report.contents}
    for section in report.all_sections:
        assert section.shown == (section.key in parts)
        listed = [sentence for titles, sentence in report.not_shown if section.title in titles]
        assert listed == ([] if section.shown else [section.sentence])
    assert parts == {held["id"] for tag, held in page.tags if tag == "section"}


def test_numbers_that_cannot_be_relied_on_are_a_sentence_without_a_drawing() -> None:
    figure = Figure[float, float](
        key="model",
        title="Model",
        numbers=lambda share: share,
        sentence=lambda share: f"explains {share}",
        table=lambda share: pd.DataFrame({"share": [share]}),
        reliable=lambda share: share > 0.3,
    )
    weak, good = figure.section(0.1), figure.section(0.7)
    assert weak is not None and good is not None
    assert (weak.shown, weak.sentence, weak.table) == (False, "explains 0.1", None)
    assert good.shown and good.table is not None


@pytest.mark.slow
def test_a_confirmed_winner_has_its_mean_over_seeds_and_its_selection_bias() -> None:
    sweep = confirmed_sweep()
    report = report_of(sweep)
    stored = json.loads(json.dumps(dict(report.results), allow_nan=False))
    rows = stored["confirmation"]["rows"]
    assert [row["state"] for row in rows] == ["winner", "tied", "tied", "behind"]
    mean = sum(look.evaluation.metrics["accuracy"] for look in sweep.openings[0].looks[:10]) / 10
    assert stored["test"]["mean"] == pytest.approx(mean)
    assert report.verdict.figure == f"{100 * mean:.2f} %"
    assert "mean of 10 seeds" in report.verdict.caption
    assert report.verdict.command == f"benchsweep reproduce /runs/laptop {rows[0]['trial']}"
    for told in (" ".join(page_of(sweep).text), as_markdown(report)):
        assert f"Trial {rows[0]['trial']} was confirmed with 10 fresh seeds" in told
        assert "of that was selection bias" in told


RIDDLES = (
    r"of it were luck",
    r"luck of",
    r"alone was the best",
    r"tell them apart",
    r"told (apart|from)",
    r"is worth \d",
    r"that hold\b",
    r"crowd no",
    r"drew at random",
    r"lost were",
    r"foret[eo]ll?d?",
    r"\bsurer\b",
    r"taken for",
    r"alone makes",
    r"cannot be told",
    r"not asked",
    r"Go on:",
    r"(points|nats) (above|below)",
)
"""Phrases in place of the field's terms: selection bias, statistically indistinguishable, standard deviation,
predict, overconfident, predicted as, explains, not enough data yet, not used, better or worse than."""


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_a_page_says_it_in_the_terms_of_the_field(name: str) -> None:
    shown = as_markdown(report_of(STATES[name])) + " ".join(page_of(STATES[name]).text)
    assert [phrase for phrase in RIDDLES if re.search(phrase, shown)] == []


def test_a_sweep_without_a_confirmation_says_that_its_winner_is_the_luckiest() -> None:
    assert "was not confirmed" in " ".join(page_of(make_sweep()).text)


@pytest.mark.slow
def test_the_page_has_a_view_of_the_rows_by_the_same_rules() -> None:
    report = report_of(make_sweep())
    assert 0 < len(report.same_rules) < len(report.leaderboard)
    page = page_of(make_sweep())
    assert {"view-all", "view-same"} <= set(page.attribute("input", "id"))
