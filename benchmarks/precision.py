"""What bf16 changes: seconds per epoch and accuracy of `configs/winner.toml`, in bf16 and in float32.

    uv run python benchmarks/precision.py --data-dir DIR [--seeds 10] [--epochs 30] [--emulate]

Both precisions train in turn, seed by seed, on one core, and are evaluated on the validation split. The
difference is paired by seed, with its 95 % t interval. With --emulate, a processor without bf16 imitates it:
accuracy is then that of bf16, and time is not.
"""

from __future__ import annotations

import argparse
import math
import os
import statistics
import time
import tomllib
from pathlib import Path

from scipy import stats
from training_speed import processor

from trainable.contract import data_folder
from trainable.mnist.data import Source
from trainable.mnist.precision import EMULATE, processor_bf16
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training

PRECISIONS = ("float32", "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--emulate", action="store_true")
    arguments = parser.parse_args()
    if arguments.emulate:
        os.environ[EMULATE] = "1"
    path = Path(__file__).parents[1] / "configs" / "winner.toml"
    values = tomllib.loads(path.read_text())["recipe"] | {"epochs": arguments.epochs}
    data = Source().load(data_folder(arguments.data_dir))
    print(f"{processor()}, bf16 by {processor_bf16() or 'imitation'}, 1 thread, {arguments.epochs} epochs")
    accuracy: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    seconds: dict[str, list[float]] = {name: [] for name in PRECISIONS}
    for seed in range(arguments.seeds):
        for precision in PRECISIONS:
            training = Training(Recipe(**values, seed=seed, precision=precision), data, "cpu", 1)
            began = time.process_time()
            *_, last = training
            seconds[precision].append((time.process_time() - began) / arguments.epochs)
            accuracy[precision].append(100 * last.metrics["validation_accuracy"])
        print(
            f"seed {seed}: " + ", ".join(f"{name} {accuracy[name][-1]:.2f} %" for name in PRECISIONS),
            flush=True,
        )
    differences = [b - a for a, b in zip(accuracy["float32"], accuracy["bf16"], strict=True)]
    mean, count = statistics.mean(differences), len(differences)
    half = stats.t.ppf(0.975, count - 1) * statistics.stdev(differences) / math.sqrt(count)
    for name in PRECISIONS:
        times = seconds[name]
        print(
            f"{name:8} {statistics.mean(accuracy[name]):.3f} % on validation; {statistics.median(times):.3f} "
            f"[{min(times):.3f}, {max(times):.3f}] s of the core an epoch"
        )
    print(f"bf16 - float32: {mean:+.3f} points [{mean - half:+.3f}, {mean + half:+.3f}] over {count} seeds")


if __name__ == "__main__":
    main()
