"""The axis of one sampled hyperparameter: a linear or logarithmic range, or a list of choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Literal, NamedTuple

from reports.analysis.trials_frame import sampled_settings
from reports.formatting.wording import setting
from search.plan.fault import shown
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
    step: float | None = None
    """Distance of the values that are sampled; None for every value of the range, or every integer."""

    @property
    def has_natural_low(self) -> bool:
        """Whether the range begins at 0, or for integers at the first step above it, which is assumed to be a
        natural limit."""
        return self.low == 0 or (self.integer and 0 < self.low <= (self.step or 1))

    def position(self, value: Any) -> float:
        """The value's position on the axis: the number itself, or the choice's index."""
        return float(self.choices.index(setting(value)) if self.choices else value)

    def share(self, value: Any) -> float:
        """The value's position between the ends of the axis, 0..1; 0.5 for an axis of one point."""
        low, high, at = self.low, self.high, self.position(value)
        if self.log:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return 0.5 if high <= low else (at - low) / (high - low)

    def text(self, value: float) -> str:
        """A number on the axis as text; an integer with all its digits."""
        return str(round(value)) if self.integer else setting(value)

    def end_between(self, kept: float, excluded: float) -> str:
        """A number at which a range may end that keeps the value `kept` and excludes `excluded`, as a plan
        writes it: as short as possible, but at least two digits; `kept` itself on a grid."""
        if self.integer or self.step is not None:
            return str(round(kept)) if self.integer else shown(kept)
        for digits in range(2, 17):
            value = _rounded(kept, digits, up=excluded > kept)
            if kept <= value < excluded or excluded < value <= kept:
                return shown(value)
        return shown(kept)

    def wider(self, end: Literal["low", "high"]) -> str:
        """An end further out by a third of the range, on the range's own scale and grid, as a plan writes it.
        A range of positive numbers stays positive, or begins at 0 if it is of floats."""
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        third = (high - low) / 3
        if self.step is not None and not self.log:
            steps = math.ceil(third / self.step - 1e-8) * Decimal(str(self.step))
            moved = Decimal(str(self.high)) + steps if end == "high" else Decimal(str(self.low)) - steps
            if self.low >= 0 and moved <= 0:
                moved = Decimal(str(self.low)) % Decimal(str(self.step))
                moved += Decimal(str(self.step)) if self.integer and not moved else 0
            return str(round(moved)) if self.integer else shown(float(moved))
        number = high + third if end == "high" else low - third
        value = math.exp(number) if self.log else number
        if self.integer:
            return str(math.ceil(value) if end == "high" else max(math.floor(value), min(1, int(self.low))))
        if value <= 0 <= self.low:
            return "0"
        for digits in range(2, 17):
            rounded = float(f"{value:.{digits}g}")
            if rounded > self.high if end == "high" else rounded < self.low:
                return f"{value:.{digits}g}"
        return shown(value)


def _rounded(value: float, digits: int, up: bool) -> float:
    """Rounded to that number of significant digits, away from or towards minus infinity."""
    number = Decimal(repr(value))
    unit = Decimal(1).scaleb(number.adjusted() - digits + 1)
    return float(number.quantize(unit, ROUND_CEILING if up else ROUND_FLOOR))


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
    step = None if planned is None or planned.step is None else float(planned.step)
    return Scale(name, float(min(ends)), float(max(ends)), log, integer, (), step)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
