"""The [constraints] table: bounds of reported metrics, and rules between hyperparameters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict, Field, model_validator

from search.plan.fault import Fault, KeyPath, hint_clause
from search.plan.rules import BadRule, Rule
from search.plan.table import Table
from trainable.contract import Metric
from trainable.epoch import Epoch

MOST = 1e9
"""The excess of a trial that did not report a bounded metric."""


class Bound(Table):
    """Limits of a metric, both included."""

    min: float | None = None
    """Lowest value; unlimited if left out."""
    max: float | None = None
    """Highest value; unlimited if left out."""

    @model_validator(mode="after")
    def _bounded(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("must have min, max or both, but has neither")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min <= max must hold, but got min {self.min} and max {self.max}")
        return self

    def margins(self, value: float) -> list[float]:
        """By how much the value is beyond each limit, as a share of the limit; at most 0 where it is kept."""
        beyond = []
        if self.max is not None:
            beyond.append((value - self.max) / (abs(self.max) or 1.0))
        if self.min is not None:
            beyond.append((self.min - value) / (abs(self.min) or 1.0))
        return beyond

    def in_words(self, name: str) -> str:
        """ "latency_ms <= 5"."""
        limits = [f"{name} <= {self.max:g}"] if self.max is not None else []
        return " and ".join([*limits, *([f"{name} >= {self.min:g}"] if self.min is not None else [])])


class Constraints(Table):
    """What a trial must keep to be chosen. Each key but `rules` is a metric that the training reports, with
    its bound, as in latency_ms = { max = 5 }."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Bound] = Field(init=False)

    rules: list[str] = Field(default=[], max_length=50)
    """Rules between hyperparameters, as in ["a + b <= 0.8"]. Recipes that break one are not trained."""

    @property
    def bounds(self) -> Mapping[str, Bound]:
        """The bounds by the name of the metric."""
        return self.__pydantic_extra__ or {}

    def __bool__(self) -> bool:
        return bool(self.rules or self.bounds)

    def check_rules(self, recipe: Mapping[str, Any]) -> None:
        """Raises RuleBroken for a recipe, its fields as plain values, that breaks a rule, and BadRule."""
        for rule in self.rules:
            Rule.parse(rule).check(recipe)

    def faults(self, recipe: Mapping[str, Any], path: KeyPath = ("constraints",)) -> list[Fault]:
        """The reasons why the rules are none for recipes like this one, the default."""
        found = []
        for text in self.rules:
            try:
                rule = Rule.parse(text)
                unknown = [name for name in rule.names if name not in recipe]
                for name in unknown:
                    near = hint_clause(name, recipe)
                    found.append(Fault((*path, "rules"), f"{text!r}: {name} is no hyperparameter{near}"))
                if not unknown:
                    rule.holds(recipe)
            except BadRule as error:
                found.append(Fault((*path, "rules"), f"{text!r} {error}"))
        return found

    def values(self, epochs: Sequence[Epoch], metric: Metric) -> dict[str, float | None]:
        """The bounded metrics of a trial with these epochs: after the epoch that gives it its score, or the
        last one before it that has the metric; None where none has."""
        if not epochs:
            return dict.fromkeys(self.bounds)
        last = metric.taken(epochs).number
        seen = [epoch.metrics for epoch in epochs if epoch.number <= last]
        return {
            name: next((each[name] for each in reversed(seen) if name in each), None) for name in self.bounds
        }

    def margins(self, values: Mapping[str, float | None]) -> list[float]:
        """By how much each limit is broken, as a share of it: at most 0 where it is kept, infinity where the
        metric was not reported."""
        margins: list[float] = []
        for name, bound in self.bounds.items():
            value = values.get(name)
            margins += [math.inf] if value is None else bound.margins(value)
        return margins

    def excess(self, values: Mapping[str, float | None]) -> float:
        """The sum of what is broken, as shares of the limits, at most `MOST`; 0 if all bounds are kept."""
        return min(sum(max(0.0, margin) for margin in self.margins(values)), MOST)

    def broken(self, values: Mapping[str, float | None]) -> list[str]:
        """A sentence for each bound that is not kept: "latency_ms <= 5 must hold, but it is 7.2"."""
        sentences = []
        for name, bound in self.bounds.items():
            value = values.get(name)
            if value is None:
                sentences.append(f"{bound.in_words(name)} must hold, but {name} was not reported")
            elif any(margin > 0 for margin in bound.margins(value)):
                sentences.append(f"{bound.in_words(name)} must hold, but it is {value:.4g}")
        return sentences
