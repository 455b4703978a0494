"""Studies carried out without an engine: a trial's figures are a formula of its recipe, so that a
thousand of them take seconds, and are the same whenever they are asked for."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.study.base import SettledTrial, Suggestion
from search.study.search import SearchStudy
from trainable.epoch import Epoch

Recipe = dict[str, object]


def score(recipe: Recipe, epoch: int) -> float:
    """Best at a learning rate of 0.01; closer to its end with each epoch; never twice the same."""
    far = abs(math.log10(float(str(recipe["learning_rate"]))) + 2)
    kind = {"constant": 0.0, "step": 0.01}.get(str(recipe["schedule"]), 0.02)
    return 1 - far / 5 - kind - 0.3 / epoch


def opened(run: RunFolder, plan: Plan) -> SearchStudy:
    """The study of a start that is about to train."""
    study = SearchStudy(run, plan)
    study.adopt()
    study.begin_session({})
    return study


def train_epoch(study: SearchStudy, trial: Suggestion) -> bool:
    """Report a trial's next epoch. Returns whether the trial has ended."""
    epoch = study.epochs_of(trial.number) + 1
    metrics = {study.plan.objective.name: score(json.loads(trial.recipe), epoch)}
    with study.transaction():
        stopped = study.record(trial.number, Epoch(epoch, metrics, 0.0), "here:1")
        if stopped is None and epoch == trial.epochs:
            study.end(trial.number, State.COMPLETE)
    return stopped is not None or epoch == trial.epochs


def train(study: SearchStudy, question: Suggestion, *, until: int | None = None) -> State | None:
    """Report the epochs that are not on record yet, and the end; None when cut off after `until`."""
    recipe = json.loads(question.recipe)
    for epoch in range(question.reported + 1, question.epochs + 1):
        if until is not None and epoch > until:
            return None
        metrics = {study.plan.objective.name: score(recipe, epoch)}
        with study.transaction():
            stopped = study.record(question.number, Epoch(epoch, metrics, 0.0), "here:1")
            if stopped is None and epoch == question.epochs:
                study.end(question.number, State.COMPLETE)
        if stopped:
            return stopped
    if study.is_live(question.number):  # all epochs were on record already
        study.end(question.number, State.COMPLETE)
    return State.COMPLETE


def carry_on(
    run: RunFolder, plan: Plan, *, seen: Callable[[Suggestion | SettledTrial], None] | None = None
) -> SearchStudy:
    """One start, with one worker, to the end of the budget."""
    run.path.mkdir(parents=True, exist_ok=True)
    if not run.plan.exists():
        run.plan.write_text(plan.to_toml())
    study = SearchStudy(run, plan)
    study.adopt()
    study.begin_session({})
    while study.spent() is None and (question := study.ask()) is not None:
        if seen is not None:
            seen(question)
        if isinstance(question, Suggestion):
            train(study, question)
    study.prune_paused()
    study.note_session(0.0, "budget")
    return study


def outcome(run: RunFolder) -> list[tuple[object, ...]]:
    """What a search found, without what its interruptions left in the record."""
    return [
        (trial.number, dict(trial.recipe), trial.state, trial.score, trial.same_as)
        for trial in Sweep.read(run.path).trials
    ]


def folder(name: str, runs: Path) -> RunFolder:
    """The folder of a run that is about to begin."""
    run = RunFolder.named(name, runs)
    run.path.mkdir(parents=True)
    return run
