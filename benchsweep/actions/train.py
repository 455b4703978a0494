"""`benchsweep train`: reads the plan and trains its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchsweep.find import read_plan
from benchsweep.options import RUNS
from benchsweep.session.training import TrainingSetup, train_all


def train_plan(
    config: Path,
    seeds: int,
    sets: Sequence[str],
    data_dir: Path | None,
    dataset: str | None,
    output: Path | None,
    device: str | None,
    threads: int | None,
    json: bool,
) -> None:
    """Trains every seed. What is None follows the plan."""
    plan = read_plan(config, sets, dataset)
    planned = plan.resources.device
    setup = TrainingSetup(
        seeds=seeds,
        data_dir=data_dir,
        folder=(output or RUNS / f"{plan.name}-train").absolute(),
        device=device or ("cpu" if planned == "auto" else planned),
        threads=threads or plan.resources.cpus,
    )
    train_all(plan, setup, json)
