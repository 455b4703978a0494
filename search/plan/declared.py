"""What a plan says of a trainable that does not say it itself: its metric and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from search.plan.fault import Fault, shown
from search.plan.setting import ChoiceSetting, Setting
from search.plan.space import Space
from search.plan.table import Table
from trainable.contract import Direction, Metric
from trainable.function import Declaration


class MetricTable(Table):
    """What a search optimizes."""

    name: str = Field(min_length=1)
    """One of the metrics that the function yields or returns."""
    direction: Direction
    """Whether higher or lower values are better."""
    unit: str = ""
    """ "share" for a value in 0..1, shown as a percentage; any other word is shown after the value."""

    @classmethod
    def of(cls, metric: Metric) -> MetricTable:
        """The table of a metric."""
        return cls(name=metric.name, direction=metric.direction, unit=metric.unit)

    @property
    def metric(self) -> Metric:
        """The same as trainables have it."""
        return Metric(self.name, self.direction, self.unit)

    def contradictions(self, metric: Metric, trainable: str) -> list[Fault]:
        """A fault for each key that is not as in the METRIC of the trainable's module."""
        return [
            Fault(
                ("metric", key),
                f"must be left out or be {shown(getattr(metric, key))}, as in METRIC of {trainable}, but got "
                f"{shown(getattr(self, key))}",
            )
            for key in sorted(self.model_fields_set)
            if getattr(self, key) != getattr(metric, key)
        ]


def declaration(recipe: object, space: Space, metric: MetricTable | None) -> Declaration:
    """What the tables of a plan say. recipe: the [recipe] table."""
    fixed = dict(recipe) if isinstance(recipe, Mapping) else {}
    searched = {name: _middle(setting) for name, setting in space.settings.items()}
    return Declaration({**searched, **fixed}, None if metric is None else metric.metric)


def _middle(setting: Setting) -> Any:
    """The value of a hyperparameter in the default recipe, where nobody says another: the first choice, or
    the middle of the range."""
    if isinstance(setting, ChoiceSetting):
        return setting.choices[0]
    points = setting.grid(3)
    return points[len(points) // 2]
