"""The progress of a confirmation: updated with the events of its trainings."""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar, Literal

from benchsweep.progress.search import Leader, Limits, Progress, TrialProgress
from reports.formatting.wording import plural
from search.engine.search import Search
from search.records.sweep import State
from search.study.confirmation import ConfirmationStudy


class ConfirmationProgress(Progress):
    """The progress of the race among a search's best trials, trained again with fresh seeds."""

    stage: ClassVar[Literal["search", "confirmation"]] = "confirmation"
    """Its name in events."""
    noun: ClassVar[str] = "rerun"
    """What one of its trainings is called."""

    @classmethod
    def of_race(cls, race: Search) -> ConfirmationProgress:
        """The progress of a race that is about to start or to continue."""
        study, plan = race.study, race.plan
        assert isinstance(study, ConfirmationStudy)
        limits = Limits(trials=study.max_trainings)
        progress = cls(f"{plan.name}, confirmation", plan.objective, limits, plan.default_recipe.epochs)
        for candidate in study.confirmation.candidates:
            for rerun in candidate.complete:
                progress.add_finished(rerun, {"candidate": candidate.name, "seed": rerun.recipe["seed"]})
        return progress

    @property
    def best(self) -> TrialProgress | None:
        """None: the best single rerun would only be the luckiest, which the confirmation is meant to
        exclude."""
        return None

    @property
    def leader(self) -> Leader | None:
        """The candidate with the best mean over its seeds so far."""
        scores = defaultdict(list)
        for rerun in self.finished:
            if rerun.state is State.COMPLETE and rerun.score is not None:
                scores[str(rerun.sampled["candidate"])].append(rerun.score)
        means = {name: sum(values) / len(values) for name, values in scores.items()}
        if not means:
            return None
        best = max(means, key=lambda name: self.metric.sign * means[name])
        return Leader(means[best], f"{best}, mean of {plural(len(scores[best]), 'seed')}", {})
