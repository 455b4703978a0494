"""One hyperparameter of a space: its possible values, and how Optuna suggests one.

optuna is imported only where a value is suggested, since its import takes 0.3 s, which reading, checking and
printing a plan need not spend.
"""

from __future__ import annotations

import json
import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from search.plan.fault import Fault, KeyPath, shown, validated
from search.plan.table import Table

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

_MAX_INTEGER = 2**53  # Optuna stores integers as floats, which are exact up to here

_MAX_ROUNDED_STEPS = 1000  # beyond, the rounding of the step would add up


def same(first: object, second: object) -> bool:
    """Whether the values are equal, where true is not 1."""
    return first == second and isinstance(first, bool) is isinstance(second, bool)


def identity(value: object) -> object:
    """A hashable value that is equal for two values exactly if they are the `same`."""
    return isinstance(value, bool), _hashable(value)


def _hashable(value: object) -> object:
    # Python compares the items of lists with ==, for which true is 1.
    if isinstance(value, list):
        return "list", *map(_hashable, value)
    return ("table", repr(value)) if isinstance(value, dict) else value


def encode(value: Any) -> Any:
    """The value as Optuna stores it: a list becomes its JSON text."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be finite, but got {shown(value)}")
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"must be a boolean, a number, a string or a list of these, but got {shown(value)}")
    return value


def _as_list(value: object) -> object:
    return value if isinstance(value, list) else [value]


PlainValue = Annotated[Any, BeforeValidator(_plain)]
Condition = Annotated[
    list[PlainValue],
    BeforeValidator(_as_list, json_schema_input_type=Any),
    Field(min_length=1),
]
Integer = Annotated[int, Field(ge=-_MAX_INTEGER, le=_MAX_INTEGER)]


class ConditionalSetting(Table):
    """The base of all hyperparameters: the condition under which a trial has it."""

    when: dict[str, Condition] = Field(default={})
    """Conditions: the trial has this hyperparameter only if each one named here has the value, or one of the
    values. Empty if every trial has it."""

    def to_table(self) -> dict[str, Any]:
        """The table as the plan writes it, without None and without an empty condition."""
        table = self.model_dump(mode="json", exclude_none=True)
        if not self.when:
            del table["when"]
        return table


class NumberSetting(ConditionalSetting):
    """The base of both kinds of ranges: their checks and their grid."""

    low: float
    """Smallest value, included."""
    high: float
    """Largest value, included."""
    log: bool
    """Whether to sample on a log scale."""
    step: float | None
    """Distance of the values from each other, starting at low; None if any value between is possible."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, but got low {self.low} and high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low > 0 must hold with log, but got low {self.low}")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"high - low must be finite, but got low {self.low} and high {self.high}")
        if self.step is not None and (self.high - self.low) / self.step > _MAX_INTEGER:
            raise ValueError(f"a range must have at most 2**53 steps, but got step {self.step}")
        if self.step is None or not self._offset(self.high) % Decimal(str(self.step)):
            return self
        exact = (self.high - self.low) / self.step
        steps = max(round(exact), 1)
        if steps <= _MAX_ROUNDED_STEPS and abs(exact - steps) < 1e-12 * steps:
            return self._rounded(steps)
        high = Decimal(str(self.low)) + steps * Decimal(str(self.step))
        raise ValueError(
            f"high - low must be a multiple of step, but got low {self.low}, high {self.high} and step "
            f"{self.step}; the nearest high is {type(self.high)(high)}"
        )

    def _rounded(self, steps: int) -> Self:
        """The same range with numbers that are multiples of each other in decimal, as Optuna needs it, for a
        step such as pi / 2, which no float is exactly. They lie within the range."""
        digits = 14 - math.floor(math.log10(max(abs(self.low), abs(self.high))))
        unit = Decimal(1).scaleb(-digits)
        low = Decimal(str(self.low)).quantize(unit, ROUND_CEILING)
        step = ((Decimal(str(self.high)) - low) / steps).quantize(unit, ROUND_FLOOR)
        high = low + steps * step
        return self.model_copy(update={"low": float(low), "high": float(high), "step": float(step)})

    def _offset(self, value: float) -> Decimal:
        # In decimal, as written: 0.3 is three steps of 0.1, but not in binary.
        return Decimal(str(value)) - Decimal(str(self.low))

    def takes(self, value: object) -> bool:
        """Whether this exact value has a positive probability: it is a multiple of the step, or the only
        value."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return self.low == self.high
        return not self._offset(value) % Decimal(str(self.step))

    def holds(self, value: object) -> bool:
        """Whether this value, possibly from another range, is in this one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        # Optuna's values may be off their step by one unit in the last place.
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8

    def _spread(self, points: int) -> list[float]:
        """`points` values from low to high, both included, at equal distances or, with log, equal ratios."""
        if self.low == self.high:
            return [self.low]
        shares = [index / (points - 1) for index in range(1, points - 1)]
        if self.log:
            inner = [
                math.exp(math.log(self.low) * (1 - share) + math.log(self.high) * share) for share in shares
            ]
        else:
            inner = [self.low + (self.high - self.low) * share for share in shares]
        within = (min(max(value, self.low), self.high) for value in inner)
        return list(dict.fromkeys([self.low, *within, self.high]))  # a tiny range has few floats

    def _stepped(self, points: int, step: float) -> list[Decimal]:
        """All values if there are at most `points`, otherwise `points` of them."""
        first, last = Decimal(str(self.low)), int(self._offset(self.high) / Decimal(str(step)))
        if last < points:
            return [first + Decimal(str(step)) * index for index in range(last + 1)]
        near = [round(float(self._offset(value)) / step) for value in self._spread(points)]
        return [first + Decimal(str(step)) * index for index in sorted(set(near))]


class FloatSetting(NumberSetting):
    """A number from low to high, both included."""

    low: float
    """Minimum."""
    high: float
    """Maximum."""
    log: bool = False
    """Sample the logarithm uniformly; low must be above 0."""
    step: float | None = Field(default=None, gt=0)
    """Only low, low + step, low + 2 step and so on; any number if left out. Not with log."""

    @model_validator(mode="after")
    def _log_or_step(self) -> Self:
        if self.log and self.step is not None:
            raise ValueError(f"log and step exclude each other, but got log true and step {self.step}")
        return self

    def distribution(self) -> BaseDistribution:
        """Optuna's distribution."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: Trial, name: str) -> float:
        """Suggest a value for the trial."""
        value = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return self.decode(value)

    def decode(self, value: Any) -> float:
        """The recipe's value for the one that Optuna stores."""
        if self.step is not None:
            # Optuna adds steps in binary, where 3 * 0.1 is not 0.3.
            steps = round((float(value) - self.low) / self.step)
            value = Decimal(str(self.low)) + steps * Decimal(str(self.step))
        # With log, Optuna's values may exceed the range by one unit in the last place.
        return min(max(float(value), self.low), self.high)

    def grid(self, points: int) -> list[Any]:
        """At most `points` (>= 2) values, including low and high."""
        if self.step is None:
            return self._spread(points)
        return [float(value) for value in self._stepped(points, self.step)]

    def probes(self) -> list[Any]:
        """Representative values, with which to check that a recipe accepts the range."""
        # A number inside that is not an integer shows that a field accepts only integers.
        inner = self.low + (self.high - self.low) * 0.6180339887
        return [self.low, self.high] if self.step or self.low == self.high else [self.low, self.high, inner]


class IntSetting(NumberSetting):
    """An integer from low to high, both included."""

    low: Integer
    """Minimum."""
    high: Integer
    """Maximum."""
    log: bool = False
    """Sample the logarithm uniformly; low must be above 0."""
    step: Annotated[int, Field(ge=1, le=_MAX_INTEGER)] = 1
    """Only low, low + step, low + 2 step and so on. Not with log."""

    @model_validator(mode="after")
    def _log_or_step(self) -> Self:
        if self.log and self.step != 1:
            raise ValueError(f"log and step exclude each other, but got log true and step {self.step}")
        return self

    def distribution(self) -> BaseDistribution:
        """Optuna's distribution."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: Trial, name: str) -> int:
        """Suggest a value for the trial."""
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)

    def decode(self, value: Any) -> int:
        """The recipe's value for the one that Optuna stores."""
        return int(value)

    def grid(self, points: int) -> list[Any]:
        """All values if there are at most `points` (>= 2), otherwise `points`, including low and high."""
        return [int(value) for value in self._stepped(points, self.step)]

    def probes(self) -> list[Any]:
        """Representative values, with which to check that a recipe accepts the range."""
        return [self.low, self.high]


class ChoiceSetting(ConditionalSetting):
    """One of several values without an order."""

    choices: list[PlainValue] = Field(min_length=1)
    """true, false, numbers, strings, or lists of these."""

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        seen = set()
        for value in self.choices:
            # Optuna finds a choice with ==, so it would confuse true and 1.
            if (encoded := encode(value)) in seen:
                raise ValueError(f"choices must differ from each other, but got {shown(value)} twice")
            seen.add(encoded)
        return self

    @cached_property
    def _identities(self) -> frozenset[object]:
        return frozenset(map(identity, self.choices))

    @cached_property
    def _by_encoded(self) -> dict[Any, Any]:
        return {encode(choice): choice for choice in self.choices}

    def distribution(self) -> BaseDistribution:
        """Optuna's distribution, with lists as their JSON text."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([encode(value) for value in self.choices])

    def suggest(self, trial: Trial, name: str) -> Any:
        """Suggest one of the choices for the trial."""
        return self.decode(trial.suggest_categorical(name, [encode(value) for value in self.choices]))

    def decode(self, value: Any) -> Any:
        """The choice that Optuna stores as `value`."""
        return self._by_encoded[value]

    def takes(self, value: object) -> bool:
        """Whether the value is one of the choices."""
        return identity(value) in self._identities

    holds = takes

    def grid(self, points: int) -> list[Any]:
        """All choices as Optuna stores them; `points` is ignored."""
        return [encode(value) for value in self.choices]

    def probes(self) -> list[Any]:
        """All choices."""
        return self.choices


Setting = FloatSetting | IntSetting | ChoiceSetting


def parse_setting(table: object, path: KeyPath) -> tuple[Setting | None, list[Fault]]:
    """The hyperparameter of a table, or None and all its faults.

    `{ choices = [...] }` is a choice. A range is one of integers if low, high and step are all written as
    integers, as in `{ low = 1, high = 6 }`, and one of floats otherwise.
    """
    if not isinstance(table, dict) or not table.keys() & {"low", "high", "choices"}:
        return None, [
            Fault(
                path,
                "must be { low = 0.0, high = 0.4 } or { choices = [64, 128] } (a fixed value belongs in "
                f"[recipe]), but got {shown(table)}",
            )
        ]
    if "choices" in table and (others := table.keys() & {"low", "high", "log", "step"}):
        keys = ", ".join(key for key in table if key in others)
        return None, [Fault(path, f"choices exclude low, high, log and step, but got choices and {keys}")]
    kind: type[Setting] = IntSetting
    if "choices" in table:
        kind = ChoiceSetting
    elif any(isinstance(table.get(key), float) for key in ("low", "high", "step")):
        kind = FloatSetting
    return validated(kind, table, path)
