"""The [pruner] table: Optuna's pruners, with all of their arguments explicit and recorded.

Steps are epochs, and the first is 1.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from search.plan.fault import Fault, KeyPath, models_in, shown, validated, validated_by_name
from search.plan.own import PATTERN, is_own
from search.plan.table import Table


class NoPruner(Table):
    """Every trial is trained to its last epoch."""

    name: Literal["none"] = "none"
    """The pruner."""


class Stopping(Table):
    """A pruner that stops trials."""

    audit: float | None = Field(default=None, gt=0, lt=1)
    """Share of the trials to be stopped that are trained to their end all the same, chosen at random, so that
    the report can say how often the pruner was wrong; none if left out."""


class SuccessiveHalving(Stopping):
    """Asynchronous successive halving: of the trials that reach a rung, the best fraction continues."""

    name: Literal["successive_halving"] = "successive_halving"
    """The pruner."""
    min_resource: int = Field(default=1, ge=1)
    """Epochs before the first rung."""
    reduction_factor: int = Field(default=4, ge=2)
    """Ratio of trials, and of epochs, between one rung and the next."""
    min_early_stopping_rate: int = Field(default=0, ge=0, le=64)
    """Number of rungs to leave out at the start."""
    bootstrap_count: int = Field(default=0, ge=0)
    """Number of trials that must reach a rung before any of them continues."""


class Hyperband(Stopping):
    """Several successive halvings in parallel, from aggressive to patient; a trial's number determines which
    one prunes it."""

    name: Literal["hyperband"] = "hyperband"
    """The pruner."""
    min_resource: int = Field(default=1, ge=1)
    """Epochs before the first rung of the most aggressive halving."""
    max_resource: int | None = Field(default=None, ge=1)
    """Epochs of a full training; those of the recipe if left out."""
    reduction_factor: int = Field(default=3, ge=2)
    """Ratio of trials, and of epochs, between one rung and the next."""
    bootstrap_count: int = Field(default=0, ge=0)
    """Number of trials that must reach a rung before any of them continues."""


class Median(Stopping):
    """Prunes a trial whose best epoch so far is worse than the median of the complete trials at that
    epoch."""

    name: Literal["median"] = "median"
    """The pruner."""
    n_startup_trials: int = Field(default=5, ge=0)
    """Number of complete trials before which it does not prune."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """First epoch at which it may prune."""
    interval_steps: int = Field(default=1, ge=1)
    """Epochs between two decisions."""
    n_min_trials: int = Field(default=1, ge=1)
    """Number of complete trials with a value at the same epoch that a decision needs."""


class Threshold(Stopping):
    """Prunes a trial whose metric is out of bounds."""

    name: Literal["threshold"] = "threshold"
    """The pruner."""
    lower: float | None = None
    """Minimum of the metric; unlimited if left out."""
    upper: float | None = None
    """Maximum of the metric; unlimited if left out."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """First epoch at which it may prune."""
    interval_steps: int = Field(default=1, ge=1)
    """Epochs between two decisions."""

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if self.lower is None and self.upper is None:
            raise ValueError("threshold needs lower, upper or both, but got neither")
        if self.lower is not None and self.upper is not None and self.lower > self.upper:
            raise ValueError(f"lower <= upper must hold, but got lower {self.lower} and upper {self.upper}")
        return self


class Forecast(Stopping):
    """The default: pauses a trial that will hardly end as one of the best, by a forecast of its end from its
    own curve, the curves of the other trials, and the recipes. Decides at epochs in geometric progression.

    A paused trial keeps its checkpoint. It goes on, under its own number, once its chance has risen again and
    its next epochs promise more than a new trial's; at the end of the search it is PRUNED. Unlike a
    comparison of values at the same epoch, the forecast learns which recipes start slowly and end well.
    """

    name: Literal["forecast"] = "forecast"
    """The pruner."""
    chance: float = Field(default=0.1, gt=0, lt=0.5)
    """Probability of ending among the best finished trials below which a trial is paused."""
    among: int = Field(default=1, ge=1)
    """Number of best finished trials among which it should end."""
    min_share: float = Field(default=0.25, ge=0, le=1)
    """Share of a training before which no trial is paused."""
    n_startup_trials: int = Field(default=4, ge=1)
    """Number of trials that must have been trained beyond an epoch before one is paused at it."""


Wrapped = Annotated[SuccessiveHalving | Hyperband | Median | Threshold, Field(discriminator="name")]


class Patient(Stopping):
    """Stops trials that have stopped improving, or lets another pruner decide about them.

    Best with median or threshold. A halving records the value of a trial when it is first asked about it, and
    compares it with those of others: with patience, they are from different epochs.
    """

    name: Literal["patient"] = "patient"
    """The pruner."""
    patience: int = Field(default=3, ge=0)
    """Epochs in a row without an improvement that are tolerated."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest change of the metric, in its unit, that is more than no improvement."""
    n_warmup_steps: int = Field(default=0, ge=0)
    """First epoch at which it may prune."""
    wrapped: Wrapped | None = None
    """The pruner that decides; if left out, every trial without an improvement is pruned."""


class OwnPruner(Stopping):
    """A class of your own, derived from Optuna's BasePruner. It is made anew with each start."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(pattern=PATTERN)
    """Its module and its name, as in "mine:MyPruner". All other keys are its arguments."""


Known = Annotated[
    Forecast | NoPruner | SuccessiveHalving | Hyperband | Median | Threshold | Patient,
    Field(discriminator="name"),
]
Pruner = Known | OwnPruner
PRUNERS = models_in(Known)
_ADAPTER: TypeAdapter[Known] = TypeAdapter(Known)


def parse_pruner(table: object, path: KeyPath = ("pruner",)) -> tuple[Pruner | None, list[Fault]]:
    """The pruner of a table, or None and all its faults; an empty table means forecast with its defaults."""
    if is_own(table):
        return validated(OwnPruner, table, path)
    return (Forecast(), []) if table == {} else validated_by_name(_ADAPTER, PRUNERS, table, path)


def check(pruner: Pruner, epochs: int, path: KeyPath = ("pruner",)) -> list[Fault]:
    """The reasons why this pruner cannot decide about trials of at most `epochs` epochs."""
    if isinstance(pruner, Patient) and pruner.wrapped is not None:
        if pruner.wrapped.audit is not None:
            return [Fault((*path, "wrapped", "audit"), "must be set for patient itself")]
        return check(pruner.wrapped, epochs, (*path, "wrapped"))
    if isinstance(pruner, SuccessiveHalving | Hyperband):
        longest = epochs
        if isinstance(pruner, Hyperband) and pruner.max_resource is not None:
            longest = min(epochs, pruner.max_resource)
        if pruner.min_resource > longest:
            rule = f"must be at most the {longest} epochs of a trial, but got {shown(pruner.min_resource)}"
            return [Fault((*path, "min_resource"), rule)]
    return []


def notes(pruner: Pruner) -> list[str]:
    """The limitations of this pruner, one sentence each."""
    if isinstance(pruner, Patient) and isinstance(pruner.wrapped, SuccessiveHalving | Hyperband):
        name = pruner.wrapped.name
        return [f"patient with {name} compares trials at different epochs; median is more reliable."]
    return []


def rungs(pruner: Pruner, epochs: int) -> tuple[int, ...]:
    """The epochs after which a halving decides about trials of `epochs` epochs, without the last epoch.

    Empty for other pruners. For hyperband, those of its most aggressive halving, which include all others.
    """
    if not isinstance(pruner, SuccessiveHalving | Hyperband):
        return ()
    skipped = pruner.min_early_stopping_rate if isinstance(pruner, SuccessiveHalving) else 0
    epochs_at_rungs, rung = [], pruner.min_resource * pruner.reduction_factor**skipped
    while rung < epochs:
        epochs_at_rungs.append(rung)
        rung *= pruner.reduction_factor
    return tuple(epochs_at_rungs)
