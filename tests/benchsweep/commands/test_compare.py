"""The page of a comparison and the command that writes it: whole, the same for the same runs, harmless."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from searches import plan
from studies import carry_on
from sweeps import (
    PLAN,
    boosting_sweep,
    confirmed_sweep,
    make_evaluation,
    make_look,
    make_opening,
    make_sweep,
    sweep_of,
)

from benchsweep.actions.compare import default_folder
from reports.page.comparison import RunComparison
from reports.page.comparison_page import as_markdown, html, write
from reports.page.template import Plotly
from search.records.folder import RunFolder
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import Sweep
from tests.reports.page import test_in_browser
from tests.reports.page.test_comparison import looked_at, named
from tests.reports.page.test_in_browser import Reader, faults
from tests.reports.page.test_report import HOSTILE, Page, hostile_sweep, unpacked

pytestmark = pytest.mark.slow

PLOTLY = Plotly.of("inline").packed
browser = test_in_browser.browser
FIELDS = 10


@cache
def ordinary() -> RunComparison:
    """A confirmed run, one that is clearly better, one that runs, and one of another trainable."""
    return RunComparison.of(
        [
            confirmed_sweep(),
            looked_at("better", 100, plan=RecordedPlan.of({**PLAN, "seed": 1})),
            named(make_sweep(20, seed=3, openings=()), "running-" + "x" * 60, alive=True),
            named(boosting_sweep(), "boosting"),
        ]
    )


@cache
def bare() -> RunComparison:
    """Two runs that never began."""
    return RunComparison.of([named(sweep_of(()), "one"), named(sweep_of(()), "other")])


def page_of(comparison: RunComparison) -> Page:
    return Page(html(comparison).replace(PLOTLY, "plotly"))


def test_both_files_are_there_and_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    first, second = (
        write(RunComparison.of([confirmed_sweep(), looked_at("b", 150)]), tmp_path / name)
        for name in ("one", "other")
    )
    assert sorted(first) == ["compare.html", "compare.md"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == sorted(first)
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes(), name


def test_plotly_is_there_once_and_not_at_all_where_nothing_is_drawn() -> None:
    assert html(ordinary()).count(PLOTLY) == 1
    assert len(html(bare())) < 100_000


def test_every_script_that_runs_is_known_to_the_policy_and_nothing_else_may_load() -> None:
    page = Page(html(ordinary()))
    (policy,) = [value for value in page.attribute("meta", "content") if "default-src" in value]
    kinds = [held.get("type") for tag, held in page.tags if tag == "script"]
    running = [
        unpacked(script) if kind == "text/plain" else script
        for script, kind in zip(page.scripts, kinds, strict=True)
        if kind in (None, "text/plain")
    ]
    assert len(running) == 3
    for script in running:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_ids_are_unique_every_link_leads_somewhere_and_every_drawing_has_its_place() -> None:
    page = page_of(ordinary())
    ids = [held["id"] for _, held in page.tags if "id" in held]
    links = page.attribute("a", "href")
    assert len(ids) == len(set(ids))
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= set(ids)
    at = [held.get("id") for tag, held in page.tags if tag == "script"].index("figures")
    assert set(json.loads(page.scripts[at])) <= set(ids)


def test_behind_every_drawing_lies_a_table_in_the_page_and_in_markdown() -> None:
    result, markdown = " ".join(page_of(ordinary()).text), as_markdown(ordinary())
    for section in ordinary().sections:
        assert section.table is not None, section.key
        for name in section.table.columns:
            assert name in result
        assert f"## {section.title}" in markdown
    for words in ("better's winner", "To reach", "judged by different metrics", "running-" + "x" * 60):
        assert words in result
        assert words in markdown


@cache
def harmless_page() -> Page:
    """What the page of hostile runs is when their texts are words."""
    return page_of(hostile_comparison([f"plain{k}" for k in range(FIELDS)]))


def hostile_comparison(drawn: list[str]) -> RunComparison:
    """Two runs with such texts wherever a run holds text, beside one with none."""
    one, other = hostile_sweep(drawn), hostile_sweep(drawn[1:] + drawn[:1])
    return RunComparison.of(
        [
            one,
            replace(other, folder=Path("/x/other")),
            named(confirmed_sweep(), "plain"),
        ]
    )


@settings(max_examples=examples(5, 12), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE, min_size=FIELDS, max_size=FIELDS))
def test_hostile_text_adds_no_element_no_attribute_and_no_script(drawn: list[str]) -> None:
    made = hostile_comparison(drawn)
    page, harmless = page_of(made), harmless_page()
    allowed = {(tag, name) for tag, held in harmless.tags for name in held}
    allowed |= {(tag, name) for tag in ("td", "th") for name in ("class", "style")}  # by the text's length
    assert {(tag, name) for tag, held in page.tags for name in held} <= allowed
    assert {tag for tag, _ in page.tags} <= {tag for tag, _ in harmless.tags}
    assert len(page.scripts) == len(harmless.scripts)
    assert not re.search("[<>&]", page.scripts[1])
    json.loads(page.scripts[1])
    assert not re.search(r"<[a-zA-Z/!]", as_markdown(made))


# In a browser.


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(ordinary(), tmp_path_factory.mktemp("compare"))["compare.html"]


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 360), ("dark", 768), ("light", 1280), ("dark", 1920)]
)
def test_the_page_opens_without_a_complaint_asks_nothing_of_the_network_and_fits(
    browser: Any, opened: Path, width: int, scheme: str
) -> None:
    reader = Reader(browser, opened, width, color_scheme=scheme)
    assert reader.complaints == []
    assert reader.foreign == []
    assert reader.ask("document.documentElement.scrollWidth") <= width
    drawn = reader.ask(
        "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('.main-svg').length)"
    )
    assert len(drawn) == sum(len(section.drawings) for section in ordinary().sections)
    assert all(drawn)
    assert reader.page.text_content("#theme") == {"light": "Dark", "dark": "Light"}[scheme]


def test_axe_finds_no_fault_of_accessibility(browser: Any, opened: Path) -> None:
    assert faults(Reader(browser, opened)) == []


def test_without_javascript_the_verdict_and_the_tables_are_read(browser: Any, opened: Path) -> None:
    reader = Reader(browser, opened, java_script_enabled=False)
    result = reader.page.inner_text("main")
    for words in (ordinary().figure, "better's winner", "The drawing needs JavaScript", "Environments"):
        assert words in result


def test_hostile_names_run_nothing(browser: Any, tmp_path: Path) -> None:
    bad = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    made = hostile_comparison([bad] * FIELDS)
    reader = Reader(browser, write(made, tmp_path)["compare.html"])
    reader.page.hover("#best-by-trials .plot")
    assert reader.complaints == []
    assert reader.foreign == []
    assert reader.page.title() == f"{made.title} · benchsweep compare"


def test_runs_that_never_began_open_without_a_complaint(browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, write(bare(), tmp_path)["compare.html"], 360)
    assert reader.complaints == []
    assert "is complete yet" in reader.page.inner_text("main")


# The command.


def write_opening(run: RunFolder, wrong: int) -> None:
    """Put on record that five seeds of the best trial were looked at."""
    best = Sweep.read(run.path).best()
    assert best is not None
    looks = [make_look(best.number, seed, make_evaluation(wrong + seed, seed)) for seed in range(5)]
    run.openings.write_text(json.dumps([make_opening(*looks).to_json()]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two searches whose test sets were opened, the second better by a point; one that is sealed; and, in
    a folder beside them, one of the first one's name."""
    folder = tmp_path_factory.mktemp("place")
    for below, name, seed, wrong in (
        ("runs", "small", 0, 260),
        ("runs", "better", 1, 160),
        ("runs", "sealed", 2, 0),
        ("others", "small", 3, 0),
    ):
        run = RunFolder.named(name, folder / below)
        carry_on(run, plan(name=name, seed=seed))
        if wrong:
            write_opening(run, wrong)
    return folder / "runs"


def test_compare_prints_the_verdict_in_80_columns_and_writes_the_page(
    here: Any, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    done = here("compare", "small", "better", "--runs", runs)
    assert done.code == 0, done.err
    result = " ".join(done.out.split())
    assert re.search(
        r"better's winner \(trial \d\) reaches 98\.38 % ± 0\.02 on the test set, 1\.00 points better",
        result,
    )
    assert "p < 0.001; paired, over seeds and examples" in result
    assert re.search(r"^seed +0 +1 *$", done.out, re.MULTILINE)
    table = done.out.split("\n\n")[0].splitlines()
    assert len(table) == 3
    assert all(len(line) <= 80 for line in table)
    made = [Path(line) for line in done.out.splitlines()[-2:]]
    assert made == [runs / "compare-small-better" / name for name in ("compare.html", "compare.md")]
    assert all(path.stat().st_size > 1000 for path in made)


def test_the_folder_of_a_comparison_is_no_run(here: Any, runs: Path) -> None:
    here("compare", "small", "better", "--runs", runs)
    names = [each["name"] for each in json.loads(here("list", "--runs", runs, "--json").out)]
    assert sorted(names) == ["better", "sealed", "small"]


def test_json_is_one_object_and_writes_nothing_unless_asked(here: Any, runs: Path, tmp_path: Path) -> None:
    there = sorted(runs.iterdir())
    done = here("compare", "small", "better", "sealed", "--runs", runs, "--json")
    result = json.loads(done.out, parse_constant=pytest.fail)
    assert sorted(runs.iterdir()) == there
    assert result["schema"] == 2
    assert [run["name"] for run in result["runs"]] == ["small", "better", "sealed"]
    assert result["groups"] == [["small", "better", "sealed"]]
    assert [pair["standing"] for pair in result["pairs"]] == ["worse", None, None]
    assert result["pairs"][0]["comparison"]["difference"] == pytest.approx(-0.01)
    assert "the test set of sealed is still sealed" in result["pairs"][1]["why"]
    assert result["differences"]["plan"] == {"seed": {"small": "0", "better": "1", "sealed": "2"}}
    for run in result["runs"]:
        assert run["incumbents"][-1]["score"] == run["top"]["score"]
        assert set(run["best"]) == {"trial", "score", "sampled"}
    again = here(
        "compare", "small", "better", "--runs", runs, "--json", "--output", tmp_path / "new" / "folder"
    )
    assert json.loads(again.out)["schema"] == 2
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == [
        "compare.html",
        "compare.md",
    ]


def test_runs_of_one_name_are_shown_apart_in_the_terminal_too(here: Any, runs: Path, tmp_path: Path) -> None:
    other = runs.parent / "others" / "small"
    done = here("compare", "small", other, "--runs", runs, "--output", tmp_path)
    assert done.code == 0
    assert "runs/small" in done.out
    assert "others/small" in done.out
    assert "Not enough data to say whose winner is better" in done.out


def test_of_many_runs_each_difference_has_its_own_lines(here: Any, runs: Path, tmp_path: Path) -> None:
    done = here("compare", "small", "better", "sealed", runs.parent / "others" / "small", "--runs", runs)
    assert done.code == 0
    assert re.search(
        r"^seed\n  0  runs/small\n  1  better\n  2  sealed\n  3  others/small$", done.out, re.MULTILINE
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["small"], "compare takes 2 to 12 runs, but got 1: small"),
        (["small"] * 13, "compare takes 2 to 12 runs, but got 13"),
        (["small", "{runs}/small"], "each run may be named once, but small and {runs}/small are both"),
        (["small", "bettr"], "there is no run 'bettr'"),
        (["small", "./nowhere"], "does not exist"),
    ],
)
def test_a_mistake_is_reported_in_a_sentence(here: Any, runs: Path, words: list[str], sentence: str) -> None:
    done = here("compare", *(word.format(runs=runs) for word in words), "--runs", runs)
    assert done.code == 2
    assert sentence.format(runs=runs) in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_compare_explains_itself(here: Any) -> None:
    result = here("compare", "--help")
    assert result.code == 0
    assert "Usage: benchsweep compare" in result.out


def test_the_default_folder_is_a_plain_name_of_bounded_length() -> None:
    assert default_folder(["laptop", "gpu"]) == "compare-laptop-gpu"
    assert default_folder(["a b/c", "../x"]) == "compare-a_b_c-.._x"
    assert default_folder(["x" * 100, "y" * 100, "z"]) == f"compare-{'x' * 40}-and-2-more"
