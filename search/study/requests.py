"""Recipes that no sampler chose: those of the plan's [[first]] tables, and those that a user enqueued."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from search.plan.plan import TABLES, Plan
from search.records import schema
from search.records.enqueued import enqueued, retried
from search.records.folder import RunFolder
from search.study.draw import Drawn


def _who_asked(name: str) -> str:
    """The note of a trial that a file of this name asks for."""
    failed = retried(name)
    if failed is None:
        return "it was asked for with `benchsweep enqueue`"
    return f"it trains the recipe of trial {failed}, which failed, again"


@dataclass(frozen=True)
class Request:
    """A recipe to train."""

    name: str
    """As `search.records.schema.KNOWN`."""
    values: Mapping[str, Any]
    """Of its hyperparameters; those left out have the default recipe's."""
    note: str
    """Who asked for it, for the trial's notes."""


class Requests:
    """The requests of a run that no trial has answered yet."""

    def __init__(self, run: RunFolder, plan: Plan, trials: Sequence[FrozenTrial]) -> None:
        """trials: those on record."""
        self._run, self._plan = run, plan
        attributes = [trial.user_attrs for trial in trials]
        self._answered = {known[schema.KNOWN] for known in attributes if schema.KNOWN in known}

    def next(self) -> Request | None:
        """The next request; None if there is none. The files of those that a trial on record has answered are
        removed."""
        for values in self._plan.first:
            name = f"first: {json.dumps(values, sort_keys=True)}"
            if name not in self._answered:
                return Request(name, values, "the plan asks for it, in [[first]]")
        for name, values in enqueued(self._run):
            if name not in self._answered:
                return Request(name, values, _who_asked(name))
            with suppress(OSError):
                (self._run.enqueued / name).unlink()
        return None

    def _answer_by_run(self, values: Mapping[str, Any]) -> Drawn:
        """The trial of a request to an objective, whose parameters are what it asks for."""
        frozen = create_trial(state=TrialState.RUNNING)
        frozen.datetime_start = datetime.now()
        return Drawn(frozen, dict(values), {**self._plan.recorded_recipe({}), **values})

    def answer(self, request: Request) -> Drawn:
        """The trial of a request, which is not asked for again."""
        self._answered.add(request.name)
        if self._plan.defined_by_run:
            return self._answer_by_run(request.values)
        plan, faults = self._plan, self._plan.faults_of_known(request.values)
        sampled = dict(request.values) if faults else plan.sampled_for(request.values)
        distributions = {} if faults else plan.space.distributions()
        frozen = create_trial(
            state=TrialState.RUNNING,
            params={} if faults else plan.space.params_of(sampled),
            distributions={name: known for name, known in distributions.items() if name in sampled},
        )
        frozen.datetime_start = datetime.now()
        if faults:
            reasons = "; ".join(fault.sentence("the plan", TABLES) for fault in faults)
            return Drawn(frozen, sampled, None, f"the plan does not allow it: {reasons}")
        return Drawn(frozen, sampled, plan.recorded_recipe(sampled))
