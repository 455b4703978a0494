"""Runs on disk in every state, made without an engine: their journals are real, their trials formulas."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from searches import plan
from studies import carry_on, folder, score

from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.study.base import Suggestion
from search.study.confirmation import ConfirmationStudy, Entry
from search.study.search import SearchStudy
from trainable.epoch import Epoch

DIVERGED = "epoch 3: train_loss must stay finite, but became nan"
FAILED = "ValueError: café \U0001f600 \udcff at '/tmp/x'\nline two"
ENDS = (State.COMPLETE, State.DIVERGED, State.FAILED, State.PRUNED, State.COMPLETE, None, State.PAUSED)
"""What becomes of the trials of `every_state`, by number; None: it is left behind."""


def every_state(runs: Path, name: str = "mixed") -> RunFolder:
    """A search that was interrupted: a trial in each state but RUNNING."""
    return _with_ends(runs, name, ENDS)


def all_failed(runs: Path) -> RunFolder:
    """A search none of whose trials came to a first epoch."""
    return _with_ends(runs, "failed", (State.FAILED,) * 3)


def empty(runs: Path) -> RunFolder:
    """A run with a plan and nothing else."""
    run = folder("empty", runs)
    run.plan.write_text(plan(name="empty").to_toml())
    return run


def confirmed(runs: Path) -> RunFolder:
    """A finished search whose confirmation has begun: a training of each candidate with a fresh seed."""
    run = folder("confirmed", runs)
    asked = plan(name="confirmed", confirmation={"candidates": 2, "seeds": 3})
    carry_on(run, asked)
    _write_epochs(run)
    entry = Entry.of(Sweep.read(run.path), asked)
    assert entry is not None
    run.confirmation.path.mkdir()
    study = ConfirmationStudy(run.confirmation, asked, entry)
    study.begin_session({})
    for _ in range(4):
        question = study.ask()
        assert isinstance(question, Suggestion)
        _train(study, question, question.epochs)
        study.end(question.number, State.COMPLETE)
    _write_epochs(run.confirmation)
    return run


def _with_ends(runs: Path, name: str, ends: tuple[State | None, ...]) -> RunFolder:
    run = folder(name, runs)
    asked = plan(name=name, budget={"trials": len(ends) + 1}, pruner={"name": "none"})
    run.plan.write_text(asked.to_toml())
    study = SearchStudy(run, asked)
    study.adopt()
    study.begin_session({"commit": "0" * 40})
    for end in ends:
        question = study.ask()
        assert isinstance(question, Suggestion)
        epochs = {State.COMPLETE: question.epochs, State.FAILED: 0, None: 1}.get(end, 2)
        _train(study, question, epochs)
        if end is State.PAUSED:
            study.pause(question.number)
        elif end is not None:
            error = {State.DIVERGED: DIVERGED, State.FAILED: FAILED}.get(end)
            study.end(question.number, end, error)
    study.note_session(1.5, "interrupted")
    _write_epochs(run)
    return run


def _train(study: Any, question: Suggestion, epochs: int) -> None:
    recipe = json.loads(question.recipe)
    for epoch in range(1, epochs + 1):
        metrics = {study.plan.objective.name: score(recipe, epoch)}
        study.record(question.number, Epoch(epoch, metrics, 0.0), "here:1")


def _write_epochs(run: RunFolder) -> None:
    """What workers write beside the journal."""
    from search.records.journal import StudyStorage

    storage = StudyStorage(run.journal)
    (study,) = storage.get_all_studies()
    metric = study.user_attrs["metric"]["name"]
    for trial in storage.get_all_trials(study._study_id, deepcopy=False):
        told = [
            Epoch(epoch, {"train_loss": 1.0 / epoch, metric: value}, 0.5).to_json()
            for epoch, value in trial.intermediate_values.items()
        ]
        path = run.trial(trial.number).epochs
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(each) + "\n" for each in told))
