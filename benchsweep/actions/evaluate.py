"""`benchsweep evaluate`: the figures of a saved model on one split."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.saved_model import ModelLocation, NoSavedModel, find_model, source_of
from benchsweep.screen.evaluation import lines
from reports.formatting.wording import plural
from reports.statistics.intervals import Interval, wilson
from search.records.lock import owning
from search.records.sweep import Sweep
from search.test_set import record_look
from trainable.contract import data_folder
from trainable.evaluation.evaluation import Evaluation
from trainable.record import to_record


def evaluate_model(
    model: str, split: str, data_dir: Path | None, dataset: str | None, runs: Path, json: bool
) -> None:
    """Prints the figures. An opening of the test set is recorded in the run that the model belongs to."""
    result = evaluation_result(find_model(model, runs), split, data_folder(data_dir), dataset)
    if json:
        terminal.print_json(result)
        return
    out = terminal.out()
    for line in lines(result):
        out.print(line, soft_wrap=True)


def evaluation_result(
    location: ModelLocation, split: str, folder: Path, dataset: str | None
) -> dict[str, Any]:
    """The figures as plain values, under the keys that the help of `evaluate` lists.

    Raises NoSavedModel, UsageError, and what the trainable's Source and SavedModel raise.
    """
    model = location.read()
    source, data_from = source_of(location, model, dataset)
    notes = list(getattr(model, "notes", ()))
    if split == "test":
        evaluation = _recorded(location, lambda: _evaluate(model, source.load_test(folder)))
    else:
        data = source.load(folder)
        validation = getattr(data, "validation", None)
        if validation is None:
            raise NoSavedModel(
                f"the data that the Source of {location.trainable} loads must have the attribute "
                f"`validation`, but has none",
                "use --split test",
            )
        evaluation = _evaluate(model, validation)
        notes.append(_held_out_note(location, model, data))
    # Read now, so that it includes the opening just recorded.
    sweep = None if location.run is None else Sweep.read(location.run.path)
    if split == "test":
        notes.append(_openings_note(sweep))
    trial, seed = _trial_and_seed(sweep, model)
    interval = _interval(evaluation)
    classes, mistakes, calibration = evaluation.class_accuracy, evaluation.mistakes, evaluation.calibration
    return {
        "model": str(getattr(model, "path", location.path)),
        "run": None if location.run is None else location.run.reference,
        "trial": trial,
        "seed": seed,
        "title": getattr(model, "title", location.trainable),
        "parameters": getattr(model, "parameters", None),
        "weights_sha256": getattr(model, "weights_sha256", None),
        "split": split,
        "data": to_record(source),
        "data_from": data_from,
        "metrics": dict(evaluation.metrics),
        "count": evaluation.count,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "class_names": list(evaluation.class_names),
        "class_accuracy": None if classes is None else classes.tolist(),
        "confusion": None if evaluation.confusion is None else evaluation.confusion.tolist(),
        "calibration": calibration and calibration.summary(),
        "mistakes": mistakes and [mistake.summary(evaluation.class_names) for mistake in mistakes],
        "notes": notes,
    }


def _recorded(location: ModelLocation, evaluate: Callable[[], Evaluation]) -> Evaluation:
    """Evaluate on the test set, and record it in the run that the model belongs to, if any."""
    if location.run is None:
        return evaluate()
    with owning(location.run.lock):
        return record_look(location.run, f"benchsweep evaluate {location.path.name}", evaluate)


def _evaluate(model: Any, split: Any) -> Evaluation:
    try:
        evaluation: Evaluation = model.evaluate(split)
    except ValueError as error:  # images of another size, as --dataset can select
        raise UsageError(f"the model cannot be evaluated on this data: {error}") from error
    return evaluation


def _interval(evaluation: Evaluation) -> Interval | None:
    """The 95 % Wilson interval of the accuracy; None if it has no accuracy or no examples."""
    accuracy = evaluation.metrics.get("accuracy", -1.0)
    if not 0 <= accuracy <= 1 or not evaluation.count:
        return None
    return wilson(round(accuracy * evaluation.count), evaluation.count)


def _openings_note(sweep: Sweep | None) -> str:
    if sweep is None:
        return "the model is in no run's folder, so the openings of its test set are not recorded"
    return f"{plural(len(sweep.openings), 'opening')} of the test set recorded for {sweep.name}"


def _held_out_note(location: ModelLocation, model: Any, data: Any) -> str:
    """Whether these validation images were held out of the model's training."""
    trained_on, loaded = getattr(model, "data_sha256", None), getattr(data, "fingerprint", None)
    if trained_on is None or loaded is None:
        return "it is not recorded which images the model was trained on: these may be among them"
    if trained_on != loaded:
        return (
            f"this is a different split from the one it was trained with (SHA-256 {loaded[:8]}…, not "
            f"{trained_on[:8]}…): it may have been trained on some of these images, so the figures may be "
            f"too optimistic"
        )
    if location.run is None:
        return "these images were held out of its training"
    return (
        "these images were held out of its training, but the search chose it by them, so the figures are "
        "optimistic"
    )


def _trial_and_seed(sweep: Sweep | None, model: Any) -> tuple[int | None, int | None]:
    """The trial and the seed that the model's weights came from; None where the run has no such weights."""
    weights = getattr(model, "weights_sha256", None)
    if sweep is None or weights is None:
        return None, None
    for opening in sweep.openings:
        for look in opening.looks:
            if look.weights_sha256 == weights:
                return look.trial, look.seed
    for trial in sweep.trials:
        if trial.weights_sha256 == weights:
            return trial.number, trial.recipe.get("seed")
    return None, None
