"""Model-epochs a second of K recipes trained at once on a GPU, for K = 1, 64 and 512.

    uv run python benchmarks/population_gpu.py --data-dir DIR [--device cuda] [--members 1 64 512]

Each K trains an epoch to warm up, then as many as fit into --seconds. All train 784-128-64-10 with batches of
128 and dropout on MNIST's 55,000 training images. `trainable.mnist.population` launches each network's
products one by one, so on a GPU its figure shows how far launches limit it. Not measured yet: written for a
machine with a GPU, and tried with --device cpu only.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from training_speed import processor

from trainable.contract import data_folder
from trainable.mnist.data import Source
from trainable.mnist.population import advance
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 64, 512])
    parser.add_argument("--seconds", type=float, default=30.0, help="per number of members")
    arguments = parser.parse_args()
    data = Source().load(data_folder(arguments.data_dir))
    on_gpu = arguments.device.startswith("cuda")
    name = torch.cuda.get_device_name(arguments.device) if on_gpu else processor()
    print(f"{name}, torch {torch.__version__}")
    for members in arguments.members:
        trainings = [
            Training(
                Recipe(
                    batch_size=128,
                    epochs=10_000,
                    dropout=0.1,
                    learning_rate=1e-3 * (1 + number / members),
                    weight_decay=1e-5 * (number % 7),
                ),
                data,
                arguments.device,
                1,
            )
            for number in range(members)
        ]
        advance(trainings)
        epochs, began = 0, time.perf_counter()
        while not epochs or time.perf_counter() - began < arguments.seconds:
            advance(trainings)
            epochs += 1
        rate = epochs * members / (time.perf_counter() - began)
        print(f"K = {members:3}: {rate:8.1f} model-epochs a second", flush=True)


if __name__ == "__main__":
    main()
