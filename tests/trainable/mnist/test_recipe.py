"""A recipe refuses what cannot be trained, and says by which rule."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from trainable.mnist.recipe import Recipe

CONFIGS = sorted((Path(__file__).parents[3] / "configs").rglob("*.toml"))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("weight_decay", float("inf")),
        ("batch_size", 0),
        ("epochs", 0),
        ("hidden_sizes", (0,)),
        ("schedule", "cosin"),
        ("gradient_clip", 0.0),
        ("milestones", (5, 3)),
        ("milestones", (5, 5)),
        ("seed", -1),
        ("model", "lenet"),
        ("width", 0),
        ("ema", -1.0),
        ("rotation", 181),
        ("scaling", 1.0),
        ("shear", -0.1),
        ("shift", 0.6),
        ("elastic_strength", 0.6),
        ("elastic_smoothness", 0.0),
        ("droput", 0.1),
    ],
)
def test_an_impossible_setting_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as refusal:
        Recipe(**{field: value})
    assert field in str(refusal.value)


def test_a_recipe_survives_json() -> None:
    recipe = Recipe(hidden_sizes=(300, 100), schedule="multistep", milestones=(2, 4), gradient_clip=1.0)
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


def test_a_recipe_cannot_be_changed() -> None:
    recipe = Recipe()
    with pytest.raises(ValidationError):
        recipe.epochs = 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_the_recipe_of_every_config_is_one(path: Path) -> None:
    table = tomllib.loads(path.read_text()).get("recipe", {})
    recipe = Recipe.model_validate(table)
    assert {key: recipe.model_dump(mode="json")[key] for key in table} == table
