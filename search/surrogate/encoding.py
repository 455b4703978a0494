"""Recipes as points of a unit cube, with conditional hyperparameters, choices and steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from search.plan.setting import ChoiceSetting, IntSetting, NumberSetting, Setting, encode, same
from search.plan.space import Space

ABSENT = -1.0
"""The coordinate of a choice that a recipe lacks, because its condition fails."""
MIDDLE = 0.5
"""The coordinate of a number that a recipe lacks, because its condition fails."""

Array = np.ndarray[Any, np.dtype[Any]]


class Scale(Protocol):
    """The values of a hyperparameter as coordinates."""

    @property
    def count(self) -> float:
        """Number of values; infinity if continuous."""

    def snapped(self, units: Array) -> Array:
        """The coordinates of the values nearest to positions in 0..1."""

    def value(self, unit: float) -> Any:
        """The value at a coordinate that `snapped` or `unit` returned."""

    def unit(self, value: Any) -> float:
        """The coordinate of a value."""


@dataclass(frozen=True)
class _Choices:
    """Coordinates are the choices' indices."""

    choices: Sequence[Any]

    @property
    def count(self) -> float:
        return len(self.choices)

    def snapped(self, units: Array) -> Array:
        return np.minimum(np.floor(units * self.count), self.count - 1)

    def value(self, unit: float) -> Any:
        return self.choices[int(unit)]

    def unit(self, value: Any) -> float:
        return float(next(at for at, choice in enumerate(self.choices) if same(choice, value)))


@dataclass(frozen=True)
class _Steps:
    """Coordinates are the middles of equal shares of 0..1, one for each value of a range with steps."""

    low: float
    step: float
    count: float

    def snapped(self, units: Array) -> Array:
        return (np.minimum(np.floor(units * self.count), self.count - 1) + 0.5) / self.count

    def value(self, unit: float) -> Any:
        return self.low + min(int(unit * self.count), int(self.count) - 1) * self.step

    def unit(self, value: Any) -> float:
        return float((round((value - self.low) / self.step) + 0.5) / self.count)


@dataclass(frozen=True)
class _LogIntegers:
    """Coordinates are positions on a log scale that reaches half a step beyond the range."""

    low: int
    high: int

    @property
    def count(self) -> float:
        return self.high - self.low + 1

    @property
    def _ends(self) -> tuple[float, float]:
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def _integers(self, units: Array) -> Array:
        start, end = self._ends
        return np.clip(np.rint(np.exp(start + units * (end - start))), self.low, self.high)

    def _positions(self, integers: Array) -> Array:
        start, end = self._ends
        return np.asarray((np.log(integers) - start) / (end - start))

    def snapped(self, units: Array) -> Array:
        return self._positions(self._integers(units))

    def value(self, unit: float) -> Any:
        return int(self._integers(np.array([unit]))[0])

    def unit(self, value: Any) -> float:
        return float(self._positions(np.array([float(value)]))[0])


@dataclass(frozen=True)
class _Interval:
    """Coordinates are positions in a range of floats, on a log scale if `log`."""

    low: float
    high: float
    log: bool

    @property
    def count(self) -> float:
        return math.inf

    def _position(self, value: float) -> float:
        return math.log(value) if self.log else value

    def snapped(self, units: Array) -> Array:
        return units

    def value(self, unit: float) -> Any:
        low, high = self._position(self.low), self._position(self.high)
        position = low * (1 - unit) + high * unit
        return min(max(math.exp(position) if self.log else position, self.low), self.high)

    def unit(self, value: Any) -> float:
        low, high = self._position(self.low), self._position(self.high)
        return min(max((self._position(value) - low) / (high - low), 0.0), 1.0)


@dataclass(frozen=True)
class _Constant:
    """The only value of a hyperparameter."""

    only: Any

    @property
    def count(self) -> float:
        return 1

    def snapped(self, units: Array) -> Array:
        return np.full_like(units, MIDDLE)

    def value(self, unit: float) -> Any:
        return self.only

    def unit(self, value: Any) -> float:
        return MIDDLE


def _scale(setting: Setting) -> Scale:
    if isinstance(setting, ChoiceSetting):
        return _Choices(setting.choices)
    assert isinstance(setting, NumberSetting)
    if setting.low == setting.high:
        return _Constant(setting.low)
    if isinstance(setting, IntSetting) and setting.log:
        return _LogIntegers(setting.low, setting.high)
    if setting.step is None:
        return _Interval(setting.low, setting.high, setting.log)
    return _Steps(setting.low, setting.step, round((setting.high - setting.low) / setting.step) + 1)


class Encoding:
    """Converts between the recipes of a space and points: a coordinate per hyperparameter, parents first."""

    def __init__(self, space: Space) -> None:
        self._settings = {name: space.settings[name] for name in space.order}
        self._scales = [_scale(setting) for setting in self._settings.values()]
        self._index = {name: at for at, name in enumerate(self._settings)}
        self.choices: Array = np.array([isinstance(scale, _Choices) for scale in self._scales], dtype=bool)
        """Which coordinates are indices of choices, of shape [d]."""
        self.counts: Array = np.array([scale.count for scale in self._scales], dtype=float)
        """Number of values of each coordinate, of shape [d]; infinity if continuous."""

    @property
    def dimensions(self) -> int:
        """Number of coordinates, d."""
        return len(self._scales)

    def points(self, units: Array) -> Array:
        """The points of recipes, of shape [n, d], for positions in 0..1 of the same shape: each coordinate is
        that of the nearest value, or MIDDLE or ABSENT where the condition of a hyperparameter fails."""
        points = np.empty_like(units)
        present = np.ones(units.shape, dtype=bool)
        for at, (scale, setting) in enumerate(zip(self._scales, self._settings.values(), strict=True)):
            points[:, at] = scale.snapped(np.clip(units[:, at], 0.0, 1.0))
            for parent, values in setting.when.items():
                present[:, at] &= self._matches(points, present, self._index[parent], values)
            points[~present[:, at], at] = ABSENT if self.choices[at] else MIDDLE
        return points

    def _matches(self, points: Array, present: Array, at: int, values: Sequence[Any]) -> Array:
        """Whether the hyperparameter of a coordinate is present and has one of the values, of shape [n]."""
        wanted = np.array([self._scales[at].unit(value) for value in values])
        return np.asarray(present[:, at] & np.isclose(points[:, at, None], wanted).any(axis=1))

    def units(self, points: Array) -> Array:
        """Positions in 0..1 from which `points` makes these points. Absent choices are in the middle."""
        units = points.copy()
        chosen = points[:, self.choices]
        units[:, self.choices] = np.where(
            chosen == ABSENT, MIDDLE, (chosen + 0.5) / self.counts[self.choices]
        )
        return units

    def params(self, point: Array) -> dict[str, Any]:
        """The hyperparameters of a point of shape [d], as Optuna stores them. Those whose condition fails
        have an arbitrary value."""
        return {
            name: encode(setting.decode(encode(scale.value(max(unit, 0.0)))))
            for (name, setting), scale, unit in zip(self._settings.items(), self._scales, point, strict=True)
        }

    def point(self, params: Mapping[str, Any]) -> Array:
        """The point of a trial, of shape [d]. params: as Optuna stores them."""
        coordinates = []
        for at, (name, setting) in enumerate(self._settings.items()):
            if name in params:
                coordinates.append(self._scales[at].unit(setting.decode(params[name])))
            else:
                coordinates.append(ABSENT if self.choices[at] else MIDDLE)
        return np.array(coordinates, dtype=float)
