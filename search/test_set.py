"""The sealed test set: which models may be evaluated on it, and the record of each evaluation."""

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
    """The checkpoint that holds a trial's model is missing or damaged."""


@dataclass(frozen=True)
class Finalist:
    """A model that may be evaluated on the test set."""

    trial: int | None
    """Number of the search's trial whose recipe it was trained by; None for the plan's default recipe."""
    trained: Trial
    """Its own training: a rerun of the confirmation, or the search's trial itself."""
    folder: TrialFolder
    """Where its checkpoint is."""

    @property
    def seed(self) -> int:
        """With which it was trained."""
        return int(self.trained.recipe["seed"])


def finalists(sweep: Sweep) -> list[Finalist]:
    """The models that may be evaluated on the test set: the reruns of the candidates that a confirmation left
    tied for the best, the winner's first, and of the default recipe; without a confirmation, the best trial.
    Empty while nothing is chosen."""
    run = sweep.run
    confirmation, best = sweep.confirmation, sweep.best()
    if confirmation is not None:
        if not confirmation.decided:
            return []
        return [
            Finalist(candidate.trial, rerun, run.confirmation.trial(rerun.number))
            for candidate in confirmation.finalists
            for rerun in candidate.complete
        ]
    return [] if best is None else [Finalist(best.number, best, run.trial(best.number))]


def open_test_set(run: RunFolder, data_folder: Path) -> TestSetOpening | None:
    """Evaluate the finalists on the sealed test set, once, and save the winner's model in the run folder.

    The opening is recorded before it happens. If all of them have been evaluated before, that record is
    returned, and nothing is opened. None while nothing is chosen. The run must be owned. Raises NoModel.
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
    winner = kept_finalist(sweep, models)
    announced = TestSetOpening(_now(), _reason(sweep, models), len(models))
    _write_openings(run, (*sweep.openings, announced))
    test = source.load_test(data_folder)
    overlap = getattr(data, "overlap", None)
    opening = replace(
        announced,
        looks=tuple(_looks(trained, test, winner)),
        overlap=None if overlap is None else int(overlap(test)),
    )
    next(training for model, training in trained if model is winner).save(run.path)
    _write_openings(run, (*sweep.openings, opening))
    return opening


def record_look(run: RunFolder, reason: str, look: Callable[[], Evaluation]) -> Evaluation:
    """Evaluate a model of the run on the test set with `look`, outside of its confirmation, and record that
    before it happens. The result is not kept: nothing must be ranked by it. The run must be owned."""
    openings = Sweep.read(run.path).openings
    _write_openings(run, (*openings, TestSetOpening(_now(), reason, 1)))
    return look()


def kept_finalist(sweep: Sweep, models: Sequence[Finalist]) -> Finalist:
    """The one of `finalists` whose model the run keeps: of the winner's seeds the best on validation."""
    of_winner = [model for model in models if model.trial == models[0].trial]
    return max(of_winner, key=lambda model: sweep.metric.sign * (model.trained.score or 0.0))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _write_openings(run: RunFolder, openings: Sequence[TestSetOpening]) -> None:
    write_json(run.openings, [opening.to_json() for opening in openings])


def _looks(trained: list[tuple[Finalist, TrainingRun]], test: Any, winner: Finalist) -> Iterator[TestLook]:
    for model, training in trained:
        evaluation = training.evaluate(test)
        if model is not winner:  # the images of up to forty models would fill the file, and are never shown
            evaluation = replace(evaluation, mistakes=None)
        yield TestLook(
            trial=model.trial,
            seed=model.seed,
            evaluation=evaluation,
            parameters=getattr(training, "parameters", None),
            weights_sha256=getattr(training, "weights_sha256", None),
        )


def _reason(sweep: Sweep, models: list[Finalist]) -> str:
    if sweep.confirmation is None:
        return f"figures of trial {models[0].trial}, the best by {sweep.metric.name}"
    names = [candidate.name for candidate in sweep.confirmation.finalists]
    listed = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
    return f"figures of {listed}, whose confirmation is over: {sweep.confirmation.sentence}"


def _restored(model: Finalist, plan: Plan, data: Any) -> TrainingRun:
    """The training at its end. Raises NoModel."""
    path, recipe = model.folder.checkpoint, model.trained.recipe
    checkpoint, faults = latest(path, json.dumps(recipe))
    if checkpoint is None or len(checkpoint.epochs) < len(model.trained.epochs):
        raise NoModel(
            f"the model of trial {model.trained.number} must be in {path}, but is not "
            f"({'; '.join(faults) or 'no such file'})",
            f"remove the folder {model.folder.path.parents[1]}, and train it again with `benchsweep confirm`",
        )
    module = plan.trainable_module
    training = module.Training(module.Recipe.model_validate(recipe), data, "cpu", 1)
    training.load_state_dict(checkpoint.state)
    return training
