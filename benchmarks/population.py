"""Seconds an epoch of K recipes trained together, and of the same ones one after the other, on one core.

    uv run python benchmarks/population.py --data-dir DIR [--members 8] [--against CHECKOUT]

together   trainable.mnist.population.advance
one        the same trainings, an epoch of each, one after the other
against    one after the other, as another checkout of this repository trains them

They run in turn, round after round. The figure is the median round in seconds of the core per epoch of one
member; brackets are the fastest and the slowest round. A ratio is the median of the rounds' ratios. All train
784-128-64-10 on MNIST's 55,000 training images, with dropout of hidden units; half of them also of the input.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

from training_speed import Served, processor

from trainable.contract import data_folder
from trainable.mnist.data import Source
from trainable.mnist.population import advance
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training


def recipes(members: int, batch: int, input_dropout: float) -> list[dict[str, Any]]:
    """They differ in rate, decay, dropout and schedule."""
    return [
        {
            "batch_size": batch,
            "epochs": 10_000,
            "learning_rate": 1e-3 * (1 + number / members),
            "weight_decay": 1e-5 * number,
            "dropout": 0.05 + 0.02 * number,
            "input_dropout": input_dropout if number % 2 else 0.0,
            "schedule": "one_cycle" if number % 2 else "constant",
        }
        for number in range(members)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--members", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="+", default=[64])
    parser.add_argument("--input-dropout", type=float, default=0.05)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    arguments = parser.parse_args()
    folder = data_folder(arguments.data_dir)
    data = Source().load(folder)
    print(f"{processor()}, 1 thread, {arguments.members} recipes, {arguments.rounds} rounds")
    for batch in arguments.batches:
        given = recipes(arguments.members, batch, arguments.input_dropout)
        joint, single = ([Training(Recipe(**each), data, "cpu", 1) for each in given] for _ in range(2))
        others = []
        if arguments.against is not None:
            others = [Served(arguments.against.resolve(), given[0], folder)]
            others += [Served(arguments.against.resolve(), given[1], folder)]
        rounds: list[dict[str, float]] = []
        for number in range(arguments.rounds + 1):
            began = time.process_time()
            advance(joint)
            middle = time.process_time()
            for training in single:
                next(iter(training))
            times = {
                "together": (middle - began) / len(joint),
                "one": (time.process_time() - middle) / len(joint),
            }
            if others:  # one without and one with dropout of the input, as half of the recipes each
                times["against"] = sum(other() for other in others) / len(others)
            if number:  # the first one allocates memory that later ones reuse
                rounds.append(times)
        equal = all(a.weights_sha256 == b.weights_sha256 for a, b in zip(joint, single, strict=True))
        print(f"\nbatch {batch}: weights {'equal to the bit' if equal else 'DIFFER'}")
        print("          s per member and epoch   times together")
        for name in rounds[0]:
            values = [times[name] for times in rounds]
            ratios = [times[name] / times["together"] for times in rounds]
            print(
                f"{name:9} {statistics.median(values):9.3f} [{min(values):.3f}, {max(values):.3f}] "
                f"{statistics.median(ratios):9.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
            )
        for other in others:
            other.close()


if __name__ == "__main__":
    main()
