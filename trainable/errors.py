"""Errors that a user can act on. Everything else is a bug, and keeps its traceback."""

from __future__ import annotations

from typing import Any, ClassVar


class BenchsweepError(Exception):
    """A fault of the input, the machine or a run's files, shown as a sentence without a traceback."""

    exit_code: ClassVar[int] = 1
    """What the command line exits with: 2 for a fault of the input, 1 for any other."""
    exit_at_once: ClassVar[bool] = False
    """Whether the process ends without its usual clean-up, which would wait for what is dead."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message if advice is None else f"{message}; {advice}")
        self.message = message
        """The rule that was broken and the value that broke it."""
        self.advice = advice
        """What to do about it; None where nothing is known to help."""

    def __reduce__(self) -> tuple[Any, ...]:
        # An error that crosses processes is rebuilt from what it holds, whatever its own __init__ takes.
        return _rebuild, (type(self), self.args, self.__dict__)


class InputError(BenchsweepError, ValueError):
    """A fault of what the user wrote or named: a plan, an option, a run."""

    exit_code = 2


def _rebuild(kind: type[BenchsweepError], args: tuple[Any, ...], fields: dict[str, Any]) -> BenchsweepError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error
