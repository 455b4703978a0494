"""The final model: the winner's recipe, trained once more with the validation images too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.start import plan_of
from search.test_set import finalists, kept_finalist, record_look
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation
from trainable.record import from_record
from trainable.user_code import calling, epochs_of


class CannotRetrain(BenchsweepError, RuntimeError):
    """There is no winner, or its Source cannot load all data at once."""


@dataclass(frozen=True)
class FinalModel:
    """The final model, trained and saved."""

    name: str
    """Of its recipe, with its seed."""
    evaluation: Evaluation
    """On the test set."""
    files: tuple[Path, ...]
    """What was saved; empty if the trainable saves nothing."""


def train_final_model(
    run: RunFolder, data_folder: Path, device: str = "cpu", threads: int = 1
) -> Iterator[Epoch | FinalModel]:
    """Train the winner's recipe, with the seed of the model that the run keeps, on training and validation
    images together; evaluate it on the test set, which is recorded; save it in the run's folder `final`.
    Yields its epochs, whose validation metrics mean nothing, and a FinalModel at the end.

    Nothing is chosen by that evaluation: the kept model and all figures of the report stay the same. The run
    must be owned. Raises CannotRetrain, Diverged, and what the trainable's Source raises (DataError).
    """
    sweep = Sweep.read(run.path)
    models = finalists(sweep)
    if not models:
        raise CannotRetrain(
            f"a final model needs a winner, but {run.name} has none yet",
            f"continue the run with `benchsweep resume {run.reference}`",
        )
    model, plan = kept_finalist(sweep, models), plan_of(sweep)
    source, module = plan.source, plan.trainable_module
    load_all = getattr(source, "load_all", None)
    if load_all is None:
        raise CannotRetrain(
            f"a final model is trained on training and validation images together, which a Source loads with "
            f"its method load_all(folder), but {plan.trainable}'s has no such method",
            "add it (trainable/contract.py)"
            if plan.has_test_split
            else "train the winner's recipe yourself, on all your data",
        )
    recipe = from_record(module.Recipe, model.trained.recipe)
    with calling("Source.load_all"):
        images = load_all(data_folder)
    with calling("Training"):
        training = module.Training(recipe, images, device, threads)
    run.final.mkdir(exist_ok=True)  # before the training, since it may be refused
    last = plan.objective.taken(model.trained.epochs).number
    for epoch in epochs_of(training):
        yield epoch
        if epoch.number == last:  # earlier than the recipe's last one if the metric takes the best
            break
    name = f"{'the default recipe' if model.trial is None else f'trial {model.trial}'} with seed {model.seed}"
    evaluation = record_look(
        run,
        f"figures of the final model, {name}, trained on the validation images too",
        lambda: training.evaluate(source.load_test(data_folder)),
    )
    with calling("Training.save"):
        files = training.save(run.final)
    yield FinalModel(name, evaluation, tuple(files))
