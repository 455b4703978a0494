"""The ablation path: the changes from the default recipe to the best one, the largest gain first."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from reports.analysis.winner import chosen_trial
from reports.formatting.wording import NOTHING, listing, setting, steady
from reports.importance.encoding import is_outside
from reports.importance.surrogate import Surrogate, surrogate
from reports.statistics.intervals import spread
from search.records.confirmation import Candidate
from search.records.sweep import Sweep, Trial
from trainable.contract import Metric


class Change(NamedTuple):
    """A hyperparameter's value before and after a step, as text."""

    name: str
    before: str
    """ "–" if it is not sampled before."""
    after: str
    """ "–" if it is not sampled after."""


class Step(NamedTuple):
    """One point of the path; the first one is the default recipe."""

    changes: tuple[Change, ...]
    """The changed hyperparameter, then the conditional ones that are sampled or no longer sampled because of
    it; empty at the default recipe."""
    predicted: float
    """The model's mean prediction, in the metric's unit."""
    deviation: float
    """Standard deviation of the trees' predictions, in the metric's unit."""
    gain: float
    """Predicted improvement on the step before, above 0 for better, in the metric's unit."""
    low: float
    """The 2.5 % quantile of the trees' gains."""
    high: float
    """The 97.5 % quantile of the trees' gains."""


class MeasuredScore(NamedTuple):
    """The score of one end of the path with fresh seeds, in the metric's unit."""

    seeds: int
    """1 or more."""
    mean: float
    """Over the seeds."""
    low: float
    """End of the mean's 95 % interval by Student's t; the mean itself for one seed."""
    high: float
    """End of the mean's 95 % interval by Student's t; the mean itself for one seed."""


class Ablation(NamedTuple):
    """The path from the default recipe to the chosen trial's."""

    metric: Metric
    trial: int
    """Number of the chosen trial."""
    steps: tuple[Step, ...]
    """In order, the default recipe first."""
    start: MeasuredScore | None
    """The default recipe's score; None if it was not trained with fresh seeds."""
    end: MeasuredScore | None
    """The chosen recipe's score; None if it was not trained with fresh seeds. Everything between the two
    ends is predicted."""
    beyond: tuple[str, ...]
    """Hyperparameters whose default lies outside the searched values, so that the model predicts as for the
    nearest searched one."""
    r_squared: float
    """See `Surrogate`."""

    @property
    def order(self) -> tuple[int, ...]:
        """Indices in `steps` of the changes, the one with the largest gain first."""
        return tuple(sorted(range(1, len(self.steps)), key=lambda index: (-self.steps[index].gain, index)))


def ablation(sweep: Sweep) -> Ablation | str:
    """Returns the path, or why there is none.

    From the default recipe, the hyperparameter with the largest predicted gain is changed to the best
    recipe's value, then the next one, until the recipes are equal: C. Fawcett, H. Hoos, "Analysing
    differences between algorithm configurations through ablation", J. Heuristics 22 (2016), pages 431-458,
    with a model's predictions in place of runs: A. Biedenkapp et al., "Efficient Parameter Importance
    Analysis via Ablation with Surrogates", AAAI 2017, pages 773-779. A conditional hyperparameter changes
    together with the one that it depends on. The default recipe comes from the confirmation, where it was
    trained: the plan has only the fixed values, and its trainable's defaults may have changed since.
    """
    ends = _ends(sweep)
    if isinstance(ends, str):
        return ends
    reference, candidate, best = ends
    model = surrogate(sweep)
    if isinstance(model, str):
        return model
    scales = {scale.name: scale for scale in model.encoding.scales}
    target = {name: value for name, value in best.sampled.items() if name in scales}
    conditions = _conditions(sweep, model)
    missing = [name for name, when in conditions.items() if not when and name not in reference.recipe]
    if missing:
        return f"The record of the default recipe lacks {listing(missing)}, so there is no path from it."
    begin = _sampled(conditions, reference.recipe)
    steps = _path(model, conditions, begin, target)
    if len(steps) == 1:
        return "The best recipe has the default's value in every hyperparameter that the model knows."
    return Ablation(
        metric=sweep.metric,
        trial=best.number,
        steps=tuple(steps),
        start=_measured(reference),
        end=_measured(candidate),
        beyond=tuple(name for name, value in begin.items() if is_outside(scales[name], value)),
        r_squared=model.r_squared,
    )


def _ends(sweep: Sweep) -> tuple[Candidate, Candidate, Trial] | str:
    """The default recipe, the chosen candidate and its trial, or why one of them is not known."""
    confirmation = sweep.confirmation
    if confirmation is None:
        return (
            "The default recipe was not trained together with the best trials, so it is not on record; a "
            "confirmation trains it."
        )
    chosen = chosen_trial(sweep)
    if chosen is None:
        return "The confirmation has no winner yet, so there is no path to it from the default recipe."
    if chosen[0] is None:
        return "The default recipe itself was chosen, so there is no change to explain."
    reference = confirmation.reference
    if reference is None:
        return "The default recipe is not among the candidates, so there is no path from it to the best one."
    best = next((trial for trial in sweep.trials if trial.number == chosen[0]), None)
    if best is None:
        return f"Trial {chosen[0]} is not on record."
    own = next(candidate for candidate in confirmation.candidates if candidate.trial == best.number)
    return reference, own, best


Conditions = Mapping[str, Mapping[str, frozenset[str]]]
"""For each hyperparameter of the model, the values of its parents with which it is sampled."""


def _conditions(sweep: Sweep, model: Surrogate) -> Conditions:
    """As in the current plan; parents outside its space are fixed, and therefore left out."""
    space = sweep.plan.space
    return {
        scale.name: {
            parent: frozenset(map(setting, values))
            for parent, values in (space[scale.name].when.items() if scale.name in space else ())
            if parent in space
        }
        for scale in model.encoding.scales
    }


def _sampled(conditions: Conditions, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the space would sample together."""

    def is_sampled(name: str) -> bool:
        return name in values and all(
            setting(values.get(parent)) in allowed and (parent not in conditions or is_sampled(parent))
            for parent, allowed in conditions[name].items()
        )

    return {name: values[name] for name in conditions if is_sampled(name)}


def _path(
    model: Surrogate, conditions: Conditions, begin: Mapping[str, Any], target: Mapping[str, Any]
) -> list[Step]:
    """Greedily, the largest predicted gain first; equal ones in the plan's order."""
    sign = model.metric.sign
    now = dict(begin)
    before = model.predict([now]).trees[:, 0]
    steps = [Step((), steady(before.mean()), steady(before.std()), 0.0, 0.0, 0.0)]
    while left := [name for name in now if name in target and _differ(now[name], target[name])]:
        options = [_sampled(conditions, {**target, **now, name: target[name]}) for name in left]
        trees = model.predict(options).trees
        largest = int((sign * trees.mean(axis=0)).argmax())
        changes = _changes(conditions, now, options[largest], left[largest])
        steps.append(_step(changes, before, trees[:, largest], sign))
        now, before = options[largest], trees[:, largest]
    return steps


def _changes(
    conditions: Conditions, old: Mapping[str, Any], new: Mapping[str, Any], first: str
) -> tuple[Change, ...]:
    """What differs between the two, the hyperparameter `first` before the ones that depend on it."""
    changed = [
        name
        for name in conditions
        if (name in old) != (name in new) or (name in old and _differ(old[name], new[name]))
    ]
    changed.sort(key=lambda name: name != first)
    return tuple(Change(name, _value_text(old, name), _value_text(new, name)) for name in changed)


def _value_text(values: Mapping[str, Any], name: str) -> str:
    return setting(values[name]) if name in values else NOTHING


def _differ(one: Any, other: Any) -> bool:
    """Whether two values differ as text."""
    return setting(one) != setting(other)


def _step(
    changes: tuple[Change, ...], before: NDArray[np.float64], after: NDArray[np.float64], sign: float
) -> Step:
    """before, after: the trees' predictions, float64 [trees]."""
    gains = sign * (after - before)
    low, high = np.quantile(gains, [0.025, 0.975])
    return Step(
        changes=changes,
        predicted=steady(after.mean()),
        deviation=steady(after.std()),
        gain=steady(gains.mean()),
        low=steady(low),
        high=steady(high),
    )


def _measured(candidate: Candidate) -> MeasuredScore | None:
    if not candidate.scores:
        return None
    mean, deviation, seeds = spread(candidate.scores)
    reach = 0.0
    if deviation is not None:
        reach = float(special.stdtrit(seeds - 1, 0.975)) * deviation / math.sqrt(seeds)
    return MeasuredScore(seeds, mean, mean - reach, mean + reach)
