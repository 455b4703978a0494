"""A user's modules are found by their files, whatever they are called."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from searches import search

from search.cluster.access import THIS_MACHINE
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import plan_of
from trainable.contract import import_module, trainable_files
from trainable.user_modules import PACKAGES, imported_as, is_ours

TRAIN = "def train(recipe):\n    return {}\n"
NAMES = ("search", "trainable", "reports", "benchsweep", "configs", "random", "numpy", "mine_alone")
PLAN = """
trainable = "{name}:train"
metric = {{ name = "loss", direction = "minimize" }}
space.x = {{ low = 0.0, high = 1.0 }}
budget.trials = 3
confirmation.candidates = 0
"""
Beside = Callable[..., Path]


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beside:
    """Writes modules and a plan in a folder that is not the current one, and returns the plan's path."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    def written(name: str, **modules: str) -> Path:
        folder = tmp_path / "project"
        for module, code in modules.items():
            path = folder / f"{module}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        folder.mkdir(exist_ok=True)
        (folder / "plan.toml").write_text(PLAN.format(name=name))
        return folder / "plan.toml"

    return written


@pytest.mark.parametrize("name", NAMES)
def test_a_module_beside_the_plan_is_found_whatever_it_is_called(name: str, beside: Beside) -> None:
    before = sys.modules.get(name)
    plan = Plan.read(beside(name, **{name: TRAIN.format(0.25)}))
    assert plan.trainable_module.Training(plan.default_recipe, None, "cpu", 1) is not None
    module = import_module(plan.trainable, plan.folder)
    assert (module.__file__, module.train({})) == (str(plan.folder / f"{name}.py"), 0.25)
    assert trainable_files(name, plan.folder) == [plan.folder / f"{name}.py"]
    assert plan.code == str(plan.folder)
    if before is not None:
        assert sys.modules[name] is before


def test_its_own_neighbours_of_such_names_are_its_own(beside: Beside) -> None:
    code = """
import json, search, reports.tables
from reports import VALUE
from random import draw
def train(recipe):
    import trainable
    from trainable.epoch import Epoch  # benchsweep's: the user's trainable is no package
    return search.VALUE + reports.tables.VALUE + VALUE + draw() + trainable.VALUE + Epoch(1, {}, 0).number
"""
    path = beside(
        "mine_with_neighbours",
        mine_with_neighbours=code,
        search="import helper_of_search\nVALUE = 1 + helper_of_search.VALUE",
        helper_of_search="from reports.tables import VALUE",
        random="def draw(): return 1000",
        trainable="VALUE = 10000",
        **{"reports/__init__": "from .tables import VALUE", "reports/tables": "import search\nVALUE = 10"},
    )
    plan = Plan.read(path)
    assert import_module(plan.trainable, plan.folder).train({}) == 11 + 10 + 10 + 1000 + 10000 + 1
    import random

    import search as ours

    assert hasattr(random, "randint") and Path(str(ours.__file__)).parent.parent == Path(__file__).parents[2]


def test_a_module_named_like_the_package_that_it_imports_gets_the_package(beside: Beside) -> None:
    code = "import optuna\ndef train(recipe):\n    return len(optuna.__version__)\n"
    plan = Plan.read(beside("optuna", optuna=code))
    assert import_module(plan.trainable, plan.folder).train({}) > 1


def test_two_folders_may_have_a_module_of_one_name(tmp_path: Path) -> None:
    values = {}
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "twice.py").write_text(TRAIN.format(number))
    for number in (1, 2, 1):
        values[number] = import_module("twice:train", tmp_path / str(number)).train({})
    assert values == {1: 1, 2: 2}


def test_the_plans_folder_comes_before_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, name in enumerate(("plans", "current")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "in_both.py").write_text(TRAIN.format(number))
    monkeypatch.chdir(tmp_path / "current")
    assert import_module("in_both:train", tmp_path / "plans").train({}) == 0
    assert import_module("in_both:train").train({}) == 1


def test_the_built_in_trainable_is_ours_whatever_lies_beside_the_plan(beside: Beside) -> None:
    path = beside("x", **{"trainable/__init__": "", "trainable/mlp": "raise RuntimeError"})
    assert is_ours("trainable.mlp") and not is_ours("trainable.other")
    assert import_module("trainable.mlp", path.parent) is sys.modules["trainable.mlp"]


def test_what_a_module_of_a_taken_name_defines_can_be_pickled(beside: Beside) -> None:
    path = beside("reports", reports="class Data:\n    value = 3\n" + TRAIN.format(1))
    data = import_module("reports:train", path.parent).Data()
    code = f"""
import pickle, sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
from trainable.user_modules import look_in
look_in({str(path.parent)!r}, "reports", False)
print(pickle.loads({pickle.dumps(data)!r}).value)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "3", done.stderr


def test_a_worker_takes_the_files_that_were_sent(tmp_path: Path) -> None:
    for name, value in (("driver", 1), ("sent", 2)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "search.py").write_text(TRAIN.format(value))
    code = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(tmp_path / "sent")!r})
sys.path.insert(1, {str(Path(__file__).parents[2])!r})
import trainable.user_modules
from trainable.contract import import_module
folder = {str(tmp_path / "driver")!r}
trainable.user_modules.look_in(folder, "search", True)
module = import_module("search:train", Path(folder))
print(module.train({{}}), module.__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["2", imported_as(tmp_path / "driver", "search")], done.stderr


def test_a_resume_finds_the_module_where_the_run_found_it(beside: Beside, tmp_path: Path) -> None:
    plan = Plan.read(beside("search", search=TRAIN.format('recipe["x"]')))
    run = RunFolder.named("plan", tmp_path / "runs")
    search(run, plan)
    sweep = Sweep.read(run.path)
    assert sweep.code == plan.folder
    assert plan_of(sweep).trainable_module.METRIC.name == "loss"


def test_a_module_that_is_nowhere_is_told_with_both_folders(beside: Beside) -> None:
    with pytest.raises(PlanError, match=r"project or .*elsewhere"):
        Plan.read(beside("nowhere_at_all"))


@pytest.mark.slow
def test_workers_train_modules_of_all_our_names(beside: Beside, tmp_path: Path) -> None:
    code = """
import reports, trainable
class Data:
    value = 2
def train(recipe):
    return recipe["x"] + search_value() + reports.VALUE + trainable.VALUE
def search_value():
    import benchsweep
    return benchsweep.VALUE
"""
    neighbours = dict.fromkeys([name for name in PACKAGES if name != "search"], "VALUE = 1000")
    plan = Plan.read(beside("search", search=code, **neighbours))
    run = RunFolder.named("plan", tmp_path / "runs")
    search(run, plan, THIS_MACHINE)
    trials = Sweep.read(run.path).trials
    assert [trial.state for trial in trials] == [State.COMPLETE] * 3, trials[0].error
    assert all(3000 <= trial.score <= 3001 for trial in trials if trial.score is not None)


@pytest.mark.slow
@pytest.mark.parametrize("start", [["-m", "benchsweep"], None])
def test_our_commands_work_in_a_folder_with_modules_of_their_packages_names(
    beside: Beside, start: list[str] | None
) -> None:
    plan = beside("search", **dict.fromkeys(PACKAGES[:3], TRAIN.format('recipe["x"]')))
    program = [sys.executable, *start] if start else [str(Path(sys.executable).parent / "benchsweep")]
    done = subprocess.run(
        [*program, "run", "plan.toml", "--quiet"],
        cwd=plan.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(Sweep.read(plan.parent / "runs" / "plan").trials) == 3
