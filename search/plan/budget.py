"""How much a search may spend, on what, and how its winner is confirmed."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from search.plan.fault import shown

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,9}}(?:\.\d{{1,9}})?){unit})?" for unit in _UNITS))


def seconds(value: object) -> float:
    """A duration such as "15m", "1h30m" or 90, in seconds. Raises ValueError with the rule."""
    if isinstance(value, str) and value.replace(".", "", 1).isdecimal():
        value = float(value)
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        amount = sum(float(part) * _UNITS[unit] for unit, part in match.groupdict().items() if part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        amount = float(min(value, 10**12))
    else:
        raise ValueError(f'must be a duration such as "15m", "1h30m" or 90 seconds, but got {shown(value)}')
    if not 0 < amount < 10**12:  # not a number, too, is not above 0
        raise ValueError(f"must be more than 0 seconds and finite, but got {shown(value)}")
    return amount


def duration(amount: float) -> float | str:
    """The inverse of `seconds`: "1h30m" for whole seconds, the number itself otherwise."""
    if amount != math.floor(amount):
        return amount
    rest, text = int(amount), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(duration),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Budget(_Table):
    """When a search ends: at whichever of the three it reaches first. None sets no limit."""

    trials: int | None = Field(default=None, ge=1, description="Trials started.")
    wall_time: Duration | None = Field(
        default=None, description='Time, summed over all starts: "15m", "1h30m", or seconds.'
    )
    epochs: int | None = Field(default=None, ge=1, description="Epochs trained, all trials together.")

    @property
    def limited(self) -> bool:
        """Whether it ever ends a search."""
        return any(limit is not None for limit in (self.trials, self.wall_time, self.epochs))


def _devices(count: float) -> float:
    if count > 1 and count != math.floor(count):
        raise ValueError(f"must be at most 1 or a whole number, but got {count}")
    return count


class Resources(_Table):
    """What a trial is given, and how many are trained at once."""

    cpus: int = Field(default=1, ge=1, description="Cores of a trial; also the threads it trains with.")
    gpus: Annotated[float, AfterValidator(_devices)] = Field(
        default=0.0, ge=0, description="Of a trial: a share below 1, or a whole number."
    )
    custom: dict[str, Annotated[float, AfterValidator(_devices), Field(gt=0)]] = Field(
        default={},
        description="Of a trial, of what the cluster's owner named, as in { fast_disk = 1 }: `ray start "
        "--resources` gives a machine such resources.",
    )
    device: Literal["auto", "any", "cpu", "cuda", "mps"] = Field(
        default="auto",
        description="auto: cuda when a trial is given a GPU, else cpu. any: some trials with that share of a "
        "GPU, and more on CPUs alone. mps: Apple's GPU.",
    )
    placement: Literal["spread", "pack"] = Field(
        default="spread",
        description="On a cluster: trials go to the emptiest machine, or fill one after the other.",
    )
    concurrency: int | None = Field(
        default=None,
        ge=1,
        description="Trials at once; as many as the machines hold when left out. A cluster that grows by "
        "itself is asked for so many places.",
    )
    max_failures: int = Field(default=3, ge=0, description="How often a trial whose worker died goes on.")
    trial_timeout: Duration | None = Field(
        default=None,
        description='A trial that ends no epoch for so long hangs: its worker is ended. "10m", or seconds.',
    )

    @model_validator(mode="after")
    def _consistent(self) -> Resources:
        if self.device == "any" and not self.gpus:
            raise ValueError('device = "any" must say which share of a GPU a trial is given, but gpus is 0')
        if "CPU" in self.custom or "GPU" in self.custom:
            raise ValueError("custom must not name CPU or GPU: cpus and gpus say how many a trial is given")
        return self


class Confirming(_Table):
    """How the best trials are told from the luckiest: each is trained again with fresh seeds, beside
    the plan's default recipe."""

    candidates: int = Field(
        default=4, ge=0, le=50, description="Best trials to train again; 0 leaves confirmation out."
    )
    seeds: int = Field(
        default=10, ge=1, le=1000, description="Fresh seeds of each, at most: who falls behind gets fewer."
    )
    confidence: float = Field(
        default=0.95, ge=0.5, lt=1, description="That nothing is called better which is not, in all."
    )
