"""scikit-learn's estimators and pipelines, judged by cross-validation.

    from trainable.adapters.scikit_learn import CrossValidation

    class Digits(CrossValidation):
        @staticmethod
        def load(folder):
            return load_digits(return_X_y=True)

        def estimator(self):
            return SVC(C=self.recipe["C"])

Each fold is an epoch, and the metric is the mean over the folds so far: the pruner stops a bad recipe after a
few.
"""

from __future__ import annotations

from abc import abstractmethod
from pathlib import Path
from statistics import fmean
from typing import Any, ClassVar

from sklearn.base import clone, is_classifier
from sklearn.metrics import check_scoring
from sklearn.model_selection import KFold, StratifiedKFold

from trainable.torch_training import TorchTraining


class CrossValidation(TorchTraining):
    """One cross-validation. `load` returns inputs [N, …] and targets [N], arrays or data frames, which all
    trials of a machine share. The plan's `epochs`, if it has any, is the number of folds."""

    epochs: ClassVar[int] = 5
    """Number of folds."""
    scoring: ClassVar[Any] = None
    """What scikit-learn calls `scoring`, such as "neg_log_loss"; None for the estimator's own score, accuracy
    or R². Higher is better."""

    @staticmethod
    @abstractmethod
    def load(folder: Path) -> Any: ...

    @abstractmethod
    def estimator(self) -> Any:
        """Returns the estimator or pipeline of `self.recipe`, unfitted."""

    def build(self) -> None:
        self.scores: list[float] = []
        self._inputs, self._targets = self.data
        self._estimator = self.estimator()
        self._scorer = check_scoring(self._estimator, scoring=self.scoring)
        kind = StratifiedKFold if is_classifier(self._estimator) else KFold
        folds = kind(int(self.recipe["epochs"]), shuffle=True, random_state=int(self.recipe["seed"]))
        self._folds = list(folds.split(self._inputs, self._targets))

    def epoch(self) -> dict[str, float]:
        train, validation = self._folds[len(self.scores)]
        fitted = clone(self._estimator).fit(_rows(self._inputs, train), _rows(self._targets, train))
        score = self._scorer(fitted, _rows(self._inputs, validation), _rows(self._targets, validation))
        self.scores = [*self.scores, float(score)]
        return {"score": fmean(self.scores), "fold": float(score)}


def _rows(values: Any, index: Any) -> Any:
    """The rows of an array or a data frame."""
    return values.iloc[index] if hasattr(values, "iloc") else values[index]
