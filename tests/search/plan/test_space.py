"""A space: what it draws, what it refuses, and how it reads and writes itself."""

from __future__ import annotations

import tomllib
from typing import Any

import optuna
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, model_validator

from search.plan.space import Outside, Space
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
    """Every fault of a table against our own Recipe, as sentences."""
    space, faults = Space.parse(table)
    return [fault.sentence("plan") for fault in faults + space.check(Recipe, base or {})]


def drawn(space: Space, seed: int, count: int = 5) -> list[dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return [space.suggest(study.ask()) for _ in range(count)]


@st.composite
def spaces(draw: st.DrawFn) -> dict[str, Any]:
    """Tables of sound spaces over Recipe's fields, conditional ones too."""

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
def test_every_suggestion_lies_in_the_space_and_is_accepted_by_the_recipe(table, seed):
    space = parsed(table)
    assert space.check(Recipe, {}) == []
    for sampled in drawn(space, seed):
        Recipe.model_validate(sampled)
        for name, value in sampled.items():
            entry = table[name]
            assert value in entry["choices"] if "choices" in entry else entry["low"] <= value <= entry["high"]


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 99))
def test_a_conditional_setting_is_asked_exactly_when_its_parents_have_the_value(table, seed):
    space = parsed(table)
    for sampled in drawn(space, seed):
        for name, entry in table.items():
            when = {
                parent: values if isinstance(values, list) else [values]
                for parent, values in entry.get("when", {}).items()
            }
            assert (name in sampled) is all(sampled[parent] in values for parent, values in when.items())


@settings(max_examples=60, deadline=None)
@given(spaces())
def test_a_space_written_and_read_is_the_same_space(table):
    space = parsed(table)
    assert parsed(space.to_table()) == space


@settings(max_examples=30, deadline=None)
@given(spaces(), st.randoms(use_true_random=False))
def test_the_order_in_the_file_does_not_change_what_is_drawn(table, random):
    shuffled = list(table.items())
    random.shuffle(shuffled)
    assert drawn(parsed(table), 3) == drawn(parsed(dict(shuffled)), 3)


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
        for sampled in drawn(space, 0, count=2):
            Recipe.model_validate(sampled)


def test_a_list_is_text_to_optuna_and_a_list_to_the_recipe():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = parsed({"hidden_sizes": {"choices": [[128, 64], [256, 128]]}})
    trial = study.ask()
    sampled = space.suggest(trial)
    assert isinstance(trial.params["hidden_sizes"], str)
    assert sampled["hidden_sizes"] in ([128, 64], [256, 128])
    assert space.params_of({"hidden_sizes": sampled["hidden_sizes"]}) == trial.params


def test_a_trial_that_was_asked_before_is_given_the_same_values_again():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    space = parsed(EXAMPLE)
    trial = study.ask()
    sampled = space.suggest(trial)
    again = optuna.trial.Trial(study, trial._trial_id)
    assert space.suggest(again) == sampled


@settings(max_examples=60, deadline=None)
@given(spaces(), st.integers(0, 2**31))
def test_a_drawn_recipe_is_known_again_by_the_space_that_drew_it(table, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    space = parsed(table)
    for _ in range(5):
        trial = study.ask()
        recipe = space.suggest(trial)
        assert space.params_of({**recipe, "a_fixed_setting": 3}) == trial.params


def test_a_recipe_is_unknown_to_a_space_that_could_not_have_drawn_it():
    space = parsed(EXAMPLE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    recipe = next(one for one in (space.suggest(study.ask()) for _ in range(50)) if one["schedule"] == "step")
    assert set(space.params_of(recipe)) == set(recipe)
    changes = ({"dropout": 0.9}, {"step_epochs": 7}, {"hidden_sizes": [1]}, {"dropout": "0.1"})
    for changed in [{**recipe, **change} for change in changes] + [
        {name: value for name, value in recipe.items() if name != "gamma"}
    ]:
        with pytest.raises(Outside):
            space.params_of(changed)
    # What is not asked does not matter, nor whether it is there.
    constant = {**recipe, "schedule": "constant", "gamma": -5.0}
    assert "gamma" not in space.params_of(constant)


def test_names_follow_the_file_and_always_leaves_out_the_conditional_ones():
    space = parsed(EXAMPLE)
    assert space.names == tuple(EXAMPLE)
    assert space.always == ("dropout", "learning_rate", "batch_size", "hidden_sizes", "schedule")
    assert space.conditional
    assert not parsed({"dropout": {"low": 0.0, "high": 0.4}}).conditional


def test_a_chain_of_conditions_is_asked_from_the_top():
    table = {
        "momentum": {"low": 0.0, "high": 0.9, "when": {"gamma": [0.5]}},
        "gamma": {"choices": [0.5, 0.6], "when": {"schedule": "step"}},
        "schedule": {"choices": ["step", "constant"]},
    }
    seen = drawn(parsed(table), 0, count=40)
    assert all(("momentum" in one) is (one.get("gamma") == 0.5) for one in seen)
    assert {frozenset(one) for one in seen} == {
        frozenset({"schedule"}),
        frozenset({"schedule", "gamma"}),
        frozenset({"schedule", "gamma", "momentum"}),
    }


def test_distributions_hold_every_setting_as_optuna_knows_it():
    distributions = parsed(EXAMPLE).distributions()
    assert distributions["learning_rate"] == optuna.distributions.FloatDistribution(1e-4, 3e-2, log=True)
    assert distributions["step_epochs"] == optuna.distributions.IntDistribution(1, 6)
    assert distributions["hidden_sizes"].choices == ("[128,64]", "[256,128]")


def test_a_fixed_parent_decides_its_conditions():
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
def test_every_grid_value_can_be_drawn(table, points):
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
            "can never hold: it asks schedule for different values at once",
        ),
    ],
)
def test_a_condition_that_can_never_hold_is_a_fault(when, fault):
    table = {
        "schedule": {"choices": ["step", "constant"]},
        "batch_size": {"low": 2, "high": 8, "step": 2},
        "dropout": {"low": 0.0, "high": 0.4},
        "momentum": {"choices": [0.5, 0.9], "when": {"schedule": "step"}},
        "gamma": {"low": 0.1, "high": 0.9, "when": when},
    }
    (found,) = rules(table)
    assert found.startswith("plan [space] gamma.when") and fault in found


def test_conditions_that_lead_in_a_circle_are_a_fault():
    table = {
        "gamma": {"choices": [0.5], "when": {"momentum": 0.5}},
        "momentum": {"choices": [0.5], "when": {"warmup": 0.5}},
        "warmup": {"choices": [0.5], "when": {"gamma": 0.5}},
    }
    (found,) = rules(table)
    assert "must not lead back to itself" in found and found.count("->") == 3


def test_a_setting_is_searched_or_fixed_but_not_both():
    (found,) = rules({"dropout": {"low": 0.0, "high": 0.4}}, {"dropout": 0.2})
    assert found == "plan [space] dropout: must be either searched or fixed, but [recipe] fixes it to 0.2"


def test_all_faults_are_told_at_once_even_beside_a_broken_recipe():
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


def test_a_value_refused_only_beside_another_default_is_no_fault():
    together = parsed({"least": {"low": 0, "high": 5}, "most": {"low": 6, "high": 9}})
    assert together.check(Pair, {}) == []
    alone = parsed({"least": {"low": 0, "high": 5}})
    assert [fault.rule for fault in alone.check(Pair, {})] == ["least <= most must hold, but got 5 and 1"]


def test_a_recipe_whose_own_check_breaks_is_a_fault_and_no_traceback():
    class Breaks(BaseModel):
        share: float = 0.5

        @model_validator(mode="after")
        def _inverse(self):
            assert 1 / self.share
            return self

    (fault,) = parsed({"share": {"low": 0.0, "high": 1.0}}).check(Breaks, {})
    assert "ZeroDivisionError" in fault.rule
