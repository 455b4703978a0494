"""Runs that somebody else made: reading them runs no code of theirs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from searches import NOWHERE, plan, search

from benchsweep.__main__ import main
from search.records.folder import RunFolder
from search.records.lock import owning
from search.test_set import open_test_set
from trainable.contract import NotATrainable, load_trainable, trainable_files

MODULE = """
from pathlib import Path

Path(__file__).with_name("marker").touch()
raise SystemExit(0)
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that holds runs/small, a finished run which names a module in its own folder."""
    folder = tmp_path_factory.mktemp("foreign")
    run = RunFolder.named("small", folder / "runs")
    search(run, plan(budget={"trials": 2}))
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    for path in (run.journal, run.plan):
        path.write_text(path.read_text().replace("trainable.mlp", "runs.small.hostile"))
    for code in (run.path / "hostile.py", run.path / "__init__.py", run.path.parent / "__init__.py"):
        code.write_text(MODULE)
    return folder


@pytest.fixture
def foreign(made: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, as the current folder."""
    monkeypatch.chdir(made)
    before = [*sys.path]
    yield made
    sys.path[:] = before


def markers(folder: Path) -> list[Path]:
    return list(folder.rglob("marker"))


def exit_code(words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "list --json",
        "show small",
        "show small 0",
        "show small best --json",
        "status small",
        "status small --json",
        "stop small --wait 0",
        "report small",
        "compare small small-again",
        "check small --against origin-improved",
        "export small --format csv",
        "export small --format json",
        "export small --format optuna-sqlite",
        "export small --format card",
        pytest.param("doctor small", marks=pytest.mark.slow),
    ],
)
def test_a_command_that_reads_a_run_never_imports_its_module(foreign: Path, words: str) -> None:
    again = foreign / "runs" / "small-again"
    if not again.exists():
        again.mkdir()
        for name in ("plan.toml", "study.journal"):
            (again / name).write_bytes((foreign / "runs" / "small" / name).read_bytes())
    assert exit_code(words) in (0, 1, 2)
    assert not markers(foreign)


@pytest.mark.parametrize(
    "words",
    [
        "evaluate small",
        "evaluate runs/small/model.safetensors",
        "predict small x.png",
        "export small --format safetensors",
        "export small --format onnx",
        "cluster slurm runs/small/plan.toml",
        "cluster ray-up runs/small/plan.toml",
        "reproduce small",
        "resume small --local",
        "extend small --trials 1 --local",
        "confirm small --local",
        "run runs/small/plan.toml --local",
        "train runs/small/plan.toml",
    ],
)
def test_a_command_that_needs_the_trainable_refuses_one_in_the_folder_of_a_run(
    foreign: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(words) == 2
    assert "in the folder of the run" in capsys.readouterr().err
    assert not markers(foreign)


@pytest.fixture
def half_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder: a plan in runs/small and one in elsewhere/small, each beside the module that it
    names, and no journal."""
    before = [*sys.path]
    for runs in (tmp_path / "runs", tmp_path / "elsewhere"):
        folder = runs / "small"
        folder.mkdir(parents=True)
        table = plan().to_toml().replace("trainable.mlp", f"{runs.name}.small.hostile")
        (folder / "plan.toml").write_text(table)
        for code in (folder / "hostile.py", folder / "__init__.py", runs / "__init__.py"):
            code.write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = before


@pytest.mark.parametrize(
    "words",
    [
        "evaluate small",
        "export small --format safetensors",
        "cluster slurm runs/small/plan.toml",
        "reproduce small",
        "reproduce elsewhere/small",
        "confirm small --runs elsewhere --local",
        "resume small --local",
        "run runs/small/plan.toml --local --runs elsewhere",
        "train runs/small/plan.toml",
    ],
)
def test_a_run_without_a_journal_brings_no_code_either(
    half_made: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(words) == 2
    assert "in the folder of the run" in capsys.readouterr().err
    assert not markers(half_made)


@pytest.mark.parametrize("record", ["trials", "lock", "environment.json", "ray.log", "confirmation"])
def test_a_plan_beside_anything_that_a_run_leaves_is_a_run(half_made: Path, record: str) -> None:
    run = RunFolder(half_made / "elsewhere" / "small")
    (run.path / record).mkdir()
    assert run.path / record in run.records
    with pytest.raises(NotATrainable, match="in the folder of the run"):
        load_trainable("elsewhere.small.hostile")


def test_a_plan_may_lie_beside_the_module_that_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    project = tmp_path / "project_of_mine"
    project.mkdir()
    (project / "plan.toml").write_text('trainable = "project_of_mine.model"')
    (project / "model.py").write_text("raise SystemExit(3)")
    with pytest.raises(NotATrainable, match="raised SystemExit: 3"):
        load_trainable("project_of_mine.model")


def test_the_files_of_a_module_are_found_without_running_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = [tmp_path / "outer" / "__init__.py", tmp_path / "outer" / "inner" / "own.py"]
    for path in code:
        path.parent.mkdir(exist_ok=True)
        path.write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert trainable_files("outer.inner.own") == code  # inner is a namespace package, which has no file
    assert trainable_files("outer.other") == code[:1]
    assert not markers(tmp_path)


@pytest.mark.parametrize(
    "raised", ["SystemExit(0)", "GeneratorExit", "RecursionError('deep')", "ValueError('no')"]
)
def test_whatever_an_import_raises_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, raised: str
) -> None:
    (tmp_path / "raising.py").write_text(f"raise {raised}")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(NotATrainable, match="importing 'raising' raised"):
        load_trainable("raising")


def test_ctrl_c_during_an_import_is_still_ctrl_c(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "interrupted.py").write_text("raise KeyboardInterrupt")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(KeyboardInterrupt):
        load_trainable("interrupted")


def test_a_command_says_which_file_of_the_users_it_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "said.py").write_text("raise SystemExit(3)")
    (tmp_path / "said.toml").write_text('trainable = "said"\n')
    assert exit_code("run said.toml --local") == 2
    told, error = capsys.readouterr().err.splitlines()[:2]
    assert told == f"importing the trainable said from {tmp_path / 'said.py'}"
    assert "importing 'said' raised SystemExit: 3" in error
