"""What a plan says of a trainable that does not say it itself: its metric and its hyperparameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from search.plan.budget import ConfirmationSettings
from search.plan.fault import Fault, shown
from search.plan.setting import ChoiceSetting, Setting
from search.plan.space import Space
from search.plan.table import Table
from trainable.contract import Direction, Metric, Take, Trainable, attribute_of, has_test_split
from trainable.function import Declaration


class MetricTable(Table):
    """What a search optimizes."""

    name: str | None = Field(default=None, min_length=1)
    """One of the metrics that the function yields or returns, which must be named."""
    direction: Direction | None = None
    """Whether higher or lower values are better: maximize or minimize. Needed for a function."""
    unit: str = ""
    """ "share" for a value in 0..1, shown as a percentage; any other word is shown after the value."""
    take: Take | None = None
    """last: a trial's score and its model are those after its last epoch. best: those after the epoch with
    the best metric; its weights are what is confirmed, saved and reproduced. If left out: as METRIC of the
    trainable says, else last."""

    @classmethod
    def of(cls, metric: Metric, take: Take | None) -> MetricTable:
        """The table of a metric. take: as it was written; None if it was left out."""
        return cls(name=metric.name, direction=metric.direction, unit=metric.unit, take=take)

    @property
    def metric(self) -> Metric | None:
        """The same as trainables have it; None without a name or a direction."""
        if self.name is None or self.direction is None:
            return None
        return Metric(self.name, self.direction, self.unit, self.take or "last")

    def applied(self, metric: Metric) -> Metric:
        """The METRIC of a module, as this table changes it."""
        return metric if self.take is None else replace(metric, take=self.take)

    def contradictions(self, metric: Metric, trainable: str) -> list[Fault]:
        """A fault for each key that is not as in the METRIC of the trainable's module."""
        return [
            Fault(
                ("metric", key),
                f"must be left out or be {shown(getattr(metric, key))}, as in METRIC of {trainable}, but got "
                f"{shown(getattr(self, key))}",
            )
            for key in sorted(self.model_fields_set - {"take"})
            if getattr(self, key) != getattr(metric, key)
        ]


def opens_test_split(confirmation: ConfirmationSettings, trainable: str) -> bool:
    """Whether the winners of a recorded plan are evaluated on a test split. Imports nothing."""
    if confirmation.test is not None:
        return confirmation.test
    return attribute_of(trainable) is None  # a function has none, and a plan says so of any other


def confirmation_for(
    settings: ConfirmationSettings, module: Trainable, trainable: str
) -> tuple[ConfirmationSettings, list[Fault]]:
    """The [confirmation] table, where `test` is spelled out unless the name of the trainable says it."""
    has = has_test_split(module)
    if settings.test and not has:
        rule = f"must be left out or be false, since {trainable} has no test split, but got true"
        return settings, [Fault(("confirmation", "test"), rule)]
    if settings.test is None and has != opens_test_split(settings, trainable):
        return settings.model_copy(update={"test": has}), []
    return settings, []


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
