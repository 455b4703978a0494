"""Errors that a user can act on. Any other exception is a bug and keeps its traceback."""

from __future__ import annotations

from typing import Any, ClassVar


class BenchsweepError(Exception):
    """Something is wrong with the input, the machine or a run's files. Shown without a traceback."""

    exit_code: ClassVar[int] = 1
    """Exit status of the command line: 2 for an error in the input, 1 for any other."""
    exit_at_once: ClassVar[bool] = False
    """Whether to exit without the usual clean-up, which would wait for processes that have died."""

    def __init__(self, message: str, advice: str | None = None) -> None:
        super().__init__(message if advice is None else f"{message}; {advice}")
        self.message = message
        """The rule that was broken and the value that broke it."""
        self.advice = advice
        """What to do about it; None if nothing is known to help."""

    def __reduce__(self) -> tuple[Any, ...]:
        # Unpickled in another process without calling __init__, whose parameters a subclass may change.
        return _rebuild, (type(self), self.args, self.__dict__)


class InputError(BenchsweepError, ValueError):
    """An error in what the user wrote or named: a plan, an option, a run."""

    exit_code = 2


def _rebuild(kind: type[BenchsweepError], args: tuple[Any, ...], fields: dict[str, Any]) -> BenchsweepError:
    error = kind.__new__(kind)
    error.args = args
    error.__dict__.update(fields)
    return error
