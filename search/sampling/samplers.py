"""Optuna's samplers, built from a plan's settings."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.plan.sampler import Cmaes, Gp, Grid, Qmc, Random, Sampler, Tpe, numbers
from search.plan.space import Space

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial


def stable_seed(*parts: object) -> int:
    """A seed in 0 .. 2**32 - 1, the same for the same parts on every machine and start."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")


def build(
    settings: Sampler, space: Space, seed: int, started: int, aside: Sequence[FrozenTrial] = ()
) -> BaseSampler:
    """The sampler for one ask: made anew for each, so that a resumed search draws what the
    uninterrupted one would have drawn.

    seed: the plan's. started: how many trials the study holds, this one not counted. What a
    sampler has to remember it reads in the study. aside: another search's trials, in this space,
    which CMA-ES must be given where others find them among the study's.
    """
    # A third of a second, spent by the process that searches and by no other.
    import optuna
    from optuna.samplers import RandomSampler, TPESampler

    from search.sampling.adapted import AlwaysAskedCmaEs, AlwaysAskedGP, EndlessGrid, WholeSpaceQMC

    now = stable_seed(seed, started)
    independent = RandomSampler(seed=stable_seed(seed, started, "independent"))
    given = settings.model_dump(exclude={"name"})
    # What it would warn of in every trial is said once, by `notes`.
    quiet = {"independent_sampler": independent, "warn_independent_sampling": False}
    with warnings.catch_warnings():
        # That an argument is experimental was weighed when it became a setting.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match settings:
            case Tpe():
                return TPESampler(seed=now, **given)
            case Random():
                return RandomSampler(seed=now)
            case Gp():
                return AlwaysAskedGP(space.always, seed=now, **given, **quiet)
            case Cmaes():
                source = None if settings.use_separable_cma else _moved_by_cmaes(space, aside)
                return AlwaysAskedCmaEs(space.always, seed=now, source_trials=source, **given, **quiet)
            case Qmc():
                # One sequence for the whole search: its place in it is kept in the study.
                once = stable_seed(seed)
                distributions = space.distributions()
                return WholeSpaceQMC(
                    distributions, seed=once, warn_asynchronous_seeding=False, **given, **quiet
                )
            case Grid():
                # One shuffle for the whole search: a trial's number is its place in it.
                return EndlessGrid(space.grid(settings.points), seed=stable_seed(seed))


def _moved_by_cmaes(space: Space, aside: Sequence[FrozenTrial]) -> list[FrozenTrial] | None:
    """Complete trials with the parameters that CMA-ES moves and no others: it refuses what has more.
    None where they are fewer than ten: it would find no best tenth among them."""
    kept = [name for name in numbers(space) if not space.distributions()[name].single()]
    made = []
    for trial in aside:
        if trial.state.name == "COMPLETE":
            bare = copy.copy(trial)
            bare.params = {name: trial.params[name] for name in kept}
            bare.distributions = {name: trial.distributions[name] for name in kept}
            made.append(bare)
    return made if kept and len(made) >= 10 else None
