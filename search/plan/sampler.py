"""Which recipe to try next: Optuna's samplers, with every argument of theirs a recorded setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.plan.budget import Budget
from search.plan.fault import Fault, KeyPath, chosen
from search.plan.setting import ChoiceSetting
from search.plan.space import Space, grid_points

if TYPE_CHECKING:
    pass

GRID_LIMIT = 100_000
"""Points of the largest grid; Optuna lists them all anew for each trial."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Tpe(_Settings):
    """Tree-structured Parzen estimator: the default. Learns from pruned trials too."""

    name: Literal["tpe"] = "tpe"
    multivariate: bool = Field(default=True, description="Settings are drawn together, not one by one.")
    group: bool = Field(
        default=True, description="Settings that are asked together are drawn together; needs multivariate."
    )
    constant_liar: bool = Field(
        default=True, description="Trials in progress count as bad, so that parallel ones spread out."
    )
    n_startup_trials: int = Field(
        default=10, ge=0, description="Ended trials before it stops drawing at random."
    )
    n_ei_candidates: int = Field(
        default=24, ge=1, description="Draws from which the most promising is taken."
    )

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> Self:
        if self.group and not self.multivariate:
            raise ValueError("group needs multivariate, but got group true and multivariate false")
        return self


class Gp(_Settings):
    """Gaussian process with expected improvement: for few, costly trials."""

    name: Literal["gp"] = "gp"
    n_startup_trials: int = Field(
        default=10, ge=1, description="Complete trials before it stops drawing at random."
    )
    deterministic_objective: bool = Field(
        default=False, description="Whether the same recipe always gives the same score."
    )


class Cmaes(_Settings):
    """CMA-ES: for many trials over numbers; a generation of them at a time."""

    name: Literal["cmaes"] = "cmaes"
    n_startup_trials: int = Field(
        default=1, ge=1, description="Ended trials before it stops drawing at random."
    )
    consider_pruned_trials: bool = Field(default=False, description="Learn from a pruned trial's last value.")
    popsize: int | None = Field(
        default=None, ge=2, description="Trials in a generation; 4 + 3 ln(numbers searched) when left out."
    )
    use_separable_cma: bool = Field(default=False, description="No correlations; for many settings.")
    with_margin: bool = Field(
        default=False, description="Keep whole numbers and steps from settling too early."
    )
    lr_adapt: bool = Field(
        default=False, description="Adapt the learning rate; for noisy scores, many trials."
    )

    @model_validator(mode="after")
    def _one_variant(self) -> Self:
        variants = [name for name in ("use_separable_cma", "with_margin", "lr_adapt") if getattr(self, name)]
        if len(variants) > 1:
            raise ValueError(
                f"use_separable_cma, with_margin and lr_adapt exclude each other, but got "
                f"{' and '.join(variants)}"
            )
        return self


class Random(_Settings):
    """Independent random draws."""

    name: Literal["random"] = "random"


class Qmc(_Settings):
    """Quasi-random draws: evenly spread, blind to scores."""

    name: Literal["qmc"] = "qmc"
    qmc_type: Literal["sobol", "halton"] = Field(default="sobol", description="The sequence.")
    scramble: bool = Field(
        default=True, description="Randomised by the plan's seed; without, the first trial is every low."
    )


class Grid(_Settings):
    """Every combination, in shuffled order; the search ends when there is none left."""

    name: Literal["grid"] = "grid"
    points: int = Field(
        default=5, ge=2, le=10_000, description="Values of each range that has more than these."
    )


Sampler = Annotated[Tpe | Gp | Cmaes | Random | Qmc | Grid, Field(discriminator="name")]
KINDS: Mapping[str, type[Tpe] | type[Gp] | type[Cmaes] | type[Random] | type[Qmc] | type[Grid]] = {
    "tpe": Tpe,
    "gp": Gp,
    "cmaes": Cmaes,
    "random": Random,
    "qmc": Qmc,
    "grid": Grid,
}


def parse_sampler(table: object, path: KeyPath = ("sampler",)) -> tuple[Sampler | None, list[Fault]]:
    """The settings written as `table`, or every fault in them; tpe's defaults for an empty one."""
    return chosen(KINDS, table, path, Tpe())


def check(settings: Sampler, space: Space, path: KeyPath = ("sampler",)) -> list[Fault]:
    """Why this sampler cannot search this space."""
    if isinstance(settings, Grid):
        if space.conditional:
            asked = ", ".join(name for name in space.names if name not in space.always)
            rule = f"grid needs settings that are always asked, but {asked} depend on others; use tpe or qmc"
            return [Fault(path, rule)]
        if (points := grid_size(settings, space) or 0) > GRID_LIMIT:
            rule = f"a grid has at most {GRID_LIMIT} points, but got {points}; lower points, or use qmc"
            return [Fault((*path, "points"), rule)]
    if isinstance(settings, Cmaes) and space.names and not numbers(space):
        return [Fault(path, "cmaes needs a number that is always asked, but the space has none; use tpe")]
    return []


def notes(settings: Sampler, space: Space) -> list[str]:
    """What a user should know of this sampler on this space, a sentence each."""
    sometimes = ", ".join(name for name in space.names if name not in space.always)
    if isinstance(settings, Grid):
        return [f"grid has {grid_size(settings, space)} points and ends the search after them."]
    if isinstance(settings, Tpe) and sometimes and not settings.group:
        return [f"tpe without group draws {sometimes} one by one, as they are not always asked."]
    if isinstance(settings, Gp):
        learns = "gp learns from complete trials alone: what was pruned early tells it nothing."
        aside = [f"gp draws {sometimes} at random, as they are not always asked."] if sometimes else []
        return [learns, *aside]
    if isinstance(settings, Cmaes):
        aside = [name for name in space.names if name not in numbers(space)]
        random = f"cmaes draws {', '.join(aside)} at random: it moves numbers that are always asked."
        return [random] if aside else []
    return []


def grid_size(settings: Sampler, space: Space) -> int | None:
    """After how many trials nothing is left to try; None for samplers that go on for ever."""
    return grid_points(space.grid(settings.points)) if isinstance(settings, Grid) else None


def max_trials(budget: Budget, settings: Sampler | None, space: Space) -> int | None:
    """The most trials that the budget, or a grid, allows; None if unlimited."""
    grid = None if settings is None else grid_size(settings, space)
    return min((count for count in (budget.trials, grid) if count is not None), default=None)


def numbers(space: Space) -> list[str]:
    return [name for name in space.always if not isinstance(space.settings[name], ChoiceSetting)]
