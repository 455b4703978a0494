"""`benchsweep train`: one recipe over several seeds, without a search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import DataDirOption, DatasetOption, JsonOption, PlanArgument, SetOption


def train(
    config: PlanArgument,
    seeds: Annotated[int, typer.Option(min=1, help="Number of trainings, each with the next seed.")] = 1,
    sets: SetOption = [],  # noqa: B006  typer copies it
    data_dir: DataDirOption = None,
    dataset: DatasetOption = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", metavar="DIR", help="The folder to write to.", show_default="runs/NAME-train"
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="cpu, cuda, cuda:1 or mps.", show_default="the plan's, else cpu"),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Number of CPU threads.", show_default="the plan's cpus")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Train a plan's own recipe and evaluate it on the test set.

    Every seed is trained for all epochs of the recipe. The model of the first seed is saved; choosing the
    best of several seeds by their test results would make the result too optimistic. The folder then
    contains train.json (all figures, the recipe and the environment) and the model: model.safetensors and,
    for digits, a state dict named after the data set, such as mnist_model.pth.

    A function has no test split: its metrics are those of its last epoch, and count is null.

    --json prints one object a line: "event" is epoch (seed, number, metrics, seconds), seed (seed, metrics,
    count, class_accuracy, low, high, seconds) and finally summary (metrics: mean, deviation and runs of
    each; folder; files).
    """
    from benchsweep.actions.train import train_plan

    train_plan(config, seeds, sets, data_dir, dataset, output, device, threads, json)
