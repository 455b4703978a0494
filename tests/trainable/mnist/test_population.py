"""Recipes that are trained together get the bits that each gets alone."""

from __future__ import annotations

from itertools import islice
from typing import Any

import pytest

from trainable.epoch import Diverged, Epoch
from trainable.mnist.data import Dataset
from trainable.mnist.population import advance, group
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training

DIFFERENT: list[dict[str, Any]] = [
    {},
    {"learning_rate": 3e-3, "weight_decay": 1e-3, "dropout": 0.2},
    {"input_dropout": 0.3, "schedule": "one_cycle", "label_smoothing": 0.1},
    {"dropout": 0.4, "input_dropout": 0.1, "seed": 5, "ema": 0.5},
    {"optimizer": "sgd", "momentum": 0.5, "gradient_clip": 0.1, "epochs": 3},
    {"optimizer": "adamw", "rotation": 10.0, "schedule": "reduce_on_plateau", "patience": 0},
]
"""What recipes of one group may differ in."""


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 4, "batch_size": 100, "hidden_sizes": (32, 16), **changes})


def alone(digits: Dataset, given: Recipe, epochs: int, threads: int = 1) -> tuple[str, list[Any]]:
    """Weights and metrics after these epochs."""
    training = Training(given, digits, "cpu", threads)
    metrics = [epoch.metrics for epoch in islice(training, epochs)]
    return training.weights_sha256, metrics


@pytest.mark.parametrize("shape", [{}, {"model": "linear"}, {"hidden_sizes": (24,), "batch_size": 64}])
@pytest.mark.parametrize("threads", [1, 2])
def test_each_member_gets_the_bits_it_gets_alone(
    shape: dict[str, Any], threads: int, digits: Dataset
) -> None:
    recipes = [recipe(**shape, **changes) for changes in DIFFERENT]
    trainings = [Training(given, digits, "cpu", threads) for given in recipes]
    epochs = [advance(trainings) for _ in range(2)]
    for member, given in enumerate(recipes):
        weights, metrics = alone(digits, given, 2, threads)
        assert [each[member].metrics for each in epochs if isinstance(each[member], Epoch)] == metrics
        assert trainings[member].weights_sha256 == weights, DIFFERENT[member]


def test_members_leave_and_join_after_any_epoch_and_any_goes_on_alone(digits: Dataset) -> None:
    recipes = [recipe(**changes) for changes in DIFFERENT]
    trainings = [Training(given, digits, "cpu", 1) for given in recipes]
    advance(trainings[:3])
    advance(trainings[1:5])  # of different epochs, the first one left
    states = [training.state_dict() for training in trainings]
    again = [Training(given, digits, "cpu", 1) for given in recipes]
    for training, state in zip(again, states, strict=True):
        training.load_state_dict(state)
    advance([again[4], again[0], again[2]])  # in another order
    next(iter(again[1]))
    done = [2, 3, 3, 1, 2, 0]
    for member, given in enumerate(recipes):
        assert again[member].weights_sha256 == alone(digits, given, done[member])[0], member


def test_one_that_diverges_does_so_alone(digits: Dataset) -> None:
    bad = recipe(optimizer="sgd", learning_rate=100.0, weight_decay=0.9)
    trainings = [Training(given, digits, "cpu", 1) for given in (recipe(), bad, recipe(dropout=0.2))]
    first, diverged, third = advance(trainings)
    assert isinstance(diverged, Diverged)
    assert "epoch 1: train_loss must stay finite" in str(diverged)
    assert isinstance(first, Epoch) and isinstance(third, Epoch)
    assert trainings[2].weights_sha256 == alone(digits, trainings[2].recipe, 1)[0]


def test_seconds_are_each_members_share(digits: Dataset) -> None:
    trainings = [Training(recipe(seed=seed), digits, "cpu", 1) for seed in range(3)]
    epochs = advance(trainings)
    shares = {epoch.seconds for epoch in epochs if isinstance(epoch, Epoch)}
    assert len(shares) == 1


def test_a_group_has_equal_layers_batches_and_precision() -> None:
    assert len({group(recipe(**changes)) for changes in DIFFERENT}) == 1
    for changes in ({"hidden_sizes": (8,)}, {"batch_size": 64}, {"normalisation": "dataset"}):
        assert group(recipe(**changes)) != group(recipe())
    assert group(recipe(model="cnn")) is None
