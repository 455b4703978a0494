"""Makes the table of learning curves with which `search_efficiency.py` replays searches of MNIST.

    uv run python benchmarks/mnist_curves.py train CURVES.jsonl --data-dir DIR
    uv run python benchmarks/mnist_curves.py pack CURVES.jsonl

`train` trains random recipes of the space of configs/laptop.toml, conditional hyperparameters included, for
27 epochs each, and appends a line per recipe to CURVES.jsonl. It continues an interrupted table, and trains
with as many processes as asked for. `pack` writes benchmarks/curves/mnist.npz: the recipes, and validation
accuracy and loss after each epoch. The test set is not used.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from search.plan.plan import Plan

ROOT = Path(__file__).parents[1]
EPOCHS = 27
TABLE = ROOT / "benchmarks" / "curves" / "mnist.npz"


def plan() -> Plan:
    """laptop.toml with trials of 27 epochs."""
    return Plan.read(ROOT / "configs" / "laptop.toml", [f"recipe.epochs={EPOCHS}"])


def sampled(index: int) -> dict[str, Any]:
    """The hyperparameters of recipe `index`, sampled at random and independently of the other recipes."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=index))
    return plan().space.suggest(study.ask())


def train_recipe(index: int, folder: Path | None) -> dict[str, Any]:
    """The line of the table for recipe `index`: its hyperparameters, and two values for each epoch."""
    # Imported where recipes are trained, since packing needs no torch.
    import torch

    from trainable.mnist.training import Training

    torch.set_num_threads(1)
    values = sampled(index)
    recipe = plan().recipe_for(values).model_copy(update={"seed": index})
    epochs = list(Training(recipe, _data(folder), "cpu", 1))
    return {
        "index": index,
        "sampled": values,
        "accuracy": [epoch.metrics["validation_accuracy"] for epoch in epochs],
        "loss": [epoch.metrics["validation_loss"] for epoch in epochs],
    }


@cache
def _data(folder: Path | None) -> Any:
    """The images, loaded once in each process."""
    from trainable.contract import data_folder

    return plan().source.load(data_folder(folder))


def _line(job: tuple[int, Path | None]) -> str:
    return json.dumps(train_recipe(*job))


def train(file: Path, recipes: int, processes: int, folder: Path | None) -> None:
    """Append the recipes that are missing."""
    lines = file.read_text().splitlines() if file.exists() else []
    present = {json.loads(line)["index"] for line in lines}
    jobs = [(index, folder) for index in range(recipes) if index not in present]
    context = multiprocessing.get_context("spawn")
    with context.Pool(processes) as pool, file.open("a") as table:
        for line in pool.imap_unordered(_line, jobs):
            print(line, file=table, flush=True)


def pack(file: Path) -> None:
    """Write the table: a column for each hyperparameter (NaN where a recipe has none, a choice as its
    position among the choices), and accuracy and loss of shape [recipes, epochs]."""
    rows = sorted((json.loads(line) for line in file.read_text().splitlines()), key=lambda row: row["index"])
    columns = {}
    for name, setting in plan().space.settings.items():
        choices = getattr(setting, "choices", None)
        values = [row["sampled"].get(name, math.nan) for row in rows]
        columns[name] = np.array([choices.index(value) for value in values] if choices else values)
    curves = {key: np.array([row[key] for row in rows], dtype=np.float32) for key in ("accuracy", "loss")}
    TABLE.parent.mkdir(exist_ok=True)
    np.savez_compressed(TABLE, **curves, **{f"space.{name}": column for name, column in columns.items()})
    print(f"{len(rows)} recipes, {TABLE.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    actions = parser.add_subparsers(dest="action", required=True)
    training = actions.add_parser("train")
    training.add_argument("file", type=Path)
    training.add_argument("--data-dir", type=Path)
    training.add_argument("--recipes", type=int, default=1000)
    training.add_argument("--processes", type=int, default=1)
    packing = actions.add_parser("pack")
    packing.add_argument("file", type=Path)
    arguments = parser.parse_args()
    if arguments.action == "train":
        train(arguments.file, arguments.recipes, arguments.processes, arguments.data_dir)
    else:
        pack(arguments.file)


if __name__ == "__main__":
    main()
