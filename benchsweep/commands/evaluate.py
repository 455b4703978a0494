"""`benchsweep evaluate`: a saved model on the validation split or on the test set."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, ModelArgument, RunsOption


class SplitName(StrEnum):
    """The examples that a model is evaluated on."""

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
            help="Use this data set with its default split.",
            show_default="the one it was trained on",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Evaluate a saved model.

    It prints the accuracy with its 95 % Wilson interval, the loss, the expected calibration error, the
    accuracy of each class and the confusion matrix.

    The default is the validation split: the images held out of the model's training. The test set is
    opened only with --split test, because its results are too optimistic once they have been used to
    choose among models.

    --json prints one object: model, run, trial, seed, title, parameters, weights_sha256, split, data,
    data_from, metrics, count, low, high, class_names, class_accuracy, confusion, calibration (counts,
    correct, confidence, of bins of equal width; error), mistakes (the most confident first: index, true,
    predicted, probability, true_probability) and notes. What is not known is null.
    """
    from benchsweep.actions.evaluate import evaluate_model

    evaluate_model(model, split, data_dir, dataset, runs, json)
