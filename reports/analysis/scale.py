"""The axis of one sampled hyperparameter: a linear or logarithmic range, or a list of choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from reports.analysis.trials_frame import sampled_settings
from reports.formatting.wording import setting
from search.plan.setting import ChoiceSetting, Setting
from search.records.sweep import Sweep


class Scale(NamedTuple):
    """The axis of a hyperparameter."""

    name: str
    """The hyperparameter's."""
    low: float
    """Lower end of a numeric range, widened to every value that occurred; 0 for choices."""
    high: float
    """Upper end; the last index for choices."""
    log: bool
    """Whether it is sampled on a logarithmic scale; then low > 0."""
    integer: bool
    """Whether only integers are sampled."""
    choices: tuple[str, ...]
    """Labels of a categorical hyperparameter, in the plan's order; empty for a number."""

    @property
    def starts_at_zero(self) -> bool:
        """Whether the range begins at 0, which is assumed to be a natural limit."""
        return self.low == 0

    def position(self, value: Any) -> float:
        """The value's position on the axis: the number itself, or the choice's index."""
        return float(self.choices.index(setting(value)) if self.choices else value)

    def share(self, value: Any) -> float:
        """The value's position between the ends of the axis, 0..1; 0.5 for an axis of one point."""
        low, high, at = self.low, self.high, self.position(value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return 0.5 if high <= low else (at - low) / (high - low)


def scales(sweep: Sweep) -> list[Scale]:
    """The scale of every hyperparameter that any trial sampled, in the plan's order."""
    axes = []
    for name in sampled_settings(sweep):
        values = [trial.sampled[name] for trial in sweep.trials if name in trial.sampled]
        axes.append(_scale(name, sweep.plan.space.get(name), values))
    return axes


def _scale(name: str, planned: Setting | None, values: Sequence[Any]) -> Scale:
    """From the plan, or from the values alone if the plan does not have the hyperparameter."""
    if isinstance(planned, ChoiceSetting) or not all(_is_number(value) for value in values):
        choices = planned.choices if isinstance(planned, ChoiceSetting) else ()
        labels = tuple(dict.fromkeys(setting(value) for value in [*choices, *values]))
        return Scale(name, 0.0, float(len(labels) - 1), False, False, labels)
    ends = [*values] if planned is None else [planned.low, planned.high, *values]
    log = planned is not None and planned.log and min(ends) > 0
    integer = all(isinstance(end, int) for end in ends)
    return Scale(name, float(min(ends)), float(max(ends)), log, integer, ())


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
