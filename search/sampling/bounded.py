"""Trials that break a bound, as each sampler and each pruner understands them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence

from optuna.trial import FrozenTrial, TrialState

from search.plan.constraints import MOST
from search.plan.sampler import Cmaes, Gp, Sampler, Tpe

Margins = Callable[[FrozenTrial], Sequence[float]]
"""By how much each bound is broken, as a share of it: at most 0 where it is kept; empty if it is unknown."""
KEY = "constraints"
"""Optuna's own name of the system attribute that holds them, which its GP sampler reads."""


def no_margins(trial: FrozenTrial) -> Sequence[float]:
    """For a search without bounds."""
    return ()


class BoundedTrials:
    """Converts trials for a sampler."""

    def __init__(self, sampler: Sampler, margins: Margins, sign: float) -> None:
        """sign: 1 if higher scores are better, else -1."""
        self._sampler, self._margins, self._sign = sampler, margins, sign
        self._converted: dict[int, tuple[FrozenTrial, FrozenTrial]] = {}

    def __call__(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The trials as the sampler is to see them. Those of an earlier call are the same objects again."""
        if self._margins is no_margins:
            return trials
        shown = []
        for trial in trials:
            known = self._converted.get(trial.number)
            if known is None or known[0] is not trial:
                known = self._converted[trial.number] = (trial, self._shown(trial))
            shown.append(known[1])
        return self._penalized(shown) if isinstance(self._sampler, Cmaes) else shown

    def _shown(self, trial: FrozenTrial) -> FrozenTrial:
        # In a strict order the epochs of a trial may be hidden.
        margins = list(self._margins(trial)) if trial.intermediate_values else []
        if not margins:
            return trial
        shown = copy.copy(trial)
        shown.system_attrs = {**trial.system_attrs, KEY: [min(margin, MOST) for margin in margins]}
        excess = min(sum(max(0.0, margin) for margin in margins), MOST)
        if not excess:
            return shown
        if isinstance(self._sampler, Tpe) and trial.state in (TrialState.COMPLETE, TrialState.PRUNED):
            # TPE ranks pruned trials by their last step, and then by their value there: behind all that keep
            # the bounds, those that break them least first.
            shown.state, shown.value = TrialState.PRUNED, None
            shown.intermediate_values = {0: -self._sign * excess}
        if isinstance(self._sampler, Gp) and not all(map(math.isfinite, margins)):
            shown.state, shown.value = TrialState.FAIL, None
        return shown

    def _penalized(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        """The complete trials that break a bound, with values behind all others: CMA-ES knows no bounds."""
        complete = [trial for trial in trials if trial.state is TrialState.COMPLETE]
        values = [trial.value for trial in complete if trial.value is not None]
        if not values:
            return trials
        worst, spread = min(self._sign * value for value in values), (max(values) - min(values)) or 1.0
        shown = []
        for trial in trials:
            excess = sum(max(0.0, margin) for margin in trial.system_attrs.get(KEY, ()))
            if excess and trial.state is TrialState.COMPLETE:
                trial = copy.copy(trial)
                trial.value = self._sign * (worst - spread * (1.0 + math.log1p(excess)))
            shown.append(trial)
        return shown


def set_aside(trial: FrozenTrial) -> FrozenTrial:
    """A trial that breaks a bound, as pruners see it: no other is compared with it."""
    aside = copy.copy(trial)
    if trial.state is TrialState.COMPLETE:
        aside.state = TrialState.PRUNED
    kept = {key: value for key, value in trial.system_attrs.items() if not key.startswith("completed_rung")}
    aside.system_attrs = {**kept, KEY: [1.0]}
    return aside
