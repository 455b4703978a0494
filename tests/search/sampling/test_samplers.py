"""Samplers: built for each trial, they suggest the same values as one that persists."""

from __future__ import annotations

import inspect
import logging
import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from pydantic import TypeAdapter

from search.plan.fault import by_name
from search.plan.sampler import (
    SAMPLERS,
    Auto,
    Cmaes,
    Gp,
    Grid,
    Qmc,
    Random,
    Sampler,
    Tpe,
    check,
    grid_size,
    notes,
    parse_sampler,
)
from search.plan.space import Space
from search.sampling.samplers import build, stable_seed

optuna.logging.set_verbosity(optuna.logging.ERROR)


def space_of(table: dict[str, Any]) -> Space:
    space, faults = Space.parse(table)
    assert faults == []
    return space


RANGES = {"dropout": {"low": 0.0, "high": 0.4}, "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}}
FLAT = space_of({**RANGES, "batch_size": {"choices": [64, 128]}})
CONDITIONAL = space_of(
    {
        **RANGES,
        "hidden_sizes": {"choices": [[128, 64], [256]]},
        "schedule": {"choices": ["constant", "step"]},
        "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
        "step_epochs": {"low": 1, "high": 6, "when": {"schedule": "step"}},
    }
)
WITHOUT_SEED = Qmc(qmc_type="halton", scramble=False)
SMALL: list[Any] = [
    Auto(n_startup_trials=3),
    Tpe(n_startup_trials=3),
    Gp(n_startup_trials=3),
    Cmaes(n_startup_trials=2),
    Random(),
    Qmc(),
    WITHOUT_SEED,
    Grid(points=3),
]
MARKED = [
    pytest.param(sampler, marks=pytest.mark.slow if isinstance(sampler, Gp) else ()) for sampler in SMALL
]
"""The same. The draws of a Gaussian process take seconds."""


def space_for(sampler: Sampler) -> Space:
    return FLAT if isinstance(sampler, Grid) else CONDITIONAL


def continue_search(study: optuna.Study, sampler: Sampler, count: int, seed: int = 7) -> None:
    """Run `count` more trials, each with a new sampler; every fourth is pruned."""
    space = space_for(sampler)
    for _ in range(count):
        started = len(study.get_trials(deepcopy=False))
        study.sampler = build(sampler, space, seed, started)
        trial = study.ask()
        sampled = space.suggest(trial)
        score = (sampled["dropout"] - 0.15) ** 2 + 0.1 * (sampled.get("gamma", 0.5) - 0.3) ** 2
        trial.report(score, 1)
        if started % 4 == 2:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, score)


def in_memory() -> optuna.Study:
    return optuna.create_study(study_name="study", pruner=optuna.pruners.HyperbandPruner(1, 9))


def parameters(study: optuna.Study) -> list[dict[str, Any]]:
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("sampler", MARKED, ids=lambda sampler: sampler.name)
def test_a_resumed_search_suggests_what_the_uninterrupted_one_suggests(sampler, tmp_path: Path):
    uninterrupted = in_memory()
    continue_search(uninterrupted, sampler, 11)
    for count in (5, 6):  # two processes, one after the other, over the same journal
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
        resumed = optuna.create_study(
            study_name="study",
            storage=storage,
            pruner=optuna.pruners.HyperbandPruner(1, 9),
            load_if_exists=True,
        )
        continue_search(resumed, sampler, count)
    assert parameters(resumed) == parameters(uninterrupted)
    assert len({str(params) for params in parameters(uninterrupted)}) >= 10


@pytest.mark.parametrize("sampler", SMALL, ids=lambda sampler: sampler.name)
def test_a_search_logs_no_warnings(sampler, caplog):
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            study = in_memory()
            continue_search(study, sampler, 9)
    finally:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.logging.disable_propagation()
    assert [str(warning.message) for warning in raised] == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize(
    "sampler", [sampler for sampler in SMALL if sampler is not WITHOUT_SEED], ids=lambda sampler: sampler.name
)
def test_another_seed_suggests_other_values(sampler):
    first, second = in_memory(), in_memory()
    continue_search(first, sampler, 3, seed=1)
    continue_search(second, sampler, 3, seed=2)
    assert parameters(first) != parameters(second)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 10**6))
def test_the_same_seed_and_trial_suggest_the_same_values(seed, started):
    def draw() -> dict[str, Any]:
        study = optuna.create_study(sampler=build(Random(), CONDITIONAL, seed, started))
        return CONDITIONAL.suggest(study.ask())

    assert draw() == draw()


def test_a_seed_depends_on_its_parts_alone():
    assert stable_seed(0, 1) == 2839049726
    assert stable_seed(0, 1) != stable_seed(0, 2) != stable_seed(1, 2)


def arguments(sampler: type) -> set[str]:
    return set(inspect.signature(sampler.__init__).parameters) - {"self"}


@pytest.mark.parametrize(
    ("settings_type", "sampler", "ours", "deprecated"),
    [
        (
            Tpe,
            optuna.samplers.TPESampler,
            {"seed"},
            {
                "consider_prior",
                "prior_weight",
                "consider_magic_clip",
                "consider_endpoints",
                "gamma",
                "weights",
                "warn_independent_sampling",
                "constraints_func",
            },
        ),
        (
            Gp,
            optuna.samplers.GPSampler,
            {"seed", "independent_sampler", "warn_independent_sampling"},
            {"constraints_func"},
        ),
        (
            Cmaes,
            optuna.samplers.CmaEsSampler,
            {"seed", "independent_sampler", "warn_independent_sampling", "source_trials"},
            {"x0", "sigma0", "restart_strategy", "inc_popsize"},
        ),
        (Random, optuna.samplers.RandomSampler, {"seed"}, set()),
        (
            Qmc,
            optuna.samplers.QMCSampler,
            {"seed", "independent_sampler", "warn_independent_sampling", "warn_asynchronous_seeding"},
            set(),
        ),
    ],
)
def test_every_argument_of_optunas_sampler_that_is_not_deprecated_is_a_setting(
    settings_type, sampler, ours, deprecated
):
    assert arguments(sampler) - ours - deprecated == set(settings_type.model_fields) - {"name"}


def test_a_grid_tries_every_combination_once_and_does_not_raise_after_the_last():
    study = optuna.create_study()
    assert grid_size(Grid(points=3), FLAT) == 18
    continue_search(study, Grid(points=3), 18)
    assert len({str(sorted(params.items())) for params in parameters(study)}) == 18


def test_only_a_grid_is_limited():
    assert grid_size(Tpe(), FLAT) is None


def test_qmc_is_evenly_distributed_in_a_conditional_space():
    study = in_memory()
    continue_search(study, Qmc(), 16)
    cells = sorted(int(params["dropout"] / 0.4 * 16) for params in parameters(study))
    assert cells == list(range(16))


def test_cmaes_continues_in_a_conditional_space():
    study = in_memory()
    for _ in range(12):  # long enough for a generation whose trials all have gamma
        study.enqueue_trial({"schedule": "step"})
    continue_search(study, Cmaes(), 12)
    for _ in range(6):
        study.enqueue_trial({"schedule": "constant"})
    continue_search(study, Cmaes(), 12)
    optimized = ["cma:generation" in trial.system_attrs for trial in study.trials]
    assert all(optimized[1:])


def test_tpe_finds_a_better_score_than_random():
    best = {}
    for sampler in (Random(), Tpe(n_startup_trials=5)):
        study = in_memory()
        continue_search(study, sampler, 60)
        best[sampler.name] = study.best_value
    assert best["tpe"] < best["random"]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        (
            {"name": "tp"},
            'sampler] name: no such sampler: "tp"; did you mean tpe?',
        ),
        (
            {"n_startup_trials": 3},
            "sampler] name: must be given; there are auto, tpe, gp, cmaes, random, qmc, grid",
        ),
        ({"name": "random", "points": 3}, "sampler] points: no such setting of random"),
        ({"name": "tpe", "n_startup_trial": 3}, "did you mean n_startup_trials?"),
        ({"name": "tpe", "n_ei_candidates": 0}, "must be greater than or equal to 1, but got 0"),
        ({"name": "tpe", "n_ei_candidates": True}, "must be a whole number, but got true"),
        ({"name": "tpe", "multivariate": False}, "group needs multivariate"),
        ({"name": "cmaes", "with_margin": True, "lr_adapt": True}, "with_margin and lr_adapt"),
        ({"name": "qmc", "qmc_type": "sobl"}, "must be 'sobol' or 'halton', but got \"sobl\""),
        ("random", 'sampler: must be a table such as { name = "random" }, but got "random"'),
        ({"name": 3}, "no such sampler: 3"),
    ],
)
def test_a_fault_names_the_key_the_rule_and_the_value(table, fault):
    sampler, faults = parse_sampler(table)
    assert sampler is None
    assert len(faults) == 1 and fault in faults[0].sentence("plan")


def test_an_empty_table_means_auto():
    assert parse_sampler({}) == (Auto(), [])


@pytest.mark.parametrize("name", by_name(SAMPLERS))
def test_a_sampler_survives_writing_and_parsing(name):
    sampler, faults = parse_sampler({"name": name})
    assert sampler is not None and not faults
    assert parse_sampler(sampler.model_dump(exclude_none=True)) == (sampler, [])
    assert TypeAdapter(Sampler).validate_python({"name": name}) == sampler


def test_a_grid_rejects_a_conditional_space_and_a_large_one():
    (conditional,) = check(Grid(), CONDITIONAL)
    assert "but got gamma, step_epochs" in conditional.rule
    (large,) = check(Grid(points=1000), FLAT)
    assert "at most 100000 points, but has 2000000" in large.rule
    assert check(Grid(), FLAT) == []


def test_cmaes_rejects_a_space_without_unconditional_numbers():
    (fault,) = check(Cmaes(), space_of({"batch_size": {"choices": [64, 128]}}))
    assert fault.path == ("sampler",)
    assert check(Cmaes(), CONDITIONAL) == []


def test_notes_name_the_hyperparameters_that_are_sampled_at_random():
    assert notes(Tpe(), CONDITIONAL) == notes(Random(), CONDITIONAL) == notes(Qmc(), CONDITIONAL) == []
    assert "gamma, step_epochs independently" in notes(Tpe(group=False), CONDITIONAL)[0]
    assert "gamma, step_epochs at random" in notes(Gp(), CONDITIONAL)[1]
    assert "hidden_sizes, schedule, gamma, step_epochs at random" in notes(Cmaes(), CONDITIONAL)[0]
    assert notes(Grid(points=3), FLAT) == ["grid has 18 points, and the search ends after them."]


@pytest.mark.parametrize("sampler", MARKED, ids=lambda sampler: sampler.name)
def test_the_memory_of_a_draw_does_not_grow_with_the_width_of_a_range(sampler):
    space = space_of(
        {
            "seed": {"low": 0, "high": 2**31 - 1},
            "samples": {"low": 1, "high": 2**53, "log": True},
            "offset": {"low": 0.0, "high": 1e6, "step": 0.25},
            "width": {"low": 1, "high": 64},
        }
    )
    study = optuna.create_study(study_name="study", direction="maximize")
    tracemalloc.start()
    try:
        for number in range(6):
            study.sampler = build(sampler, space, 7, number)
            trial = study.ask()
            sampled = space.suggest(trial)
            assert all(space.settings[name].takes(value) for name, value in sampled.items())
            study.tell(trial, -abs(sampled["seed"] / 2**31 - 0.3))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100e6


@pytest.mark.slow
def test_gp_learns_from_a_range_too_wide_to_list():
    space = space_of({"seed": {"low": 0, "high": 2**31 - 1}, "dropout": {"low": 0.0, "high": 0.5}})
    study = optuna.create_study(study_name="study", direction="maximize")
    for number in range(25):
        study.sampler = build(Gp(n_startup_trials=5), space, 7, number)
        trial = study.ask()
        sampled = space.suggest(trial)
        study.tell(trial, -(((sampled["seed"] / 2**31) - 0.3) ** 2) - (sampled["dropout"] - 0.2) ** 2)
    later = [trial.params["seed"] / 2**31 for trial in study.trials[15:]]
    assert sum(abs(value - 0.3) < 0.1 for value in later) >= 7
    assert all(isinstance(trial.params["seed"], int) for trial in study.trials)
