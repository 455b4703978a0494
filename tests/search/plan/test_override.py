"""Changes to a plan from the command line."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.plan.difference import differences
from search.plan.fault import Fault
from search.plan.override import Override, overridden
from search.plan.plan import Plan, PlanError
from search.plan.sampler import Grid, Random

PLAN = tomllib.loads(
    """
    name = "small"
    [budget]
    trials = 8
    [space]
    dropout = { low = 0.0, high = 0.4 }
    schedule = { choices = ["constant", "step"] }
    gamma = { low = 0.1, high = 0.9, when = { schedule = "step" } }
    """
)


def parsed(*overrides: str, **tables: Any) -> Plan:
    return Plan.parse({**PLAN, **tables}, "plan.toml", overrides)


def faults_of(*overrides: str, **tables: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as raised:
        parsed(*overrides, **tables)
    return raised.value.faults


def test_overrides_change_the_plan_and_not_the_table():
    before = json.dumps(PLAN)
    plan = parsed(
        "budget.trials=5",
        "space.dropout.high=0.3",
        "space.dropout.low = 0.1",
        "space.gamma=",
        "recipe.optimizer=sgd",
        "recipe.hidden_sizes=[32]",
        "space.momentum={ low = 0.5, high = 0.9 }",
        "data.dataset=digits",
        "name=it's",
        "name=other",
    )
    assert plan.budget.trials == 5
    assert (plan.space.settings["dropout"].low, plan.space.settings["dropout"].high) == (0.1, 0.3)
    assert plan.space.names == ("dropout", "schedule", "momentum")
    assert plan.default_recipe.optimizer == "sgd" and plan.default_recipe.hidden_sizes == (32,)
    assert plan.source.dataset == "digits" and plan.name == "other"
    assert json.dumps(PLAN) == before


def test_a_new_sampler_starts_without_the_settings_of_the_old_one():
    table = {"name": "tpe", "n_startup_trials": 3}
    assert parsed("sampler.name=random", sampler=table).sampler == Random()
    flat = {"dropout": {"low": 0.0, "high": 0.4}}
    plan = parsed("sampler.points=3", "sampler.name=grid", sampler=table, space=flat)
    assert plan.sampler == Grid(points=3)
    assert parsed("sampler.name=tpe", sampler=table).sampler.n_startup_trials == 3


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("space.dropout.high=4.0", "[space] dropout: must be less than 1, but got 4.0"),
        ("space.dropout.low=0.5", "[space] dropout: low <= high must hold, but got low 0.5 and high 0.4"),
        ("space.droput.high=0.4", "[space] droput: no such hyperparameter; did you mean dropout?"),
        ("budget.trials=many", '[budget] trials: must be a whole number, but got "many"'),
        ("budget.trails=3", "[budget] trails: no such key; did you mean trials?"),
        ("sampler=random", '[sampler]: must be a table such as { name = "random" }, but got "random"'),
        ("name.first=x", 'name must be a table, but is "small"'),
        ("space.gama=", "space.gama must exist to be deleted; did you mean gamma?"),
        ("sampler.name=", "sampler.name must exist to be deleted"),
        ("budget.trials", "must be written table.key=value"),
        ("budget..trials=3", "must be written table.key=value"),
        ("=3", "must be written table.key=value"),
        ("space.dropout=0.3\nseed=1", "[space] dropout: must be { low"),
    ],
)
def test_a_fault_of_an_override_names_the_override(override, fault):
    faults = faults_of(override)
    assert all(sentence.startswith(f"--set {override}") for sentence in faults)
    assert any(fault in sentence for sentence in faults)


def test_a_fault_of_the_file_does_not_name_an_override():
    assert faults_of("space.dropout.high=0.3", resources={"cpus": 0}) == (
        "plan.toml [resources] cpus: must be greater than or equal to 1, but got 0",
    )


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("5", 5),
        ("1e-3", 1e-3),
        ("true", True),
        ('"5"', "5"),
        ("cosine", "cosine"),
        ("[1, 2]", [1, 2]),
        ("{ low = 1 }", {"low": 1}),
        ("a = b", "a = b"),
        ("", None),
    ],
)
def test_a_value_is_toml_or_else_a_string(written, value):
    override = Override.parse(f"table.key={written}")
    assert isinstance(override, Override) and override.value == value


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_text_is_an_override_or_a_fault(key, value):
    changed, overrides, faults = overridden(PLAN, [f"{key}={value}", key])
    assert len(overrides) + len(faults) >= 2
    assert isinstance(changed, dict)


@pytest.mark.parametrize(
    ("written", "path", "value"),
    [
        ('space."opt.lr"=1', ("space", "opt.lr"), 1),
        ("space.'opt.lr'.high=1", ("space", "opt.lr", "high"), 1),
        (r'resources.custom."a=\"b\"".x = 2', ("resources", "custom", 'a="b"', "x"), 2),
        (" recipe . dropout = 0.1", ("recipe", "dropout"), 0.1),
        ('recipe."größe"=c=d', ("recipe", "größe"), "c=d"),
    ],
)
def test_a_key_may_be_in_quotes(written, path, value):
    override = Override.parse(written)
    assert isinstance(override, Override) and (override.path, override.value) == (path, value)


@pytest.mark.parametrize("written", ["a..b=1", ".a=1", "a.=1", "=1", "a", '"a=1', "a.'b=1"])
def test_a_key_that_is_not_closed_is_a_fault(written):
    assert isinstance(Override.parse(written), Fault)


def test_a_fault_writes_a_key_in_quotes_where_toml_does():
    fault = Fault(("space", "opt.lr", "high"), "no")
    assert fault.sentence("p.toml") == 'p.toml [space] "opt.lr".high: no'
    custom = Plan.parse(PLAN, "p.toml", ['resources.custom."fast.disk"=1'])
    assert custom.resources.custom == {"fast.disk": 1}
    changes = differences(Plan.parse(PLAN, "p.toml").to_table(), custom.to_table())
    assert changes == ['resources.custom."fast.disk": left out -> 1.0']


def test_a_value_has_the_type_of_its_key():
    plan = Plan.parse(PLAN, "p.toml", ["name=7593", "recipe.epochs=3"])
    assert (plan.name, plan.recipe["epochs"]) == ("7593", 3)
    with pytest.raises(PlanError) as raised:
        Plan.parse(PLAN, "p.toml", ["name=7593", "recipe.epochs=2.5", "data.dataset=7"])
    assert raised.value.faults == (
        "--set data.dataset=7 [data] dataset: must be 'mnist', 'fashion_mnist', 'kmnist' or 'digits', "
        "but got 7",
        "--set recipe.epochs=2.5 [recipe] epochs: must be a whole number, but got 2.5",
    )
