"""When to stop a trial early: Optuna's pruners, with every argument of theirs a recorded setting.

Steps are epochs, the first is 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.plan.fault import Fault, KeyPath, chosen, shown

if TYPE_CHECKING:
    pass


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Nothing(_Settings):
    """Every trial is trained to its end."""

    name: Literal["none"] = "none"


class SuccessiveHalving(_Settings):
    """Asynchronous successive halving: of the trials that came as far, the best share goes on."""

    name: Literal["successive_halving"] = "successive_halving"
    min_resource: int = Field(default=1, ge=1, description="Epochs before the first decision.")
    reduction_factor: int = Field(
        default=4, ge=2, description="One trial in so many goes on, to as many times the epochs."
    )
    min_early_stopping_rate: int = Field(
        default=0, ge=0, le=64, description="Decisions left out at the start, by factors of reduction_factor."
    )
    bootstrap_count: int = Field(
        default=0, ge=0, description="Trials that must have come as far before one goes on."
    )


class Hyperband(_Settings):
    """Several successive halvings side by side, from hasty to patient; a trial's number decides
    which one judges it."""

    name: Literal["hyperband"] = "hyperband"
    min_resource: int = Field(default=1, ge=1, description="Epochs before the hastiest one's first decision.")
    max_resource: int | None = Field(default=None, ge=1, description="Epochs; the recipe's when left out.")
    reduction_factor: int = Field(
        default=3, ge=2, description="One trial in so many goes on, to as many times the epochs."
    )
    bootstrap_count: int = Field(
        default=0, ge=0, description="Trials that must have come as far before one goes on."
    )


class Median(_Settings):
    """Stops a trial whose best epoch is worse than the median of complete ones at the same epoch."""

    name: Literal["median"] = "median"
    n_startup_trials: int = Field(default=5, ge=0, description="Complete trials before the first decision.")
    n_warmup_steps: int = Field(
        default=0, ge=0, description="The first epoch at which a trial may be stopped."
    )
    interval_steps: int = Field(default=1, ge=1, description="Epochs between two decisions.")
    n_min_trials: int = Field(default=1, ge=1, description="Complete trials needed at the same epoch.")


class Threshold(_Settings):
    """Stops a trial whose metric leaves the bounds."""

    name: Literal["threshold"] = "threshold"
    lower: float | None = Field(default=None, description="Least value of the metric; none when left out.")
    upper: float | None = Field(default=None, description="Greatest value of the metric; none when left out.")
    n_warmup_steps: int = Field(
        default=0, ge=0, description="The first epoch at which a trial may be stopped."
    )
    interval_steps: int = Field(default=1, ge=1, description="Epochs between two decisions.")

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("threshold needs lower, upper or both, but got neither")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower <= upper must hold, but got lower {self.lower} and upper {self.upper}")
        return self


Wrapped = Annotated[SuccessiveHalving | Hyperband | Median | Threshold, Field(discriminator="name")]


class Patient(_Settings):
    """Lets another pruner decide only about trials that no longer improve.

    Around median or threshold. A halving records where a trial stood when it was first asked,
    and compares it to others there: under patience these are not the same epochs.
    """

    name: Literal["patient"] = "patient"
    patience: int = Field(
        default=3, ge=0, description="Epochs without improvement before a trial may be stopped."
    )
    min_delta: float = Field(default=0.0, ge=0, description="Loss of the metric that still counts as none.")
    wrapped: Wrapped | None = Field(
        default=None, description="The pruner that then decides; when left out, the trial is stopped."
    )


Pruner = Annotated[
    Nothing | SuccessiveHalving | Hyperband | Median | Threshold | Patient, Field(discriminator="name")
]
PrunerType = (
    type[Nothing] | type[SuccessiveHalving] | type[Hyperband] | type[Median] | type[Threshold] | type[Patient]
)
_WRAPPABLE: Mapping[str, PrunerType] = {
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
    "median": Median,
    "threshold": Threshold,
}
KINDS: Mapping[str, PrunerType] = {"none": Nothing, **_WRAPPABLE, "patient": Patient}


def parse_pruner(table: object, path: KeyPath = ("pruner",)) -> tuple[Pruner | None, list[Fault]]:
    """The settings written as `table`, or every fault in them; none for an empty one."""
    inner: list[Fault] = []
    if isinstance(table, dict) and table.get("name") == "patient" and "wrapped" in table:
        wrapped, inner = chosen(_WRAPPABLE, table["wrapped"], (*path, "wrapped"), None)
        table = {**table, "wrapped": wrapped}
    settings, faults = chosen(KINDS, table, path, Nothing())
    return settings, faults + inner


def check(settings: Pruner, epochs: int, path: KeyPath = ("pruner",)) -> list[Fault]:
    """Why this pruner cannot judge trials of at most so many epochs."""
    if isinstance(settings, Patient) and settings.wrapped is not None:
        return check(settings.wrapped, epochs, (*path, "wrapped"))
    if isinstance(settings, SuccessiveHalving | Hyperband):
        longest = epochs
        if isinstance(settings, Hyperband) and settings.max_resource is not None:
            longest = min(epochs, settings.max_resource)
        if settings.min_resource > longest:
            rule = f"must be at most the {longest} epochs of a trial, but got {shown(settings.min_resource)}"
            return [Fault((*path, "min_resource"), rule)]
    return []


def notes(settings: Pruner) -> list[str]:
    """What a user should know of this pruner, a sentence each."""
    if isinstance(settings, Patient) and isinstance(settings.wrapped, SuccessiveHalving | Hyperband):
        name = settings.wrapped.name
        return [f"patient around {name} compares trials at different epochs; median is surer."]
    return []


def rungs(settings: Pruner, epochs: int) -> tuple[int, ...]:
    """The epochs after which a halving decides on trials of so many epochs, the last of which is never
    judged; none for a pruner that has no rungs of its own. Of hyperband those of its hastiest halving,
    which hold the others'."""
    if not isinstance(settings, SuccessiveHalving | Hyperband):
        return ()
    late = settings.min_early_stopping_rate if isinstance(settings, SuccessiveHalving) else 0
    made, rung = [], settings.min_resource * settings.reduction_factor**late
    while rung < epochs:
        made.append(rung)
        rung *= settings.reduction_factor
    return tuple(made)
