"""Which exceptions there are, what the command line makes of them, and what it prints."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchsweep.errors import Interrupted, UsageError, exiting_on_error
from trainable.errors import BenchsweepError

ROOT = Path(__file__).parents[2]
PACKAGES = ("trainable", "search", "reports", "benchsweep")
CONTROL_FLOW = {
    "NotStored",
    "Superseded",
    "DamagedCheckpoint",
    "PictureError",
    "NotInSpace",
    "NotRecordable",
    "MeasuredError",
    "EndOfTraining",
    "StoppedItself",
    "_Unwound",
    "BadRule",
    "RuleBroken",
    "ScriptBegins",
}
"""Raised and caught inside the packages; none reaches a user."""


def exceptions() -> Iterator[type[BaseException]]:
    """Every exception class that one of the packages defines."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            tree = ast.parse(path.read_text())
            bases = {node.name: [ast.unparse(base) for base in node.bases] for node in ast.walk(tree)
                     if isinstance(node, ast.ClassDef)}  # fmt: skip
            if not any(bases.values()):
                continue
            module = importlib.import_module(name)
            for class_name in bases:
                defined = getattr(module, class_name, None)
                if isinstance(defined, type) and issubclass(defined, BaseException):
                    yield defined


def test_every_exception_is_one_that_the_command_line_reports_or_that_no_user_sees() -> None:
    names = {kind.__name__: kind for kind in exceptions()}
    assert len(names) > 20
    others = {name for name, kind in names.items() if not issubclass(kind, BenchsweepError | Interrupted)}
    assert others == CONTROL_FLOW


def printed(error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended, exiting_on_error():
        raise error
    streams = capsys.readouterr()
    assert streams.out == ""
    return int(ended.value.code or 0), streams.err


def test_an_error_is_printed_with_its_advice_and_its_notes(capsys: pytest.CaptureFixture[str]) -> None:
    error = UsageError("N must be 1 or more, but is 0", "leave it out")
    error.add_note("finished epochs are kept")
    code, text = printed(error, capsys)
    assert code == 2
    assert text == "error: N must be 1 or more, but is 0; leave it out\nfinished epochs are kept\n"


def test_each_fault_has_a_line_and_the_advice_one_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    code, text = printed(BenchsweepError("one\ntwo", "mend them"), capsys)
    assert code == 1
    assert text == "error: one\nerror: two\n  mend them\n"


def test_an_interruption_has_its_exit_code_and_an_error_of_the_system_its_file(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert printed(Interrupted("Ray had not started yet", 143), capsys) == (
        143,
        "stopped: Ray had not started yet\n",
    )
    assert printed(FileNotFoundError(2, "No such file or directory", "plan.toml"), capsys) == (
        1,
        "error: plan.toml: No such file or directory\n",
    )


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(KeyError), exiting_on_error():
        raise KeyError("a bug")
