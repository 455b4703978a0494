"""How long `benchsweep list` and `benchsweep doctor` take, beside another checkout of benchsweep.

    python benchmarks/command_times.py --runs runs --against ../older [--rounds 5]

The two alternate, in wall time and in CPU time of the command and its children; medians and their ratios are
printed. Without --against, the unit is `python -c 'import typer, rich'`. The first round fills the caches.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple


class Spent(NamedTuple):
    """What a process took."""

    wall: float
    """Seconds from its start to its end."""
    cpu: float
    """CPU seconds of it and of those of its children that it waited for."""


def spent(arguments: list[str]) -> Spent:
    """Run a process to its end. Raises CalledProcessError if it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments)
    return Spent(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def compared(first: list[str], second: list[str], rounds: int) -> tuple[Spent, Spent]:
    """The medians of two processes that alternate."""
    times: tuple[list[Spent], list[Spent]] = ([], [])
    for number in range(rounds + 1):
        for arguments, values in zip((first, second), times, strict=True):
            value = spent(arguments)
            if number:
                values.append(value)
    medians = [Spent(*map(statistics.median, zip(*values, strict=True))) for values in times]
    return medians[0], medians[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="a folder of runs (runs)")
    parser.add_argument("--against", type=Path, help="the root of another checkout, with its .venv")
    parser.add_argument("--rounds", type=int, default=5, help="measured runs of each command (5)")
    given = parser.parse_args()
    runs = ["--runs", str(given.runs.absolute())]
    for command in ("list", "doctor"):
        other = [sys.executable, "-c", "import typer, rich"]
        if given.against is not None:
            other = [str(given.against / ".venv/bin/benchsweep"), command, *runs]
        own = [sys.executable, "-m", "benchsweep", command, *runs]
        here, there = compared(own, other, given.rounds)
        print(
            f"{command:7} wall {here.wall:6.2f} s, {here.wall / there.wall:.2f} of {there.wall:.2f} s; "
            f"CPU {here.cpu:6.2f} s, {here.cpu / there.cpu:.2f} of {there.cpu:.2f} s",
            flush=True,
        )


if __name__ == "__main__":
    main()
