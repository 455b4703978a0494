"""Samplers: built anew for each trial, they draw as one that lived on would."""

from __future__ import annotations

import inspect
import logging
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

from search.plan.sampler import (
    KINDS,
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
UNSEEDED = Qmc(qmc_type="halton", scramble=False)
SMALL: list[Any] = [
    Tpe(n_startup_trials=3),
    Gp(n_startup_trials=3),
    Cmaes(n_startup_trials=2),
    Random(),
    Qmc(),
    UNSEEDED,
    Grid(points=3),
]


def space_for(sampler: Sampler) -> Space:
    return FLAT if isinstance(sampler, Grid) else CONDITIONAL


def go_on(study: optuna.Study, sampler: Sampler, count: int, seed: int = 7) -> None:
    """`count` more trials, each with a sampler of its own; the third of each four is pruned."""
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


@pytest.mark.parametrize("sampler", SMALL, ids=lambda one: one.name)
def test_a_resumed_search_draws_what_the_uninterrupted_one_draws(sampler, tmp_path: Path):
    whole = in_memory()
    go_on(whole, sampler, 11)
    for count in (5, 6):  # two processes, one after the other, over the same journal
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "journal")))
        resumed = optuna.create_study(
            study_name="study",
            storage=storage,
            pruner=optuna.pruners.HyperbandPruner(1, 9),
            load_if_exists=True,
        )
        go_on(resumed, sampler, count)
    assert parameters(resumed) == parameters(whole)
    assert len({str(params) for params in parameters(whole)}) >= 10


@pytest.mark.parametrize("sampler", SMALL, ids=lambda one: one.name)
def test_a_search_says_nothing_while_it_draws(sampler, caplog):
    optuna.logging.enable_propagation()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings(record=True) as raised:
            warnings.simplefilter("always")
            study = in_memory()
            go_on(study, sampler, 9)
    finally:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        optuna.logging.disable_propagation()
    assert [str(one.message) for one in raised] == []
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("sampler", [one for one in SMALL if one != UNSEEDED], ids=lambda one: one.name)
def test_another_seed_draws_something_else(sampler):
    one, other = in_memory(), in_memory()
    go_on(one, sampler, 3, seed=1)
    go_on(other, sampler, 3, seed=2)
    assert parameters(one) != parameters(other)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**63), st.integers(0, 10**6))
def test_the_same_seed_and_trial_draw_the_same(seed, started):
    def draw() -> dict[str, Any]:
        study = optuna.create_study(sampler=build(Random(), CONDITIONAL, seed, started))
        return CONDITIONAL.suggest(study.ask())

    assert draw() == draw()


def test_a_seed_is_the_same_on_every_machine_and_start():
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
def test_every_argument_of_optunas_that_is_not_deprecated_is_a_setting(
    settings_type, sampler, ours, deprecated
):
    assert arguments(sampler) - ours - deprecated == set(settings_type.model_fields) - {"name"}


def test_a_grid_tries_every_combination_once_and_telling_the_last_one_raises_nothing():
    study = optuna.create_study()
    assert grid_size(Grid(points=3), FLAT) == 18
    go_on(study, Grid(points=3), 18)
    assert len({str(sorted(params.items())) for params in parameters(study)}) == 18


def test_only_a_grid_ends():
    assert grid_size(Tpe(), FLAT) is None


def test_a_quasi_random_search_spreads_evenly_though_settings_come_and_go():
    study = in_memory()
    go_on(study, Qmc(), 16)
    cells = sorted(int(params["dropout"] / 0.4 * 16) for params in parameters(study))
    assert cells == list(range(16))


def test_cmaes_goes_on_steering_once_conditional_settings_came_and_went():
    study = in_memory()
    for _ in range(12):  # long enough for a generation in which gamma is always asked
        study.enqueue_trial({"schedule": "step"})
    go_on(study, Cmaes(), 12)
    for _ in range(6):
        study.enqueue_trial({"schedule": "constant"})
    go_on(study, Cmaes(), 12)
    steered = ["cma:generation" in trial.system_attrs for trial in study.trials]
    assert all(steered[1:])


def test_a_learning_sampler_finds_more_than_random_draws():
    best = {}
    for sampler in (Random(), Tpe(n_startup_trials=5)):
        study = in_memory()
        go_on(study, sampler, 60)
        best[sampler.name] = study.best_value
    assert best["tpe"] < best["random"]


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"name": "tp"}, 'sampler] name: no such sampler: "tp"; did you mean tpe?'),
        (
            {"n_startup_trials": 3},
            "sampler] name: must be given; there are tpe, gp, cmaes, random, qmc, grid",
        ),
        ({"name": "random", "points": 3}, "sampler] points: no such setting of random"),
        ({"name": "tpe", "n_startup_trial": 3}, "did you mean n_startup_trials?"),
        ({"name": "tpe", "n_ei_candidates": 0}, "must be greater than or equal to 1, but got 0"),
        ({"name": "tpe", "n_ei_candidates": True}, "must be a valid integer, but got true"),
        ({"name": "tpe", "multivariate": False}, "group needs multivariate"),
        ({"name": "cmaes", "with_margin": True, "lr_adapt": True}, "with_margin and lr_adapt"),
        ({"name": "qmc", "qmc_type": "sobl"}, "must be 'sobol' or 'halton', but got \"sobl\""),
        ("random", 'sampler]: must be a table such as { name = "tpe" }, but got "random"'),
        ({"name": 3}, "no such sampler: 3"),
    ],
)
def test_a_fault_names_the_key_the_rule_and_the_value(table, fault):
    found, faults = parse_sampler(table)
    assert found is None
    assert len(faults) == 1 and fault in faults[0].sentence("plan")


def test_an_empty_table_means_tpe():
    assert parse_sampler({}) == (Tpe(), [])


@pytest.mark.parametrize("name", KINDS)
def test_settings_written_and_read_are_the_same(name):
    found, faults = parse_sampler({"name": name})
    assert found is not None and not faults
    assert parse_sampler(found.model_dump(exclude_none=True)) == (found, [])
    assert TypeAdapter(Sampler).validate_python({"name": name}) == found


def test_a_grid_refuses_a_conditional_space_and_one_too_large():
    (conditional,) = check(Grid(), CONDITIONAL)
    assert "gamma, step_epochs depend on others" in conditional.rule
    (large,) = check(Grid(points=1000), FLAT)
    assert "at most 100000 points, but got 2000000" in large.rule
    assert check(Grid(), FLAT) == []


def test_cmaes_refuses_a_space_without_numbers_that_are_always_asked():
    (fault,) = check(Cmaes(), space_of({"batch_size": {"choices": [64, 128]}}))
    assert "cmaes needs a number" in fault.rule
    assert check(Cmaes(), CONDITIONAL) == []


def test_notes_say_what_a_sampler_leaves_to_chance():
    assert notes(Tpe(), CONDITIONAL) == notes(Random(), CONDITIONAL) == notes(Qmc(), CONDITIONAL) == []
    assert "gamma, step_epochs one by one" in notes(Tpe(group=False), CONDITIONAL)[0]
    assert "gamma, step_epochs at random" in notes(Gp(), CONDITIONAL)[1]
    assert "hidden_sizes, schedule, gamma, step_epochs at random" in notes(Cmaes(), CONDITIONAL)[0]
    assert notes(Grid(points=3), FLAT) == ["grid has 18 points and ends the search after them."]
