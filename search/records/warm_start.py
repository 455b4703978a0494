"""What one search knows when it begins from another: a sampler learns from it, nothing ranks it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.plan.fault import shown
from search.plan.plan import Plan
from search.plan.space import Outside
from search.records.sweep import State, Sweep
from search.records.trial import whole
from trainable.errors import InputError
from trainable.storage.durable import write_json

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_TOLD = (State.COMPLETE, State.PRUNED, State.DIVERGED)


class CannotWarmStart(InputError):
    """The other run's trials say nothing about this plan's; says why."""


@dataclass(frozen=True)
class Told:
    """A finished trial of the other run: number there, whole recipe, state, and its metric after
    so many epochs."""

    number: int
    recipe: Mapping[str, Any]
    state: State
    score: float
    epochs: int


@dataclass(frozen=True)
class WarmStart:
    """The trials of another run, as they were when this one began (UTC). run: its name. folder:
    where it lay. It is kept in this run's own folder, and does not need the other one any more."""

    run: str
    folder: str
    read: datetime
    trials: tuple[Told, ...]

    @classmethod
    def of(cls, sweep: Sweep, plan: Plan) -> WarmStart:
        """What the run `sweep` can tell a search of `plan`. Raises CannotWarmStart unless both judge
        the same trainable by the same metric on the same data, and some trial fits the space."""
        metric = plan.metric
        for what, theirs, ours in (
            ("trainable", sweep.plan.get("trainable"), plan.trainable),
            ("data", sweep.plan.get("data"), plan.data),
            ("metric", f"{sweep.metric.direction} {sweep.metric.name}", f"{metric.direction} {metric.name}"),
        ):
            if theirs != ours:
                raise CannotWarmStart(
                    f"a warm start must come from a run with the same {what}, for scores are compared, but "
                    f"{sweep.name} has {shown(theirs)} and this plan {shown(ours)}"
                )
        told = tuple(
            Told(trial.number, trial.recipe, trial.state, trial.score, len(trial.epochs))
            for trial in sweep.trials
            if trial.state in _TOLD and trial.score is not None and trial.same_as is None
        )
        made = cls(sweep.name, str(sweep.folder), datetime.now(UTC).replace(microsecond=0), told)
        if not made.fitting(plan):
            raise CannotWarmStart(
                f"a warm start needs trials that fit the plan's space, but {made.sentence(plan)}"
            )
        return made

    def fitting(self, plan: Plan) -> list[Told]:
        """Those that the plan's space could have drawn."""
        return [told for told in self.trials if _outside(told, plan) is None]

    def sentence(self, plan: Plan) -> str:
        """How many of its trials seed the sampler, and why the others do not; where recipes differ
        in what the plan fixes, that too."""
        fitting = self.fitting(plan)
        text = f"{len(fitting)} of {len(self.trials)} finished trials of {self.run} seed the sampler"
        outside = Counter(name for told in self.trials if (name := _outside(told, plan)) is not None)
        if outside:
            parts = (f"{name} ({count})" for name, count in outside.most_common())
            text += f"; outside of this space by {', '.join(parts)}"
        otherwise = Counter(name for told in fitting for name in plan.pinned_otherwise(told.recipe))
        if otherwise:
            parts = (f"{name} ({count})" for name, count in otherwise.most_common())
            text += f"; trained with another {', '.join(parts)}"
        return text

    def frozen(self, plan: Plan) -> list[FrozenTrial]:
        """Those that fit, as Optuna's trials, numbered below 0: a sampler weighs old ones less."""
        from optuna.trial import FrozenTrial, TrialState

        distributions = plan.space.distributions()
        fitting = self.fitting(plan)
        made = []
        for number, told in enumerate(fitting, -len(fitting)):
            params = plan.space.params_of(told.recipe)
            complete = told.state is State.COMPLETE
            trial = FrozenTrial(
                number=number,
                trial_id=number,
                state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                value=told.score,
                datetime_start=self.read,
                datetime_complete=self.read,
                params=params,
                distributions={name: distributions[name] for name in params},
                user_attrs={},
                system_attrs={},
                intermediate_values={told.epochs: told.score} if told.epochs else {},
            )
            made.append(trial)
        return made

    def write(self, path: Path) -> None:
        """Store it. Raises OSError."""
        write_json(path, {**asdict(self), "read": self.read.isoformat()})

    @classmethod
    def stored(cls, path: Path) -> WarmStart | None:
        """The one in the file; None where there is none. Raises RunDamaged."""
        if not path.is_file():
            return None
        with whole(path):
            held = json.loads(path.read_text())
            trials = tuple(Told(**{**told, "state": State(told["state"])}) for told in held["trials"])
            return cls(held["run"], held["folder"], datetime.fromisoformat(held["read"]), trials)


def _outside(told: Told, plan: Plan) -> str | None:
    """The setting whose value this plan's space could not have drawn."""
    try:
        plan.space.params_of(told.recipe)
    except Outside as error:
        return error.name
    return None
