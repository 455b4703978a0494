"""The live page, in a real browser while a search runs, dies and is resumed; and what its server refuses."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from commands import started_command
from searches import formula_plan, noop_plan, search

from benchsweep.live.observer import LiveRuns
from benchsweep.live.server import LiveServer, serving
from search.records.folder import RunFolder

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ROWS = "[...document.querySelectorAll('section[data-run=\"{run}\"] tbody tr')]"


SLEEPY = """
import time
def train(recipe):
    for epoch in range(5):
        time.sleep(0.5)
        yield {"loss": recipe["x"] + 1 / (epoch + 1)}
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    run = RunFolder(tmp_path_factory.mktemp("runs") / "small")
    search(run, formula_plan())
    return run


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
            pytest.fail("no Chromium: apt-get install chromium")
        pytest.skip("no Chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = playwright.chromium.launch(executable_path=found, args=options)
        yield started
        started.close()


def answer(server: LiveServer, path: str, method: str = "GET", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)
    return value


def test_only_the_address_with_its_token_under_its_own_name_is_answered(finished: RunFolder) -> None:
    with serving(LiveRuns([finished])) as server:
        page = f"/{server.token}/"
        assert len(server.token) >= 32
        assert server.server_address[0] == "127.0.0.1"
        status, text = answer(server, page)
        assert status == 200
        assert "default-src" in text
        assert answer(server, f"{page}report/0")[0] == 200
        for path in (
            "/",
            "/token/",
            page[:-2] + "/",
            f"{page}report/1",
            f"{page}../",
            f"{page}report/../../x",
        ):
            assert answer(server, path)[0] == 404
        assert answer(server, page, Host="evil.example")[0] == 404
        assert answer(server, page, Host=f"evil.example:{server.server_port}")[0] == 404
        for method in ("POST", "PUT", "DELETE"):
            assert answer(server, page, method)[0] == 501


def test_each_start_has_a_token_of_its_own(finished: RunFolder) -> None:
    with serving(LiveRuns([finished])) as one, serving(LiveRuns([finished])) as other:
        assert one.token != other.token
        assert answer(other, f"/{one.token}/")[0] == 404


def test_a_reader_gets_what_is_new_to_it(finished: RunFolder) -> None:
    runs = LiveRuns([finished])
    runs.look()
    version, (only,) = runs.changes(0, 0.0)
    assert [trial["number"] for trial in only["trials"]] == [0, 1, 2, 3]
    assert only["header"]["state"] == "finished"
    assert runs.changes(version, 0.0) == (version, [])
    search(finished, formula_plan(budget={"trials": 5}))
    runs.look()
    later, (changed,) = runs.changes(version, 0.0)
    assert later > version
    assert [trial["number"] for trial in changed["trials"]] == [4]


def test_a_run_that_cannot_be_read_says_so_and_the_others_are_shown(
    finished: RunFolder, tmp_path: Path
) -> None:
    damaged = RunFolder(tmp_path / "damaged")
    shutil.copytree(finished.path, damaged.path)
    damaged.journal.write_text("garbage\ngarbage\n")
    runs = LiveRuns([damaged, finished])
    runs.look()
    _, (one, other) = runs.changes(0, 0.0)
    assert one["header"]["state"] == "unreadable"
    assert "study.journal" in one["header"]["line"]
    assert other["header"]["state"] == "finished"


@pytest.mark.slow
def test_the_page_follows_a_search_that_runs_is_killed_and_is_resumed(
    browser: Any, finished: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sleepy_watched.py").write_text(SLEEPY)
    table = noop_plan("mine", trials=14).to_table()
    table |= {
        "trainable": "sleepy_watched:train",
        "recipe": {"epochs": 5},
        "metric": {"name": "loss", "direction": "minimize"},
    }
    (tmp_path / "mine.toml").write_text(tomli_w.dumps(table))
    run = RunFolder(tmp_path / "runs" / "mine")
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    state = "document.querySelector('section[data-run=\"0\"] [data-part=state]').textContent"
    with started_command("run", "mine.toml", "--local", "--json") as process:
        until(lambda: run.journal.exists() and run.trial(0).epochs.exists())
        with serving(LiveRuns([run, finished])) as server:
            page.goto(server.address)
            until(lambda: page.evaluate(f"{ROWS.format(run=0)}.length") >= 1)
            assert page.evaluate(f"{ROWS.format(run=1)}.length") >= 4
            assert page.evaluate(state) == "searching"
            page.evaluate(
                f"window.kept = {ROWS.format(run=0)}[0]; getSelection().selectAllChildren(kept.cells[0])"
            )
            delays = [delay(page, run) for _ in range(6)]
            assert statistics.median(delays) < 2
            until(lambda: page.evaluate(f"{ROWS.format(run=0)}.length") >= 3)
            assert page.evaluate(f"kept.isConnected && kept === {ROWS.format(run=0)}[0]")
            assert page.evaluate("getSelection().toString()") == "0"
            os.kill(process.pid, signal.SIGKILL)
            until(lambda: page.evaluate(state) == "interrupted")
            assert "benchsweep resume" in page.inner_text("section[data-run='0']")
            with started_command("resume", "mine", "--local", "--json") as resumed:
                until(lambda: page.evaluate(state) == "searching")
                until(lambda: page.evaluate(state) == "finished", 120)
                resumed.wait(60)
            until(lambda: page.evaluate(f"{ROWS.format(run=0)}.length") == 14)
            assert page.evaluate("kept.isConnected")
            assert page.evaluate("document.querySelectorAll('section[data-run=\"0\"] polyline').length") == 14
        until(lambda: page.inner_text("#connection") == "not connected")
    context.close()
    assert [said for said in complaints if "ERR_" not in said] == []


def delay(page: Any, run: RunFolder) -> float:
    """Seconds from an epoch that is written next until the page shows it."""
    trials = run.path / "trials"

    def epochs() -> int:
        return sum(len(path.read_text().splitlines()) for path in trials.glob("*/epochs.jsonl"))

    before = epochs()
    until(lambda: epochs() > before)
    began = time.monotonic()
    shown = (
        f"{ROWS.format(run=0)}.reduce((sum, row) => sum + Number(row.cells[2].textContent.split('/')[0]), 0)"
    )
    until(lambda: page.evaluate(shown) > before)
    return time.monotonic() - began


def test_the_command_prints_the_address_and_ends_with_ctrl_c(finished: RunFolder) -> None:
    with started_command("watch", "small", "--runs", str(finished.path.parent)) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("small: http://127.0.0.1:")
        _, _, rest = line.strip().partition("http://")
        host, _, path = rest.partition("/")
        connection = http.client.HTTPConnection(host, timeout=30)
        connection.request("GET", f"/{path}events")
        response = connection.getresponse()
        first = b""
        while b"\n\n" not in first:
            first += response.read(1)
        data = json.loads(first.decode().split("data: ", 1)[1])
        assert data[0]["header"]["name"] == "small"
        connection.close()
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(30) == 0
