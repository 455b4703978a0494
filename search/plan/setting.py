"""One setting of a space: the values it may take, and how Optuna is asked for one of them.

optuna is imported where a value is drawn and nowhere else: a plan is read, checked and printed
without the third of a second that loading it costs.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from search.plan.fault import Fault, KeyPath, shown, validated

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial

_WHOLE = 2**53  # Optuna holds whole numbers as floats, which are exact up to here


def same(one: object, other: object) -> bool:
    """Equal, where true is not 1."""
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def encode(value: Any) -> Any:
    """The value as Optuna can hold it: a list becomes its JSON text."""
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return value


def _plain(value: object) -> object:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"must be finite, but got {shown(value)}")
    if not isinstance(value, bool | int | float | str):
        raise ValueError(f"must be true, false, a number, text or a list of these, but got {shown(value)}")
    return value


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [value]


Value = Annotated[Any, BeforeValidator(_plain)]
Condition = Annotated[
    list[Value],
    BeforeValidator(_listed, json_schema_input_type=Any),
    Field(min_length=1),
]
Number = Annotated[float, Field(allow_inf_nan=False)]
Whole = Annotated[int, Field(ge=-_WHOLE, le=_WHOLE)]


class _Setting(BaseModel):
    """What every kind has: the condition under which it is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    when: dict[str, Condition] = Field(
        default={}, description="Asked only when each setting named here has the value, or one of the values."
    )

    def to_table(self) -> dict[str, Any]:
        """As the plan writes it; what was left out and means nothing is left out again."""
        table = self.model_dump(mode="json", exclude_none=True)
        if not self.when:
            del table["when"]
        return table


class _Range(_Setting):
    """What both kinds of numbers have: their order and their grid."""

    low: float
    high: float
    log: bool
    step: float | None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, but got low {self.low} and high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low > 0 must hold with log, but got low {self.low}")
        if not math.isfinite(self.high - self.low):
            raise ValueError(f"high - low must be finite, but got low {self.low} and high {self.high}")
        if self.step is not None and (self.high - self.low) / self.step > _WHOLE:
            raise ValueError(f"there must be at most 2**53 steps, but got step {self.step}")
        if self.step is not None and self._offset(self.high) % Decimal(str(self.step)):
            raise ValueError(
                f"high must lie a whole number of steps above low, but got low {self.low}, "
                f"high {self.high} and step {self.step}"
            )
        return self

    def _offset(self, value: float) -> Decimal:
        # In decimal, as written: 0.3 is three steps of 0.1 here, and is not in binary.
        return Decimal(str(value)) - Decimal(str(self.low))

    def takes(self, value: object) -> bool:
        """Whether a draw can be expected to give exactly this value: one of few, not of a continuum."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        if self.step is None:
            return self.low == self.high
        return not self._offset(value) % Decimal(str(self.step))

    def holds(self, value: object) -> bool:
        """Whether this value, drawn from another range perhaps, lies in this one."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if not self.low <= value <= self.high:
            return False
        # Optuna's draws lie an ulp beside their step at times.
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) < 1e-8

    def _spread(self, points: int) -> list[float]:
        """`points` values from low to high, both included, evenly or by equal factors."""
        if self.low == self.high:
            return [self.low]
        shares = [index / (points - 1) for index in range(1, points - 1)]
        if self.log:
            inner = [math.exp(math.log(self.low) * (1 - at) + math.log(self.high) * at) for at in shares]
        else:
            inner = [self.low + (self.high - self.low) * at for at in shares]
        within = (min(max(value, self.low), self.high) for value in inner)
        return list(dict.fromkeys([self.low, *within, self.high]))  # between near neighbours there are few

    def _stepped(self, points: int, step: float) -> list[Decimal]:
        """All values when there are at most `points` of them, `points` of them otherwise."""
        first, last = Decimal(str(self.low)), int(self._offset(self.high) / Decimal(str(step)))
        if last < points:
            return [first + Decimal(str(step)) * index for index in range(last + 1)]
        near = [round(float(self._offset(value)) / step) for value in self._spread(points)]
        return [first + Decimal(str(step)) * index for index in sorted(set(near))]


class FloatSetting(_Range):
    """A number from low to high, both included."""

    low: Number
    high: Number
    log: bool = Field(default=False, description="Drawn evenly by its logarithm; low must be above 0.")
    step: Number | None = Field(
        default=None, gt=0, description="Only low, low + step, low + 2 step, …; not with log."
    )

    @model_validator(mode="after")
    def _log_or_step(self) -> Self:
        if self.log and self.step is not None:
            raise ValueError(f"log and step exclude each other, but got log true and step {self.step}")
        return self

    def distribution(self) -> BaseDistribution:
        """As Optuna knows it."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: Trial, name: str) -> float:
        """A value drawn for `trial`, within low and high."""
        value = trial.suggest_float(name, self.low, self.high, log=self.log, step=self.step)
        return self.decode(value)

    def decode(self, value: Any) -> float:
        """The value that Optuna holds, as a recipe takes it."""
        # Optuna draws by logarithm and comes back an ulp outside at times.
        return min(max(float(value), self.low), self.high)

    def grid(self, points: int) -> list[Any]:
        """At most `points` (>= 2) values, low and high among them."""
        if self.step is None:
            return self._spread(points)
        return [float(value) for value in self._stepped(points, self.step)]

    def probes(self) -> list[Any]:
        """Values that stand for all of them when a recipe is asked whether it accepts them."""
        # An uneven one inside tells a field of whole numbers from one of any numbers.
        inner = self.low + (self.high - self.low) * 0.6180339887
        return [self.low, self.high] if self.step or self.low == self.high else [self.low, self.high, inner]


class IntSetting(_Range):
    """A whole number from low to high, both included."""

    low: Whole
    high: Whole
    log: bool = Field(default=False, description="Drawn evenly by its logarithm; low must be above 0.")
    step: Annotated[int, Field(ge=1, le=_WHOLE)] = Field(
        default=1, description="Only low, low + step, low + 2 step, …; not with log."
    )

    @model_validator(mode="after")
    def _log_or_step(self) -> Self:
        if self.log and self.step != 1:
            raise ValueError(f"log and step exclude each other, but got log true and step {self.step}")
        return self

    def distribution(self) -> BaseDistribution:
        """As Optuna knows it."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log, step=self.step)

    def suggest(self, trial: Trial, name: str) -> int:
        """A value drawn for `trial`, within low and high."""
        return trial.suggest_int(name, self.low, self.high, log=self.log, step=self.step)

    def decode(self, value: Any) -> int:
        """The value that Optuna holds, as a recipe takes it."""
        return int(value)

    def grid(self, points: int) -> list[Any]:
        """All values when there are at most `points` (>= 2), else `points`, low and high among them."""
        return [int(value) for value in self._stepped(points, self.step)]

    def probes(self) -> list[Any]:
        """Values that stand for all of them when a recipe is asked whether it accepts them."""
        return [self.low, self.high]


class ChoiceSetting(_Setting):
    """One of several values, without order between them."""

    choices: list[Value] = Field(min_length=1, description="true, false, numbers, texts, or lists of these.")

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for index, value in enumerate(self.choices):
            # Optuna looks a choice up with ==, so true and 1 would be one choice to it.
            if any(encode(value) == encode(other) for other in self.choices[:index]):
                raise ValueError(f"choices must differ from each other, but got {shown(value)} twice")
        return self

    def distribution(self) -> BaseDistribution:
        """As Optuna knows it; lists as their JSON text."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution([encode(value) for value in self.choices])

    def suggest(self, trial: Trial, name: str) -> Any:
        """One of the choices, drawn for `trial`."""
        return self.decode(trial.suggest_categorical(name, [encode(value) for value in self.choices]))

    def decode(self, value: Any) -> Any:
        """The choice that Optuna holds as `value`."""
        return next(choice for choice in self.choices if encode(choice) == value)

    def takes(self, value: object) -> bool:
        """Whether this is one of the choices."""
        return any(same(choice, value) for choice in self.choices)

    holds = takes

    def grid(self, points: int) -> list[Any]:
        """All choices, as Optuna holds them, however many."""
        return [encode(value) for value in self.choices]

    def probes(self) -> list[Any]:
        """All choices."""
        return self.choices


Setting = FloatSetting | IntSetting | ChoiceSetting


def parse_setting(table: object, path: KeyPath) -> tuple[Setting | None, list[Fault]]:
    """The setting written as `table`, or its faults.

    `{ choices = [...] }` is a choice; a range is one of whole numbers when low, high and step
    are all written as such, as `{ low = 1, high = 6 }`, and one of any numbers otherwise.
    """
    if not isinstance(table, dict) or not table.keys() & {"low", "high", "choices"}:
        return None, [
            Fault(
                path,
                "must be { low = 0.0, high = 0.4 } or { choices = [64, 128] }, and a fixed value "
                f"belongs in [recipe], but got {shown(table)}",
            )
        ]
    if "choices" in table and (others := table.keys() & {"low", "high", "log", "step"}):
        given = ", ".join(key for key in table if key in others)
        return None, [Fault(path, f"choices exclude low, high, log and step, but got choices and {given}")]
    kind: type[Setting] = IntSetting
    if "choices" in table:
        kind = ChoiceSetting
    elif any(isinstance(table.get(key), float) for key in ("low", "high", "step")):
        kind = FloatSetting
    return validated(kind, table, path, "part of a setting")
