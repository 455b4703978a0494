"""Which errors are a user's affair, and how they are told. The one place that catches them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

BAD_INPUT, WENT_WRONG, INTERRUPTED = 2, 1, 130

EXIT_CODES = {
    "benchsweep.errors.Mistake": BAD_INPUT,
    "search.plan.plan.PlanError": BAD_INPUT,
    "search.extend.CannotExtend": BAD_INPUT,
    "search.start.PlanDiffers": BAD_INPUT,
    "search.confirm.NothingToConfirm": BAD_INPUT,
    "search.records.warm_start.CannotWarmStart": BAD_INPUT,
    "search.records.folder.NotARun": BAD_INPUT,
    "trainable.contract.NotATrainable": BAD_INPUT,
    "benchsweep.saved_model.NoSavedModel": BAD_INPUT,
    "reports.analysis.benchmarks.BenchmarksError": WENT_WRONG,
    "reports.exports.model_card.NoWinner": WENT_WRONG,
    "search.final_model.CannotRetrain": WENT_WRONG,
    "reports.analysis.gate.NotComparable": BAD_INPUT,
    "search.records.journal.JournalDamaged": WENT_WRONG,
    "search.records.lease.Disowned": WENT_WRONG,
    "search.records.lock.Owned": WENT_WRONG,
    "search.records.trial.RunDamaged": WENT_WRONG,
    "search.reproduce.CannotReproduce": WENT_WRONG,
    "search.engine.connection.EngineLost": WENT_WRONG,
    "search.cluster.capacity.NoRoom": WENT_WRONG,
    "reports.exports.optuna_study.CopyDiffers": WENT_WRONG,
    "search.test_set.NoModel": WENT_WRONG,
    "trainable.mnist.data.DataError": WENT_WRONG,
    "trainable.mnist.onnx.ExtraMissing": WENT_WRONG,
    "trainable.mnist.onnx.GraphDiffers": WENT_WRONG,
    "trainable.mnist.saved.SavedModelError": WENT_WRONG,
    "trainable.epoch.Diverged": WENT_WRONG,
    "builtins.OSError": WENT_WRONG,
}
"""Type -> exit code. By name, because importing the types would load ray, optuna and pandas before
every `--help`. Any other exception is a bug, and keeps its traceback."""


NOT_TO_BE_WAITED_FOR = {"search.engine.connection.EngineLost"}
"""After these the process ends on the spot: Ray, on its way out, would ask its dead for a minute."""


class UsageError(ValueError):
    """The command line asks for what cannot be; the sentence says the rule and the value."""


class Interrupted(Exception):
    """The user stopped us where no search could be asked to stop; the sentence says how to go on.

    exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, sentence: str, exit_code: int = INTERRUPTED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code


def exit_code(error: BaseException) -> int | None:
    """The exit code for an error that is a user's affair; None for a bug."""
    if isinstance(error, Interrupted):
        return error.exit_code
    for kind in type(error).__mro__:
        code = EXIT_CODES.get(_name(kind))
        if code is not None:
            return code
    return None


def _name(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


@contextmanager
def told() -> Iterator[None]:
    """Tell a user's error in a sentence on stderr and exit; let a bug through with its traceback.

    Notes that were added to the error on its way (how to resume, where a log lies) follow it.
    """
    try:
        yield
    except Exception as error:
        code = exit_code(error)
        if code is None:
            raise
        _tell(error)
        if _name(type(error)) in NOT_TO_BE_WAITED_FOR:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
        sys.exit(code)


def _tell(error: Exception) -> None:
    from rich.text import Text

    from benchsweep import terminal

    console = terminal.err()
    head = "stopped:" if isinstance(error, Interrupted) else "error:"
    for line in sentence(error).splitlines():
        continued = line.startswith(" ")
        terminal.say(console, Text(line) if continued else Text.assemble((head, "bold red"), " ", line))
    for note in getattr(error, "__notes__", ()):
        console.print(note, soft_wrap=True)


def sentence(error: Exception) -> str:
    """What the error says: its own text, one line a fault; for the system's errors, file and reason."""
    if isinstance(error, OSError) and error.strerror:
        places = [str(place) for place in (error.filename, error.filename2) if place is not None]
        return f"{' and '.join(places)}: {error.strerror}" if places else error.strerror
    return str(error) or type(error).__name__
