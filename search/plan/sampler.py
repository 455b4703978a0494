"""The [sampler] table: Optuna's samplers, with all of their arguments explicit and recorded."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, TypeAdapter, model_validator

from search.plan.budget import Budget
from search.plan.fault import Fault, KeyPath, models_in, validated, validated_by_name
from search.plan.own import PATTERN, is_own
from search.plan.setting import ChoiceSetting
from search.plan.space import Space, grid_points
from search.plan.table import Table

MODELLED_TRIALS = 250
"""Maximum number of trials from which `auto` learns, since its time grows with the cube of their number."""
GRID_LIMIT = 100_000
"""Maximum number of points of a grid, since Optuna lists all of them for each trial."""


class Auto(Table):
    """The default: an evenly spread start that begins with the default recipe, then a Gaussian process with
    expected improvement, over conditional hyperparameters and choices too.

    It learns from every trial: from unfinished ones by a forecast of their end, from failed ones where not to
    search. It suggests no recipe twice, and none that the trainable refuses.
    """

    name: Literal["auto"] = "auto"
    """The sampler."""
    n_startup_trials: int = Field(default=8, ge=1, le=64)
    """Number of trials of the start."""


class Tpe(Table):
    """Tree-structured Parzen estimator. Learns from pruned trials too."""

    name: Literal["tpe"] = "tpe"
    """The sampler."""
    multivariate: bool = True
    """Sample the hyperparameters jointly, not independently."""
    group: bool = True
    """Sample those hyperparameters jointly that occur together in trials; needs multivariate."""
    constant_liar: bool = True
    """Treat running trials as bad, so that concurrent trials differ."""
    n_startup_trials: int = Field(default=10, ge=0)
    """Number of finished trials before which it samples at random."""
    n_ei_candidates: int = Field(default=24, ge=1)
    """Number of candidates from which the one with the best expected improvement is chosen."""

    @model_validator(mode="after")
    def _group_is_multivariate(self) -> Self:
        if self.group and not self.multivariate:
            raise ValueError("group needs multivariate, but got group true and multivariate false")
        return self


class Gp(Table):
    """Gaussian process with expected improvement, for few and expensive trials."""

    name: Literal["gp"] = "gp"
    """The sampler."""
    n_startup_trials: int = Field(default=10, ge=1)
    """Number of complete trials before which it samples at random."""
    deterministic_objective: bool = False
    """Whether the same recipe always gets the same score."""


class Cmaes(Table):
    """CMA-ES, for many trials over numerical hyperparameters."""

    name: Literal["cmaes"] = "cmaes"
    """The sampler."""
    n_startup_trials: int = Field(default=1, ge=1)
    """Number of finished trials before which it samples at random."""
    consider_pruned_trials: bool = False
    """Learn from the last value of pruned trials."""
    popsize: int | None = Field(default=None, ge=2)
    """Number of trials per generation; 4 + 3 ln(number of numerical hyperparameters) if left out."""
    use_separable_cma: bool = False
    """Ignore correlations, for many hyperparameters."""
    with_margin: bool = False
    """Keep integers and steps from converging too early."""
    lr_adapt: bool = False
    """Adapt the learning rate, for noisy scores and many trials."""

    @model_validator(mode="after")
    def _one_variant(self) -> Self:
        variants = [name for name in ("use_separable_cma", "with_margin", "lr_adapt") if getattr(self, name)]
        if len(variants) > 1:
            raise ValueError(
                f"use_separable_cma, with_margin and lr_adapt exclude each other, but got "
                f"{' and '.join(variants)}"
            )
        return self


class Random(Table):
    """Independent random sampling."""

    name: Literal["random"] = "random"
    """The sampler."""


class Qmc(Table):
    """Quasi-Monte Carlo sampling: evenly distributed, and independent of the scores."""

    name: Literal["qmc"] = "qmc"
    """The sampler."""
    qmc_type: Literal["sobol", "halton"] = "sobol"
    """The sequence."""
    scramble: bool = True
    """Randomize the sequence by the plan's seed; otherwise the first trial has the low end of every range."""


class Grid(Table):
    """Every combination in random order; the search ends after the last one."""

    name: Literal["grid"] = "grid"
    """The sampler."""
    points: int = Field(default=5, ge=2, le=10_000)
    """Maximum number of values per range."""


class OwnSampler(Table):
    """A class of your own, derived from Optuna's BaseSampler. It is made anew for each trial."""

    model_config = ConfigDict(extra="allow")

    name: str = Field(pattern=PATTERN)
    """Its module and its name, as in "mine:MySampler". All other keys are its arguments."""


Known = Annotated[Auto | Tpe | Gp | Cmaes | Random | Qmc | Grid, Field(discriminator="name")]
Sampler = Known | OwnSampler
SAMPLERS = models_in(Known)
_ADAPTER: TypeAdapter[Known] = TypeAdapter(Known)


def parse_sampler(table: object, path: KeyPath = ("sampler",)) -> tuple[Sampler | None, list[Fault]]:
    """The sampler of a table, or None and all its faults; an empty table means auto with its defaults."""
    if is_own(table):
        return validated(OwnSampler, table, path)
    return (Auto(), []) if table == {} else validated_by_name(_ADAPTER, SAMPLERS, table, path)


def check(sampler: Sampler, space: Space, path: KeyPath = ("sampler",)) -> list[Fault]:
    """The reasons why this sampler cannot search this space."""
    if isinstance(sampler, Grid):
        if space.conditional:
            names = ", ".join(name for name in space.names if name not in space.always)
            rule = f"grid cannot search conditional hyperparameters, but got {names}; use tpe or qmc"
            return [Fault(path, rule)]
        if (points := grid_size(sampler, space) or 0) > GRID_LIMIT:
            rule = f"a grid must have at most {GRID_LIMIT} points, but has {points}; lower points, or use qmc"
            return [Fault((*path, "points"), rule)]
    if isinstance(sampler, Cmaes) and space.names and not numbers(space):
        rule = "cmaes needs a numerical hyperparameter without a condition, but the space has none; use tpe"
        return [Fault(path, rule)]
    return []


def notes(sampler: Sampler, space: Space) -> list[str]:
    """The limitations of this sampler on this space, one sentence each."""
    conditional = ", ".join(name for name in space.names if name not in space.always)
    if isinstance(sampler, Grid):
        return [f"grid has {grid_size(sampler, space)} points, and the search ends after them."]
    if isinstance(sampler, Auto):
        return [
            f"auto spreads its first {sampler.n_startup_trials} trials evenly over the space, and then "
            f"models the metric with a Gaussian process of all trials. Beyond {MODELLED_TRIALS} trials it "
            f"learns from the best half of that number and a random choice of the others."
        ]
    if isinstance(sampler, Tpe) and conditional and not sampler.group:
        return [f"tpe without group samples {conditional} independently, since they are conditional."]
    if isinstance(sampler, Gp):
        learns = "gp learns from complete trials only, not from pruned ones."
        random = f"gp samples {conditional} at random, since they are conditional."
        return [learns, random] if conditional else [learns]
    if isinstance(sampler, Cmaes):
        others = [name for name in space.names if name not in numbers(space)]
        random = f"cmaes samples {', '.join(others)} at random: it optimizes unconditional numbers only."
        return [random] if others else []
    return []


def grid_size(sampler: Sampler, space: Space) -> int | None:
    """Number of trials after which nothing is left to try; None if unlimited."""
    return grid_points(space.grid(sampler.points)) if isinstance(sampler, Grid) else None


def max_trials(budget: Budget, sampler: Sampler | None, space: Space) -> int | None:
    """Maximum number of trials by the budget and the grid; None if unlimited."""
    grid = None if sampler is None else grid_size(sampler, space)
    return min((count for count in (budget.trials, grid) if count is not None), default=None)


def numbers(space: Space) -> list[str]:
    """Names of the numerical hyperparameters that every trial has."""
    return [name for name in space.always if not isinstance(space.settings[name], ChoiceSetting)]
