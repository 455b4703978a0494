"""Plans: parsed with all faults at once, written with all defaults, and changed from the command line."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest

from search.plan.difference import differences
from search.plan.plan import TABLES, Plan, PlanError, json_schema

CONFIGS = sorted((Path(__file__).parents[3] / "configs").glob("*.toml"))
PLAN = tomllib.loads(
    """
    name = "small"
    [budget]
    trials = 8
    wall_time = "1h30m"
    [recipe]
    epochs = 4
    [space]
    dropout = { low = 0.0, high = 0.4 }
    schedule = { choices = ["constant", "step"] }
    gamma = { low = 0.1, high = 0.9, when = { schedule = "step" } }
    """
)
OTHER = """
from typing import Literal
from pydantic import BaseModel, ConfigDict, Field
from trainable.contract import Metric

class Recipe(BaseModel):
    model_config = ConfigDict(frozen=True)
    epochs: int = Field(5, ge=1)
    seed: int = 0
    depth: int = Field(3, ge=1, le=9)
    loss: Literal["log", "hinge"] = "log"
    shrinkage: float | None = Field(None, gt=0)

METRIC = Metric("log_loss", "minimize")

class Source(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    rows: int = Field(100, ge=10)
    def load(self, folder): ...
    def load_test(self, folder): ...

def Training(recipe, data, device, threads):
    raise NotImplementedError
"""


def parsed(*overrides: str, **tables: Any) -> Plan:
    return Plan.parse({**PLAN, **tables}, "plan.toml", overrides)


def faults_of(*overrides: str, **tables: Any) -> tuple[str, ...]:
    with pytest.raises(PlanError) as raised:
        parsed(*overrides, **tables)
    assert str(raised.value) == "\n".join(raised.value.faults)
    return raised.value.faults


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Another trainable, importable by name."""
    (tmp_path / "other_trees.py").write_text(OTHER)
    (tmp_path / "other_broken.py").write_text("import nothing_of_that_name\n")
    (tmp_path / "other_partial.py").write_text("Recipe = dict\nMETRIC = Source = Training = None\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    return "other_trees"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_is_valid_and_survives_writing_and_reading(path: Path):
    plan = Plan.read(path)
    assert plan.name == path.stem
    assert Plan.parse(tomllib.loads(plan.to_toml()), "again") == plan
    if plan.space.names:
        plan.check_searchable()


def test_the_originating_recipes_have_the_originating_numbers():
    baseline, improved = (Plan.read(path) for path in CONFIGS if path.stem in ("baseline", "improved"))
    common = {"optimizer": "adam", "learning_rate": 1e-3, "batch_size": 64, "normalisation": "origin"}
    for plan in (baseline, improved):
        assert common.items() <= plan.default_recipe.model_dump().items()
        assert plan.default_recipe.hidden_sizes == (128, 64)
    assert (baseline.recipe["dropout"], baseline.recipe["weight_decay"]) == (0.0, 0.0)
    assert (improved.recipe["dropout"], improved.recipe["weight_decay"]) == (0.2, 1e-4)
    assert (baseline.recipe["schedule"], improved.recipe["schedule"]) == ("constant", "step")


def test_a_plan_spells_out_every_default():
    table = tomllib.loads(parsed().to_toml())
    assert table["trainable"] == "trainable.mlp"
    assert table["budget"] == {"trials": 8, "wall_time": "1h30m"}
    assert table["recipe"]["learning_rate"] == 1e-3 and table["recipe"]["hidden_sizes"] == [128, 64]
    assert table["data"]["dataset"] == "mnist"
    assert table["sampler"] == {"name": "auto", "n_startup_trials": 8}
    assert table["pruner"]["name"] == "forecast"
    assert table["resources"]["max_failures"] == 3
    assert not table["recipe"].keys() & table["space"].keys()


def test_a_recipe_combines_fixed_and_sampled_values():
    plan = parsed()
    recipe = plan.recipe_for({"dropout": 0.3, "schedule": "step", "gamma": 0.2})
    assert (recipe.epochs, recipe.dropout, recipe.gamma) == (4, 0.3, 0.2)
    assert plan.default_recipe.dropout == 0.0
    assert plan.objective.name == "validation_accuracy"
    assert plan.source.dataset == "mnist"
    with pytest.raises(ValueError, match="less than 1"):
        plan.recipe_for({"dropout": 1.5})


def test_the_maximum_number_of_epochs_is_that_of_the_recipe_or_the_space():
    assert parsed().max_epochs == 4
    searched = {**PLAN["space"], "epochs": {"choices": [3, 12, 5]}}
    assert parsed(recipe={}, space=searched).max_epochs == 12
    conditional = {"epochs": {"low": 2, "high": 6, "when": {"schedule": "step"}}}
    assert parsed(recipe={}, space={**PLAN["space"], **conditional}).max_epochs == 10


def test_all_faults_of_a_file_are_reported_at_once():
    faults = faults_of(
        seed=-1,
        budgt={"trials": 3},
        budget={"trails": 3, "wall_time": "15 min", "epochs": 0},
        data={"dataset": "minst"},
        recipe={"batch_size": 1.5, "droput": 0.1},
        space={"droput": {"low": 0.0, "high": 0.4}, "gamma": {"low": 0.9, "high": 0.1}},
        sampler={"name": "tp"},
        pruner={"name": "median", "warmup": 3},
        resources={"cpus": 0, "gpus": 1.5, "concurrency": "all"},
    )
    expected = [
        "plan.toml budgt: no such key of a plan; did you mean budget?",
        "plan.toml [budget] trails: no such key; did you mean trials?",
        'plan.toml [budget] wall_time: must be a duration such as "15m"',
        "plan.toml [budget] epochs: must be greater than or equal to 1, but got 0",
        "plan.toml [resources] cpus: must be greater than or equal to 1, but got 0",
        "plan.toml [resources] gpus: must be at most 1 or an integer, but got 1.5",
        'plan.toml [resources] concurrency: must be a whole number, but got "all"',
        'plan.toml [sampler] name: no such sampler: "tp"; did you mean tpe?',
        "plan.toml [pruner] warmup: no such setting of median",
        "plan.toml [space] gamma: low <= high must hold, but got low 0.9 and high 0.1",
        "plan.toml [data] dataset: must be 'mnist'",
        "plan.toml [recipe] batch_size: must be a whole number, but got 1.5",
        "plan.toml [recipe] droput: no such hyperparameter; did you mean dropout?",
        "plan.toml [space] droput: no such hyperparameter; did you mean dropout?",
        "plan.toml seed: must be greater than or equal to 0, but got -1",
    ]
    for fault in expected:
        assert any(sentence.startswith(fault) for sentence in faults), fault
    assert len(faults) == len(expected)


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ({"name": "../up"}, "plan.toml name: must be 1 to 100 letters, digits, dots, dashes or underscores"),
        ({"name": 3}, "plan.toml name: must be a valid string, but got 3"),
        ({"budget": {"trials": True}}, "[budget] trials: must be a whole number, but got true"),
        ({"budget": 5}, "plan.toml [budget]: must be a table, but got 5"),
        ({"recipe": [1]}, "plan.toml [recipe]: must be a table, but got [1]"),
        ({"space": 5}, "plan.toml [space]: must be a table, but got 5"),
        ({"trainable": "no.such.module"}, "plan.toml trainable: trainable must be an importable module"),
        ({"trainable": ""}, "plan.toml trainable: "),
        ({"trainable": 4}, "plan.toml trainable: must be a valid string, but got 4"),
        ({"trainable": "other_broken"}, "No module named 'nothing_of_that_name'"),
        ({"trainable": "other_partial"}, "plan.toml trainable: "),
        ({"trainable": "json"}, "a trainable must define Recipe, METRIC, Source and Training"),
        ({"recipe": {"dropout": 0.2}}, "[space] dropout: must be either searched or fixed"),
        (
            {"sampler": {"name": "grid"}},
            "[sampler]: grid cannot search conditional hyperparameters",
        ),
        (
            {"pruner": {"name": "hyperband", "min_resource": 5}},
            "must be at most the 4 epochs of a trial, but got 5",
        ),
        ({"recipe": {"epochs": 2.5}}, "[recipe] epochs: must be a whole number, but got 2.5"),
        ({"budget": {"wall_time": 15}}, 'wall_time: must have a unit, as in "15m" or "15s", but got 15'),
        ({"budget": {"wall_time": "15"}}, 'wall_time: must have a unit, as in "15m" or "15s", but got "15"'),
        ({"confirmation": 3}, "plan.toml [confirmation]: must be a table, but got 3"),
        (
            {"sampler": "bayes"},
            'plan.toml [sampler]: must be a table such as { name = "gp" }, but got "bayes"; there are auto, '
            "tpe, gp, cmaes, random, qmc, grid; did you mean gp?",
        ),
        (
            {"pruner": {"name": "asha"}},
            'plan.toml [pruner] name: no such pruner: "asha"; asha is called successive_halving here',
        ),
        ({"resources": {"gpus": float("inf")}}, "[resources] gpus: must be a finite number, but got inf"),
    ],
)
def test_a_fault_names_the_table_the_key_the_rule_and_the_value(tables, fault, other):
    faults = faults_of(**tables)
    assert len(faults) == 1 and fault in faults[0]


def test_a_plan_without_a_name_gets_the_name_of_its_file(tmp_path: Path):
    path = tmp_path / "mine.toml"
    path.write_text("[recipe]\nepochs = 2\n")
    assert Plan.read(path).name == "mine"
    with pytest.raises(PlanError, match="name: must be given"):
        Plan.parse({}, "plan.toml")


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a = = 1", "must be valid TOML: Invalid value"),
        (b"a = 1\n\nb = \n", "(at line 3, column 5)"),
        (b"name = '\xff'", "must be UTF-8 text, but byte 8 is not"),
        (b"a = " + b"[" * 5000, "must be at most 32 levels deep"),
        (b"a = " + b"9" * 5000, "must have at most 300 digits"),
    ],
)
def test_a_file_that_is_not_toml_has_one_fault(tmp_path: Path, content: bytes, fault: str):
    path = tmp_path / "plan.toml"
    path.write_bytes(content)
    with pytest.raises(PlanError) as raised:
        Plan.read(path)
    (sentence,) = raised.value.faults
    assert sentence.startswith(f"{path}: ") and fault in sentence


def test_a_missing_file_and_a_folder_have_one_fault_each(tmp_path: Path):
    for path, fault in ((tmp_path / "no.toml", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(PlanError, match=fault):
            Plan.read(path)


def test_a_condition_on_a_fixed_hyperparameter_is_evaluated():
    space = {name: PLAN["space"][name] for name in ("dropout", "gamma")}
    assert parsed(space=space, recipe={"schedule": "step"}).space.always == ("dropout", "gamma")
    assert parsed(space=space, recipe={"schedule": "cosine"}).space.names == ("dropout",)
    assert parsed(space=space).space.names == ("dropout",)
    plan = parsed("space.schedule=", "recipe.schedule=step")
    assert plan.space.always == ("dropout", "gamma")
    assert Plan.parse(plan.to_table(), "again") == plan


def test_a_recipe_alone_is_a_plan_that_cannot_be_searched():
    plan = Plan.parse({"name": "alone", "recipe": {"dropout": 0.1}}, "alone.toml")
    with pytest.raises(PlanError) as raised:
        plan.check_searchable("alone.toml")
    assert [fault.split(":")[0] for fault in raised.value.faults] == [
        "alone.toml [space]",
        "alone.toml [budget]",
    ]
    parsed().check_searchable()


def test_a_grid_needs_no_budget():
    flat = {"dropout": {"low": 0.0, "high": 0.4}}
    parsed(space=flat, budget={}, sampler={"name": "grid"}).check_searchable()
    with pytest.raises(PlanError, match="must set trials, wall_time, epochs or patience"):
        parsed(budget={}).check_searchable()


def test_differences_have_one_line_per_key():
    assert differences(parsed().to_table(), parsed().to_table()) == []
    changed = parsed("budget.trials=60", "budget.epochs=9", "space.gamma=", "recipe.optimizer=sgd")
    assert differences(parsed().to_table(), changed.to_table()) == [
        "budget.trials: 8 -> 60",
        "budget.epochs: left out -> 9",
        'recipe.optimizer: "adam" -> "sgd"',
        "recipe.gamma: left out -> 0.5",
        'space.gamma: {"when": {"schedule": ["step"]}, "low": 0.1, "high": 0.9, "log": false} -> left out',
    ]


def test_another_trainable_is_checked_by_its_own_rules(other):
    table = {
        "name": "trees",
        "trainable": other,
        "data": {"rows": 50},
        "recipe": {"epochs": 3},
        "space": {"depth": {"low": 1, "high": 9}, "shrinkage": {"low": 0.1, "high": 1.0}},
    }
    plan = Plan.parse(table, "trees.toml")
    assert plan.objective.direction == "minimize" and plan.source.rows == 50
    assert plan.recipe == {"epochs": 3, "seed": 0, "loss": "log"}
    assert Plan.parse(tomllib.loads(plan.to_toml()), "again") == plan
    table |= {"data": {"rows": 5}, "recipe": {"epoch": 3}}
    table["space"]["depth"]["high"] = 10
    with pytest.raises(PlanError) as raised:
        Plan.parse(table, "trees.toml")
    assert raised.value.faults == (
        "trees.toml [data] rows: must be greater than or equal to 10, but got 5",
        "trees.toml [recipe] epoch: no such hyperparameter; did you mean epochs?",
        "trees.toml [space] depth: must be less than or equal to 9, but got 10",
    )


def test_notes_are_those_of_sampler_and_pruner():
    plan = parsed(sampler={"name": "gp"}, pruner={"name": "patient", "wrapped": {"name": "hyperband"}})
    assert [note.split()[0] for note in plan.notes()] == ["gp", "gp", "patient"]


def test_the_schema_has_all_tables_and_the_fields_of_our_recipe():
    schema = json_schema()
    json.dumps(schema, allow_nan=False)
    assert set(schema["properties"]) == set(Plan.model_fields)
    assert "dropout" in schema["$defs"]["recipe"]["properties"]
    assert "dataset" in schema["$defs"]["data"]["properties"]
    assert "gamma" in schema["then"]["properties"]["space"]["propertyNames"]["enum"]

    def references(node: object) -> set[str]:
        if isinstance(node, dict):
            own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
            return own.union(*(references(value) for value in node.values()))
        return set().union(*(references(value) for value in node)) if isinstance(node, list) else set()

    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= set(schema["$defs"])


def test_every_key_of_a_plan_has_a_description_in_the_schema():
    def undescribed(node: Any, path: str = "") -> list[str]:
        if isinstance(node, list):
            return [name for item in node for name in undescribed(item, path)]
        if not isinstance(node, dict):
            return []
        own = [
            f"{path}.{key}"
            for key, field in node.get("properties", {}).items()
            if not (field.get("description") or "$ref" in field)
        ]
        return own + [name for key, value in node.items() for name in undescribed(value, f"{path}.{key}")]

    schema = json_schema()
    del schema["then"], schema["if"], schema["$defs"]["recipe"], schema["$defs"]["data"]
    assert undescribed(schema) == []


def test_the_tables_of_a_plan_are_named_in_brackets_in_every_fault():
    tables = dict.fromkeys(sorted(TABLES), 3)
    assert {"budget", "data", "recipe", "space", "sampler", "pruner", "resources", "confirmation"} <= TABLES
    faults = faults_of(**tables)
    assert sorted(sentence.partition(":")[0] for sentence in faults) == [
        f"plan.toml [{name}]" for name in tables
    ]


def test_reading_a_plan_loads_neither_optuna_nor_torch_nor_ray():
    code = (
        "import sys; from search.plan.plan import Plan; Plan.read(sys.argv[1]);"
        "print(sorted({'optuna', 'torch', 'ray'} & set(sys.modules)))"
    )
    path = next(path for path in CONFIGS if path.stem == "laptop")
    root = path.parent.parent
    result = subprocess.run([sys.executable, "-c", code, str(path)], cwd=root, capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr


def test_the_recipe_accepts_what_its_space_suggests():
    plan = parsed()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        sampled = plan.space.suggest(study.ask())
        assert plan.recipe_for(sampled).model_dump().items() >= sampled.items()
