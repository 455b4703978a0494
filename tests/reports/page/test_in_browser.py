"""The page in a real browser, as a reader meets it: from a file, without a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import axe_playwright_python
import pytest
from plotly.offline import get_plotlyjs
from sweeps import boosting_sweep, confirmed_sweep, make_plans, make_repeat, make_sweep, make_trial, sweep_of

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.verdict import reproduce_command
from reports.page.report import Report, write
from search.records.sweep import State, Sweep, WarmStartSummary

pytestmark = pytest.mark.slow

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


@pytest.fixture(autouse=True)
def closed(browser: Any, shared: dict[tuple[int, str], Reader]) -> Iterator[None]:
    """Pages that are left open go on drawing, beside the tests that follow."""
    yield
    kept = [reader.context for reader in shared.values()]
    for context in browser.contexts:
        if context not in kept:
            context.close()


class Reader:
    """A page opened from a file, and all that it complained of or asked for. drawn: whether to wait until
    all its drawings are there."""

    def __init__(
        self, browser: Any, path: Path, width: int = 1280, *, drawn: bool = True, **context: Any
    ) -> None:
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
            self.page.wait_for_selector(
                "html.drawn" if drawn else "html.linked", timeout=60_000, state="attached"
            )

    def ask(self, script: str) -> Any:
        return self.page.evaluate(script)

    def until(self, script: str, seconds: float = 20.0) -> None:
        """Wait until the script is true. (Playwright's own way of waiting is what the policy forbids.)"""
        end = time.monotonic() + seconds
        while not self.ask(script):
            assert time.monotonic() < end, f"{script} is still {self.ask(script)!r}"
            time.sleep(0.05)

    def until_drawn(self, plot: str) -> None:
        """Scroll to a plot, the first that the selector matches, and wait until it is drawn."""
        self.page.locator(plot).first.scroll_into_view_if_needed()
        self.until(f"document.querySelector({plot!r})?._fullLayout !== undefined")

    @property
    def foreign(self) -> list[str]:
        """Requests that left the file."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of an ordinary sweep."""
    return write(confirmed_sweep(), read_benchmarks(), tmp_path_factory.mktemp("report"))["report.html"]


@pytest.fixture(scope="module")
def cdn_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same page, which asks the network for plotly."""
    folder = tmp_path_factory.mktemp("cdn")
    return write(confirmed_sweep(), read_benchmarks(), folder, "cdn")["report.html"]


@pytest.fixture(scope="module")
def shared() -> dict[tuple[int, str], Reader]:
    """The pages of `opened`, by width and colour scheme."""
    return {}


@pytest.fixture
def opened(browser: Any, report: Path, shared: dict[tuple[int, str], Reader]) -> Callable[..., Reader]:
    """The page of an ordinary sweep, all drawn: opened once for the tests that leave it as it was."""

    def at(width: int = 1280, scheme: str = "light") -> Reader:
        if (width, scheme) not in shared:
            shared[width, scheme] = Reader(browser, report, width, color_scheme=scheme)
        return shared[width, scheme]

    return at


def written(sweep: Sweep, folder: Path) -> Path:
    return write(sweep, read_benchmarks(), folder)["report.html"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_opens_without_a_complaint_and_asks_nothing_of_the_network(
    opened: Callable[..., Reader], scheme: str
) -> None:
    reader = opened(scheme=scheme)
    assert reader.complaints == []
    assert reader.foreign == []


def test_every_drawing_is_drawn(opened: Callable[..., Reader]) -> None:
    reader = opened()
    counts = reader.ask(
        "[...document.querySelectorAll('.plot')].map(p => p.querySelectorAll('.main-svg').length)"
    )
    drawn = Report.of(confirmed_sweep(), read_benchmarks()).all_sections
    assert len(counts) == sum(len(section.drawings) for section in drawn) > 20
    assert all(counts)
    assert reader.ask("document.querySelectorAll('#history .scatterlayer .point').length") >= 40


@pytest.mark.parametrize("scripted", [True, False])
def test_every_image_of_the_gallery_is_loaded_and_the_policy_lets_it_be(
    browser: Any, report: Path, scripted: bool
) -> None:
    reader = Reader(browser, report, java_script_enabled=scripted, drawn=False)
    sizes = reader.ask(
        "[...document.querySelectorAll('#gallery img')]"
        ".map(i => [i.complete, i.naturalWidth, i.naturalHeight, i.clientWidth > 60, i.alt.length > 9])"
    )
    assert sizes == [[True, 28, 28, True, True]] * 24
    assert reader.complaints == []
    assert reader.foreign == []


GROUND = """async () => {
  const image = document.querySelector("#gallery img");
  await image.decode();
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d");
  pen.filter = getComputedStyle(image).filter;
  pen.drawImage(image, 0, 0, 1, 1, 0, 0, 1, 1);
  return pen.getImageData(0, 0, 1, 1).data[0];
}"""


def test_digits_are_dark_on_light_in_the_light_theme_and_on_paper_and_light_on_dark_in_the_dark_one(
    browser: Any, report: Path
) -> None:
    for scheme, other in (("light", "dark"), ("dark", "light")):
        reader = Reader(browser, report, color_scheme=scheme, drawn=False)
        ground = {"light": 255, "dark": 0}
        assert reader.ask(GROUND) == ground[scheme]
        reader.page.click("#theme")
        assert reader.ask(GROUND) == ground[other]
        reader.page.emulate_media(media="print")
        assert reader.ask(GROUND) == 255


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
def test_the_page_never_scrolls_sideways(opened: Callable[..., Reader], width: int) -> None:
    reader = opened(width)
    assert reader.complaints == []
    assert reader.ask("document.documentElement.scrollWidth") <= width
    assert (
        reader.ask(
            "Math.max(...[...document.querySelectorAll('main > section')]"
            ".map(s => s.getBoundingClientRect().right))"
        )
        <= width
    )


def test_no_column_of_the_confirmation_is_cut_off_on_a_laptop(opened: Callable[..., Reader]) -> None:
    box = "document.querySelector('#confirmation .box')"
    assert opened().ask(f"{box}.scrollWidth <= {box}.clientWidth")


def test_every_verdict_of_a_check_is_on_one_line_left_of_its_check(browser: Any, tmp_path: Path) -> None:
    reader = Reader(browser, written(make_sweep(), tmp_path), 1200, drawn=False)
    marks = reader.ask(
        "[...document.querySelectorAll('.checks .mark')].map(mark => [mark.textContent, "
        "mark.getBoundingClientRect().height, mark.getBoundingClientRect().right, "
        "mark.nextElementSibling.getBoundingClientRect().left])"
    )
    assert "unknown" in {text for text, *_ in marks}
    assert len({round(height) for _, height, _, _ in marks}) == 1
    assert all(right < left for _, _, right, left in marks)


def test_drawings_do_not_move_the_page_while_they_appear(opened: Callable[..., Reader]) -> None:
    reader = opened()
    heights = "[...document.querySelectorAll('.plot')].map(p => [p.clientHeight, p._fullLayout.height])"
    for reserved, drawn in reader.ask(heights):
        assert abs(reserved - drawn) <= 1
    moved = (
        "new Promise(done => { let sum = 0; new PerformanceObserver(list => list.getEntries().forEach("
        "each => { sum += each.value; })).observe({ type: 'layout-shift', buffered: true });"
        "setTimeout(() => done(sum), 300); })"
    )
    assert reader.ask(moved) < 0.01


def test_the_theme_follows_the_system_and_the_button_overrules_it(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, color_scheme="dark", drawn=False)
    colours = (
        "[getComputedStyle(document.body).backgroundColor, document.querySelector('.plot').layout.font.color]"
    )
    reader.until_drawn(".plot")
    dark = reader.ask(colours)
    assert reader.page.text_content("#theme") == "Light"
    reader.page.click("#theme")
    light = reader.ask(colours)
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    reader.page.reload()
    reader.until_drawn(".plot")
    assert reader.ask(colours) == light
    assert reader.complaints == []


def test_the_copy_button_copies_the_command(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, permissions=["clipboard-read", "clipboard-write"], drawn=False)
    reader.page.click("button[data-copy]")
    reader.page.get_by_role("button", name="Copied").wait_for()
    assert reader.ask("navigator.clipboard.readText()") == COMMAND


def test_without_javascript_the_verdict_and_the_tables_are_read(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, java_script_enabled=False)
    told = reader.page.inner_text("main")
    for words in ("98.42 %", "SVM, Gaussian kernel", COMMAND, "The drawing needs JavaScript"):
        assert words in told
    for key in ("history", "curves", "slices"):
        assert reader.page.locator(f"#{key} svg.static path").first.is_visible()
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


def test_a_long_path_and_a_long_change_of_the_plan_widen_no_page(browser: Any, tmp_path: Path) -> None:
    changes = ("space.hidden_sizes.choices: " + "[1024,512]," * 40, "recipe." + "x" * 200)
    plans, origin = make_plans((20, changes)), WarmStartSummary("first", 3, "3 of 4 " + "y" * 200)
    sweep = make_sweep(folder=Path("/srv" + "/experiments" * 9), plans=plans, warm_start=origin)
    page = written(sweep, tmp_path)
    wide = "[...document.querySelectorAll('#plan *')].some(e => e.getBoundingClientRect().right > innerWidth)"
    for width in (360, 1280):
        reader = Reader(browser, page, width)
        assert reader.ask("document.documentElement.scrollWidth") <= width
        assert not reader.ask(wide)


def test_a_repeated_recipe_leads_to_the_trial_that_was_trained(browser: Any, tmp_path: Path) -> None:
    trials = make_sweep().trials
    reader = Reader(browser, written(sweep_of([*trials, make_repeat(40, trials[0])]), tmp_path), drawn=False)
    reader.page.click("#trial-40 small a")
    reader.until(
        "document.querySelector('#trial-0').getBoundingClientRect().top >= "
        "document.querySelector('#trials thead').getBoundingClientRect().bottom - 1"
    )
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
    reader = Reader(browser, report, java_script_enabled=scripted, drawn=False)
    assert reader.page.is_visible(".view-all")
    assert not reader.page.is_visible(".view-same")
    reader.page.click("label[for=view-same]")
    assert reader.page.is_visible(".view-same")
    assert not reader.page.is_visible(".view-all")


AXE = Path(axe_playwright_python.__file__).with_name("axe.min.js")


AUDIT = """async () => {
  const shut = [...document.querySelectorAll("details:not([open])")];
  for (const each of shut) each.open = true;
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  for (const each of shut) each.open = false;
  return violations;
}"""


def faults(reader: Reader) -> list[tuple[str, str, str]]:
    """What axe finds by all its rules but those that it calls experimental, every table opened."""
    reader.ask(AXE.read_text())
    found = reader.ask(AUDIT)
    return [(fault["impact"], fault["id"], fault["nodes"][0]["html"]) for fault in found]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_fault_of_accessibility(opened: Callable[..., Reader], scheme: str, width: int) -> None:
    assert faults(opened(width, scheme)) == []


def test_every_control_is_reached_and_worked_by_the_keyboard(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, drawn=False)
    reader.page.keyboard.press("Tab")
    assert reader.ask("document.activeElement.className") == "skip"
    reader.page.focus("th[data-column='epochs'] button")
    reader.page.keyboard.press("Enter")
    assert reader.page.get_attribute("th[data-column='epochs']", "aria-sort") == "ascending"
    reader.page.focus("select[data-filter='state']")
    for _ in ("complete", "pruned", "failed"):
        reader.page.keyboard.press("ArrowDown")
    reader.until("document.getElementById('shown').textContent.startsWith('2 of')")
    reader.page.focus("#reset")
    reader.page.keyboard.press("Space")
    reader.until("document.getElementById('reset').disabled")
    assert reader.complaints == []


def test_the_page_prints_all_of_its_drawings_on_white_on_at_most_8_pages(browser: Any, report: Path) -> None:
    """Those too that nobody has scrolled to; what is folded stays folded."""
    reader = Reader(browser, report, drawn=False, color_scheme="dark")
    reader.until("plotlyText !== null")
    folded = reader.ask("document.querySelectorAll('details:not([open])').length")
    paper = reader.page.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", paper)) <= 8
    assert reader.ask("document.querySelectorAll('details:not([open])').length") == folded > 5
    every = "[...document.querySelectorAll('.plot')].every(plot => plot.querySelector('.main-svg'))"
    assert reader.ask(every)
    reader.ask("document.querySelectorAll('.plot').forEach(plot => plot.remove())")
    assert len(paper) > 1.3 * len(reader.page.pdf(format="A4"))
    reader.page.emulate_media(media="print")
    assert reader.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert reader.complaints == []


def test_a_page_whose_plotly_cannot_be_loaded_is_read_without_its_drawings(
    browser: Any, cdn_report: Path
) -> None:
    assert cdn_report.stat().st_size < 800_000
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []

    def refuse(route: Any) -> None:
        asked.append(route.request.url)
        route.abort()

    context.route(re.compile("^https:"), refuse)
    page.goto(cdn_report.as_uri())
    page.wait_for_selector("html.drawn", state="attached")
    assert [url.startswith("https://cdn.plot.ly/plotly-") for url in asked] == [True]
    assert "could not be loaded" in page.inner_text("#history-plot")
    page.click("th[data-column='score'] button")
    assert page.get_attribute("th[data-column='score']", "aria-sort") == "ascending"


def test_a_page_runs_plotly_from_the_network_only_if_it_is_the_very_script(
    browser: Any, cdn_report: Path
) -> None:
    headers = {"access-control-allow-origin": "*", "content-type": "text/javascript"}

    def serving(body: str) -> Callable[[Any], None]:
        return lambda route: route.fulfill(body=body, headers=headers)

    for body, drawn in ((get_plotlyjs(), True), (get_plotlyjs() + "\nalert(1)", False)):
        context = browser.new_context()
        page = context.new_page()
        page.on("dialog", lambda dialog: pytest.fail(f"a foreign script ran: {dialog.message}"))
        context.route(re.compile("^https:"), serving(body))
        page.goto(cdn_report.as_uri())
        page.wait_for_selector("#history-plot .main-svg" if drawn else "html.drawn", state="attached")
        assert bool(page.query_selector("#history-plot .main-svg")) is drawn


SHOWN = (
    "[...document.querySelectorAll('table.trials tbody tr')].filter(r => !r.hidden).map(r => r.id.slice(6))"
)


def test_the_trials_are_sorted_by_each_head_and_empty_cells_come_last(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, drawn=False)
    head = "table.trials th[data-column='{}'] button".format
    score = {str(t.number): t.score for t in confirmed_sweep().trials}
    reader.page.click(head("score"))
    rising = [score[number] for number in reader.ask(SHOWN)]
    assert rising == sorted(rising, key=float)
    reader.page.click(head("score"))
    falling = [score[number] for number in reader.ask(SHOWN)]
    assert falling == rising[::-1]
    assert reader.page.get_attribute("th[data-column='score']", "aria-sort") == "descending"
    asked = {str(t.number) for t in confirmed_sweep().trials if "gamma" in t.sampled}
    reader.page.click(head("sampled.gamma"))
    assert set(reader.ask(SHOWN)[: len(asked)]) == asked
    assert reader.page.locator("th[aria-sort]").count() == 1


def test_filters_of_the_table_fade_the_same_trials_in_the_drawings(opened: Callable[..., Reader]) -> None:
    reader = opened()
    trials = confirmed_sweep().trials
    reader.page.select_option("select[data-filter='state']", "pruned")
    wanted = {str(t.number) for t in trials if t.state is State.PRUNED}
    reader.until(f"{SHOWN}.length === {len(wanted)}")
    assert set(reader.ask(SHOWN)) == wanted
    assert reader.page.text_content("#shown") == f"{len(wanted)} of {len(trials)} trials"
    kept = (
        "document.querySelector('#history-plot').data.filter(t => t.meta && t.meta.trials)"
        ".flatMap(t => t.selectedpoints.map(k => t.customdata[k][0]))"
    )
    assert set(reader.ask(kept)) == wanted
    reader.page.fill("input[data-filter='sampled.dropout'][data-end='high']", "0.1")
    fewer = {str(t.number) for t in trials if t.state is State.PRUNED and t.sampled["dropout"] <= 0.1}
    reader.until(f"{SHOWN}.length === {len(fewer)}")
    assert set(reader.ask(SHOWN)) == fewer
    reader.page.click("#reset")
    reader.until(f"{SHOWN}.length === {len(trials)}")
    assert reader.ask("document.querySelector('#history-plot').data.every(t => !t.selectedpoints)")
    assert reader.complaints == []


def test_what_is_typed_as_a_filter_is_what_is_read_in_the_cells(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, drawn=False)
    scores = sorted(t.score for t in confirmed_sweep().trials if t.score is not None)
    least = f"{100 * scores[-5]:.2f}"
    reader.page.fill("input[data-filter='score'][data-end='low']", least)
    wanted = {str(t.number) for t in confirmed_sweep().trials if t.score and 100 * t.score >= float(least)}
    reader.until(f"{SHOWN}.length === {len(wanted)}")
    assert set(reader.ask(SHOWN)) == wanted
    reader.page.fill("input[data-filter='score'][data-end='low']", "many")
    assert reader.page.get_attribute("input[data-filter='score'][data-end='low']", "aria-invalid") == "true"
    assert len(reader.ask(SHOWN)) == len(confirmed_sweep().trials)


def brush(reader: Reader, axis: int, low: float, high: float) -> None:
    """Draw a box over an axis of the parallel coordinates, from one height to another."""
    reader.page.locator("#parallel-plot").scroll_into_view_if_needed()
    at = reader.ask(
        f"(() => {{ const l = document.querySelector('#parallel-plot')._fullLayout, b = document"
        f".querySelector('#parallel-plot').getBoundingClientRect();"
        f"const x = v => b.left + l._size.l + l.xaxis.l2p(v), y = v => b.top + l._size.t + l.yaxis.l2p(v);"
        f"return [x({axis} - 0.1), y({high}), x({axis} + 0.1), y({low})]; }})()"
    )
    reader.page.mouse.move(at[0], at[1])
    reader.page.mouse.down()
    reader.page.mouse.move(at[2], at[3], steps=6)
    reader.page.mouse.up()


def test_a_brush_on_an_axis_filters_the_table_and_a_double_click_ends_it(
    opened: Callable[..., Reader],
) -> None:
    reader = opened()
    trials = confirmed_sweep().trials
    brush(reader, 2, 0.25, 0.6)  # dropout, whose range is 0 to 0.4
    reader.until(f"{SHOWN}.length < {len(trials)}")
    low, high = (
        float(reader.page.input_value(f"input[data-filter='sampled.dropout'][data-end='{end}']"))
        for end in ("low", "high")
    )
    assert low == pytest.approx(0.1, abs=0.01)
    assert high == pytest.approx(0.24, abs=0.01)
    inside = {str(t.number) for t in trials if low <= t.sampled["dropout"] <= high}
    assert set(reader.ask(SHOWN)) == inside
    assert reader.ask("document.querySelector('#parallel-plot').layout.shapes.length") == 1
    brush(reader, 3, -0.05, 0.1)  # the first choice of the schedule
    reader.until(f"{SHOWN}.length < {len(inside)}")
    assert set(reader.ask(SHOWN)) == {n for n in inside if trials[int(n)].sampled["schedule"] == "constant"}
    assert reader.page.input_value("select[data-filter='sampled.schedule']") == "constant"
    box = reader.page.locator("#parallel-plot").bounding_box()
    reader.page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    reader.until(f"{SHOWN}.length === {len(trials)}")
    assert reader.complaints == []


def test_a_click_on_a_point_leads_to_its_trial_even_where_a_filter_hides_it(
    opened: Callable[..., Reader],
) -> None:
    reader = opened()
    reader.page.select_option("select[data-filter='state']", "failed")
    reader.until(f"{SHOWN}.length < 10")
    reader.ask(
        "document.querySelector('#history-plot').emit('plotly_click', {points: [{data: document"
        ".querySelector('#history-plot').data.find(t => t.name === 'complete'), pointNumber: 0}]})"
    )
    reader.page.click("#panel-row")
    reader.until("location.hash.startsWith('#trial-')")
    assert reader.page.locator("tr:target").is_visible()
    assert reader.page.is_disabled("#reset")


def test_a_click_on_a_point_opens_the_trial_with_its_recipe_and_every_metric(
    browser: Any, report: Path
) -> None:
    reader, sweep = Reader(browser, report), confirmed_sweep()
    reader.until_drawn("#curves-plot")
    reader.ask(
        "document.querySelector('#curves-plot').emit('plotly_click', {points: [{data: document"
        ".querySelector('#curves-plot').data.find(t => t.name === 'complete'), pointNumber: 0}]})"
    )
    number = int(reader.ask("opened"))
    trial = sweep.trials[number]
    words = reader.page.inner_text("#panel")
    assert f"Trial {number}" in words
    for name in trial.recipe:
        assert name in words
    for name in trial.epochs[0].metrics:
        assert reader.page.locator("#panel figcaption b", has_text=name).count() >= 1
    names = "document.querySelector('#curves-plot').data.map(trace => trace.name)"
    assert f"trial {number}" in reader.ask(names)
    copied = tomllib.loads(reader.ask(f"tomlOf({number})"))["recipe"]
    assert copied == {name: value for name, value in trial.recipe.items() if value is not None}
    reader.page.keyboard.press("Escape")
    assert not reader.page.is_visible("#panel")
    reader.until(f"!{names}.includes('trial {number}')")
    assert reader.complaints == []


def test_a_failed_trial_shows_its_error_and_its_notes(browser: Any, tmp_path: Path) -> None:
    failed = make_trial(1, state=State.FAILED, error="ValueError: <b>two</b> lines")
    failed = replace(failed, notes=("it was lucky",))
    reader = Reader(browser, written(sweep_of([make_trial(0), failed]), tmp_path))
    reader.page.click("#trial-1 .number a")
    words = reader.page.inner_text("#panel")
    assert "ValueError: <b>two</b> lines" in words
    assert "it was lucky" in words


def test_the_curves_show_the_metric_the_smoothing_and_the_scale_that_are_chosen(
    browser: Any, report: Path
) -> None:
    reader, sweep = Reader(browser, report), confirmed_sweep()
    reader.until_drawn("#curves-plot")
    plot = "document.querySelector('#curves-plot')"
    first = reader.ask(f"JSON.stringify({plot}.data.map(trace => trace.y))")
    other = next(name for name in sweep.trials[0].epochs[0].metrics if name != sweep.metric.name)
    reader.page.select_option("#curve-metric", other)
    reader.until(f"{plot}.layout.yaxis.title.text === {other!r}")
    lasting = {float(f"{epoch.metrics[other]:.5g}") for trial in sweep.trials for epoch in trial.epochs}
    assert set(reader.ask(f"{plot}.data.flatMap(trace => trace.y).filter(y => y !== null)")) <= lasting
    reader.page.check("#curve-log")
    reader.until(f"{plot}.layout.yaxis.type === 'log'")
    reader.page.uncheck("#curve-pruned")
    reader.until(f"!{plot}.data.some(trace => trace.name === 'pruned')")
    rough = reader.ask(f"{plot}.data[0].y.slice(0, 4)")
    reader.page.fill("#curve-smoothing", "0.5")
    reader.until(f"JSON.stringify({plot}.data[0].y.slice(0, 4)) !== {json.dumps(json.dumps(rough))}")
    smoothed = reader.ask(f"{plot}.data[0].y.slice(0, 2)")
    assert smoothed[0] == pytest.approx(rough[0])
    assert smoothed[1] == pytest.approx((rough[0] + 2 * rough[1]) / 3)
    for control, value in (("#curve-smoothing", "0"),):
        reader.page.fill(control, value)
    reader.page.check("#curve-pruned")
    reader.page.uncheck("#curve-log")
    reader.page.select_option("#curve-metric", sweep.metric.name)
    reader.until(f"JSON.stringify({plot}.data.map(trace => trace.y)) === {json.dumps(first)}")
    assert reader.complaints == []


def test_on_a_phone_the_contents_are_a_line_that_follows_the_reader(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, 360)
    reader.page.click("nav a[href='#trials']")
    reader.until("document.querySelector('nav a[aria-current]')?.hash === '#trials'")
    box = reader.page.locator("nav a[aria-current]").bounding_box()
    reader.until(
        "(box => box.left >= 0 && box.right <= innerWidth)"
        "(document.querySelector('nav a[aria-current]').getBoundingClientRect())"
    )
    assert box is not None
    top = reader.ask("document.querySelector('#trials-title').getBoundingClientRect().top")
    bar = reader.ask("document.querySelector('nav').getBoundingClientRect().bottom")
    assert top >= bar - 1


def test_no_half_section_of_a_wide_page_stands_alone_but_before_a_whole_one(
    browser: Any, report: Path
) -> None:
    """Where an even number of half sections follow one another, no row is half empty."""
    reader = Reader(browser, report, 1920)
    rows = reader.ask(
        "Object.values(Object.groupBy([...document.querySelectorAll('main > section.half')],"
        " section => Math.round(section.getBoundingClientRect().top))).map(row => row.length)"
    )
    assert rows.count(1) <= 1


def test_axe_finds_no_fault_with_an_open_panel(browser: Any, report: Path) -> None:
    for width in (360, 1280):
        reader = Reader(browser, report, width)
        reader.ask("openPanel('3')")
        assert faults(reader) == []


def test_a_filter_takes_what_a_cell_shows(browser: Any, report: Path) -> None:
    reader = Reader(browser, report, drawn=False)
    trials = {str(trial.number): trial for trial in confirmed_sweep().trials}
    score = "input[data-filter='score'][data-end='{}']".format
    reader.page.fill(score("low"), "98 %")
    reader.until(f"{SHOWN}.length < {len(trials)}")
    assert set(reader.ask(SHOWN)) == {name for name, trial in trials.items() if (trial.score or 0) >= 0.98}
    assert not reader.page.get_attribute(score("low"), "aria-invalid")
    reader.page.fill(score("low"), "98 apples")
    reader.until(f"document.querySelector(\"{score('low')}\").ariaInvalid === 'true'")


def test_a_brush_beyond_the_end_of_an_axis_writes_the_end_itself(browser: Any, report: Path) -> None:
    reader = Reader(browser, report)
    reader.page.locator("#parallel-plot").scroll_into_view_if_needed()
    brush(reader, 2, -0.03, 0.4)
    reader.until(f"{SHOWN}.length < {len(confirmed_sweep().trials)}")
    assert reader.page.input_value("input[data-filter='sampled.dropout'][data-end='low']") == "0"


ROWS = "[...document.querySelectorAll('.view-all tbody tr')].filter(r => r.getClientRects().length).length"


@pytest.mark.parametrize("scripted", [True, False])
def test_the_leaderboard_shows_our_row_and_three_on_each_side_until_all_are_asked_for(
    browser: Any, report: Path, scripted: bool
) -> None:
    reader = Reader(browser, report, java_script_enabled=scripted, drawn=False)
    assert reader.ask(ROWS) == 7
    reader.page.click("text=Show all 28")
    assert reader.ask(ROWS) == 28


def test_on_a_phone_the_accuracy_stands_beside_the_name(opened: Callable[..., Reader]) -> None:
    right, middle = opened(360).ask(
        "(row => [row.querySelectorAll('.number')[1].getBoundingClientRect().right,"
        " row.querySelectorAll('.model, .number')[2].getBoundingClientRect().top"
        " < row.querySelector('.model').getBoundingClientRect().bottom])"
        "(document.querySelector('.board tr.ours'))"
    )
    assert right <= 360 and middle


def test_the_verdict_fits_a_phone_without_scrolling_and_its_details_are_folded(
    browser: Any, report: Path
) -> None:
    reader = Reader(browser, report, 360, drawn=False)
    assert (
        reader.ask("document.querySelector('.verdict .line:last-of-type').getBoundingClientRect().bottom")
        < 800
    )
    assert not reader.page.is_visible(".verdict .sentences")
    reader.page.click("text=How this was found")
    assert reader.page.is_visible(".verdict .sentences")
