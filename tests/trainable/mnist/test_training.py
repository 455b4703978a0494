"""A training learns, repeats itself to the bit, and goes on from where it was stored."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from trainable.epoch import Diverged
from trainable.mnist.data import Dataset, LabelledImages, Source
from trainable.mnist.models import build
from trainable.mnist.recipe import Recipe, ScheduleName
from trainable.mnist.training import Training, generator_of
from trainable.storage.checkpoint import Checkpoint

OLD_ORDER = [576, 201, 531, 445, 173]
OPTIMIZERS = ("adam", "adamw", "sgd")


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"epochs": 4, "batch_size": 100, "hidden_sizes": (32, 16), **changes})


def train(digits: Dataset, given: Recipe, epochs: int | None = None) -> Training:
    training = Training(given, digits, "cpu", 1)
    for _ in itertools.islice(training, epochs):
        pass
    return training


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", get_args(ScheduleName))
def test_two_epochs_stored_loaded_and_two_more_equal_four_in_a_row_to_the_bit(
    schedule: str, optimizer: str, digits: Dataset, tmp_path: Path
) -> None:
    given = recipe(
        schedule=schedule,
        optimizer=optimizer,
        dropout=0.2,
        input_dropout=0.1,
        weight_decay=1e-4,
        milestones=(1, 3),
        step_epochs=1,
        patience=0,
        label_smoothing=0.1,
        gradient_clip=1.0,
    )
    whole = Training(given, digits, "cpu", 1)
    expected = list(whole)

    half = train(digits, given, epochs=2)
    Checkpoint(half.state_dict(), ()).write(tmp_path / "checkpoint.safetensors")
    resumed = Training(given, digits, "cpu", 1)
    resumed.load_state_dict(Checkpoint.read(tmp_path / "checkpoint.safetensors").state)
    rest = list(resumed)

    assert resumed.weights_sha256 == whole.weights_sha256
    assert [(epoch.number, epoch.metrics) for epoch in rest] == [
        (epoch.number, epoch.metrics) for epoch in expected[2:]
    ]


@pytest.mark.parametrize(
    "model",
    ["mlp", "linear", *(pytest.param(name, marks=pytest.mark.slow) for name in ("lenet5", "cnn"))],
)
@pytest.mark.parametrize("ema", [0.0, 0.7])
def test_two_epochs_and_two_equal_four_with_distortions_averages_and_every_network(
    ema: float, model: str, digits: Dataset, tmp_path: Path
) -> None:
    given = recipe(
        model=model,
        width=4,
        ema=ema,
        dropout=0.2,
        input_dropout=0.1,
        optimizer="adamw",
        schedule="one_cycle",
        rotation=10,
        scaling=0.1,
        shear=0.1,
        shift=0.05,
        elastic_strength=0.02,
    )
    whole = Training(given, digits, "cpu", 1)
    expected = list(whole)

    half = train(digits, given, epochs=2)
    Checkpoint(half.state_dict(), ()).write(tmp_path / "checkpoint.safetensors")
    resumed = Training(given, digits, "cpu", 1)
    resumed.load_state_dict(Checkpoint.read(tmp_path / "checkpoint.safetensors").state)
    assert resumed.weights_sha256 == half.weights_sha256
    rest = list(resumed)

    assert resumed.weights_sha256 == whole.weights_sha256
    assert torch.equal(resumed.network.flat, whole.network.flat)
    assert [(epoch.number, epoch.metrics) for epoch in rest] == [
        (epoch.number, epoch.metrics) for epoch in expected[2:]
    ]


def test_old_recipes_keep_the_bits_they_had_before_distortions_came() -> None:
    """The streams of order and masks: the first numbers of seed 0's first epoch."""
    assert torch.randperm(1000, generator=generator_of(0, 1))[:5].tolist() == OLD_ORDER
    own = torch.randperm(1000, generator=generator_of(0, 1, "augmentation"))[:5].tolist()
    assert own != OLD_ORDER


def test_distortions_leave_order_and_masks_as_they_are(digits: Dataset) -> None:
    """Too small to move a pixel, they leave the weights where they were."""
    plain = train(digits, recipe(dropout=0.2), epochs=1)
    barely = train(digits, recipe(dropout=0.2, rotation=1e-9), epochs=1)
    np.testing.assert_allclose(plain.network.flat, barely.network.flat, atol=1e-4)


def test_the_average_is_that_of_the_weights_after_each_step(digits: Dataset) -> None:
    """By hand over epochs of one step: weights 10/(t+9) until the horizon is reached."""
    given = recipe(ema=3.0, batch_size=2000, learning_rate=0.01, epochs=12)
    training = Training(given, digits, "cpu", 1)
    average = torch.zeros_like(training.network.flat)
    for step, _ in enumerate(training, 1):
        average.lerp_(training.network.flat, max(1 - np.exp(-1 / 3), 10 / (step + 9)))
        torch.testing.assert_close(training.model.flat, average)
    assert not torch.equal(training.network.flat, training.model.flat)


def test_the_average_is_what_is_measured_saved_and_hashed(digits: Dataset, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    training = train(digits, recipe(model="cnn", width=4, ema=0.5), epochs=2)
    training.save(tmp_path)
    stored = load_file(tmp_path / "model.safetensors")
    again = build(training.recipe, (8, 8), 10)
    again.load_weights(stored)
    assert torch.equal(again.flat, training.model.flat)
    assert torch.equal(again.statistics, training.model.statistics)
    assert not torch.equal(again.flat, training.network.flat)
    images = torch.from_numpy(digits.validation.images.reshape(-1, 64)).float() / 127.5 - 1
    right = again(images).argmax(1).numpy() == digits.validation.labels
    measured = training.evaluate(digits.validation)
    assert measured.metrics["accuracy"] == pytest.approx(right.mean())


def test_a_saved_model_says_all_it_takes_to_use_it(digits: Dataset, tmp_path: Path) -> None:
    from safetensors import safe_open

    training = train(digits, recipe(normalisation="dataset"), epochs=1)
    training.save(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="numpy") as file:
        metadata = file.metadata()
    assert Recipe.model_validate_json(metadata.pop("recipe")) == training.recipe
    assert metadata == {
        "trainable": "trainable.mlp",
        "weights_sha256": training.weights_sha256,
        "mean": repr(digits.mean),
        "std": repr(digits.std),
        "height": "8",
        "width": "8",
        "class_names": '["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]',
        "data_sha256": digits.fingerprint,
    }


@pytest.mark.slow
@pytest.mark.parametrize("model", ["lenet5", "cnn"])
def test_convolutional_networks_learn_the_embedded_digits(model: str, digits: Dataset) -> None:
    given = recipe(model=model, width=8, epochs=8, learning_rate=5e-3, schedule="one_cycle", ema=0.5)
    training = train(digits, given)
    test = Source(dataset="digits").load_test(Path("nowhere"))
    assert training.evaluate(test).metrics["accuracy"] > 0.95


@pytest.mark.slow
def test_the_same_recipe_gives_the_same_bits_in_another_process(digits: Dataset) -> None:
    given = recipe(dropout=0.2)
    here = train(digits, given).weights_sha256
    code = (
        "import sys; from pathlib import Path; from trainable.mlp import Recipe, Source, Training\n"
        "training = Training(Recipe.model_validate_json(sys.argv[1]),"
        " Source(dataset='digits').load(Path('.')), 'cpu', 1)\n"
        "list(training); print(training.weights_sha256)"
    )
    there = subprocess.run(
        [sys.executable, "-c", code, given.model_dump_json()], capture_output=True, text=True, check=True
    )
    assert there.stdout.strip() == here


def test_training_neither_reads_nor_moves_the_random_state_that_others_share(digits: Dataset) -> None:
    given = recipe(dropout=0.2)
    torch.manual_seed(1)
    first = train(digits, given).weights_sha256
    torch.manual_seed(2)
    before = torch.get_rng_state()
    second = train(digits, given).weights_sha256
    assert first == second
    assert torch.equal(torch.get_rng_state(), before)


def test_training_leaves_threads_and_denormals_as_it_found_them(digits: Dataset) -> None:
    before = torch.get_num_threads()
    train(digits, recipe(), epochs=1)
    assert torch.get_num_threads() == before
    assert np.float32(1e-39) * np.float32(1) != 0


def test_another_seed_gives_other_weights(digits: Dataset) -> None:
    assert train(digits, recipe(seed=1)).weights_sha256 != train(digits, recipe(seed=2)).weights_sha256


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_takes_the_step_that_torch_takes_with_autograd(
    optimizer: str, digits: Dataset
) -> None:
    """One epoch by hand, in plain torch on the same batches, ends at the same weights."""
    given = recipe(optimizer=optimizer, learning_rate=1e-2, weight_decay=1e-3, epochs=1)
    ours = Training(given, digits, "cpu", 1)
    layers = [torch.nn.Linear(a, b) for a, b in itertools.pairwise((64, 32, 16, 10))]
    peer = torch.nn.Sequential(layers[0], torch.nn.ReLU(), layers[1], torch.nn.ReLU(), layers[2])
    peer.load_state_dict(
        dict(zip(peer.state_dict(), map(torch.from_numpy, ours.weights().values()), strict=True))
    )
    step: torch.optim.Optimizer = {
        "adam": lambda p: torch.optim.Adam(p, 1e-2, weight_decay=1e-3),
        "adamw": lambda p: torch.optim.AdamW(p, 1e-2, weight_decay=1e-3),
        "sgd": lambda p: torch.optim.SGD(p, 1e-2, momentum=0.9, nesterov=True, weight_decay=1e-3),
    }[optimizer](peer.parameters())

    order = torch.randperm(len(digits.train), generator=generator_of(0, 1))
    images = torch.from_numpy(digits.train.images.reshape(-1, 64).astype(np.float32)) / 127.5 - 1
    labels = torch.from_numpy(digits.train.labels.astype(np.int64))
    for chosen in order.split(100):
        step.zero_grad()
        torch.nn.functional.cross_entropy(peer(images[chosen]), labels[chosen]).backward()
        step.step()
    list(ours)
    for array, parameter in zip(ours.weights().values(), peer.parameters(), strict=True):
        np.testing.assert_allclose(array, parameter.detach().numpy(), rtol=1e-3, atol=1e-5)


def test_it_learns_the_embedded_digits(digits: Dataset) -> None:
    training = train(digits, recipe(epochs=20, learning_rate=5e-3, hidden_sizes=(128, 64)))
    test = Source(dataset="digits").load_test(Path("nowhere"))
    evaluation = training.evaluate(test)
    assert evaluation.metrics["accuracy"] > 0.93
    assert evaluation.confusion is not None
    assert evaluation.correct is not None
    assert evaluation.confusion.sum() == len(test) == evaluation.count == len(evaluation.correct)
    assert np.diag(evaluation.confusion).sum() == evaluation.correct.sum()
    assert evaluation.metrics["accuracy"] == evaluation.correct.mean()


def test_a_loss_that_leaves_the_finite_numbers_ends_the_run_with_a_sentence(digits: Dataset) -> None:
    with pytest.raises(Diverged, match=r"epoch 1: train_loss must stay finite, but became (nan|inf)"):
        train(digits, recipe(optimizer="sgd", learning_rate=100.0, weight_decay=0.9))


def test_gradient_clipping_bounds_the_step(digits: Dataset) -> None:
    """Plain SGD at rate 1 moves the weights by the gradient itself, so by at most the clip a step."""
    given = recipe(optimizer="sgd", momentum=0.0, learning_rate=1.0, gradient_clip=1e-3, epochs=1)
    training = Training(given, digits, "cpu", 1)
    before = training.network.flat.clone()
    list(training)
    moved = float((training.network.flat - before).norm())
    assert 0 < moved <= 1e-3 * -(-len(digits.train) // given.batch_size) * (1 + 1e-5)


def test_the_state_of_another_network_is_refused(digits: Dataset) -> None:
    state = train(digits, recipe(), epochs=1).state_dict()
    with pytest.raises(ValueError, match="of another recipe"):
        Training(recipe(hidden_sizes=(8,)), digits, "cpu", 1).load_state_dict(state)


def test_images_that_may_not_be_written_are_trained_on_as_they_are(digits: Dataset) -> None:
    """As they come out of Ray's object store."""
    frozen = LabelledImages(digits.train.images.copy(), digits.train.labels, digits.train.class_names)
    frozen.images.setflags(write=False)
    mapped = Dataset(frozen, digits.validation, digits.fingerprint, digits.mean, digits.std)
    assert train(mapped, recipe()).weights_sha256 == train(digits, recipe()).weights_sha256


def test_saved_models_are_loaded_by_torch_and_safetensors(digits: Dataset, tmp_path: Path) -> None:
    from safetensors.numpy import load_file

    training = train(digits, recipe(), epochs=1)
    assert [path.name for path in training.save(tmp_path)] == ["model.safetensors", "digits_model.pth"]
    loaded = torch.load(tmp_path / "digits_model.pth", weights_only=True)
    for name, array in load_file(tmp_path / "model.safetensors").items():
        np.testing.assert_array_equal(array, training.weights()[name])
        np.testing.assert_array_equal(loaded[name].numpy(), array)


def test_the_data_sets_own_normalisation_has_mean_0_and_deviation_1(mnist_folder: Path) -> None:
    data = Source().load(mnist_folder)
    assert (data.mean, data.std) == pytest.approx((0.1307, 0.3081), abs=5e-4)


def test_mnist_is_learned_by_the_default_recipe(mnist_folder: Path) -> None:
    data = Source().load(mnist_folder)
    training = Training(Recipe(epochs=1), data, "cpu", 1)
    assert training.parameters == 109_386
    assert next(iter(training)).metrics["validation_accuracy"] > 0.9
