"""The page in a real browser, as a reader meets it: from a file, without a network."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sweeps import boosting_sweep, confirmed_sweep, make_plans, make_repeat, make_sweep, make_trial, sweep_of

from reports.benchmarks import read_benchmarks
from reports.page import write
from reports.verdict import reproduce_command
from search.records import Origin, State, Sweep

COMMAND = reproduce_command(confirmed_sweep())
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium; where there is none the tests are skipped, but in CI they fail."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        message = "no Chromium: apt-get install chromium"
        if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield started
        started.close()


class Reader:
    """A page opened from a file, and all that it complained of or asked for."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, **context: Any) -> None:
        self.context = browser.new_context(viewport={"width": width, "height": 800}, **context)
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda said: self.complaints.append(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        if context.get("java_script_enabled", True):
            self.page.wait_for_selector("html.drawn", timeout=60_000)

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    @property
    def foreign(self) -> list[str]:
        """Requests that left the file."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an ordinary sweep."""
    return write(confirmed_sweep(), read_benchmarks(), tmp_path_factory.mktemp("report"))["report.html"]


def written(sweep: Sweep, folder: Path) -> Path:
    return write(sweep, read_benchmarks(), folder)["report.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_a_complaint_and_asks_nothing_of_the_network(
    browser: Any, report: Path, scheme: str
) -> None:
    reader = Reader(browser, report, color_scheme=scheme)
    assert reader.complaints == []
    assert reader.foreign == []


def test_every_drawing_is_drawn(browser: Any, report: Path) -> None:
    reader = Reader(browser, report)
    counts = reader.ask(
        "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('.main-svg').length)"
    )
    assert len(counts) == 7 + 5
    assert all(counts)
    assert reader.ask("document.querySelectorAll('#history .scatterlayer .point').length") >= 40


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_the_page_never_scrolls_sideways(browser: Any, report: Path, width: int) -> None:
    reader = Reader(browser, report, width)
    assert reader.complaints == []
    assert reader.ask("document.documentElement.scrollWidth") <= width
    assert (
        reader.ask(
            "Math.max(...[...document.querySelectorAll('main > section')]"
            ".map(s => s.getBoundingClientRect().right))"
        )
        <= width
    )


def test_drawings_do_not_move_the_page_while_they_appear(browser: Any, report: Path) -> None:
    reader = Reader(browser, report)
    heights = "[...document.querySelectorAll('.plot')].map(p => [p.clientHeight, p._fullLayout.height])"
    for reserved, drawn in reader.ask(heights):
        assert abs(reserved - drawn) <= 1


def test_the_theme_follows_the_system_and_the_button_overrules_it(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, color_scheme="dark")
    colours = (
        "[getComputedStyle(document.body).backgroundColor, document.querySelector('.plot').layout.font.color]"
    )
    dark = reader.ask(colours)
    assert reader.page.text_content("#theme") == "Light"
    reader.page.click("#theme")
    light = reader.ask(colours)
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    reader.page.reload()
    reader.page.wait_for_selector("html.drawn")
    assert reader.ask(colours) == light
    assert reader.complaints == []


def test_the_copy_button_copies_the_command(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, permissions=["clipboard-read", "clipboard-write"])
    reader.page.click("button[data-copy]")
    reader.page.get_by_role("button", name="Copied").wait_for()
    assert reader.ask("navigator.clipboard.readText()") == COMMAND


def test_without_javascript_the_verdict_and_the_tables_are_read(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, java_script_enabled=False)
    told = reader.page.inner_text("main")
    for words in ("98.42 %", "LeNet-5", COMMAND, "The drawing needs JavaScript"):
        assert words in told
    assert not reader.page.is_visible("#theme")


@pytest.mark.parametrize(
    "sweep", [sweep_of(()), boosting_sweep(), make_sweep(1)], ids=["empty", "other", "one"]
)
def test_small_and_foreign_sweeps_open_without_a_complaint(
    browser: Any, sweep: Sweep, tmp_path: Path
) -> None:
    reader = Reader(browser, written(sweep, tmp_path), 360)
    assert reader.complaints == []
    assert reader.foreign == []
    assert reader.ask("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize("width", [360, 1280])
def test_a_long_path_and_a_long_change_of_the_plan_widen_no_page(
    browser: Any, width: int, tmp_path: Path
) -> None:
    changes = ("space.hidden_sizes.choices: " + "[1024,512]," * 40, "recipe." + "x" * 200)
    plans, origin = make_plans((20, changes)), Origin("first", 3, "3 of 4 " + "y" * 200)
    sweep = make_sweep(folder=Path("/srv" + "/experiments" * 9), plans=plans, warm_start=origin)
    reader = Reader(browser, written(sweep, tmp_path), width)
    assert reader.ask("document.documentElement.scrollWidth") <= width
    wide = "[...document.querySelectorAll('#plan *')].some(e => e.getBoundingClientRect().right > innerWidth)"
    assert not reader.ask(wide)


def test_a_repeated_recipe_leads_to_the_trial_that_was_trained(browser: Any, tmp_path: Path) -> None:
    trials = make_sweep().trials
    reader = Reader(browser, written(sweep_of([*trials, make_repeat(40, trials[0])]), tmp_path))
    reader.page.click("#trial-40 a")
    row, head = (reader.page.locator(at).bounding_box() for at in ("#trial-0", "#trials thead"))
    assert row["y"] >= head["y"] + head["height"] - 1
    assert reader.ask("document.querySelector('tr:target').id") == "trial-0"
    assert reader.complaints == []


def test_hostile_text_runs_nothing(browser: Any, tmp_path: Path) -> None:
    bad = "</script><img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    trials = [make_trial(k, sampled={bad: bad, "y": k / 10}, score=0.9 + k / 100) for k in range(9)]
    failed = make_trial(9, state=State.FAILED, error=bad)
    sweep = sweep_of([*trials, failed], name=bad, plan={bad: {bad: bad}}, environment={bad: bad})
    reader = Reader(browser, written(sweep, tmp_path))
    reader.page.hover("#slices .plot")
    assert reader.complaints == []
    assert reader.foreign == []
    assert reader.page.title() == f"{bad} · benchsweep"


@pytest.mark.parametrize("scripted", [True, False])
def test_the_same_rules_are_one_click_away_with_and_without_javascript(
    browser: Any, report: Path, scripted: bool
) -> None:
    reader = Reader(browser, report, java_script_enabled=scripted)
    assert reader.page.is_visible(".view-all")
    assert not reader.page.is_visible(".view-same")
    reader.page.click("label[for=view-same]")
    assert reader.page.is_visible(".view-same")
    assert not reader.page.is_visible(".view-all")
