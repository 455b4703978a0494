"""`benchsweep export`: a model or a run in the format that another program reads."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption


class ExportFormat(StrEnum):
    """The formats of a model, then those of a run."""

    safetensors = "safetensors"
    pth = "pth"
    onnx = "onnx"
    card = "card"
    csv = "csv"
    parquet = "parquet"
    json = "json"
    optuna_sqlite = "optuna-sqlite"
    tensorboard = "tensorboard"
    mlflow = "mlflow"


class TableName(StrEnum):
    """The tables of a run."""

    trials = "trials"
    epochs = "epochs"
    reruns = "reruns"


def export(
    source: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The name of a run below --runs, or the path of its folder; for a model format also the "
            "path of a saved model: model.safetensors, mnist_model.pth, or a folder that contains one.",
        ),
    ],
    form: Annotated[
        ExportFormat,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(ExportFormat)}.", show_default=False),
    ],
    table: Annotated[
        TableName, typer.Option("--what", help="The table to write as csv or parquet.")
    ] = TableName.trials,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="PATH",
            help="Where to write.",
            show_default="the name of the run or folder, in ./",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Write a saved model or a run in another format.

    An earlier export in the same place is replaced completely.

    Formats of a model: safetensors has the weights with recipe, normalisation and classes. pth is a
    PyTorch state dict. onnx is a graph that takes images as bytes, in batches of any size, includes the
    normalisation, and is compared with torch's output before it is written; it needs the extra
    benchsweep[onnx]. card is a run's model card as Markdown.

    Formats of a run, in any state: csv and parquet have one table, chosen by --what: trials (recipe,
    sampled values, score, last metrics, times, hashes), epochs (a row for each epoch of each trial) or
    reruns (of the confirmation). json is the report's results.json. optuna-sqlite is the study, for
    optuna.load_study and optuna-dashboard. tensorboard is a folder of event files, with the HPARAMS tab.
    mlflow is a tracking store with one run for each trial. The last two need the extras
    benchsweep[tensorboard] and benchsweep[mlflow].

    --json prints one object: file, format, bytes and notes.
    """
    from benchsweep.actions.export import write_export

    write_export(source, form.value, table.value, output, data_dir, runs, json)
