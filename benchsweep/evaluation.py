"""What a saved model does on a split: the figures, and the lines that tell them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchsweep.errors import UsageError
from benchsweep.saved_model import FoundModel, NoSavedModel, source_of
from reports.formatting.wording import plural
from reports.statistics.intervals import Interval, wilson
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation

Looked = Callable[[], Evaluation]


def scores(
    found: FoundModel,
    split: str,
    data_folder: Path,
    dataset: str | None,
    record: Callable[[FoundModel, Any, Looked], Evaluation],
) -> dict[str, Any]:
    """The figures, as plain values under the names that `evaluate --json` lists.

    record: carries a look at the test set out, and writes it down.
    Raises NoSavedModel, UsageError, and what the trainable's Source and SavedModel raise.
    """
    model = found.read()
    source, told_by = source_of(found, model, dataset)
    notes = list(getattr(model, "notes", ()))
    if split == "test":
        evaluation = record(found, model, lambda: _evaluated(model, source.load_test(data_folder)))
    else:
        data = source.load(data_folder)
        held_out = getattr(data, "validation", None)
        if held_out is None:
            raise NoSavedModel(
                f"the validation split must be the attribute `validation` of what the Source of "
                f"{found.trainable} loads, but there is none; use --split test"
            )
        evaluation = _evaluated(model, held_out)
        notes.append(_held_out(found, model, data))
    sweep = None if found.run is None else Sweep.read(found.run.path)  # with the look just recorded
    if split == "test":
        notes.append(_opened(sweep))
    trial, seed = _trained_as(sweep, model)
    interval = _interval(evaluation)
    classes, mistakes, calibration = evaluation.class_accuracy, evaluation.mistakes, evaluation.calibration
    return {
        "model": str(getattr(model, "path", found.path)),
        "run": None if found.run is None else found.run.reference,
        "trial": trial,
        "seed": seed,
        "title": getattr(model, "title", found.trainable),
        "parameters": getattr(model, "parameters", None),
        "weights_sha256": getattr(model, "weights_sha256", None),
        "split": split,
        "data": source.model_dump(mode="json"),
        "data_from": told_by,
        "metrics": dict(evaluation.metrics),
        "count": evaluation.count,
        "low": None if interval is None else interval.low,
        "high": None if interval is None else interval.high,
        "class_names": list(evaluation.class_names),
        "class_accuracy": None if classes is None else classes.tolist(),
        "confusion": None if evaluation.confusion is None else evaluation.confusion.tolist(),
        "calibration": calibration and calibration.summary(),
        "mistakes": mistakes and [each.summary(evaluation.class_names) for each in mistakes],
        "notes": notes,
    }


def _evaluated(model: Any, split: Any) -> Evaluation:
    try:
        evaluation: Evaluation = model.evaluate(split)
    except ValueError as error:  # of images of another size, as --dataset may ask for
        raise UsageError(f"the model cannot be tried on these data: {error}") from error
    return evaluation


def _interval(evaluation: Evaluation) -> Interval | None:
    """The 95 % Wilson interval of its accuracy; None where that is no share of the examples."""
    accuracy = evaluation.metrics.get("accuracy", -1.0)
    if not 0 <= accuracy <= 1 or not evaluation.count:
        return None
    return wilson(round(accuracy * evaluation.count), evaluation.count)


def _opened(sweep: Sweep | None) -> str:
    """How often the test set was opened."""
    if sweep is None:
        return "the model lies in no run's folder, so no record tells how often its test set was opened"
    return f"{plural(len(sweep.openings), 'opening')} of the test set on the record of {sweep.name}"


def _held_out(found: FoundModel, model: Any, data: Any) -> str:
    """Whether the validation images are those that the model was not trained on."""
    then, now = getattr(model, "data_sha256", None), getattr(data, "fingerprint", None)
    if then is None or now is None:
        return "it is not on record which images it was trained on: these may be among them"
    if then != now:
        return (
            f"this is another split than the one it was trained with (SHA-256 {now[:8]}…, then {then[:8]}…): "
            f"it may have been trained on some of these images, which flatters it"
        )
    chosen = "" if found.run is None else ", but the search chose it by them, which flatters it"
    return f"these images were held out of its training{chosen}"


def _trained_as(sweep: Sweep | None, model: Any) -> tuple[int | None, int | None]:
    """As which trial of its run, and with which seed, the model was trained, as its weights tell."""
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
