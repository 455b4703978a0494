"""A command line as a trainable: any program in any language that prints its metrics.

    from trainable.adapters.command import Command

    class Train(Command):
        line = "python train.py --lr {lr} --seed {seed}"

The command prints a line of JSON after each epoch, {"loss": 0.3}; other lines are passed on. What it prints
to stderr last is told if it fails.
"""

from __future__ import annotations

import json
import os
import shlex
import signal
import string
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar

from trainable.torch_training import EndOfTraining, TorchTraining
from trainable.user_code import TrainableError

_PATIENCE = 10.0
"""Seconds that a command which is to stop has after SIGTERM."""
_SHOWN = 2000
"""Characters of stderr that are told."""


class Command(TorchTraining):
    """One run of a command. It is called again from its start after an interruption; what it printed before
    is not reported twice."""

    continues: ClassVar[bool] = False
    line: ClassVar[str] = ""
    """The command, with {name} for values of the recipe, and {seed}, {epochs}, {device} and {threads}. It is
    no shell's: each word is passed on as it is, whatever it contains."""
    folder: ClassVar[Path | None] = None
    """Where it runs; None for the folder of the module with this class."""

    def build(self) -> None:
        self.printed = 0
        self._process: subprocess.Popen[str] | None = None
        self._stderr: IO[bytes] | None = None
        values = {**self.recipe, "device": self.device, "threads": self.threads}
        words = shlex.split(self.line)
        if not words:
            name = type(self).__name__
            raise TrainableError(
                f"{name} must say its command, but its line is empty", f"write line = … in {name}"
            )
        needed = {name for word in words for _, name, _, _ in string.Formatter().parse(word) if name}
        if missing := sorted(needed - values.keys()):
            raise TrainableError(
                f"each {{name}} in the line of {type(self).__name__} must be in [recipe] or [space], but "
                f"{', '.join(missing)} is not",
                "add it to the plan",
            )
        self._words = [word.format_map(values) for word in words]

    def epoch(self) -> dict[str, Any]:
        if self._process is None:
            self._start()
            for _ in range(self.printed):  # reported before the interruption
                self._next()
        metrics = self._next()
        self.printed += 1
        return metrics

    def close(self) -> None:
        """Waits for a command that has printed all its epochs, and ends any other."""
        process = self._process
        if process is None:
            return
        if process.poll() is None and self.printed < int(self.recipe["epochs"]):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        self._process = None

    def _start(self) -> None:
        module = sys.modules[type(self).__module__].__file__
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        try:
            self._process = subprocess.Popen(
                self._words,
                cwd=self.folder or Path(str(module)).parent,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            raise TrainableError(f"{self._words[0]} cannot be run: {error.strerror or error}") from error

    def _next(self) -> dict[str, Any]:
        """The next metrics. Raises EndOfTraining, and TrainableError if the command failed."""
        assert self._process is not None and self._process.stdout is not None
        for text in self._process.stdout:
            with suppress(ValueError):
                metrics = json.loads(text)
                if isinstance(metrics, dict):
                    return metrics
            sys.stderr.write(text)
        status = self._process.wait()
        if status == 0 and self.printed:
            raise EndOfTraining
        cause = f"exited with {status}" if status else "ended without a line of JSON"
        raise TrainableError(
            f"the command must print its metrics and exit with 0, but {cause}: {self._last_words()}",
            f"try it: {shlex.join(self._words)}",
        )

    def _last_words(self) -> str:
        assert self._stderr is not None
        self._stderr.seek(0)
        return (
            self._stderr.read().decode(errors="replace")[-_SHOWN:].strip() or "it printed nothing to stderr"
        )
