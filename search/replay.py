"""What another pruner or sampler would have made of the curves that a run recorded.

Nothing is trained, and no code that the run names is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.plan.pruner import Pruner
from search.plan.sampler import Sampler
from search.plan.space import NotInSpace, Space
from search.records import schema
from search.records.sweep import State, Sweep, Trial
from search.sampling import pruners, samplers
from search.sampling.forecast import ForecastPruner
from search.sampling.recipes import Recipes
from search.surrogate.encoding import Encoding


@dataclass
class Replay:
    """A run whose trials were played one after the other."""

    recorded: int = 0
    """Epochs on record, of the trials that were played."""
    epochs: int = 0
    """Those of them that would have been trained."""
    stopped: list[int] = field(default_factory=list)
    """Trials that would have been stopped before the end of their record, in order."""
    beyond: list[int] = field(default_factory=list)
    """Trials that would have been trained further than their record goes, in order: what they would have come
    to is not known."""
    complete: list[int] = field(default_factory=list)
    """Trials that would have been trained to their end, in order."""
    left_out: int = 0
    """Trials that were not played, because the run's space cannot suggest their recipes any more."""
    best: int | None = None
    """The best of those that would be complete."""
    best_on_record: int | None = None
    """The run's best trial; None if it has none."""
    epochs_until_best: int | None = None
    """Epochs until the run's best trial would have been complete; None if it would not have been."""
    recorded_until_best: int | None = None
    """The same on record, in the order of the trials' numbers."""

    @property
    def keeps_best(self) -> bool:
        """Whether the run's best trial would have been trained to its end."""
        return self.epochs_until_best is not None


def replay(sweep: Sweep, pruner: Pruner, sampler: Sampler | None = None) -> Replay:
    """Play the trials of a run under another pruner, and in the order of another sampler: each of its
    suggestions stands for the nearest recipe on record that was not played yet. sampler: None for the order
    of their numbers."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = Space(sweep.plan.space)
    played = [trial for trial in sweep.trials if trial.same_as is None and _params(space, trial) is not None]
    result = Replay(left_out=sum(trial.same_as is None for trial in sweep.trials) - len(played))
    best = sweep.best()
    for trial in played:
        result.recorded += len(trial.epochs)
        if best is not None and trial.number == best.number:
            result.best_on_record, result.recorded_until_best = best.number, result.recorded
    _Player(sweep, space, pruner, sampler, result).play(played)
    return result


def _params(space: Space, trial: Trial) -> dict[str, object] | None:
    try:
        return space.params_of(trial.recipe)
    except NotInSpace:
        return None


class _Player:
    """Plays trials one after the other, in an Optuna study in memory."""

    def __init__(
        self, sweep: Sweep, space: Space, pruner: Pruner, sampler: Sampler | None, result: Replay
    ) -> None:
        self._sweep, self._space, self._sampler, self._result = sweep, space, sampler, result
        self._encoding = Encoding(space)
        epochs = max((int(trial.recipe.get("epochs", 1)) for trial in sweep.trials), default=1)
        self._epochs = epochs
        self._study = optuna.create_study(
            study_name=schema.STUDY_NAME,
            direction=sweep.metric.direction,
            pruner=pruners.build(pruner, epochs, space),
        )
        self._records: list[Trial] = []
        self._trials: list[optuna.trial.Trial] = []
        self._paused: set[int] = set()

    def play(self, trials: Sequence[Trial]) -> None:
        left = list(trials)
        while left or self._paused:
            number = self._continued(bool(left))
            if number is None and not left:
                break
            if number is None:
                trial = left.pop(self._next(left))
                number = self._begin(trial)
            self._train(number)
        ends = [trial for trial in self._sweep.ranked() if trial.number in self._result.complete]
        self._result.best = ends[0].number if ends else None

    def _continued(self, new: bool) -> int | None:
        """The paused trial that goes on; None if none does."""
        pruner = self._study.pruner
        if not self._paused or not isinstance(pruner, ForecastPruner):
            return None
        trials = self._study.get_trials(deepcopy=False)
        number = pruner.most_promising(trials, self._study.direction, self._paused, new)
        self._paused.discard(-1 if number is None else number)
        return number

    def _begin(self, trial: Trial) -> int:
        params = self._space.params_of(trial.recipe)
        distributions = self._space.distributions()
        frozen = create_trial(
            state=TrialState.RUNNING,
            params=params,
            distributions={name: distributions[name] for name in params},
            user_attrs={schema.RECIPE: dict(trial.recipe)},
        )
        trial_id = self._study._storage.create_new_trial(self._study._study_id, frozen)
        self._trials.append(optuna.trial.Trial(self._study, trial_id))
        self._records.append(trial)
        return len(self._records) - 1

    def _train(self, number: int) -> None:
        """Play a trial from its last epoch until it ends, or its pruner stops it."""
        record, trial, metric = self._records[number], self._trials[number], self._sweep.metric
        result, done = self._result, len(self._study.get_trials(deepcopy=False)[number].intermediate_values)
        planned = int(record.recipe.get("epochs", len(record.epochs)))
        scores = metric.scores(record.epochs)
        for epoch, score in list(zip(record.epochs, scores, strict=True))[done:]:
            trial.report(score, epoch.number)
            result.epochs += 1
            if epoch.number < planned and trial.should_prune():
                if isinstance(self._study.pruner, ForecastPruner):
                    self._paused.add(number)
                else:
                    self._study.tell(trial, state=TrialState.PRUNED)
                if epoch.number < len(record.epochs):
                    result.stopped.append(record.number)
                return
        if record.number in result.stopped:
            result.stopped.remove(record.number)  # it was continued
        if record.state is State.COMPLETE:
            self._study.tell(trial, record.score)
            result.complete.append(record.number)
            if record.number == result.best_on_record:
                result.epochs_until_best = result.epochs
        elif record.state is State.FAILED:
            self._study.tell(trial, state=TrialState.FAIL)
        else:
            if record.state is State.DIVERGED:
                trial.set_user_attr(schema.DIVERGED, record.error)
            else:
                result.beyond.append(record.number)
            self._study.tell(trial, state=TrialState.PRUNED)

    def _next(self, left: Sequence[Trial]) -> int:
        """The position of the trial that is played next."""
        if self._sampler is None:
            return 0
        wanted = self._encoding.point(self._suggested(self._sampler))
        points = np.array([self._encoding.point(self._space.params_of(trial.recipe)) for trial in left])
        differing = np.where(self._encoding.choices, points != wanted, np.abs(points - wanted))
        return int(np.argmin((differing**2).sum(axis=1)))

    def _suggested(self, sampler: Sampler) -> dict[str, object]:
        """The parameters that a sampler suggests after the trials so far."""
        number = len(self._records)
        history = [_settled(trial) for trial in self._study.get_trials(deepcopy=False)]
        study = optuna.create_study(
            study_name=schema.STUDY_NAME,
            direction=self._study.direction,
            sampler=samplers.build(sampler, self._space, 0, number, (), Recipes(self._epochs)),
        )
        study.add_trials(history)
        trial = study.ask()
        self._space.suggest(trial)
        return dict(trial.params)


def _settled(trial: FrozenTrial) -> FrozenTrial:
    """The trial; a paused one as a pruned one, since Optuna adds no trial that has not ended."""
    if trial.state.is_finished():
        return trial
    return create_trial(
        state=TrialState.PRUNED,
        params=trial.params,
        distributions=trial.distributions,
        user_attrs=trial.user_attrs,
        intermediate_values=trial.intermediate_values,
    )
