"""The ways to search that are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, SuccessiveHalvingPruner
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import TrialState

from efficiency.clock import Arm, Start, Verdict
from efficiency.problem import Problem
from search.plan.pruner import Forecast, NoPruner, Pruner
from search.plan.sampler import Auto
from search.sampling import pruners, samplers
from search.sampling.forecast import ForecastPruner
from search.sampling.recipes import Recipes


class OptunaArm:
    """A sampler and a pruner of Optuna's."""

    def __init__(self, problem: Problem, sampler: BaseSampler, pruner: BasePruner) -> None:
        self.space, self.epochs = problem.space, problem.epochs
        direction = "maximize" if problem.maximize else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=sampler, pruner=pruner)
        self.trials: dict[int, optuna.Trial] = {}

    def next(self) -> Start:
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
    """Ray's ASHAScheduler beside its OptunaSearch, which tells TPE the last value of a stopped trial as if it
    had ended there."""

    def __init__(self, problem: Problem, seed: int, grace: int = 1, factor: int = 4) -> None:
        self.space, self.sign = problem.space, 1 if problem.maximize else -1
        direction = "maximize" if problem.maximize else "minimize"
        self.study = optuna.create_study(direction=direction, sampler=TPESampler(seed=seed))
        self.factor = factor
        self.rungs: dict[int, list[float]] = {}
        epoch = grace
        while epoch <= problem.epochs:
            self.rungs[epoch] = []
            epoch *= factor

    def next(self) -> Start | None:
        trial = self.study.ask()
        return Start(trial.number, self.space.suggest(trial))

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        recorded = self.rungs.get(epoch)
        if recorded is None:
            return "continue"
        score = self.sign * value
        # The cutoff is that of the trials before it; the first always continues.
        stopped = bool(recorded) and score < np.nanpercentile(recorded, (1 - 1 / self.factor) * 100)
        recorded.append(score)
        if stopped:
            self.study.tell(trial, value)
        return "stop" if stopped else "continue"

    def complete(self, trial: int, value: float) -> None:
        self.study.tell(trial, value)

    def fail(self, trial: int, refused: bool) -> None:
        self.study.tell(trial, state=TrialState.FAIL)


class Ours(OptunaArm):
    """Our sampler `auto`, built for each trial as a search does it, beside one of our pruners."""

    def __init__(self, problem: Problem, seed: int, pruner: Pruner) -> None:
        self.pruner = pruners.build(pruner, problem.epochs, problem.space)
        super().__init__(problem, RandomSampler(seed=seed), self.pruner)
        self.seed = seed
        self.recipes = Recipes(epochs=problem.epochs, accepts=problem.accepts)
        self.sampled: dict[int, Any] = {}
        self.paused: set[int] = set()

    def next(self) -> Start:
        if self.paused:
            assert isinstance(self.pruner, ForecastPruner)
            trials = self.study.get_trials(deepcopy=False)
            number = self.pruner.most_promising(trials, self.study.direction, self.paused, new=True)
            if number is not None:
                self.paused.remove(number)
                return Start(number, self.sampled[number])
        started = len(self.trials)
        self.study.sampler = samplers.build(Auto(), self.space, self.seed, started, (), self.recipes)
        start = super().next()
        self.sampled[start.trial] = start.params
        return start

    def report(self, trial: int, epoch: int, value: float) -> Verdict:
        self.trials[trial].report(value, epoch)
        if not self.trials[trial].should_prune():
            return "continue"
        self.paused.add(trial)
        return "stop"


def _optuna(sampler: Callable[[int], BaseSampler], pruner: Callable[[int], BasePruner]) -> Callable[..., Arm]:
    return lambda problem, seed: OptunaArm(problem, sampler(seed), pruner(problem.epochs))


def _tpe(seed: int) -> BaseSampler:
    return TPESampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    return GPSampler(seed=seed, warn_independent_sampling=False)


ARMS: dict[str, Callable[[Problem, int], Arm]] = {
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
    "gp+median": _optuna(_gp, lambda epochs: MedianPruner()),
    "auto": lambda problem, seed: Ours(problem, seed, NoPruner()),
    "auto+forecast": lambda problem, seed: Ours(problem, seed, Forecast()),
    "auto+forecast-4": lambda problem, seed: Ours(problem, seed, Forecast(among=4)),
}
"""By name: makes an arm for a problem and a seed."""
