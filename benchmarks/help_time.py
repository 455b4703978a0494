"""How long `benchsweep --help` takes, compared with `python -c 'import typer, rich'`, its imports alone.

    python benchmarks/help_time.py [--runs 10]

The two alternate, and so does `benchsweep run --help`; the medians are compared. It exits with 1 if the ratio
of `benchsweep --help` is above 1.5.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

LIMIT = 1.5
"""How long `benchsweep --help` may take, in times of the import."""
IMPORT = "import typer, rich"
COMMANDS = {
    IMPORT: ["-c", IMPORT],
    "benchsweep --help": ["-m", "benchsweep", "--help"],
    "benchsweep run --help": ["-m", "benchsweep", "run", "--help"],
}


def seconds(arguments: list[str]) -> float:
    """The wall time of one process."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def medians(runs: int) -> dict[str, float]:
    """The median wall time of each command, in seconds, over alternating runs."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(runs + 1):
        for name, arguments in COMMANDS.items():
            elapsed = seconds(arguments)
            if number:  # the first round fills the caches
                times[name].append(elapsed)
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=10, help="runs of each command (10)")
    medians_by_name = medians(parser.parse_args().runs)
    for name, value in medians_by_name.items():
        print(f"{name:22} {1000 * value:6.0f} ms  {value / medians_by_name[IMPORT]:.2f}")
    if medians_by_name["benchsweep --help"] > LIMIT * medians_by_name[IMPORT]:
        sys.exit(f"benchsweep --help takes more than {LIMIT} times as long as {IMPORT}")


if __name__ == "__main__":
    main()
