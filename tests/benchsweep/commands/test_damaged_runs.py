"""A run with anything in place of one of its files is read, or refused in a sentence: without a traceback or
a hang."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
import typer
from examples import examples
from searches import LOCAL, NOWHERE, plan, search
from time_limit import Hangs, within
from wrong_shapes import FILES, VALUES, wrong_documents

from benchsweep.__main__ import main
from benchsweep.actions.check import check_accuracy
from benchsweep.actions.compare import compare_runs
from benchsweep.actions.list_runs import list_runs
from benchsweep.actions.report import write_reports
from benchsweep.actions.show import show_run
from benchsweep.actions.status import show_status
from benchsweep.errors import UsageError
from benchsweep.formats.runs import RUN_FORMATS
from search.confirm import confirming
from search.doctor.finding import CheckStatus, Finding
from search.doctor.run_files import inspect
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import RunDamaged, Sweep
from search.test_set import open_test_set
from trainable.errors import BenchsweepError

T = TypeVar("T")
QUICK, SLOW, LONG = 4, examples(25, 100), examples(2, 6)
"""Wrong contents of each file that the quick, the slow and the longest tests try, drawn at random."""
WRONG_VALUES = examples(3, len(VALUES))
"""JSON values that stand in place of each file, drawn at random, besides all that is no JSON."""
JSON_FILES = (
    "study.journal",
    "confirmation/study.journal",
    "test_openings.json",
    "trials/00000/epochs.jsonl",
)
OTHER_FILES = (
    *("plan.toml", "lock", "warm_start.json", "stop.json", "lease.000001.json", "trials", "confirmation"),
    *("confirmation/trials/00000/epochs.jsonl", "trials/00000/checkpoint.safetensors"),
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with a confirmation and an opening of the test set."""
    run = RunFolder.named("small", tmp_path_factory.mktemp("runs"))
    search(run, plan(budget={"trials": 2}, confirmation={"candidates": 1, "seeds": 2}))
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    return run.path


def read_in_every_way(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the commands that read a run do with it."""
    runs, run = folder.parent, RunFolder(folder)
    yield "show", lambda: show_run("small", None, runs, json=False)
    yield "show --json", lambda: show_run("small", None, runs, json=True)
    yield "status", lambda: show_status("small", False, runs, json=False)
    yield "list", lambda: list_runs(runs, json=False)
    yield "check", lambda: check_accuracy("small", "origin-improved", 0.05, runs, json=False)
    yield "doctor", lambda: list(_inspected(run))
    yield "export csv", lambda: RUN_FORMATS["csv"].make(run, "trials", folder.parent / "x")


def read_at_length(folder: Path) -> Iterator[tuple[str, Callable[[], object]]]:
    """What the commands do with it that take about a second each; the run "whole" lies beside it."""
    runs, run = folder.parent, RunFolder(folder)
    yield "report", lambda: write_reports(["small"], False, runs.parent / "page", "cdn", runs)
    yield "compare", lambda: compare_runs(["small", "whole"], None, False, runs, json=True)
    yield "export optuna", lambda: RUN_FORMATS["optuna-sqlite"].make(run, "trials", runs.parent / "x")


def _inspected(run: RunFolder) -> Iterator[Finding]:
    """Its findings. A finding in which the check itself failed is a fault, unless it is an OSError."""
    for finding in inspect(run):
        failed = "the check itself failed: " in finding.message
        assert not failed or "Error: [Errno" in finding.message, finding.message
        yield finding


def faults(
    folder: Path,
    what: str,
    ways: Callable[[Path], Iterator[tuple[str, Callable[[], object]]]] = read_in_every_way,
) -> list[str]:
    """What ended in something else than a sentence."""
    found = []
    for name, read in ways(folder):
        try:
            with within(20):
                read()
        except (BenchsweepError, OSError, SystemExit, typer.Exit):
            pass  # a sentence or an exit code
        except (Exception, Hangs) as error:
            found.append(f"{what}, {name}: {type(error).__name__}: {str(error)[:100]}")
    return found


def wrong_lines(path: Path) -> list[tuple[str, str]]:
    """What was replaced in a line of each kind of a JSON file, and the content of the file with it."""
    text = path.read_text()
    lines = text.splitlines() if path.suffix in (".journal", ".jsonl") else [text]
    made, kinds = [], set()
    for number, line in enumerate(lines):
        log = json.loads(line)
        kind = (log.get("op_code"), *log, *log.get("user_attr", ())) if isinstance(log, dict) else ()
        if kind not in kinds:
            kinds.add(kind)
            for what, wrong in wrong_documents(log):
                content = "\n".join([*lines[:number], wrong, *lines[number + 1 :]]) + "\n"
                made.append((f"{path.name}, line {number + 1}, {what}", content))
    return made


def drawn(contents: list[T], most: int) -> list[T]:
    """At most that many of the contents, at random but always the same."""
    return random.Random(most).sample(contents, min(most, len(contents)))


def remove(path: Path) -> None:
    """Remove a file, a folder or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@pytest.fixture
def run(whole: Path, tmp_path: Path) -> Path:
    """A copy of the run."""
    return Path(shutil.copytree(whole, tmp_path / "small"))


def test_a_whole_run_is_read_in_every_way(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    silent = []
    for name, read in read_in_every_way(run):
        with suppress(typer.Exit):  # of `check`, because the digits' accuracy is below the benchmark's
            read()
        printed = capsys.readouterr()
        assert not printed.err, name
        silent += [] if printed.out else [name]
    assert len(silent) < len(list(read_in_every_way(run))) / 2


@pytest.mark.parametrize("name", JSON_FILES)
@pytest.mark.parametrize("most", [QUICK, pytest.param(SLOW, marks=pytest.mark.slow)])
def test_a_wrong_shape_anywhere_in_a_record_is_read_or_refused_in_a_sentence(
    run: Path, name: str, most: int
) -> None:
    path = run / name
    found = []
    for what, content in drawn(wrong_lines(path), most):
        path.write_text(content)
        found += faults(run, what)
    assert not found


def _in_place_of(name: str) -> Iterator[tuple[str, str]]:
    """A file, and what stands in its place."""
    values = random.Random(name).sample([*VALUES], WRONG_VALUES)
    return ((name, shape) for shape in FILES if shape not in VALUES or shape in values)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        pytest.param(*pair, marks=() if pair[1] in ("a FIFO", "null") else pytest.mark.slow)
        for name in (*JSON_FILES, *OTHER_FILES)
        for pair in _in_place_of(name)
    ],
)
def test_anything_in_place_of_a_file_is_read_or_refused_in_a_sentence(
    run: Path, name: str, shape: str
) -> None:
    path = run / name
    remove(path)
    FILES[shape](path)
    assert not faults(run, f"{name}: {shape}")


@pytest.fixture
def beside(run: Path, whole: Path) -> Path:
    """The copy, with another one beside it."""
    shutil.copytree(whole, run.parent / "whole")
    return run


@pytest.mark.slow
def test_a_whole_run_is_read_at_length(beside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, read in read_at_length(beside):
        read()
        assert not capsys.readouterr().err, name


@pytest.mark.slow
@pytest.mark.parametrize("name", [*JSON_FILES, *OTHER_FILES])
def test_anything_in_place_of_a_file_is_read_at_length_or_refused_in_a_sentence(
    beside: Path, name: str
) -> None:
    path = beside / name
    found = []
    for shape, make in drawn([*FILES.items()], LONG):
        remove(path)
        make(path)
        found += faults(beside, f"{name}: {shape}", read_at_length)
    assert not found


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_FILES)
def test_a_wrong_shape_anywhere_is_read_at_length_or_refused_in_a_sentence(beside: Path, name: str) -> None:
    path = beside / name
    found = []
    for what, content in drawn(wrong_lines(path), LONG):
        path.write_text(content)
        found += faults(beside, what, read_at_length)
    assert not found


def test_a_damaged_confirmation_does_not_hide_the_search(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = run / "confirmation" / "study.journal"
    journal.write_text(f"{VALUES['deep']}\n" + journal.read_text())
    show_run("small", "0", run.parent, json=False)
    printed = capsys.readouterr()
    assert "0 of small" in printed.out
    assert printed.err.startswith("damaged: ")
    assert str(journal) in printed.err.replace("\n", "")
    (finding,) = (finding for finding in inspect(RunFolder(run)) if finding.name == "confirmation")
    assert finding.verdict is CheckStatus.FAIL
    with pytest.raises(BenchsweepError):  # the winner depends on it
        Sweep.read(run)


@pytest.mark.parametrize("wrong", ["{}", '"x"', "null"])
def test_the_values_of_a_trial_are_numbers(run: Path, wrong: str) -> None:
    journal = run / "study.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    ended = next(line for line in lines if line.get("values"))
    for values in ([json.loads(wrong)], []):
        ended["values"] = values
        journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        with pytest.raises(RunDamaged, match="the values of trial 0 must be numbers"):
            Sweep.read(run)
        assert not faults(run, str(values))


def test_a_trial_without_a_recipe_is_shown(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = run / "study.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    for line in lines:
        line.get("user_attrs", {}).pop("recipe", None)
        line.get("user_attr", {}).pop("recipe", None)
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    show_run("small", "0", run.parent, json=False)
    assert "0 of small" in capsys.readouterr().out


@pytest.mark.parametrize("wrong", ["2.5", "[1]", '{"torch": 2}'])
def test_what_a_start_of_a_confirmation_ran_on_is_checked(run: Path, wrong: str) -> None:
    journal = run / "confirmation" / "study.journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()]
    (start,) = (line for line in lines if "environment:0000" in line.get("user_attr", {}))
    start["user_attr"]["environment:0000"]["versions"] = json.loads(wrong)
    journal.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    with pytest.raises(RunDamaged, match="versions of an environment"):
        Sweep.read(run)


def test_a_whole_confirmation_passes(run: Path) -> None:
    (finding,) = (finding for finding in inspect(RunFolder(run)) if finding.name == "confirmation")
    assert finding.verdict is CheckStatus.PASS


def test_list_tells_a_folder_of_runs_that_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    for name, fault in (("file", "is a file"), ("nowhere", "does not exist")):
        with pytest.raises(UsageError, match=fault):
            list_runs(Path(name), json=True)
    list_runs(Path("runs"), json=False)  # the default folder is made by the first run
    assert "there is no run in" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["3", "--from", "x.json"], ["--from", "x.json", "3"]])
def test_reproduce_takes_a_trial_beside_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["reproduce", *words])
    assert ended.value.code == 2
    assert "x.json: No such file" in capsys.readouterr().err  # and not that RUN was given too
