"""The sealed test set: which models may be evaluated on it, and the record of each evaluation."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from search.plan.plan import Plan
from search.records.folder import RunFolder, TrialFolder
from search.records.opening import TestLook, TestSetOpening
from search.records.sweep import Sweep, Trial
from search.start import plan_of
from trainable.contract import DataSource, TrainingRun, can_continue
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation
from trainable.record import from_record
from trainable.storage.checkpoint import best_of, latest
from trainable.storage.durable import write_json
from trainable.storage.record_file import parse_json, read_record
from trainable.user_code import calling, checked_evaluation


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

    @property
    def key(self) -> tuple[int | None, int]:
        """Its trial and its seed, which distinguish it from the others."""
        return self.trial, self.seed


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

    The opening is recorded before it happens, and each evaluation after it: where something fails, or the
    process is killed, the next call does only what is missing, in the same opening. If all is done, its
    record is returned, and nothing is opened. None while nothing is chosen, and for a trainable without a
    test split, whose winner's model is saved all the same. The run must be owned.

    Raises NoModel and TrainableError.
    """
    sweep = Sweep.read(run.path)
    models = finalists(sweep)
    if not models:
        return None
    if not sweep.plan.has_test_split:
        _save_untested(run, sweep, kept_finalist(sweep, models), data_folder)
        return None
    wanted = {model.key for model in models}
    earlier, opening = _opening_of(wanted, sweep.openings, _reason(sweep, models))
    if opening.finished:
        return opening
    plan = plan_of(sweep)
    source = plan.source
    with calling("Source.load"):
        data = source.load(data_folder)
    winner = kept_finalist(sweep, models)
    looked_at = {(look.trial, look.seed) for look in opening.looks}
    missing = [model for model in models if model.key not in looked_at]
    # Before anything is opened: what fails here has seen nothing.
    trained = {model.key: _restored(run, model, plan, data) for model in (*missing, winner)}
    if missing:
        test, overlap = _load_test(source, data, data_folder)
        opening = replace(opening, overlap=overlap, saved=False)
        opening = _evaluated(run, earlier, opening, missing, trained, winner, test)
    with calling("Training.save"):
        trained[winner.key].save(run.path)
    opening = replace(opening, saved=True)
    _write_openings(run, (*earlier, opening))
    return opening


def _save_untested(run: RunFolder, sweep: Sweep, winner: Finalist, data_folder: Path) -> None:
    """Save the winner's model in the run folder, once."""
    wanted = {"trial": winner.trial, "seed": winner.seed}
    if run.saved.exists() and parse_json(read_record(run.saved)) == wanted:
        return
    plan = plan_of(sweep)
    if not can_continue(plan.trainable_module):
        return
    with calling("Source.load"):
        data = plan.source.load(data_folder)
    training = _restored(run, winner, plan, data)
    with calling("Training.save"):
        training.save(run.path)
    write_json(run.saved, wanted)


def _opening_of(
    wanted: set[tuple[int | None, int]], openings: Sequence[TestSetOpening], reason: str
) -> tuple[tuple[TestSetOpening, ...], TestSetOpening]:
    """The openings before, and the one that evaluates these models (trial, seed): on record, perhaps
    unfinished, or a new one."""
    for at, opening in reversed(list(enumerate(openings))):
        looks = {(look.trial, look.seed) for look in opening.looks}
        continues = not opening.complete and opening.models == len(wanted) and opening.reason == reason
        if wanted <= looks or (continues and looks <= wanted):
            return (*openings[:at], *openings[at + 1 :]), opening
    return tuple(openings), TestSetOpening(_now(), reason, len(wanted), saved=False)


def _evaluated(
    run: RunFolder,
    earlier: Sequence[TestSetOpening],
    opening: TestSetOpening,
    missing: Sequence[Finalist],
    trained: Mapping[tuple[int | None, int], TrainingRun],
    winner: Finalist,
    test: Any,
) -> TestSetOpening:
    """The opening with the evaluations of `missing`, each recorded at once."""
    _write_openings(run, (*earlier, opening))
    for model in missing:
        look = _look(model, trained[model.key], test, winner)
        opening = replace(opening, looks=(*opening.looks, look))
        _write_openings(run, (*earlier, opening))
    return opening


def _load_test(source: DataSource, data: Any, data_folder: Path) -> tuple[Any, int | None]:
    """The test split, and how many of its examples are in the training data too; None if that is unknown."""
    with calling("Source.load_test"):
        test = source.load_test(data_folder)
    overlap = getattr(data, "overlap", None)
    if overlap is None:
        return test, None
    with calling("The method overlap of what Source.load returned"):
        return test, int(overlap(test))


def record_look(run: RunFolder, reason: str, look: Callable[[], Evaluation]) -> Evaluation:
    """Evaluate a model of the run on the test set with `look`, outside of its confirmation, and record that
    before it happens. The result is not kept: nothing must be ranked by it. The run must be owned."""
    openings = Sweep.read(run.path).openings
    _write_openings(run, (*openings, TestSetOpening(_now(), reason, 1)))
    with calling("Training.evaluate"):
        return checked_evaluation(look())


def kept_finalist(sweep: Sweep, models: Sequence[Finalist]) -> Finalist:
    """The one of `finalists` whose model the run keeps: of the winner's seeds the best on validation."""
    of_winner = [model for model in models if model.trial == models[0].trial]
    return max(of_winner, key=lambda model: sweep.metric.sign * (model.trained.score or 0.0))


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _write_openings(run: RunFolder, openings: Sequence[TestSetOpening]) -> None:
    write_json(run.openings, [opening.to_json() for opening in openings])


def _look(model: Finalist, training: TrainingRun, test: Any, winner: Finalist) -> TestLook:
    without = " (with None, which Source.load_test returned)" if test is None else ""
    with calling(f"Training.evaluate{without}"):
        evaluation = checked_evaluation(training.evaluate(test))
    if model is not winner:  # the images of up to forty models would fill the file, and are never shown
        evaluation = replace(evaluation, mistakes=None)
    return TestLook(
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


def _restored(run: RunFolder, model: Finalist, plan: Plan, data: Any) -> TrainingRun:
    """The training after the epoch that gives it its score. Raises NoModel."""
    path, recipe, epochs = model.folder.checkpoint, model.trained.recipe, model.trained.epochs
    wanted = plan.objective.taken(epochs).number if epochs else 0
    if plan.objective.take == "best":
        path = best_of(path)
        checkpoint, faults = latest(path, json.dumps(recipe), wanted)
    else:
        checkpoint, faults = latest(path, json.dumps(recipe))
    if checkpoint is None or len(checkpoint.epochs) < wanted:
        raise NoModel(
            f"the model of trial {model.trained.number} must be in {path}, but is not "
            f"({'; '.join(faults) or 'no such file'})",
            f"remove the folder {model.folder.path.parents[1]}, and train it again with "
            f"`benchsweep confirm {run.reference}`",
        )
    module = plan.trainable_module
    with calling("Training"):
        training = module.Training(from_record(module.Recipe, recipe), data, "cpu", 1)
    with calling("Training.load_state_dict"):
        training.load_state_dict(checkpoint.state)
    return training
