"""The ways to search that are compared."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from efficiency.clock import Arm, Start, Verdict
from efficiency.families import Failed, Problem, Refused
from search.plan.sampler import Auto
from search.sampling.samplers import Recipes, build, stable_seed
from search.sampling.trial_points import history
from search.surrogate.curves import rungs
from search.surrogate.encoding import Encoding
from search.surrogate.model import History, Model


class OptunaArm:
    """A sampler and a pruner of Optuna's."""

    def __init__(self, problem: Problem, sampler: BaseSampler, pruner: BasePruner) -> None:
        self.space, self.epochs = problem.space, problem.epochs
        direction = "maximize" if problem.maximize else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)
        self.trials: dict[int, optuna.Trial] = {}

    def next(self) -> Start | None:
        trial = self.study.ask()
        self.trials[trial.number] = trial
        return Start(trial.number, self.space.suggest(trial))

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        self.trials[trial].report(value, epoch)
        if self.trials[trial].should_prune():
            self.study.tell(trial, state=TrialState.PRUNED)
            return "stop"
        return "continue"

    def complete(self, trial: int, value: float) -> None:
        self.trials[trial].report(value, self.epochs)
        self.study.tell(trial, value)

    def fail(self, trial: int, refused: bool) -> None:
        self.study.tell(trial, state=TrialState.FAIL)


class RayAsha:
    """Ray's ASHAScheduler beside its OptunaSearch: TPE that is told of finished trials alone."""

    def __init__(self, problem: Problem, seed: int, grace: int = 1, factor: int = 4) -> None:
        self.space, self.epochs, self.sign = problem.space, problem.epochs, 1 if problem.maximize else -1
        direction = "maximize" if problem.maximize else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=TPESampler(seed=seed))
        self.rungs: dict[int, list[float]] = {}
        epoch = grace
        while epoch < problem.epochs:
            self.rungs[epoch] = []
            epoch *= factor
        self.factor = factor

    def next(self) -> Start | None:
        trial = self.study.ask()
        return Start(trial.number, self.space.suggest(trial))

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        recorded = self.rungs.get(epoch)
        if recorded is None:
            return "continue"
        score = self.sign * value
        recorded.append(score)
        ordered = sorted(recorded)
        # The cutoff is the quantile 1 - 1 / factor, by linear interpolation, of all that reached the rung.
        position = (1 - 1 / self.factor) * (len(ordered) - 1)
        low = int(position)
        high = min(low + 1, len(ordered) - 1)
        cutoff = ordered[low] + (position - low) * (ordered[high] - ordered[low])
        if score < cutoff:
            self.study.tell(
                trial, value
            )  # OptunaSearch tells the last value of a stopped trial as its result
            return "stop"
        return "continue"

    def complete(self, trial: int, value: float) -> None:
        self.study.tell(trial, value)

    def fail(self, trial: int, refused: bool) -> None:
        self.study.tell(trial, state=TrialState.FAIL)


class Ours:
    """The sampler `auto`, and a pruner by its model's forecasts."""

    def __init__(
        self,
        problem: Problem,
        seed: int,
        alpha: float = 0.1,
        share: float = 0.25,
        least: int = 4,
        rank: int = 1,
        pause: bool = True,
        design: int = 8,
    ) -> None:
        self.problem, self.seed = problem, seed
        self.alpha, self.least, self.rank, self.pause, self.design = alpha, least, rank, pause, design
        self.space, self.encoding = problem.space, Encoding(problem.space)
        direction = "maximize" if problem.maximize else "minimize"
        self.study = optuna.create_study(direction=direction)
        self.trials: dict[int, optuna.Trial] = {}
        self.sampled: dict[int, Any] = {}
        self.paused: set[int] = set()
        self.rungs = {epoch for epoch in rungs(problem.epochs)[:-1] if epoch >= share * problem.epochs}

    def history(self) -> History:
        trials = self.study.get_trials(deepcopy=False)
        return history(trials, self.encoding, self.study.direction, self.problem.epochs)

    def accepts(self, sampled: Any) -> bool:
        try:
            self.problem.end(sampled)
        except Refused:
            return False
        except Failed:
            pass
        return True

    def next(self) -> Start | None:
        known = self.history()
        number = len(self.trials)
        if self.paused and len(known) >= self.design:
            resumed = self._resumed(Model(known, self.encoding, stable_seed(self.seed, number)), known)
            if resumed is not None:
                return resumed
        recipes = Recipes(self.problem.epochs, {}, self.accepts)
        auto = Auto(n_startup_trials=self.design)
        self.study.sampler = build(auto, self.space, self.seed, number, (), recipes)
        trial = self.study.ask()
        self.trials[number] = trial
        self.sampled[number] = self.space.suggest(trial)
        return Start(number, self.sampled[number])

    def _resumed(self, model: Model, known: History) -> Start | None:
        lengths = [len(curve.values) for curve in known.curves]
        typical = float(np.mean(lengths[-20:]))
        best, chosen = model.log_gain_of_new() - math.log(typical), None
        for row, number in enumerate(known.curve_numbers):
            if number in self.paused:
                left = self.problem.epochs - lengths[row]
                if (worth := float(model.log_gains()[row]) - math.log(left)) > best:
                    best, chosen = worth, number
        if chosen is None:
            return None
        self.paused.discard(chosen)
        return Start(chosen, self.sampled[chosen])

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        self.trials[trial].report(value, epoch)
        if epoch not in self.rungs:
            return "continue"
        known = self.history()
        if sum(len(curve.values) > epoch for curve in known.curves) < self.least:
            return "continue"
        row = known.curve_numbers.index(trial)
        if Model(known, self.encoding, 0).chances(self.rank)[row] >= self.alpha:
            return "continue"
        self.paused.add(trial)
        if self.pause:
            return "pause"
        self.study.tell(trial, state=TrialState.PRUNED)
        return "stop"

    def complete(self, trial: int, value: float) -> None:
        self.trials[trial].report(value, self.problem.epochs)
        self.study.tell(trial, value)

    def fail(self, trial: int, refused: bool) -> None:
        self.study.tell(trial, state=TrialState.FAIL)


def _optuna(sampler: Callable[[int], BaseSampler], pruner: Callable[[int], BasePruner]) -> Callable[..., Arm]:
    return lambda problem, seed: OptunaArm(problem, sampler(seed), pruner(problem.epochs))


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, warn_independent_sampling=False)


ARMS: dict[str, Callable[[Problem, int], Any]] = {
    "random": _optuna(lambda seed: RandomSampler(seed=seed), lambda epochs: NopPruner()),
    "ray-asha+optuna": lambda problem, seed: RayAsha(problem, seed),
    "ray-asha-3+optuna": lambda problem, seed: RayAsha(problem, seed, 3, 3),
    "tpe": _optuna(_tpe, lambda epochs: NopPruner()),
    "tpe+halving-8": _optuna(
        _tpe, lambda epochs: SuccessiveHalvingPruner(min_resource=8, reduction_factor=3)
    ),
    "tpe+hyperband": _optuna(_tpe, lambda epochs: HyperbandPruner(min_resource=1, max_resource=epochs)),
    "tpe+median": _optuna(_tpe, lambda epochs: MedianPruner()),
    "gp": _optuna(_gp, lambda epochs: NopPruner()),
    "auto": lambda problem, seed: Ours(problem, seed, alpha=0.0),
    "auto+forecast": lambda problem, seed: Ours(problem, seed),
    "gp+median": _optuna(_gp, lambda epochs: MedianPruner()),
}
"""By name: makes an arm for a problem and a seed."""
