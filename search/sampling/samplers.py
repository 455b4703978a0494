"""Optuna's samplers, built from the [sampler] table of a plan."""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from search.plan.own import accepts_seed, class_of, settings_of
from search.plan.sampler import Auto, Cmaes, Gp, Grid, OwnSampler, Qmc, Random, Sampler, Tpe, numbers
from search.plan.space import Space
from search.sampling.recipes import Recipes

if TYPE_CHECKING:
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

    from search.sampling.model_cache import ModelCache
    from search.sampling.parzen import TrialTable
    from search.sampling.trial_points import TrialPoints


def stable_seed(*parts: object) -> int:
    """A seed in 0 .. 2**32 - 1 that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:4], "big")


@dataclass(frozen=True)
class Memory:
    """What earlier draws computed from the trials. Only `models` can change a suggestion."""

    table: TrialTable
    """TPE's."""
    points: TrialPoints
    """Of `auto`."""
    models: ModelCache | None
    """Of `auto`, which may then know less of the latest trials; None to fit a model for each draw."""


def build(
    settings: Sampler,
    space: Space,
    seed: int,
    started: int,
    warm_start: Sequence[FrozenTrial] = (),
    recipes: Recipes | None = None,
    folder: Path | None = None,
    memory: Memory | None = None,
) -> BaseSampler:
    """The sampler for one trial.

    Each trial gets a new one, whose state is completely in the study, so that a resumed search suggests what
    the uninterrupted one would have suggested.

    seed: of the plan. started: number of trials in the study before this one. warm_start: trials of another
    search in this space, which CMA-ES takes as an argument, while other samplers find them in the study.
    recipes: None if the trainable accepts all of them and has no default. folder: where a class of the user's
    is looked for first. memory: of earlier draws; None to begin anew.
    """
    # Imported here, since it takes 0.3 s, which only the process that searches needs to spend.
    import optuna
    from optuna.samplers import RandomSampler, TPESampler

    from search.sampling.adapted import FullSpaceQMC, NonStoppingGrid, UnconditionalCmaEs, UnconditionalGP
    from search.sampling.parzen import ManyTrialsTPE, TrialTable

    trial_seed = stable_seed(seed, started)
    independent = RandomSampler(seed=stable_seed(seed, started, "independent"))
    if isinstance(settings, OwnSampler):
        known = class_of(settings.name, "sampler", folder)
        seeded = {"seed": trial_seed} if accepts_seed(known) else {}
        own: BaseSampler = known(**{**seeded, **settings_of(settings)})
        return own
    arguments = settings.model_dump(exclude={"name"})
    # It would warn in every trial; `search.plan.sampler.notes` warns once.
    quiet = {"independent_sampler": independent, "warn_independent_sampling": False}
    with warnings.catch_warnings():
        # Being experimental was considered when an argument became a setting.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        match settings:
            case Tpe() if not space.names:  # an objective's, known from its trials alone
                return TPESampler(seed=trial_seed, **arguments)
            case Tpe():
                of_trials = TrialTable() if memory is None else memory.table
                return ManyTrialsTPE(space.distributions(), of_trials, seed=trial_seed, **arguments)
            case Auto():
                from search.sampling.auto import AutoSampler

                start = settings.n_startup_trials
                accepted = recipes or Recipes()
                kept = () if memory is None else (memory.points, memory.models)
                return AutoSampler(space, trial_seed, stable_seed(seed), start, accepted, *kept)
            case Random():
                return RandomSampler(seed=trial_seed)
            case Gp():
                return UnconditionalGP(space.always, seed=trial_seed, **arguments, **quiet)
            case Cmaes():
                source = None if settings.use_separable_cma else _cmaes_source(space, warm_start)
                return UnconditionalCmaEs(
                    space.always, seed=trial_seed, source_trials=source, **arguments, **quiet
                )
            case Qmc():
                # One sequence for all trials; the study stores the position in it.
                sequence_seed = stable_seed(seed)
                distributions = space.distributions()
                return FullSpaceQMC(
                    distributions, seed=sequence_seed, warn_asynchronous_seeding=False, **arguments, **quiet
                )
            case Grid():
                # One permutation for all trials; a trial's number is the position in it.
                return NonStoppingGrid(space.grid(settings.points), seed=stable_seed(seed))


def _cmaes_source(space: Space, warm_start: Sequence[FrozenTrial]) -> list[FrozenTrial] | None:
    """The complete trials, reduced to the parameters that CMA-ES optimizes, since it accepts no others.

    None if there are fewer than ten, since it starts from the best tenth of them.
    """
    names = [name for name in numbers(space) if not space.distributions()[name].single()]
    source = []
    for trial in warm_start:
        if trial.state.name == "COMPLETE":
            reduced = copy.copy(trial)
            reduced.params = {name: trial.params[name] for name in names}
            reduced.distributions = {name: trial.distributions[name] for name in names}
            source.append(reduced)
    return source if names and len(source) >= 10 else None
