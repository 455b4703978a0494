"""The final model: the winner's recipe, trained once more with the validation images too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.start import plan_of
from search.test_set import finalists, kept, record_look
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation


class CannotRetrain(BenchsweepError, RuntimeError):
    """There is no winner, or its data cannot be had whole; says which."""


@dataclass(frozen=True)
class Final:
    """The final model. name: of its recipe, with its seed. evaluation: on the test set. files: what was
    saved of it."""

    name: str
    evaluation: Evaluation
    files: tuple[Path, ...]


def retrained(
    run: RunFolder, data_folder: Path, device: str = "cpu", threads: int = 1
) -> Iterator[Epoch | Final]:
    """Train the winner's recipe, with the seed of the model that the run keeps, on training and validation
    images together; look at the test set with it, which is recorded; save it in the run's folder `final`.
    Yields its epochs, whose validation figures mean nothing, and a Final.

    Nothing is chosen by that look: the kept model and every figure of the report stay as they are. The run
    must be owned. Raises CannotRetrain, Diverged, and what the trainable's Source raises (DataError).
    """
    sweep = Sweep.read(run.path)
    models = finalists(sweep)
    if not models:
        raise CannotRetrain(
            f"a final model needs a chosen recipe, but {run.name} has none yet",
            f"continue with `benchsweep resume {run.reference}`",
        )
    model, plan = kept(sweep, models), plan_of(sweep)
    source, module = plan.source, plan.trainable_module
    load_all = getattr(source, "load_all", None)
    if load_all is None:
        raise CannotRetrain(
            f"a final model is trained on all images but the test set's, for which a Source has the method "
            f"load_all(folder), but {plan.trainable}'s has none; add it (trainable/contract.py)"
        )
    recipe = module.Recipe.model_validate(model.trained.recipe)
    training = module.Training(recipe, load_all(data_folder), device, threads)
    run.final.mkdir(exist_ok=True)  # at the beginning: it may be refused
    yield from training
    name = f"{'the default recipe' if model.trial is None else f'trial {model.trial}'} with seed {model.seed}"
    evaluation = record_look(
        run,
        f"figures of the final model, {name}, trained on the validation images too",
        lambda: training.evaluate(source.load_test(data_folder)),
    )
    files = training.save(run.final)
    yield Final(name, evaluation, tuple(files))
