"""A warm start: trials of another run, from which a new search's sampler learns. Nothing ranks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from search.plan.fault import shown
from search.plan.plan import Plan
from search.plan.space import NotInSpace
from search.records.history import WarmStartSummary
from search.records.sweep import State, Sweep
from search.records.trial import reading
from search.records.typed import typed
from trainable.contract import Metric
from trainable.errors import InputError
from trainable.storage.durable import write_json
from trainable.storage.record_file import parse_json, read_record

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_INFORMATIVE = (State.COMPLETE, State.PRUNED, State.DIVERGED)


class CannotWarmStart(InputError):
    """The other run's trials say nothing about this plan's; says why."""


@dataclass(frozen=True)
class WarmStartTrial:
    """A finished trial of the other run."""

    number: int
    """In that run."""
    recipe: Mapping[str, Any]
    """Complete."""
    state: State
    """COMPLETE, PRUNED or DIVERGED."""
    score: float
    """The metric after its last epoch, or after its best one, as `Metric.take` says."""
    epochs: int
    """How many it trained."""


def _described(metric: Metric) -> str:
    """The metric in a few words."""
    return f"{metric.direction} {metric.name}{' of the best epoch' if metric.take == 'best' else ''}"


@dataclass(frozen=True)
class WarmStart:
    """The trials of another run, as they were when this one began. They are kept in this run's own folder, so
    the other one is not needed any more."""

    run: str
    """The other run's name."""
    folder: str
    """Where it was."""
    read: datetime
    """When its trials were read (UTC)."""
    trials: tuple[WarmStartTrial, ...]
    """By number; those that say nothing, such as failed ones, are left out."""

    @classmethod
    def of(cls, sweep: Sweep, plan: Plan) -> WarmStart:
        """What a search of `plan` can learn from the run `sweep`. Raises CannotWarmStart unless both judge
        the same trainable by the same metric on the same data, and some trial fits the space."""
        metric = plan.objective
        for what, theirs, ours in (
            ("trainable", sweep.plan.trainable, plan.trainable),
            ("data", sweep.plan.data, plan.data),
            ("metric", _described(sweep.metric), _described(metric)),
        ):
            if theirs != ours:
                raise CannotWarmStart(
                    f"a warm start must come from a run with the same {what}, for scores are compared, but "
                    f"{sweep.name} has {shown(theirs)} and this plan {shown(ours)}"
                )
        trials = tuple(
            WarmStartTrial(trial.number, trial.recipe, trial.state, trial.score, len(trial.epochs))
            for trial in sweep.trials
            if trial.state in _INFORMATIVE and trial.score is not None and trial.same_as is None
        )
        warm_start = cls(sweep.name, str(sweep.folder), datetime.now(UTC).replace(microsecond=0), trials)
        if not warm_start.fitting(plan):
            raise CannotWarmStart(
                f"a warm start needs trials that fit the plan's space, but {warm_start.sentence(plan)}"
            )
        return warm_start

    def fitting(self, plan: Plan) -> list[WarmStartTrial]:
        """The trials that the plan's space could have suggested."""
        return [trial for trial in self.trials if _outside(trial, plan) is None]

    def summary(self, plan: Plan) -> WarmStartSummary:
        """What a search of `plan` records about it."""
        return WarmStartSummary(self.run, len(self.fitting(plan)), self.sentence(plan))

    def sentence(self, plan: Plan) -> str:
        """How many of its trials the sampler learns from, and why the others are left out; if recipes differ
        in what the plan fixes, that too."""
        fitting = self.fitting(plan)
        text = f"{len(fitting)} of {len(self.trials)} finished trials of {self.run} seed the sampler"
        outside = [name for trial in self.trials if (name := _outside(trial, plan)) is not None]
        if outside:
            text += f"; outside of this space by {_counted(outside)}"
        fixed = [name for trial in fitting for name in plan.pinned_otherwise(trial.recipe)]
        if fixed:
            text += f"; trained with another {_counted(fixed)}"
        return text

    def frozen(self, plan: Plan) -> list[FrozenTrial]:
        """Those that fit, as Optuna's trials, with numbers below 0: samplers give old trials less weight."""
        from optuna.trial import FrozenTrial, TrialState

        distributions = plan.space.distributions()
        fitting = self.fitting(plan)
        frozen = []
        for number, trial in enumerate(fitting, -len(fitting)):
            params = plan.space.params_of(trial.recipe)
            complete = trial.state is State.COMPLETE
            frozen.append(
                FrozenTrial(
                    number=number,
                    trial_id=number,
                    state=TrialState.COMPLETE if complete else TrialState.PRUNED,
                    value=trial.score,
                    datetime_start=self.read,
                    datetime_complete=self.read,
                    params=params,
                    distributions={name: distributions[name] for name in params},
                    user_attrs={},
                    system_attrs={},
                    intermediate_values={trial.epochs: trial.score} if trial.epochs else {},
                )
            )
        return frozen

    def write(self, path: Path) -> None:
        """Write it to a file. Raises OSError."""
        write_json(path, {**asdict(self), "read": self.read.isoformat()})

    @classmethod
    def read_from(cls, path: Path) -> WarmStart | None:
        """The one in a file, or None if there is no such file. Raises RunDamaged."""
        if not (path.exists() or path.is_symlink()):
            return None
        with reading(path):
            stored = parse_json(read_record(path))
            trials = tuple(
                WarmStartTrial(**{**trial, "state": State(trial["state"])}) for trial in stored["trials"]
            )
            read = datetime.fromisoformat(stored["read"])
            return typed(cls(stored["run"], stored["folder"], read, trials))


def _counted(names: Iterable[str]) -> str:
    """ "dropout (3), schedule (1)"."""
    return ", ".join(f"{name} ({count})" for name, count in Counter(names).most_common())


def _outside(trial: WarmStartTrial, plan: Plan) -> str | None:
    """The first hyperparameter with a value that this plan's space could not have suggested; None if it could
    have suggested the recipe."""
    try:
        plan.space.params_of(trial.recipe)
    except NotInSpace as error:
        return error.name
    return None
