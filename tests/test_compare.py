"""The page of a comparison and the command that writes it: whole, the same for the same runs, harmless."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import test_page_in_browser
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plotly.offline import get_plotlyjs
from sweeps import START, boosting_sweep, confirmed_sweep, make_sweep, make_trial, sweep_of
from test_comparison import looked_at, named
from test_page import HOSTILE, Page, hostile_sweep
from test_page_in_browser import Reader

from benchsweep.__main__ import main
from benchsweep.compare import default_folder
from reports.compare import as_markdown, html, write
from reports.comparison import Comparison
from search.folder import RunFolder
from search.plan import Plan
from search.records import Session, State
from search.study import Study

PLOTLY = get_plotlyjs()
browser = test_page_in_browser.browser
FIELDS = 10


@cache
def ordinary() -> Comparison:
    """A confirmed run, one that is clearly better, one that runs, and one of another trainable."""
    return Comparison.of(
        [
            confirmed_sweep(),
            looked_at("better", 100, plan={"seed": 1}),
            named(make_sweep(20, seed=3, openings=()), "running-" + "x" * 60, alive=True),
            named(boosting_sweep(), "boosting"),
        ]
    )


@cache
def bare() -> Comparison:
    """Two runs that never began."""
    return Comparison.of([named(sweep_of(()), "one"), named(sweep_of(()), "other")])


def page_of(comparison: Comparison) -> Page:
    return Page(html(comparison).replace(PLOTLY, "plotly"))


def test_both_files_are_there_and_the_same_runs_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
    first, second = (
        write(Comparison.of([confirmed_sweep(), looked_at("b", 150)]), tmp_path / name)
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
    running = [script for script, kind in zip(page.scripts, kinds, strict=True) if kind is None]
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
    told, markdown = " ".join(page_of(ordinary()).text), as_markdown(ordinary())
    for section in ordinary().sections:
        assert section.table is not None, section.key
        for name in section.table.columns:
            assert name in told
        assert f"## {section.title}" in markdown
    for words in ("better's winner", "To reach", "judged by different metrics", "running-" + "x" * 60):
        assert words in told
        assert words in markdown


@cache
def harmless_page() -> Page:
    """What the page of hostile runs is when their texts are words."""
    return page_of(hostile_comparison([f"plain{k}" for k in range(FIELDS)]))


def hostile_comparison(drawn: list[str]) -> Comparison:
    """Two runs with such texts wherever a run holds text, beside one with none."""
    one, other = hostile_sweep(drawn), hostile_sweep(drawn[1:] + drawn[:1])
    return Comparison.of(
        [
            one,
            sweep_of(other.trials, **{**vars(other), "trials": other.trials, "folder": Path("/x") / "other"}),
            named(confirmed_sweep(), "plain"),
        ]
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HOSTILE, min_size=FIELDS, max_size=FIELDS))
def test_hostile_text_adds_no_element_no_attribute_and_no_script(drawn: list[str]) -> None:
    made = hostile_comparison(drawn)
    page, harmless = page_of(made), harmless_page()
    allowed = {(tag, name) for tag, held in harmless.tags for name in held} | {("td", "class")}
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


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
@pytest.mark.parametrize("scheme", ["light", "dark"])
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
    assert len(drawn) == sum(len(section.figures) for section in ordinary().sections)
    assert all(drawn)
    assert reader.page.text_content("#theme") == {"light": "Dark", "dark": "Light"}[scheme]


def test_without_javascript_the_verdict_and_the_tables_are_read(browser: Any, opened: Path) -> None:
    reader = Reader(browser, opened, java_script_enabled=False)
    told = reader.page.inner_text("main")
    for words in (ordinary().figure, "better's winner", "The drawing needs JavaScript", "Environments"):
        assert words in told


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
    assert "has trained to its end yet" in reader.page.inner_text("main")


# The command.


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run the command in this process."""

    def call(*words: str | Path) -> Done:
        with pytest.raises(SystemExit) as ended:
            main([*map(str, words)])
        told = capsys.readouterr()
        return Done(int(ended.value.code or 0), told.out, told.err)

    return call
