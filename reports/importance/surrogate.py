"""A model of the search: what score a recipe can be expected to have, from those that were trained.

A random forest (L. Breiman, "Random Forests", Machine Learning 45, 2001, pages 5-32), as SMAC's and fANOVA's:
it takes choices and conditions, needs no tuning, and is honest about itself through the trials that each
tree has not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from reports.analysis.once import once_per_sweep
from reports.analysis.ranking import trained
from reports.analysis.scale import Scale, scales
from reports.formatting.wording import setting, steady
from reports.importance.encoding import Encoding
from reports.importance.leaves import Leaves, leaves
from reports.statistics.arrays import Floats
from search.records.sweep import State, Sweep, Trial
from trainable.contract import Metric

FEWEST = 8
"""Complete trials below which a model would be a guess."""

TREES = 128

WEAK = 0.3
"""R² below which the model says little: less than a third of what the scores vary by."""

BACKGROUND = 128
"""Trials at most over which a partial dependence is averaged, evenly taken from all of them."""


class Prediction(NamedTuple):
    """What the trees say of N recipes, in the metric's unit. trees: float64 [trees, N]."""

    trees: Floats

    @property
    def mean(self) -> Floats:
        """float64 [N]."""
        mean: Floats = self.trees.mean(axis=0)
        return mean

    @property
    def deviation(self) -> Floats:
        """Over the trees: float64 [N]."""
        deviation: Floats = self.trees.std(axis=0)
        return deviation


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A forest over the settings that took more than one value in the complete trials.

    r_squared: its share of the scores' variance explained, at most 1, on trials that the trees asked had not
    seen (out of bag); 0 and less: no better than the mean. trials: those it learned from, by number.
    encoding: their settings as columns. rows: float64 [trials, columns]. forest: scikit-learn's.
    """

    metric: Metric
    encoding: Encoding
    trials: tuple[Trial, ...]
    rows: Floats
    r_squared: float
    forest: Any

    @property
    def weak(self) -> bool:
        """Whether it explains so little that its predictions are not to be relied on."""
        return self.r_squared < WEAK

    def predict(self, settings: Sequence[Mapping[str, Any]]) -> Prediction:
        """Of recipes: of each the settings that it would have been asked for, by name."""
        rows = self.encoding.rows(settings).astype(np.float32)
        return Prediction(np.array([grown.predict(rows) for grown in self.forest.estimators_]))

    @cached_property
    def grown(self) -> tuple[Leaves, ...]:
        """The leaves of each tree."""
        return tuple(leaves(each.tree_) for each in self.forest.estimators_)

    def dependence(self, across: str, along: Sequence[Any], up: str, upward: Sequence[Any]) -> Floats:
        """The mean prediction where two settings have the values `along` and `upward`, and all others are as
        in the trials that were asked for both: float64 [upward, along].

        Partial dependence (J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Ann.
        Stat. 29, 2001, section 8.2), an exact sum over the trees' leaves. Raises ValueError where no trial
        was asked for both.
        """
        asked = [across in trial.sampled and up in trial.sampled for trial in self.trials]
        behind = self.rows[asked]
        if not len(behind):
            raise ValueError(f"a trial must have both settings, but none has {across} and {up}")
        behind = behind[np.unique(np.linspace(0, len(behind) - 1, BACKGROUND).round().astype(int))]
        first, second = self.encoding.columns(across), self.encoding.columns(up)
        others = [at for at in range(behind.shape[1]) if at not in first and at not in second]
        along_rows = self.encoding.rows([{across: value} for value in along])
        up_rows = self.encoding.rows([{up: value} for value in upward])
        told = np.zeros((len(upward), len(along)))
        for tree in self.grown:
            weighed = tree.value * tree.holding_all(others, behind).mean(axis=1)
            lengthwise = tree.holding_all(first, along_rows) * weighed[:, None]
            told += tree.holding_all(second, up_rows).T @ lengthwise
        return told / len(self.grown)


@once_per_sweep
def surrogate(sweep: Sweep) -> Surrogate | str:
    """The model, or why there is none. The same sweep gives the same model."""
    complete = complete_trials(sweep)
    if len(complete) < FEWEST:
        return f"A model of the scores needs at least {FEWEST} complete trials; there {_are(len(complete))}."
    if len({trial.score for trial in complete}) == 1:
        return "Every complete trial has the same score, so there is nothing to model."
    moving = tuple(scale for scale in scales(sweep) if varies(scale, complete))
    if not moving:
        return "No setting took more than one value, so the scores cannot be modelled by any."
    from sklearn.ensemble import RandomForestRegressor  # half a second that a page without figures saves

    encoding = encoding_of(moving, complete)
    rows = encoding.rows([trial.sampled for trial in complete])
    forest = RandomForestRegressor(n_estimators=TREES, oob_score=True, random_state=0, n_jobs=1)
    forest.fit(rows, scores_of(complete))
    return Surrogate(sweep.metric, encoding, tuple(complete), rows, steady(forest.oob_score_), forest)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def complete_trials(sweep: Sweep) -> list[Trial]:
    """Those trained to their end, by number."""
    return [each for each in trained(sweep) if each.state is State.COMPLETE and each.score is not None]


def scores_of(trials: Sequence[Trial]) -> Floats:
    """Their scores, float64 [N]."""
    return np.array([trial.score for trial in trials], dtype=np.float64)


def varies(scale: Scale, trials: Sequence[Trial]) -> bool:
    """Whether the setting took more than one value."""
    return len({setting(trial.sampled[scale.name]) for trial in trials if scale.name in trial.sampled}) > 1


def encoding_of(moving: Sequence[Scale], trials: Sequence[Trial]) -> Encoding:
    """These settings as columns; conditional where some of the trials were not asked."""
    partly = [scale.name for scale in moving if not all(scale.name in trial.sampled for trial in trials)]
    return Encoding(tuple(moving), frozenset(partly))


def fit_quality(r_squared: float) -> str:
    """How far it is to be believed: "explains 71 % of the variance of scores it had not seen"."""
    share = f"{100 * r_squared:.0f} %" if r_squared > 0 else "none"
    return f"explains {share} of the variance of scores it had not seen"
