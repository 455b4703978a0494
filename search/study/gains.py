"""What a search has gained: whether its target is reached, and whether its patience is at an end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, TrialState

from search.plan.plan import Plan
from search.records import schema
from search.study.stagnation import EndedTrial, trials_without_gain


class Gains:
    """Judges the trials of a search by the target and the patience of its budget."""

    def __init__(
        self,
        plan: Plan,
        trials: Callable[[], Sequence[FrozenTrial]],
        broken: Callable[[FrozenTrial], bool],
    ) -> None:
        """trials: returns those of the study, by number. broken: whether a trial breaks a bound of the plan,
        and is therefore no gain."""
        self._broken = broken
        self._budget, self._metric, self._trials = plan.budget, plan.objective, trials
        self._strict = plan.order == "strict"
        self._counted: tuple[int, int] | None = None
        self._without = 0
        self._visible_best: float | None = None
        self._best: float | None = None
        for trial in trials():
            self.ended(trial)

    def ended(self, trial: FrozenTrial) -> None:
        """Take in the end of a trial."""
        score = trial.value if self._counts(trial) else None
        if score is not None and (self._best is None or self._metric.better(score, self._best)):
            self._best = score

    def _counts(self, trial: FrozenTrial) -> bool:
        """Whether a trial that has ended may be chosen."""
        return trial.state is TrialState.COMPLETE and not self._broken(trial)

    def target_reached(self) -> str | None:
        """The sentence that a trial has reached the target; None if none has. In a strict order it is
        None: when a trial ends depends on the workers."""
        return None if self._strict else self._reached(self._best)

    def none_left(self, finished: int, last: int) -> str | None:
        """Why no further trial may start, as a sentence; None if one may.

        finished: number of trials that have ended. last: the last trial on which the next one may depend, if
        the order is strict."""
        patience = self._budget.patience
        if patience is None and (self._budget.target is None or not self._strict):
            return None
        if self._counted != (finished, last):
            self._counted = finished, last
            self._count(last)
        if patience is not None and self._without >= patience:
            return f"the last {self._without} trials brought no gain beyond the noise of a training"
        return self._reached(self._visible_best) if self._strict else None

    def _reached(self, best: float | None) -> str | None:
        target = self._budget.target
        if target is None or best is None or self._metric.better(target, best):
            return None
        return f"the target of {self._metric.format(target)} is reached"

    def _count(self, last: int) -> None:
        """Count the trials without a gain at the end, and find the best score."""
        trials = [
            trial
            for trial in self._trials()
            if trial.datetime_complete is not None and schema.SAME_AS not in trial.user_attrs
        ]
        if self._strict:
            trials = [trial for trial in trials if trial.number <= last]
        else:
            trials.sort(key=lambda trial: (trial.datetime_complete, trial.number))
        ended = [EndedTrial(self._counts(trial), [*trial.intermediate_values.values()]) for trial in trials]
        sign = self._metric.sign
        self._without = trials_without_gain(ended, sign)
        scores = [trial.values[-1] for trial in ended if trial.complete and trial.values]
        self._visible_best = max(scores, key=lambda score: sign * score, default=None)
