"""The content of a saved model's file: safetensors with metadata, or a torch state dict."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from trainable.errors import BenchsweepError

SAFETENSORS = "model.safetensors"
STATE_DICT = "_model.pth"
"""End of the name of a state dict, which begins with the data set: mnist_model.pth."""
TRAINABLE = "trainable.mlp"

_REQUIRED = ("recipe", "weights_sha256", "mean", "std", "height", "width", "class_names", "data_sha256")
"""Keys of the metadata."""

Weights = Mapping[str, NDArray[Any]]
"""Arrays by name, as in a state dict: fc1.weight [128, 784]."""


class SavedModelError(BenchsweepError, ValueError):
    """The file contains no usable model."""


def read_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """The weights and the metadata, which have every required key. Raises SavedModelError."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise SavedModelError(
            f"{path} must be a complete safetensors file, but is damaged or in another format ({error})",
            "restore it from a copy, or train its recipe again",
        ) from error
    _check_metadata(path, metadata)
    return weights, metadata


def _check_metadata(path: Path, metadata: Mapping[str, str]) -> None:
    if "epochs" in metadata and "state" in metadata:
        raise SavedModelError(
            f"{path} must be a saved model, but is a checkpoint of a training",
            f"use the {SAFETENSORS} that a run or `benchsweep train` saves at its end",
        )
    if (trainable := metadata.get("trainable", TRAINABLE)) != TRAINABLE:
        raise SavedModelError(f"{path} must be a model of {TRAINABLE}, but is one of {trainable}")
    missing = [name for name in _REQUIRED if name not in metadata]
    if missing:
        raise SavedModelError(
            f"the metadata of {path} must say how to use the model, but lacks {', '.join(missing)}: the file "
            f"was not written by benchsweep, or by an earlier version",
            "train its recipe again",
        )


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """The weights, as float32. Raises SavedModelError."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises the errors of zipfile, pickle and its own reader
        reason = str(error).strip().partition("\n")[0]
        raise SavedModelError(
            f"{path} must be a state dict written by torch.save, but is damaged or in another format "
            f"({reason})"
        ) from error
    if not isinstance(content, Mapping):
        raise SavedModelError(
            f"{path} must contain a state dict, but contains a {type(content).__name__}",
            "save it with torch.save(model.state_dict(), …)",
        )
    others = sorted({type(v).__name__ for v in content.values() if not isinstance(v, torch.Tensor)})
    if others:
        raise SavedModelError(
            f"the values of {path}'s state dict must be tensors, but some are of type {', '.join(others)}",
            "save it with torch.save(model.state_dict(), …)",
        )
    for name, tensor in content.items():
        if not (tensor.layout is torch.strided and tensor.is_floating_point() and _is_dense(tensor)):
            raise SavedModelError(
                f"the values of {path}'s state dict must be dense tensors of real numbers, but {name} is "
                f"{tensor.dtype} {list(tensor.shape)}, {str(tensor.layout).removeprefix('torch.')}",
                "save it with torch.save(model.state_dict(), …)",
            )
    return {str(name): tensor.detach().float().numpy() for name, tensor in content.items()}


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether each of its numbers is in the file: an expanded tensor repeats a few, to any size."""
    return tensor.numel() * tensor.element_size() <= tensor.untyped_storage().nbytes()


def layer_sizes(path: Path, weights: Weights) -> tuple[int, ...]:
    """Units of the input, each hidden layer and the output of an MLP with layers fc1, fc2, … Raises
    SavedModelError if the weights are of another network."""
    depth = sum(name.endswith(".weight") for name in weights)
    expected = {f"fc{number}.{part}" for number in range(1, depth + 1) for part in ("weight", "bias")}
    matrices = [weights.get(f"fc{number}.weight") for number in range(1, depth + 1)]
    if depth == 0 or set(weights) != expected or any(m is None or m.ndim != 2 for m in matrices):
        raise SavedModelError(
            f"a state dict without its {SAFETENSORS} must have the layers fc1, fc2, … (weight and bias), but "
            f"{path} has {', '.join(sorted(weights)) or 'none'}",
            f"read the {SAFETENSORS} that was saved with it",
        )
    shapes = [matrix.shape for matrix in matrices if matrix is not None]
    sizes = (shapes[0][1], *(shape[0] for shape in shapes))
    biases = tuple(weights[f"fc{number}.bias"].shape for number in range(1, depth + 1))
    chained = all(shape[1] == before for shape, before in zip(shapes, sizes, strict=False))
    if not chained or biases != tuple((size,) for size in sizes[1:]):
        layers = ", ".join(f"{name} {list(array.shape)}" for name, array in weights.items())
        raise SavedModelError(
            f"each layer of {path} must take as many inputs as the layer before it has outputs, but the "
            f"layers are {layers}"
        )
    return sizes
