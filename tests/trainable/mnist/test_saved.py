"""A model that was saved does what it did when it was trained, and says so where it cannot."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from trainable.mnist.data import Dataset, Source
from trainable.mnist.recipe import Recipe
from trainable.mnist.saved import SAFETENSORS, SavedModel, SavedModelError
from trainable.mnist.training import Training
from trainable.storage.checkpoint import Checkpoint

PTH = "digits_model.pth"
NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"hidden_sizes": (32, 16), "normalisation": "dataset"},
    "linear": {"model": "linear"},
    "lenet5": {"model": "lenet5", "normalisation": "dataset"},
    "cnn": {"model": "cnn", "width": 4, "ema": 0.5},
}


def trained(digits: Dataset, folder: Path, **changes: Any) -> Training:
    """An epoch's training of a recipe on the small digits, saved in `folder`."""
    recipe = Recipe.model_validate({"epochs": 1, "batch_size": 100, "learning_rate": 5e-3, **changes})
    training = Training(recipe, digits, "cpu", 1)
    list(training)
    training.save(folder)
    return training


@pytest.fixture(scope="module")
def saved(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved mlp. Tests that change something copy it."""
    folder = tmp_path_factory.mktemp("saved")
    trained(digits, folder, **NETWORKS["mlp"])
    return folder


@pytest.fixture
def copied(saved: Path, tmp_path: Path) -> Path:
    for name in (SAFETENSORS, PTH):
        (tmp_path / name).write_bytes((saved / name).read_bytes())
    return tmp_path


def rewrite(folder: Path, **metadata: str | None) -> None:
    """model.safetensors with this metadata changed; None takes it away."""
    path = folder / SAFETENSORS
    with safe_open(path, framework="numpy") as file:
        told = {**file.metadata(), **metadata}
    kept = {name: value for name, value in told.items() if value is not None}
    save_file(load_file(path), path, metadata=kept)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_evaluates_as_it_did_in_training_to_the_bit(
    name: str, digits: Dataset, tmp_path: Path
) -> None:
    training = trained(digits, tmp_path, **NETWORKS[name])
    test = Source(dataset="digits").load_test(tmp_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for path in (tmp_path, tmp_path / SAFETENSORS, tmp_path / PTH):
            model = SavedModel.read(path)
            assert model.evaluate(test).to_json() == training.evaluate(test).to_json()
            assert model.weights_sha256 == training.weights_sha256
            assert model.parameters == training.parameters
            assert model.data_sha256 == digits.fingerprint
            assert model.notes == ()
    finally:
        torch.set_num_threads(threads)


def test_probabilities_are_of_the_classes_and_sum_to_one(saved: Path, digits: Dataset) -> None:
    model = SavedModel.read(saved)
    images = digits.validation.images
    found = model.probabilities(images)
    assert found.shape == (len(images), 10)
    assert np.allclose(found.sum(axis=1), 1, atol=1e-6)
    accuracy = float((found.argmax(axis=1) == digits.validation.labels).mean())
    assert accuracy == model.evaluate(digits.validation).metrics["accuracy"]
    assert model.probabilities(images[:0]).shape == (0, 10)


def test_a_model_says_what_it_is(saved: Path) -> None:
    model = SavedModel.read(saved)
    assert model.title == "mlp 64-32-16-10"
    assert (model.height, model.width, model.class_names) == (8, 8, tuple("0123456789"))


def test_what_is_written_again_is_read_the_same(saved: Path, tmp_path: Path) -> None:
    model = SavedModel.read(saved)
    (tmp_path / SAFETENSORS).write_bytes(model.to_safetensors())
    (tmp_path / PTH).write_bytes(model.to_state_dict())
    with safe_open(saved / SAFETENSORS, framework="numpy") as file:
        assert model.metadata() == file.metadata()
    for name in (SAFETENSORS, PTH):
        assert SavedModel.read(tmp_path / name).weights_sha256 == model.weights_sha256
    plain = torch.nn.Sequential()
    for number, sizes in enumerate(((64, 32), (32, 16), (16, 10)), 1):
        plain.add_module(f"fc{number}", torch.nn.Linear(*sizes))
    plain.load_state_dict(torch.load(tmp_path / PTH, weights_only=True))


def test_a_state_dict_alone_is_read_with_the_origins_normalisation_and_says_so(copied: Path) -> None:
    (copied / SAFETENSORS).unlink()
    model = SavedModel.read(copied)
    assert model.title == "mlp 64-32-16-10"
    assert (model.mean, model.std, model.data_sha256) == (0.5, 0.5, None)
    (note,) = model.notes
    assert "mean 0.5 and std 0.5 are assumed" in note
    with pytest.raises(SavedModelError, match=r"does not record \(digits_model.pth does not record"):
        model.to_safetensors()


def test_a_state_dict_with_other_weights_takes_the_normalisation_beside_it_and_says_so(
    copied: Path, saved: Path
) -> None:
    weights = torch.load(copied / PTH, weights_only=True)
    torch.save({name: 2 * tensor for name, tensor in weights.items()}, copied / PTH)
    model = SavedModel.read(copied / PTH)
    assert (model.mean, model.std) == (SavedModel.read(saved).mean, SavedModel.read(saved).std)
    assert model.data_sha256 is None
    assert "other weights than model.safetensors in the same folder" in model.notes[0]


def test_a_state_dict_beside_another_networks_model_is_read_alone(
    copied: Path, digits: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    trained(digits, other, model="linear")
    (copied / SAFETENSORS).write_bytes((other / SAFETENSORS).read_bytes())
    model = SavedModel.read(copied / PTH)
    assert (model.mean, model.std) == (0.5, 0.5)
    assert "cannot be used: the weights must be" in model.notes[0]


def no_model(folder: Path) -> Path:
    (folder / SAFETENSORS).unlink()
    (folder / PTH).unlink()
    return folder


def cut_off(folder: Path) -> Path:
    path = folder / SAFETENSORS
    path.write_bytes(path.read_bytes()[:-100])
    return path


def flipped(folder: Path) -> Path:
    path = folder / SAFETENSORS
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    return path


def text(folder: Path) -> Path:
    path = folder / "plan.toml"
    path.write_text('name = "small"\n')
    return path


def empty(folder: Path) -> Path:
    (folder / SAFETENSORS).write_bytes(b"")
    return folder


def foreign(folder: Path) -> Path:
    save_file({"a": np.zeros(3, dtype=np.float32)}, folder / SAFETENSORS)
    return folder


def earlier(folder: Path) -> Path:
    rewrite(folder, mean=None, std=None)
    return folder


def checkpoint(folder: Path) -> Path:
    path = folder / "checkpoint.safetensors"
    Checkpoint({"epoch": 1, "a": np.zeros(3)}, ()).write(path)
    return path


def of_another_trainable(folder: Path) -> Path:
    rewrite(folder, trainable="mine")
    return folder


def later_recipe(folder: Path) -> Path:
    with safe_open(folder / SAFETENSORS, framework="numpy") as file:
        recipe = json.loads(file.metadata()["recipe"])
    rewrite(folder, recipe=json.dumps({**recipe, "attention_heads": 8}))
    return folder


def other_size(folder: Path) -> Path:
    rewrite(folder, height="28", width="28")
    return folder


def no_number(folder: Path) -> Path:
    rewrite(folder, mean="half")
    return folder


def torn_pth(folder: Path) -> Path:
    (folder / PTH).write_bytes((folder / PTH).read_bytes()[:500])
    return folder / PTH


def whole_module(folder: Path) -> Path:
    torch.save(torch.nn.Linear(4, 2), folder / PTH)
    return folder / PTH


def nested(folder: Path) -> Path:
    torch.save({"epoch": 3, "model": {}}, folder / PTH)
    return folder / PTH


def other_layers(folder: Path) -> Path:
    (folder / SAFETENSORS).unlink()
    torch.save(torch.nn.Sequential(torch.nn.Linear(4, 2)).state_dict(), folder / PTH)
    return folder


def unchained(folder: Path) -> Path:
    (folder / SAFETENSORS).unlink()
    layers = {"fc1": torch.nn.Linear(64, 8), "fc2": torch.nn.Linear(9, 10)}
    torch.save(torch.nn.ModuleDict(layers).state_dict(), folder / PTH)
    return folder


def not_square(folder: Path) -> Path:
    (folder / SAFETENSORS).unlink()
    torch.save(torch.nn.ModuleDict({"fc1": torch.nn.Linear(65, 10)}).state_dict(), folder / PTH)
    return folder


def immense(folder: Path) -> Path:
    rewrite(folder, height="1000000000", width="1000000000")
    return folder


def immense_recipe(folder: Path) -> Path:
    with safe_open(folder / SAFETENSORS, framework="numpy") as file:
        recipe = json.loads(file.metadata()["recipe"])
    rewrite(folder, recipe=json.dumps({**recipe, "hidden_sizes": [65_536] * 8}))
    return folder


def without_spread(folder: Path) -> Path:
    rewrite(folder, std="0")
    return folder


def _state_dict(folder: Path, weight: torch.Tensor) -> Path:
    (folder / SAFETENSORS).unlink()
    torch.save({"fc1.weight": weight, "fc1.bias": torch.zeros(10)}, folder / PTH)
    return folder


def not_finite(folder: Path) -> Path:
    return _state_dict(folder, torch.full((10, 64), float("nan")))


def complex_numbers(folder: Path) -> Path:
    return _state_dict(folder, torch.zeros(10, 64, dtype=torch.complex64))


def sparse(folder: Path) -> Path:
    return _state_dict(folder, torch.zeros(10, 64).to_sparse())


def expanded(folder: Path) -> Path:
    return _state_dict(folder, torch.zeros(1, 64).expand(10, 64))


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (immense, "its metadata does not fit its weights .no network has the size|the weights must be"),
        (immense_recipe, "its metadata does not fit its weights"),
        (without_spread, "std above 0, but they are .* and 0.0"),
        (not_finite, "all weights must be finite, but fc1.weight are not"),
        (complex_numbers, r"fc1.weight is torch.complex64 \[10, 64\]"),
        (sparse, r"fc1.weight is torch.float32 \[10, 64\], sparse_coo"),
        (expanded, r"dense tensors of real numbers, but fc1.weight is torch.float32 \[10, 64\], strided"),
        (
            no_model,
            "must contain model.safetensors or a state dict such as mnist_model.pth, but .* has neither",
        ),
        (cut_off, "must be a complete safetensors file, but is damaged or in another format"),
        (flipped, "damaged or was changed: its weights must have the SHA-256 [0-9a-f]{64}, but have"),
        (text, "must be a complete safetensors file"),
        (empty, "must be a complete safetensors file"),
        (foreign, "lacks recipe, weights_sha256, mean"),
        (earlier, "lacks mean, std: the file was not written by benchsweep, or by an earlier version"),
        (checkpoint, "is a checkpoint of a training"),
        (of_another_trainable, "must be a model of trainable.mlp, but is one of mine"),
        (later_recipe, "attention_heads: Extra inputs are not permitted"),
        (other_size, "its metadata does not fit its weights"),
        (no_number, "its metadata does not fit its weights .*half"),
        (torn_pth, "must be a state dict written by torch.save"),
        (whole_module, "must be a state dict written by torch.save"),
        (nested, "state dict must be tensors, but some are of type dict, int"),
        (other_layers, "must have the layers fc1, fc2"),
        (unchained, "each layer of .* must take as many inputs as the layer before it has outputs"),
        (not_square, "must be a model of square images, but its first layer takes 65 pixels"),
    ],
)
def test_a_file_without_a_complete_model_is_rejected_in_a_sentence(
    copied: Path, spoil: Callable[[Path], Path], sentence: str
) -> None:
    path = spoil(copied)
    with pytest.raises(SavedModelError, match=sentence) as error:
        SavedModel.read(path)
    assert str(copied) in str(error.value)


def test_a_missing_file_raises_the_error_of_the_operating_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SavedModel.read(tmp_path / "nowhere.safetensors")


def test_images_of_another_size_are_refused(saved: Path, digits: Dataset) -> None:
    with pytest.raises(ValueError, match=r"images must be \[N, 8, 8\], .* but are \[3, 28, 28\]"):
        SavedModel.read(saved).probabilities(np.zeros((3, 28, 28), dtype=np.uint8))
