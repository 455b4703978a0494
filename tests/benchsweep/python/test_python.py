"""Searches that are described in Python: the same records, checks and resume as those of the commands."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from commands import command, started_command, until

import benchsweep
from benchsweep.errors import UsageError
from benchsweep.python.located import NotFindable
from benchsweep.terminal import typed_command
from search.engine.events import EpochReported, TrialEnded
from search.extend import CannotExtend
from search.plan.plan import PlanError
from search.records.sweep import State, Sweep
from search.start import PlanDiffers
from trainable.contract import import_module

ROOT = Path(__file__).parents[3]
FORMULA = """\
def f(recipe):
    return (recipe["x"] - 0.3) ** 2 + 0.001 * recipe["seed"]

def g(recipe):
    for epoch in range(3):
        yield {"loss": (recipe["x"] - 0.3) ** 2 + 1 / (epoch + 1)}
"""
SCRIPT = """\
import time
from pathlib import Path
import benchsweep

def train(recipe):
    with Path({calls!r}).open("a") as file:
        file.write("call\\n")
    for epoch in range(4):
        time.sleep({seconds})
        yield {{"loss": (recipe["x"] - 0.3) ** 2 + 1 / (epoch + 1)}}

with Path({calls!r}).open("a") as file:
    file.write(f"script {{__name__}}\\n")
sweep = benchsweep.{call}
print(sweep)
"""
RUN = (
    'run(train, {"x": (0.0, 1.0)}, 5, "mine", minimize="loss", recipe={"epochs": 4}, pruner="none", '
    "confirmation=False, local=True)"
)
_numbers = itertools.count()


@pytest.fixture
def formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with trainables, in the current folder."""
    monkeypatch.chdir(tmp_path)
    name = f"formula_{next(_numbers)}"
    (tmp_path / f"{name}.py").write_text(FORMULA)
    return import_module(name, tmp_path)


def searched(train: object, name: str = "any", trials: int = 4, **changes: object) -> benchsweep.Sweep:
    """The run of a function, searched in this process."""
    settings = {"space": {"x": (0.0, 1.0)}, "minimize": "loss", "confirmation": False, **changes}
    return benchsweep.run(train, budget=trials, name=name, local=True, progress=False, **settings)  # type: ignore[arg-type]


def test_importing_benchsweep_imports_nothing_that_takes_time() -> None:
    code = (
        "import sys, benchsweep; print(sorted({'ray','torch','optuna','pandas','pydantic'} & {*sys.modules}))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT).strip() == "[]"


def test_a_function_is_searched_confirmed_and_reported_and_the_commands_know_the_run(
    formula: ModuleType,
) -> None:
    sweep = searched(formula.f, confirmation={"candidates": 2, "seeds": 2})
    assert (sweep.status, len(sweep.trials), sweep.plan.trainable) == (
        "finished",
        4,
        f"{formula.__name__}:f",
    )
    assert sweep.confirmed is not None and sweep.confirmed.decided
    assert sweep.best() is not None
    assert list(sweep.leaderboard["rank"]) == [1, 2, 3, 4]
    assert len(sweep.frames.reruns) == sum(len(each.complete) for each in sweep.confirmation.candidates)  # type: ignore[union-attr]
    assert "history" in sweep.figures
    assert "4 trials, all complete" in repr(sweep) and "<td>complete</td>" in sweep._repr_html_()
    assert (sweep.folder / "report.html").is_file()
    assert '"total": 4' in command("list", "--json").out


def test_a_function_in_a_file_is_the_same_plan_as_its_plan_file(formula: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "same.toml").write_text(
        f'name = "any"\ntrainable = "{formula.__name__}:f"\nspace.x = {{ low = 0.0, high = 1.0 }}\n'
        'metric = { name = "loss", direction = "minimize" }\nbudget.trials = 4\nconfirmation.candidates = 0\n'
    )
    sweep = searched(formula.f)
    again = benchsweep.run("same.toml", local=True, progress=False)
    assert again.plan.table == sweep.plan.table
    assert [trial.sampled for trial in again.trials] == [trial.sampled for trial in sweep.trials]
    assert len(again.sessions) == 1


def test_arguments_change_a_plan_file_as_overrides_do(formula: ModuleType, tmp_path: Path) -> None:
    searched(formula.f)
    plan = str(tmp_path / "runs" / "any" / "plan.toml")
    sweep = benchsweep.run(
        plan,
        name="other",
        budget=2,
        sampler="random",
        local=True,
        progress=False,
        confirmation={"candidates": 0},
    )
    assert (sweep.name, len(sweep.trials), sweep.plan.table["sampler"]["name"]) == ("other", 2, "random")


def test_another_plan_under_the_same_name_is_refused_as_by_the_command(formula: ModuleType) -> None:
    searched(formula.f)
    with pytest.raises(PlanDiffers, match=r"space.x.high: 1.0 -> 2.0"):
        searched(formula.f, space={"x": (0.0, 2.0)})


def test_a_fault_names_the_table_and_the_key(formula: ModuleType) -> None:
    with pytest.raises(PlanError, match=r"the arguments \[budget\] trials: must be .*, but got -1") as raised:
        searched(formula.f, trials=-1)
    assert isinstance(raised.value, benchsweep.BenchsweepError)
    with pytest.raises(PlanError, match="budgets"):
        benchsweep.run(formula.f, budgets={}, minimize="loss", local=True)
    with pytest.raises(UsageError, match="one metric is optimized"):
        benchsweep.run(formula.f, minimize="a", maximize="b", local=True)


def test_what_workers_cannot_import_is_refused_with_what_to_write(formula: ModuleType) -> None:
    def inner(recipe: object) -> float:
        return 0.0

    for train, sentence in (
        (lambda recipe: 0.0, "write def train"),
        (inner, "move it to the top level"),
        (3, "must be a function, a class or a module"),
    ):
        with pytest.raises(NotFindable, match=sentence):
            searched(train)


def test_a_stream_that_is_left_is_stopped_in_order_and_resumed(formula: ModuleType) -> None:
    events = benchsweep.stream(
        formula.g, {"x": (0.0, 1.0)}, 4, "any", minimize="loss", recipe={"epochs": 3}, pruner="none",
        confirmation=False, local=True,
    )  # fmt: skip
    seen = []
    for event in events:
        seen.append(event)
        if isinstance(event, TrialEnded):
            assert events.stage == "search" and events.progress is not None
            assert events.progress.best is not None
        if isinstance(event, EpochReported) and event.number == 1:
            break
    events.close()
    assert benchsweep.load("any").status == "interrupted"
    sweep = benchsweep.resume("any", local=True, progress=False)
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 4
    assert [len(trial.epochs) for trial in sweep.trials] == [3] * 4


def test_a_stream_that_is_asked_to_stop_ends_by_itself(formula: ModuleType) -> None:
    events = benchsweep.stream(formula.f, {"x": (0.0, 1.0)}, 9, "any", minimize="loss", local=True)
    for event in events:
        if isinstance(event, TrialEnded) and event.number == 1:
            events.stop()
    assert benchsweep.load("any").count(State.COMPLETE) == 2


def test_a_finished_run_is_extended_confirmed_reproduced_and_reported(
    formula: ModuleType, tmp_path: Path
) -> None:
    sweep = searched(formula.f)
    more = benchsweep.extend(sweep, trials=2, sampler="random", local=True, progress=False)
    assert (len(more.trials), len(more.plans)) == (6, 2)
    with pytest.raises(CannotExtend):
        benchsweep.extend("any", local=True, progress=False)
    done = benchsweep.confirm("any", candidates=2, seeds=2, local=True, progress=False)
    assert done.confirmation is not None and done.confirmation.decided
    assert [each.outcome for each in benchsweep.reproduce("any", 1)] == ["exact"]
    assert benchsweep.report("any", tmp_path / "page").read_text().startswith("<!")


def script(folder: Path, call: str, seconds: float = 0.0) -> Path:
    """A script without a guard, which trains with `call`."""
    path = folder / "mine.py"
    path.write_text(SCRIPT.format(calls=str(folder / "calls.txt"), call=call, seconds=seconds))
    return path


def run_script(path: Path) -> str:
    return subprocess.check_output(
        [sys.executable, path], cwd=path.parent, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )


def _until(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_a_script_that_is_killed_is_resumed_by_the_command_and_loses_and_repeats_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = script(tmp_path, RUN, seconds=0.2)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, path], cwd=tmp_path, env=environment) as process:
        _until(lambda: (tmp_path / "runs/mine/trials/00001/epochs.jsonl").exists())
        process.send_signal(signal.SIGKILL)
    before = Sweep.read(tmp_path / "runs" / "mine")
    assert before.status == "interrupted"
    monkeypatch.chdir(tmp_path.parent)
    done = command("resume", tmp_path / "runs" / "mine", "--local")
    assert done.code == 0, done.err
    sweep = Sweep.read(tmp_path / "runs" / "mine")
    assert [len(trial.epochs) for trial in sweep.trials] == [4] * 5
    assert len(sweep.sessions) == 2
    lines = (tmp_path / "calls.txt").read_text().splitlines()
    assert lines.count("script __main__") == lines.count("script mine") == 1
    assert lines.count("call") == 5 + 1  # a function that was interrupted is called again


@pytest.mark.slow
def test_a_run_of_the_command_that_is_killed_is_resumed_by_a_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "slow.py").write_text(
        "import time\ndef f(recipe):\n    time.sleep(0.2)\n    return (recipe['x'] - 0.3) ** 2\n"
    )
    (tmp_path / "slow.toml").write_text(
        'trainable = "slow:f"\nmetric = { name = "loss", direction = "minimize" }\n'
        "space.x = { low = 0.0, high = 1.0 }\nbudget.trials = 6\nconfirmation.candidates = 0\n"
    )
    with started_command("run", "slow.toml", "--local", "--json") as process:
        until(process, "trial_ended")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    out = run_script(script(tmp_path, 'resume("slow", local=True)'))
    assert "<Sweep slow: finished, 6 trials, all complete" in out
    assert len(Sweep.read(tmp_path / "runs" / "slow").sessions) == 2


@pytest.mark.slow
def test_a_script_without_a_guard_trains_on_ray_and_each_worker_imports_it_up_to_its_search(
    tmp_path: Path,
) -> None:
    out = run_script(script(tmp_path, RUN.replace(", local=True", "")))
    assert "<Sweep mine: finished, 5 trials, all complete" in out
    lines = (tmp_path / "calls.txt").read_text().splitlines()
    assert lines.count("script __main__") == 1
    assert lines.count("script mine") >= 1
    assert lines.count("call") == 5


@pytest.mark.slow
def test_ctrl_c_in_a_script_stops_in_order_and_says_how_to_continue(tmp_path: Path) -> None:
    path = script(tmp_path, RUN, seconds=0.3)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, path], cwd=tmp_path, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        _until(lambda: (tmp_path / "runs/mine/trials/00000/epochs.jsonl").exists())
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    told = "KeyboardInterrupt: stopped; finished epochs are kept; continue with: "
    assert f"{told}{typed_command('resume', 'mine', '--local')}" in err
    sweep = Sweep.read(tmp_path / "runs" / "mine")
    assert sweep.status == "interrupted" and (sweep.folder / "report.html").is_file()
