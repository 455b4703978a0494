"""`benchsweep evaluate`: a saved model on the validation split, or on the test set."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption

if TYPE_CHECKING:
    from benchsweep.saved_model import FoundModel
    from trainable.evaluation.evaluation import Evaluation

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="A run's name below --runs, or the path of a saved model: model.safetensors, mnist_model.pth, "
        "or a folder with one.",
    ),
]


class SplitName(StrEnum):
    """Which images."""

    validation = "validation"
    test = "test"


def evaluate(
    model: ModelArgument,
    split: Annotated[
        SplitName, typer.Option("--split", help="test opens the sealed test set.")
    ] = SplitName.validation,
    data_dir: DataDirOption = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="D",
            help="Use this data set, with its own default split.",
            show_default="the one it was trained on",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Evaluate a saved model: accuracy with its 95 % Wilson interval, loss, expected calibration error,
    classes, confusion.

    The default is the validation split, the images held out of its training. What a test set says
    flatters whoever looks often, so it is opened on demand alone, with --split test.

    --json prints one object: model, run, trial, seed, title, parameters, weights_sha256, split, data,
    data_from, metrics, count, low, high, class_names, class_accuracy, confusion, calibration (counts,
    correct, confidence, of bins of equal width; error), mistakes (the surest first: index, true,
    predicted, probability, true_probability) and notes. What a model does not tell is null.
    """
    from benchsweep import terminal
    from benchsweep.evaluation import scores
    from benchsweep.saved_model import find_model
    from benchsweep.screen.evaluation import lines
    from trainable.contract import data_folder

    found = find_model(model, runs)
    told = scores(found, split, data_folder(data_dir), dataset, _record)
    if json:
        terminal.print_json(told)
        return
    out = terminal.out()
    for line in lines(told):
        out.print(line, soft_wrap=True)


def _record(found: FoundModel, model: Any, look: Callable[[], Evaluation]) -> Evaluation:
    """Look at the test set with a model, and have the look on the record of the run it belongs to."""
    from search.records.lock import owning
    from search.test_set import record_look

    if found.run is None:
        return look()  # a model outside of a run has no record to write to
    with owning(found.run.lock):
        return record_look(found.run, f"benchsweep evaluate {found.path.name}", look)
