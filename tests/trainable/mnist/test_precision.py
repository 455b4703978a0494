"""Products in bf16 round their factors and nothing else, and are refused where they would be slow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainable.mnist.data import Dataset, Source
from trainable.mnist.dropout import RandomBytes
from trainable.mnist.models import build
from trainable.mnist.precision import EMULATE, UnsupportedPrecision, processor_bf16, settings
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training

CPU = torch.device("cpu")


@pytest.fixture
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16 is imitated, unless the processor has bf16."""
    monkeypatch.setenv(EMULATE, "1")


def gradient(**recipe: Any) -> torch.Tensor:
    """Of one step on 64 random images."""
    network = build(Recipe(dropout=0.3, width=4, **recipe), (28, 28), 10)
    network.initialise(torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    x = torch.randn(64, 784, generator=generator)
    target = torch.rand(10, 64, generator=generator).softmax(0)
    with torch.inference_mode(), settings(network.precision, CPU):  # type: ignore[arg-type]
        network.logits_and_gradient(x, target, network.draw_kept(64, RandomBytes(3)))
    return network.flat_gradient


@pytest.mark.parametrize("model", ["mlp", "linear", "lenet5", "cnn"])
def test_a_gradient_in_bf16_is_that_in_float32_within_its_rounding_but_not_equal(
    model: str, emulated: None
) -> None:
    exact, rounded = gradient(model=model), gradient(model=model, precision="bf16")
    away = float((rounded - exact).norm() / exact.norm())
    # Each of the cnn's five batch norms carries the rounding of the layer before on.
    assert 1e-4 < away < (0.25 if model == "cnn" else 0.05)


@pytest.mark.parametrize("model", ["mlp", pytest.param("lenet5", marks=pytest.mark.slow)])
def test_bf16_learns_the_embedded_digits_as_float32_does(model: str, digits: Dataset, emulated: None) -> None:
    recipe = Recipe(model=model, precision="bf16", epochs=8, learning_rate=5e-3, dropout=0.05)
    training = Training(recipe, digits, "cpu", 1)
    list(training)
    test = Source(dataset="digits").load_test(Path("nowhere"))
    assert training.evaluate(test).metrics["accuracy"] > 0.9
    assert all(array.dtype == np.float32 for array in training.weights().values())


def test_a_training_in_bf16_repeats_itself_and_goes_on_to_the_bit(digits: Dataset, emulated: None) -> None:
    recipe = Recipe(precision="bf16", epochs=3, batch_size=100, dropout=0.1)
    whole, half = (Training(recipe, digits, "cpu", 1) for _ in range(2))
    list(whole)
    next(iter(half))
    resumed = Training(recipe, digits, "cpu", 1)
    resumed.load_state_dict(half.state_dict())
    list(resumed)
    assert resumed.weights_sha256 == whole.weights_sha256


def test_a_training_leaves_torchs_precision_as_it_found_it(digits: Dataset, emulated: None) -> None:
    before = torch.backends.mkldnn.matmul.fp32_precision
    list(Training(Recipe(precision="bf16", epochs=1), digits, "cpu", 1))
    assert torch.backends.mkldnn.matmul.fp32_precision == before


@pytest.mark.skipif(processor_bf16() is not None, reason="this processor has bf16")
def test_bf16_is_refused_where_it_would_be_imitated(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(EMULATE, raising=False)
    with pytest.raises(UnsupportedPrecision, match="neither AMX nor AVX512-BF16"):
        Training(Recipe(precision="bf16"), digits, "cpu", 1)


def test_tf32_is_refused_on_a_processor(digits: Dataset) -> None:
    with pytest.raises(UnsupportedPrecision, match="only NVIDIA GPUs"):
        Training(Recipe(precision="tf32"), digits, "cpu", 1)
