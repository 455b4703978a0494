"""What `order = "strict"` costs: the share of the workers' time that they wait, on a virtual clock.

    uv run python benchmarks/strict_order.py --seeds 5

Real studies, whose trials take virtual time: each epoch of a trial as long as the recipe's pace, which varies
between recipes with a standard deviation of 0.3 in its logarithm: 95 % lie within a factor of 1.8 of the
median. Its figures are a formula of the recipe. For each number of workers and each window the same
search is carried out in both orders. Reported are medians over the seeds, with the range:

    idle    share of the workers' time between the first start and the last end in which they wait
    time    duration of the search, as a multiple of that of the fast order with as many workers
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from searches import TABLE
from studies import folder, opened, train_epoch

from search.plan.plan import Plan
from search.study.base import Suggestion

ORDERS: dict[str, dict[str, Any]] = {
    "fast": {},
    **{f"strict, window {window}": {"order": "strict", "window": window} for window in (4, 8, 16)},
}
STOPPING: dict[str, dict[str, Any]] = {
    "no pruner": {"pruner": {"name": "none"}},
    "median": {"pruner": {"name": "median"}},
}


def searched(plan: Plan, workers: int, seed: int, runs: Path) -> tuple[float, float]:
    """Carry a search out. Returns its duration, and the time in which workers trained, both in epochs of
    average pace."""
    study = opened(folder(f"run-{seed}", runs), plan)
    training: dict[int, Suggestion] = {}
    queue: list[tuple[float, int]] = []
    now = busy = 0.0
    while True:
        while len(training) < workers and (asked := study.ask()) not in ("later", None):
            if isinstance(asked, Suggestion):
                training[asked.number] = asked
                heapq.heappush(queue, (now + pace(seed, asked.number), asked.number))
        if not queue:
            return now, busy
        now, number = heapq.heappop(queue)
        busy += pace(seed, number)
        if train_epoch(study, training[number]):
            del training[number]
        else:
            heapq.heappush(queue, (now + pace(seed, number), number))


def pace(seed: int, trial: int) -> float:
    """Duration of each epoch of a trial."""
    return random.Random(f"{seed} {trial}").lognormvariate(0, 0.3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="searches for each figure")
    parser.add_argument("--trials", type=int, default=60, help="trials of each search")
    arguments = parser.parse_args()
    table = {**TABLE, "budget": {"trials": arguments.trials}, "recipe": {"epochs": 20}}
    for stopping, pruner in STOPPING.items():
        for workers in (2, 4, 8):
            durations: dict[str, list[float]] = {}
            for order, changes in ORDERS.items():
                idle = []
                for seed in range(arguments.seeds):
                    plan = Plan.parse({**table, **pruner, **changes, "seed": seed}, "benchmark")
                    with tempfile.TemporaryDirectory() as runs:
                        duration, busy = searched(plan, workers, seed, Path(runs))
                    idle.append(1 - busy / (workers * duration))
                    durations.setdefault(order, []).append(duration)
                times = [one / fast for one, fast in zip(durations[order], durations["fast"], strict=True)]
                print(
                    f"{stopping:10} {workers} workers  {order:18} idle {statistics.median(idle):6.1%} "
                    f"({min(idle):.1%} to {max(idle):.1%})  time {statistics.median(times):.2f} "
                    f"({min(times):.2f} to {max(times):.2f})",
                    flush=True,
                )


if __name__ == "__main__":
    main()
