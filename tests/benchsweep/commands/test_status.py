"""`benchsweep status`: what it tells of runs that are searched, stopped, finished or not begun."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import started_command
from rich.console import Console
from searches import LOCAL, NOWHERE, plan
from sweeps import ACCURACY, ENVIRONMENT, START, make_trial, sweep_of

from benchsweep.__main__ import main
from benchsweep.actions.status import watch_run
from benchsweep.commands.status import status as status_command
from benchsweep.progress.replay import replay
from benchsweep.progress.run_status import RunStatus, next_command
from benchsweep.progress.search import Progress
from benchsweep.screen.status import line, picture
from search.engine.events import EpochReported
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import PlanVersion, Session, State, Sweep, Trial
from search.start import starting
from trainable.epoch import Epoch


def now() -> datetime:
    return datetime.now(UTC)


def command(*words: str | Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run `benchsweep status` in this process: its exit code and what it printed."""
    with pytest.raises(SystemExit) as ended:
        main(["status", *map(str, words)])
    return int(ended.value.code or 0), capsys.readouterr().out


@contextmanager
def held(run: RunFolder, seconds: float) -> Iterator[None]:
    """The run is owned by this process for a while, as by one that searches it."""
    taken = threading.Event()

    def hold() -> None:
        with owning(run.lock):
            taken.set()
            time.sleep(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    yield
    holder.join()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Progress, RunStatus]:
    """A search that was stopped in the middle, with what its own progress was just before and what
    was read from its folder then."""
    run = RunFolder.named("small", tmp_path_factory.mktemp("runs"))
    given = plan(
        budget={"trials": 9, "wall_time": "10m"},
        recipe={"batch_size": 20, "epochs": 40},
        pruner={"name": "none"},
    )
    progress, seen = Progress.of(given), None
    with starting(run, given, NOWHERE, LOCAL) as started:
        for event in started:
            progress.update(event)
            if isinstance(event, EpochReported) and seen is None and len(progress.finished) == 2:
                seen = RunStatus.read(run, now())
                started.stop()
    assert seen is not None
    return run, progress, seen


@pytest.mark.slow
def test_a_run_that_is_searched_is_reported_with_its_owner_and_the_trials_that_run(watched: Any) -> None:
    _, _, seen = watched
    assert seen.sweep.status == "running"
    assert seen.phase == "searching"
    assert seen.owner.pid == os.getpid()
    assert seen.active_trials
    assert all(active.trial.state is State.RUNNING and not active.waiting for active in seen.active_trials)
    assert all((active.seconds_since_epoch or 0) < 30 for active in seen.active_trials)
    result = seen.to_json()
    assert result["budget"]["trials"]["limit"] == 9
    assert result["budget"]["wall_time"]["limit"] == 600
    assert result["budget"]["epochs"]["limit"] is None


def test_its_progress_is_reckoned_as_on_its_own_screen(watched: Any) -> None:
    _, own, seen = watched
    read = seen.progress
    assert read.limits == own.limits
    assert read.metric == own.metric
    assert read.best is not None
    assert read.best.score == seen.sweep.best().score
    assert read.epochs_trained == sum(len(trial.epochs) for trial in seen.sweep.trials)
    assert read.started.workers == own.started.workers
    assert read.remaining is not None
    assert 0 < read.remaining < 120
    assert 0 < read.spent < own.elapsed + 60


def test_a_run_that_was_stopped_is_reported_with_the_command_that_continues_it(
    watched: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, _ = watched
    code, result = command(run.name, "--runs", run.path.parent, capsys=capsys)
    assert code == 0
    assert "small  interrupted, last seen 20" in result
    assert f"resume {run.path}" in result.replace("\n", "")
    assert "Continue with:" in result
    for number in [trial.number for trial in Sweep.read(run.path).trials if trial.state is State.INTERRUPTED]:
        assert f"{number}  interrupted" in result
    assert "left " not in result


def test_json_holds_what_its_help_names(watched: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _, _ = watched
    code, printed = command(run.path, "--json", capsys=capsys)
    result = json.loads(printed, parse_constant=pytest.fail)
    assert code == 0
    document = " ".join((status_command.__doc__ or "").split())
    for name in result:
        assert name in document, name
    assert result["state"] == "interrupted"
    assert result["phase"] is result["owner"] is result["remaining"] is result["warm_start"] is None
    assert result["trials"]["total"] == result["budget"]["trials"]["spent"]
    assert result["next"].endswith(f"resume {run.path}")
    assert {active["state"] for active in result["active_trials"]} == {"INTERRUPTED"}
    assert [version["number"] for version in result["plans"]] == [0]


def test_an_owner_whose_ray_is_not_up_yet_is_starting_and_its_trials_wait(watched: Any) -> None:
    run, _, _ = watched
    with owning(run.lock):
        seen = RunStatus.read(run, now() + timedelta(hours=1))
    assert seen.phase == "starting"
    assert seen.active_trials
    assert all(active.waiting for active in seen.active_trials)
    assert seen.remaining is None
    assert seen.progress.spent == pytest.approx(seen.sweep.seconds)  # the hour is not this search's
    assert "starting Ray in process" in line_of(seen)


def test_a_run_that_never_began_is_empty(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = RunFolder.named("fresh", tmp_path)
    run.path.mkdir()
    run.plan.write_text(plan(name="fresh").to_toml())
    code, result = command("fresh", "--runs", tmp_path, capsys=capsys)
    assert code == 0
    assert "fresh  empty" in result
    assert "no trial has started yet" in result
    assert "Continue with:" in result
    assert not run.journal.exists()


def test_a_plan_whose_trainable_is_far_away_is_described_by_its_budget(tmp_path: Path) -> None:
    run = RunFolder.named("far", tmp_path)
    run.path.mkdir()
    run.plan.write_text('trainable = "nowhere.mine"\n[budget]\ntrials = 7\nwall_time = "1h30m"\n')
    limits = RunStatus.read(run, now()).progress.limits
    assert limits == (7, 5400.0, None)


# Watching.


def test_watching_a_run_that_is_over_shows_it_once(watched: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run, _, _ = watched
    code, result = command(run.path, "--watch", capsys=capsys)
    assert code == 0
    assert result.count("\n") == 1
    assert result.startswith("small interrupted: ")


def test_watching_prints_a_line_a_change_and_ends_with_the_run(
    watched: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run, _, _ = watched
    with held(run, 2.5):
        code, result = command(run.path, "--watch", "--json", capsys=capsys)
    lines = [json.loads(text) for text in result.splitlines()]
    assert code == 0
    assert [text["state"] for text in lines] == ["running", "interrupted"]
    assert lines[0]["owner"]["pid"] == os.getpid()


def test_ctrl_c_ends_the_watching_alone(watched: Any) -> None:
    run, _, _ = watched
    with owning(run.lock), started_command("status", run.path, "--watch") as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("small running: ")
        process.send_signal(signal.SIGINT)
        _, complained = process.communicate(timeout=20)
    assert process.returncode == 130
    assert complained == ""


def test_a_run_that_takes_long_to_read_is_read_seldom(watched: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, _, seen = watched
    clock, slept = [0.0], []
    over = RunStatus.read(watched[0], now())
    readings = iter([seen, seen, over])

    def read() -> RunStatus:
        clock[0] += 0.05 if not slept else 3.0
        return next(readings)

    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", slept.append)
    watch_run(read, lambda status: None)
    assert slept == pytest.approx([1.0, 15.0])


# What is drawn.


def line_of(status: RunStatus) -> str:
    return drawn(status, 200)


def drawn(status: RunStatus, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    for part in picture(status, next_command(status), width):
        console.print(part)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_picture_fits(watched: Any, width: int) -> None:
    lines = drawn(watched[2], width).splitlines()
    assert max(map(len, lines)) <= width
    assert any(" of 40 " in text for text in lines)


def status_of(sweep: Sweep, **changes: Any) -> RunStatus:
    known = {
        "sweep": sweep,
        "owner": None,
        "stop_asked": False,
        "session": None,
        "progress": replay(sweep, None, {}, START),
        "active_trials": (),
        "last_seen": START,
    }
    return RunStatus(**{**known, **changes})


def test_versions_of_the_plan_repeats_and_requests_are_shown() -> None:
    versions = (
        PlanVersion(0, START, 0, {}, ()),
        PlanVersion(1, START, 12, {}, ("budget.trials: 12 -> 40",)),
    )
    trials = [make_trial(0), make_trial(1, same_as=0, epochs=())]
    sweep = sweep_of(trials, plans=versions, plan={"budget": {"trials": 40}})
    seen = status_of(sweep, stop_asked=True)
    result = drawn(seen, 120)
    assert "version 2 since 2026-11-20 09:30 UTC and trial 12: budget.trials: 12 -> 40" in result
    assert "1 of them only repeat another trial's recipe" in result
    assert "it was asked to stop" in result
    assert seen.to_json()["trials"]["repeated"] == 1
    assert line(seen).startswith(
        "laptop finished: 2 of 40 trials finished, 2 complete; best 92.00 %, trial 0"
    )


def test_trials_are_counted_when_they_have_finished_as_on_the_searchs_own_screen(watched: Any) -> None:
    _, own, seen = watched
    running = len(seen.active_trials)
    finished = len(own.finished)
    assert running
    assert finished + running == len(seen.sweep.trials)
    assert f"{finished} of 9" in drawn(seen, 120)
    assert f"{finished} of 9 trials finished, " in line(seen)


# The time that is left.


def going_on(trials: list[Trial], **changes: Any) -> Progress:
    """A search by one worker, 30 seconds after its start, whose epochs take two seconds each."""
    session = Session(0, START, 25.0, "", {**ENVIRONMENT, "workers": 1, "device": "cpu"})
    plan = {"budget": {"trials": 3}, "recipe": {"epochs": 4}}
    sweep = sweep_of(trials, plan=plan, sessions=(session,), alive=True, **changes)
    heard = {trial.number: START + timedelta(seconds=14) for trial in trials if trial.ended is None}
    return replay(sweep, session, heard, START + timedelta(seconds=30))


def trial(number: int, epochs: int, began: int, ended: int | None, **changes: Any) -> Trial:
    known: dict[str, Any] = {
        "recipe": {"epochs": 4},
        "epochs": tuple(Epoch(k, {ACCURACY.name: 0.9}, 2.0) for k in range(1, epochs + 1)),
        "state": State.RUNNING if ended is None else State.COMPLETE,
        "session": 0,
        "started": START + timedelta(seconds=began),
        "ended": None if ended is None else START + timedelta(seconds=ended),
    }
    return make_trial(number, **{**known, **changes})


def test_the_time_left_is_what_the_epochs_left_will_take() -> None:
    progress = going_on([trial(0, 4, 0, 8), trial(1, 3, 8, None)])
    assert progress.epochs_trained == 7
    assert progress.spent == pytest.approx(30)
    assert progress.remaining == pytest.approx((1 + 4) * 2.0)


def test_epochs_of_an_earlier_start_are_not_this_ones_pace() -> None:
    early = trial(0, 4, -5000, -4000, session=None)
    resumed = trial(1, 3, -4000, None, resumed_from=(2,))
    progress = going_on([early, resumed])
    assert progress.epochs_trained == 7
    assert [row.number for row in progress.running] == [1]
    assert progress.remaining == pytest.approx((1 + 4) * 2.0)
