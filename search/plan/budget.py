"""The limits of a search, the resources of its trials, and the confirmation of its winner."""

from __future__ import annotations

import math
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema, model_validator

from search.plan.fault import shown
from search.plan.table import Table

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,9}}(?:\.\d{{1,9}})?){unit})?" for unit in _UNITS))


def _needs_unit(amount: object) -> str:
    return f'must have a unit, as in "{amount}m" or "{amount}s"'


def parse_duration(value: object) -> float:
    """A duration such as "15m" or "1h30m" in seconds. Raises ValueError with the rule.

    A float is a number of seconds, as plans are recorded. A whole number, which may be meant as minutes, is
    refused.
    """
    if isinstance(value, str) and value.strip().replace(".", "", 1).isdecimal():
        raise ValueError(f"{_needs_unit(value.strip())}, but got {shown(value)}")
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**12:
        raise ValueError(f"{_needs_unit(value)}, but got {value}")
    if isinstance(value, str) and value and (match := _DURATION.fullmatch(value)):
        amount = sum(float(part) * _UNITS[unit] for unit, part in match.groupdict().items() if part)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        amount = float(min(value, 10**12))
    else:
        raise ValueError(f'must be a duration such as "15m" or "1h30m", but got {shown(value)}')
    if not 0 < amount < 10**12:  # false for NaN, too
        raise ValueError(f"must be more than 0 seconds and finite, but got {shown(value)}")
    return amount


def format_duration(amount: float) -> float | str:
    """The inverse of `parse_duration`: "1h30m" for an integer number of seconds, otherwise the number
    itself."""
    if amount != math.floor(amount):
        return amount
    rest, text = int(amount), ""
    for unit, size in _UNITS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


class Budget(Table):
    """The limits of a search, which ends at the first one it reaches. A limit that is left out is
    unlimited."""

    trials: int | None = Field(default=None, ge=1)
    """Maximum number of trials."""
    wall_time: Duration | None = None
    """Maximum time, summed over all starts: "15m", "1h30m", "90s"."""
    epochs: int | None = Field(default=None, ge=1)
    """Maximum number of epochs, summed over all trials."""
    target: Annotated[float, Field(allow_inf_nan=False)] | None = None
    """Value of the metric that ends the search once a complete trial has reached it, as in 0.985."""
    patience: int | None = Field(default=None, ge=1)
    """Number of trials in a row without a gain after which no more are started. A gain is a complete trial
    that is better by more than the metric's noise over the last quarter of a training."""

    @property
    def limited(self) -> bool:
        """Whether there is any limit that every search reaches."""
        limits = (self.trials, self.wall_time, self.epochs, self.patience)
        return any(limit is not None for limit in limits)


def _device_count(count: float) -> float:
    if count > 1 and count != math.floor(count):
        raise ValueError(f"must be at most 1 or an integer, but got {count}")
    return count


class Resources(Table):
    """The resources of each trial, and the number of concurrent trials."""

    cpus: int = Field(default=1, ge=1)
    """CPU cores per trial, and its number of threads."""
    gpus: Annotated[float, AfterValidator(_device_count)] = Field(default=0.0, ge=0)
    """GPUs per trial: a fraction below 1, or an integer."""
    custom: dict[str, Annotated[float, AfterValidator(_device_count), Field(gt=0)]] = Field(default={})
    """Ray's custom resources per trial, as in { fast_disk = 1 }. `ray start --resources` declares those of a
    machine."""
    device: Literal["auto", "any", "cpu", "cuda", "mps"] = "auto"
    """auto: cuda if a trial has a GPU, else cpu. any: some trials on a share of a GPU, and others on CPUs.
    mps: an Apple GPU."""
    placement: Literal["spread", "pack"] = "spread"
    """On a cluster: start trials on the least loaded machine, or fill one machine after the other."""
    together: int = Field(default=1, ge=1, le=1024)
    """Number of trials that one worker trains at once, on the resources of one trial, as networks of equal
    shape can be. Needs a trainable that offers it, and --local."""
    concurrency: int | None = Field(default=None, ge=1)
    """Maximum number of concurrent trials; as many as the machines hold if left out. A cluster with an
    autoscaler is asked for this many."""
    max_failures: int = Field(default=3, ge=0)
    """How often a trial is continued after its worker died."""
    retries: int | None = Field(default=None, ge=1)
    """How often a trial that raised is trained again, from its last epoch; never if left out."""
    retry_on: list[str] | None = Field(default=None, min_length=1)
    """Names of the exceptions after which it is, with those derived from them, as in ["OSError"]; all if left
    out."""
    trial_limit: Duration | None = None
    """Training time of a trial after which it is stopped at the end of its epoch, and PRUNED: "10m", "2h";
    unlimited if left out."""
    trial_timeout: Duration | None = None
    """Time without a finished epoch after which a trial's worker is killed: "10m", "90s"; unlimited if
    left out."""

    @model_validator(mode="after")
    def _consistent(self) -> Resources:
        if self.device == "any" and not self.gpus:
            raise ValueError('device = "any" needs gpus, the share of a GPU per trial, but gpus is 0')
        if "CPU" in self.custom or "GPU" in self.custom:
            raise ValueError("custom must not contain CPU or GPU; use cpus and gpus")
        return self


class ConfirmationSettings(Table):
    """The confirmation: the best trials and the default recipe are trained again with fresh seeds, which
    shows whether a trial is better or was only lucky."""

    candidates: int = Field(default=4, ge=0, le=50)
    """Number of best trials to train again; 0 disables the confirmation."""
    seeds: int = Field(default=10, ge=1, le=1000)
    """Maximum number of fresh seeds per candidate; candidates that are clearly worse get fewer."""
    confidence: float = Field(default=0.95, ge=0.5, lt=1)
    """Probability that the confirmation calls no candidate better than an equal one."""
    test: bool | None = None
    """Whether confirmed winners are evaluated on the test split. If left out: if the trainable has one."""
