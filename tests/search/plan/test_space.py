"""Spaces: their suggestions, their faults, parsing and writing."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.plan.space import NotInSpace, Space
from trainable.mnist.recipe import Recipe

optuna.logging.set_verbosity(optuna.logging.ERROR)

SCHEDULES = ["constant", "step", "exponential", "cosine"]
EXAMPLE = tomllib.loads(
    """
    dropout = { low = 0.0, high = 0.4 }
    learning_rate = { low = 1e-4, high = 3e-2, log = true }
    batch_size = { choices = [64, 128, 256] }
    hidden_sizes = { choices = [[128, 64], [256, 128]] }
    schedule = { choices = ["constant", "step", "exponential"] }
    step_epochs = { low = 1, high = 6, when = { schedule = "step" } }
    gamma = { low = 0.1, high = 0.9, when = { schedule = ["step", "exponential"] } }
    """
)


def parsed(table: object) -> Space:
    space, faults = Space.parse(table)
    assert faults == []
    return space


def rules(table: dict[str, Any], base: dict[str, Any] | None = None) -> list[str]:
    """All faults of a table with our own Recipe, as sentences."""
    space, faults = Space.parse(table)
    return [fault.sentence("plan") for fault in faults + space.check(Recipe, base or {})]


def samples(space: Space, seed: int, count: int = 5) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.suggest(study.ask()) for _ in range(count)]


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Tables of valid spaces over the fields of Recipe, some of them conditional."""

    def floats(low: float, high: float, log: bool) -> dict[str, Any]:
        ends = sorted(draw(st.lists(st.floats(low, high), min_size=2, max_size=2)))
        return {"low": ends[0], "high": ends[1], "log": log}

    def ints(low: int, high: int) -> dict[str, Any]:
        first, count = draw(st.integers(low, high)), draw(st.integers(0, 5))
        step = draw(st.integers(1, 3))
        return {"low": first, "high": first + count * step, "step": step}

    schedules = draw(st.lists(st.sampled_from(SCHEDULES), min_size=1, unique=True))
    sizes = st.lists(st.integers(1, 300), min_size=1, max_size=3)
    parts = {
        "dropout": lambda: floats(0.0, 0.99, log=False),
        "learning_rate": lambda: floats(1e-9, 100.0, log=True),
        "batch_size": lambda: ints(1, 500),
        "hidden_sizes": lambda: {"choices": draw(st.lists(sizes, min_size=1, max_size=4, unique_by=str))},
        "optimizer": lambda: {"choices": ["adam", "sgd"]},
        "schedule": lambda: {"choices": schedules},
    }
    names = draw(st.lists(st.sampled_from(list(parts)), unique=True))
    table = {name: parts[name]() for name in names}
    if "schedule" in table:
        asked = draw(st.lists(st.sampled_from(schedules), min_size=1, unique=True))
        table["gamma"] = floats(0.01, 0.99, log=draw(st.booleans())) | {"when": {"schedule": asked}}
        if "optimizer" in table:
            table["momentum"] = {"choices": [0.5, 0.9], "when": {"optimizer": "sgd", "schedule": asked[0]}}
    return table


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_every_suggestion_is_in_the_space_and_accepted_by_the_recipe(table, seed):
    space = parsed(table)
    assert space.check(Recipe, {}) == []
    for sampled in samples(space, seed):
        Recipe.model_validate(sampled)
        for name, value in sampled.items():
            entry = table[name]
            assert value in entry["choices"] if "choices" in entry else entry["low"] <= value <= entry["high"]


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_a_conditional_hyperparameter_is_suggested_exactly_if_its_condition_holds(table, seed):
    space = parsed(table)
    for sampled in samples(space, seed):
        for name, entry in table.items():
            when = {
                parent: values if isinstance(values, list) else [values]
                for parent, values in entry.get("when", {}).items()
            }
            assert (name in sampled) is all(sampled[parent] in values for parent, values in when.items())


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_a_space_survives_writing_and_parsing(table):
    space = parsed(table)
    assert parsed(space.to_table()) == space


@settings(max_examples=30, deadline=None)
@given(spaces(), st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_change_the_suggestions(table, random):
    shuffled = list(table.items())
    random.shuffle(shuffled)
    assert samples(parsed(table), 3) == samples(parsed(dict(shuffled)), 3)


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["low", "high", "choices", "when", "step", "log", "dropout", "schedule"])
    | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["low", "high", "choices", "when", "step", "log", "dropout", "schedule", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(JUNK)
def test_any_table_is_a_space_or_a_list_of_faults(table):
    space, faults = Space.parse(table)
    faults += space.check(Recipe, {})
    if not faults:
        for sampled in samples(space, 0, count=2):
            Recipe.model_validate(sampled)


def test_a_list_is_a_string_for_optuna_and_a_list_for_the_recipe():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = parsed({"hidden_sizes": {"choices": [[128, 64], [256, 128]]}})
    trial = study.ask()
    sampled = space.suggest(trial)
    assert isinstance(trial.params["hidden_sizes"], str)
    assert sampled["hidden_sizes"] in ([128, 64], [256, 128])
    assert space.params_of({"hidden_sizes": sampled["hidden_sizes"]}) == trial.params


def test_a_second_suggestion_for_the_same_trial_gives_the_same_values():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = parsed(EXAMPLE)
    trial = study.ask()
    sampled = space.suggest(trial)
    again = optuna.trial.Trial(study, trial._trial_id)
    assert space.suggest(again) == sampled


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 2**31))
def test_the_parameters_of_a_suggested_recipe_are_those_of_its_trial(table, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    space = parsed(table)
    for _ in range(5):
        trial = study.ask()
        recipe = space.suggest(trial)
        assert space.params_of({**recipe, "a_fixed_setting": 3}) == trial.params


def test_a_recipe_that_the_space_cannot_suggest_is_not_in_space():
    space = parsed(EXAMPLE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipe = next(
        sampled
        for sampled in (space.suggest(study.ask()) for _ in range(50))
        if sampled["schedule"] == "step"
    )
    assert set(space.params_of(recipe)) == set(recipe)
    changes = ({"dropout": 0.9}, {"step_epochs": 7}, {"hidden_sizes": [1]}, {"dropout": "0.1"})
    for changed in [{**recipe, **change} for change in changes] + [
        {name: value for name, value in recipe.items() if name != "gamma"}
    ]:
        with pytest.raises(NotInSpace):
            space.params_of(changed)
    # A hyperparameter whose condition fails may be missing, or have any value.
    constant = {**recipe, "schedule": "constant", "gamma": -5.0}
    assert "gamma" not in space.params_of(constant)


def test_names_are_in_the_order_of_the_file_and_always_excludes_conditional_ones():
    space = parsed(EXAMPLE)
    assert space.names == tuple(EXAMPLE)
    assert space.always == ("dropout", "learning_rate", "batch_size", "hidden_sizes", "schedule")
    assert space.conditional
    assert not parsed({"dropout": {"low": 0.0, "high": 0.4}}).conditional


def test_a_chain_of_conditions_is_evaluated_from_its_start():
    table = {
        "momentum": {"low": 0.0, "high": 0.9, "when": {"gamma": [0.5]}},
        "gamma": {"choices": [0.5, 0.6], "when": {"schedule": "step"}},
        "schedule": {"choices": ["step", "constant"]},
    }
    recipes = samples(parsed(table), 0, count=40)
    assert all(("momentum" in sampled) is (sampled.get("gamma") == 0.5) for sampled in recipes)
    assert {frozenset(sampled) for sampled in recipes} == {
        frozenset({"schedule"}),
        frozenset({"schedule", "gamma"}),
        frozenset({"schedule", "gamma", "momentum"}),
    }


def test_distributions_are_optunas():
    distributions = parsed(EXAMPLE).distributions()
    assert distributions["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 3e-2, log=True)
    assert distributions["step_epochs"] == optuna.distributions.IntDistribution(1, 6)
    assert distributions["hidden_sizes"].choices == ("[128,64]", "[256,128]")


def test_conditions_on_fixed_fields_are_evaluated():
    table = {name: EXAMPLE[name] for name in ("dropout", "step_epochs", "gamma")}
    table["momentum"] = {"low": 0.1, "high": 0.9, "when": {"gamma": 0.5}}
    table["gamma"] = {"choices": [0.5, 0.7], "when": {"schedule": ["step", "exponential"]}}
    space = parsed(table)
    assert space.given({"schedule": "exponential"}).names == ("dropout", "gamma", "momentum")
    assert space.given({"schedule": "exponential"}).always == ("dropout", "gamma")
    assert space.given({"schedule": "constant"}).names == ("dropout",)


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(2, 9))
@example({"dropout": {"low": 0.01, "high": 0.010000000000000002, "log": False}}, 3)
def test_every_grid_value_is_in_its_distribution(table, points):
    space = parsed(table)
    for name, values in space.grid(points).items():
        distribution = space.distributions()[name]
        assert values and len(values) == len({repr(value) for value in values})
        assert all(distribution._contains(distribution.to_internal_repr(value)) for value in values)


@pytest.mark.parametrize(
    ("when", "fault"),
    [
        ({"schedule": "cosine"}, 'must be a value that schedule can take, but got "cosine"'),
        ({"batch_size": 5}, "must be a value that batch_size can take, but got 5"),
        ({"batch_size": True}, "must be a value that batch_size can take, but got true"),
        ({"dropout": 0.1}, "must be a value that dropout can take, but got 0.1"),
        (
            {"momentum": 0.5, "schedule": "constant"},
            "must be satisfiable, but requires different values of schedule at once",
        ),
    ],
)
def test_an_unsatisfiable_condition_is_a_fault(when, fault):
    table = {
        "schedule": {"choices": ["step", "constant"]},
        "batch_size": {"low": 2, "high": 8, "step": 2},
        "dropout": {"low": 0.0, "high": 0.4},
        "momentum": {"choices": [0.5, 0.9], "when": {"schedule": "step"}},
        "gamma": {"low": 0.1, "high": 0.9, "when": when},
    }
    (sentence,) = rules(table)
    assert sentence.startswith("plan [space] gamma.when") and fault in sentence


def test_cyclic_conditions_are_a_fault():
    table = {
        "gamma": {"choices": [0.5], "when": {"momentum": 0.5}},
        "momentum": {"choices": [0.5], "when": {"warmup": 0.5}},
        "warmup": {"choices": [0.5], "when": {"gamma": 0.5}},
    }
    (sentence,) = rules(table)
    assert "must not form a cycle" in sentence and sentence.count("->") == 3


def test_a_hyperparameter_is_either_searched_or_fixed():
    (sentence,) = rules({"dropout": {"low": 0.0, "high": 0.4}}, {"dropout": 0.2})
    assert sentence == "plan [space] dropout: must be either searched or fixed, but [recipe] fixes it to 0.2"


def test_all_faults_are_reported_at_once_even_with_an_invalid_recipe():
    table = tomllib.loads(
        """
        droput = { low = 0.0, high = 0.4 }
        learning_rate = { low = 1e-4, high = 300.0 }
        batch_size = { low = 3, high = 1 }
        milestones = { choices = [[3, 2]] }
        """
    )
    assert len(rules(table, {"epochs": "many"})) == 4


class Pair(BaseModel):
    """A recipe whose fields depend on each other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    least: int = Field(0, ge=0)
    most: int = Field(1, ge=0)

    @model_validator(mode="after")
    def _ordered(self):
        if self.least > self.most:
            raise ValueError(f"least <= most must hold, but got {self.least} and {self.most}")
        return self


def test_a_value_rejected_only_with_another_default_is_not_a_fault():
    together = parsed({"least": {"low": 0, "high": 5}, "most": {"low": 6, "high": 9}})
    assert together.check(Pair, {}) == []
    alone = parsed({"least": {"low": 0, "high": 5}})
    assert [fault.rule for fault in alone.check(Pair, {})] == ["least <= most must hold, but got 5 and 1"]


def test_a_recipe_whose_check_raises_is_a_fault_without_a_traceback():
    class Breaks(BaseModel):
        share: float = 0.5

        @model_validator(mode="after")
        def _inverse(self):
            assert 1 / self.share
            return self

    (fault,) = parsed({"share": {"low": 0.0, "high": 1.0}}).check(Breaks, {})
    assert "ZeroDivisionError" in fault.rule


STEPS = {
    "dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
    "gamma": {"low": 0.1, "high": 0.9, "when": {"dropout": 0.3}},
}


def test_steps_are_the_numbers_that_are_written() -> None:
    space = parsed(STEPS)
    drawn = {sample["dropout"] for sample in samples(space, 0, count=60)}
    assert drawn == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}
    assert {0.1 * steps for steps in range(6)} != drawn


def test_a_condition_on_a_step_holds_where_it_is_drawn() -> None:
    drawn = samples(parsed(STEPS), 0, count=60)
    assert {sample["dropout"] for sample in drawn if "gamma" in sample} == {0.3}


def test_a_step_and_its_neighbour_in_binary_are_one_recipe() -> None:
    space = parsed(STEPS)
    assert space.params_of({"dropout": 0.10000000000000002}) == space.params_of({"dropout": 0.1})
    assert space.decode({"dropout": 0.30000000000000004, "gamma": 0.5}) == {"dropout": 0.3, "gamma": 0.5}


@given(
    low=st.decimals(-10, 10, places=3),
    step=st.decimals("0.001", 1, places=3),
    count=st.integers(1, 300),
    seed=st.integers(0, 1000),
)
def test_every_step_is_drawn_as_it_is_on_a_grid(low: Decimal, step: Decimal, count: int, seed: int) -> None:
    setting = {"low": float(low), "high": float(low + step * count), "step": float(step)}
    space = parsed({"dropout": setting})
    points = space.grid(count + 1)["dropout"]
    assert {sample["dropout"] for sample in samples(space, seed)} <= set(points)
