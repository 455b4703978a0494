"""The models that have earned a look at the test set, and that look."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search.plan.plan import Plan
from search.records.folder import RunFolder, TrialFolder
from search.records.opening import TestLook, TestSetOpening
from search.records.sweep import Sweep, Trial
from search.start import plan_of
from trainable.contract import TrainingRun
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation
from trainable.storage.checkpoint import latest
from trainable.storage.durable import write_json


class NoModel(BenchsweepError, RuntimeError):
    """A trial's model is not there any more; says what to do."""


@dataclass(frozen=True)
class Finalist:
    """A trained model: by which trial's recipe (None: the plan's default), as which trial it is on
    record, and where its state lies."""

    trial: int | None
    trained: Trial
    folder: TrialFolder

    @property
    def seed(self) -> int:
        """It was trained with."""
        return int(self.trained.recipe["seed"])


def finalists(sweep: Sweep) -> list[Finalist]:
    """The models that have earned a look at the test set: the reruns of those that a confirmation left
    tied for the best, the winner's first, and of the default recipe; without a confirmation, the best
    trial's own. None while nothing was chosen."""
    run = sweep.run
    confirmation, best = sweep.confirmation, sweep.best()
    if confirmation is not None:
        if not confirmation.decided:
            return []
        again = run.confirmation
        return [
            Finalist(candidate.trial, rerun, again.trial(rerun.number))
            for candidate in confirmation.finalists
            for rerun in candidate.complete
        ]
    return [] if best is None else [Finalist(best.number, best, run.trial(best.number))]


def open_test_set(run: RunFolder, data_folder: Path) -> TestSetOpening | None:
    """Evaluate the finalists on the sealed test set, once, and save the winner's model in the run folder.

    The opening is recorded before it happens. When all of them have been looked at before, nothing is
    opened and that record is returned; None when nothing was chosen yet. The run must be owned.
    Raises NoModel.
    """
    sweep = Sweep.read(run.path)
    models = finalists(sweep)
    if not models:
        return None
    wanted = {(model.trial, model.seed) for model in models}
    for opening in reversed(sweep.openings):
        if wanted <= {(look.trial, look.seed) for look in opening.looks}:
            return opening
    plan = plan_of(sweep)
    source = plan.source
    data = source.load(data_folder)
    trained = [(model, _restored(model, plan, data)) for model in models]  # before anything is opened
    chosen = kept(sweep, models)
    announced = TestSetOpening(datetime.now(UTC).replace(microsecond=0), _reason(sweep, models), len(models))
    write_json(run.openings, [each.to_json() for each in (*sweep.openings, announced)])
    test = source.load_test(data_folder)
    overlap = getattr(data, "overlap", None)
    opening = replace(
        announced,
        looks=tuple(_looks(trained, test, chosen)),
        overlap=None if overlap is None else int(overlap(test)),
    )
    next(training for model, training in trained if model is chosen).save(run.path)
    write_json(run.openings, [each.to_json() for each in (*sweep.openings, opening)])
    return opening


def record_look(run: RunFolder, reason: str, look: Callable[[], Evaluation]) -> Evaluation:
    """Look at the test set with a model of the run, outside of its confirmation, and have that on record
    before it happens. The run must be owned. What was seen is not kept: nothing is to be ranked by it."""
    openings = Sweep.read(run.path).openings
    announced = TestSetOpening(datetime.now(UTC).replace(microsecond=0), reason, 1)
    write_json(run.openings, [each.to_json() for each in (*openings, announced)])
    return look()


def _looks(trained: list[tuple[Finalist, TrainingRun]], test: Any, chosen: Finalist) -> Iterator[TestLook]:
    for model, training in trained:
        evaluation = training.evaluate(test)
        if model is not chosen:  # images of up to forty models would be most of the file, and never shown
            evaluation = replace(evaluation, mistakes=None)
        yield TestLook(
            trial=model.trial,
            seed=model.seed,
            evaluation=evaluation,
            parameters=getattr(training, "parameters", None),
            weights_sha256=getattr(training, "weights_sha256", None),
        )


def kept(sweep: Sweep, models: Sequence[Finalist]) -> Finalist:
    """Of `finalists` the one whose model is the run's: of the winner's seeds the best on validation."""
    of_winner = [model for model in models if model.trial == models[0].trial]
    return max(of_winner, key=lambda model: sweep.metric.sign * (model.trained.score or 0.0))


def _reason(sweep: Sweep, models: list[Finalist]) -> str:
    if sweep.confirmation is None:
        return f"figures of trial {models[0].trial}, the best by {sweep.metric.name}"
    names = [each.name for each in sweep.confirmation.finalists]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"figures of {listed}, whose confirmation is over: {sweep.confirmation.sentence}"


def _restored(model: Finalist, plan: Plan, data: Any) -> TrainingRun:
    """The training, at its end. Raises NoModel."""
    path, recipe = model.folder.checkpoint, model.trained.recipe
    checkpoint, faults = latest(path, json.dumps(recipe))
    if checkpoint is None or len(checkpoint.epochs) < len(model.trained.epochs):
        raise NoModel(
            f"the model of trial {model.trained.number} must lie in {path}, but it does not "
            f"({'; '.join(faults) or 'no such file'}); train it again with `benchsweep confirm`, after "
            f"removing the folder {model.folder.path.parents[1]}"
        )
    module = plan.trainable_module
    training = module.Training(module.Recipe.model_validate(recipe), data, "cpu", 1)
    training.load_state_dict(checkpoint.state)
    return training
