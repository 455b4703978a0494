"""`benchsweep train`: one recipe over several seeds, without a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, DatasetOption, JsonOption, PlanArgument, SetOption


def train(
    config: PlanArgument,
    seeds: Annotated[int, typer.Option(min=1, help="How often to train, each time with the next seed.")] = 1,
    sets: SetOption = [],  # noqa: B006  typer copies it
    data_dir: DataDirOption = None,
    dataset: DatasetOption = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="DIR", help="Where to save.", show_default="runs/NAME-train"),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1 or mps.", show_default="the plan's, else cpu"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads to train with.", show_default="the plan's cpus")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a plan's own recipe, and evaluate it on the test set.

    Every seed is trained to the recipe's end. The model saved is the first seed's, for choosing
    among seeds by their test figures would flatter it. Saved are train.json (all figures, recipe
    and environment) and the model: model.safetensors and mnist_model.pth for digits.

    --json prints one object a line: "event" is epoch (seed, number, metrics, seconds), seed (seed,
    metrics, count, class_accuracy, low, high, seconds) and at last summary (metrics: the mean,
    deviation and runs of each; folder; files).
    """
    from benchsweep.find import read_plan
    from benchsweep.session.training import Setup, train_all

    plan = read_plan(config, sets, dataset)
    wanted = plan.resources.device
    setup = Setup(
        seeds=seeds,
        data_dir=data_dir,
        folder=(output or RUNS / f"{plan.name}-train").absolute(),
        device=device or ("cpu" if wanted == "auto" else wanted),
        threads=threads or plan.resources.cpus,
    )
    train_all(plan, setup, json)
