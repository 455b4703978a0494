"""A surrogate model of the search: the score to expect of a recipe, learned from the complete trials.

A random forest (L. Breiman, "Random Forests", Machine Learning 45, 2001, pages 5-32), as in SMAC and fANOVA:
it handles choices and conditions, needs no tuning, and its out-of-bag error shows how good it is.
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
"""Minimum number of complete trials for a model."""

TREES = 128

WEAK = 0.3
"""R² below which predictions are not reliable: less than a third of the scores' variance."""

BACKGROUND = 128
"""Maximum number of trials, evenly spaced, over which a partial dependence is averaged."""


class Prediction(NamedTuple):
    """The trees' predictions for N recipes, in the metric's unit."""

    trees: Floats
    """float64 [trees, N]."""

    @property
    def mean(self) -> Floats:
        """Mean over the trees: float64 [N]."""
        mean: Floats = self.trees.mean(axis=0)
        return mean

    @property
    def deviation(self) -> Floats:
        """Standard deviation over the trees: float64 [N]."""
        deviation: Floats = self.trees.std(axis=0)
        return deviation


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A forest over the hyperparameters that varied in the complete trials."""

    metric: Metric
    """The metric of the scores."""
    encoding: Encoding
    """The hyperparameters as columns."""
    trials: tuple[Trial, ...]
    """The training data, by number."""
    rows: Floats
    """Their encoded hyperparameters: float64 [trials, columns]."""
    r_squared: float
    """Out-of-bag share of the scores' variance explained, at most 1; 0 or less: no better than the mean."""
    forest: Any
    """A scikit-learn RandomForestRegressor."""

    @property
    def weak(self) -> bool:
        """Whether it explains too little variance for reliable predictions."""
        return self.r_squared < WEAK

    def predict(self, settings: Sequence[Mapping[str, Any]]) -> Prediction:
        """Predict recipes, each given by the hyperparameters it samples, by name."""
        rows = self.encoding.rows(settings).astype(np.float32)
        # scikit-learn's check of the rows, once a tree, would take most of the time.
        return Prediction(
            np.array([tree.predict(rows, check_input=False) for tree in self.forest.estimators_])
        )

    @cached_property
    def tree_leaves(self) -> tuple[Leaves, ...]:
        """The leaves of each tree."""
        return tuple(leaves(tree.tree_) for tree in self.forest.estimators_)

    def dependence(self, x: str, x_values: Sequence[Any], y: str, y_values: Sequence[Any]) -> Floats:
        """The mean prediction if two hyperparameters, x and y, have these values and all others are as in the
        trials that sampled both: float64 [y values, x values].

        Partial dependence (J. H. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Ann.
        Stat. 29, 2001, section 8.2), an exact sum over the trees' leaves. Raises ValueError if no trial
        sampled both.
        """
        background = self.rows[[x in trial.sampled and y in trial.sampled for trial in self.trials]]
        if not len(background):
            raise ValueError(f"a trial must sample both hyperparameters, but none has {x} and {y}")
        evenly = np.unique(np.linspace(0, len(background) - 1, BACKGROUND).round().astype(int))
        background = background[evenly]
        x_columns, y_columns = self.encoding.columns(x), self.encoding.columns(y)
        others = [at for at in range(background.shape[1]) if at not in x_columns and at not in y_columns]
        x_rows = self.encoding.rows([{x: value} for value in x_values])
        y_rows = self.encoding.rows([{y: value} for value in y_values])
        total = np.zeros((len(y_values), len(x_values)))
        for tree in self.tree_leaves:
            weighted = tree.value * tree.containing_all(others, background).mean(axis=1)
            along_x = tree.containing_all(x_columns, x_rows) * weighted[:, None]
            total += tree.containing_all(y_columns, y_rows).T @ along_x
        return total / len(self.tree_leaves)


@once_per_sweep
def surrogate(sweep: Sweep) -> Surrogate | str:
    """The model, or the reason why there is none. The same sweep gives the same model."""
    complete = complete_trials(sweep)
    if len(complete) < FEWEST:
        return f"A model of the scores needs at least {FEWEST} complete trials; there {_are(len(complete))}."
    if len({trial.score for trial in complete}) == 1:
        return "Every complete trial has the same score, so there is nothing to model."
    varying = tuple(scale for scale in scales(sweep) if varies(scale, complete))
    if not varying:
        return "No hyperparameter varied, so there is nothing to model the scores by."
    from sklearn.ensemble import RandomForestRegressor  # takes half a second; a page may need none

    encoding = encoding_of(varying, complete)
    rows = encoding.rows([trial.sampled for trial in complete])
    forest = RandomForestRegressor(n_estimators=TREES, oob_score=True, random_state=0, n_jobs=1)
    forest.fit(rows, scores_of(complete))
    return Surrogate(sweep.metric, encoding, tuple(complete), rows, steady(forest.oob_score_), forest)


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"


def complete_trials(sweep: Sweep) -> list[Trial]:
    """The complete trials, by number."""
    return [trial for trial in trained(sweep) if trial.state is State.COMPLETE and trial.score is not None]


def scores_of(trials: Sequence[Trial]) -> Floats:
    """Their scores, float64 [N]."""
    return np.array([trial.score for trial in trials], dtype=np.float64)


def varies(scale: Scale, trials: Sequence[Trial]) -> bool:
    """Whether the hyperparameter took more than one value."""
    return len({setting(trial.sampled[scale.name]) for trial in trials if scale.name in trial.sampled}) > 1


def encoding_of(varying: Sequence[Scale], trials: Sequence[Trial]) -> Encoding:
    """These hyperparameters as columns; conditional if some of the trials did not sample them."""
    partly = [scale.name for scale in varying if not all(scale.name in trial.sampled for trial in trials)]
    return Encoding(tuple(varying), frozenset(partly))


def fit_quality(r_squared: float) -> str:
    """How good the model is: "explains 71 % of the variance of unseen scores"."""
    share = f"{100 * r_squared:.0f} %" if r_squared > 0 else "none"
    return f"explains {share} of the variance of unseen scores"
