"""A trained model, read back from the file that `Training.save` wrote, and used."""

from __future__ import annotations

import hashlib
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch.nn import functional as F  # noqa: N812

from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation, classification
from trainable.mnist.data import LabelledImages
from trainable.mnist.models import build
from trainable.mnist.network import Network
from trainable.mnist.recipe import Recipe

SAFETENSORS, PTH = "model.safetensors", "mnist_model.pth"
TRAINABLE = "trainable.mlp"

_NEEDED = ("recipe", "weights_sha256", "mean", "std", "height", "width", "class_names", "data_sha256")
_BATCH = 1024

Weights = Mapping[str, NDArray[Any]]


class SavedModelError(BenchsweepError, ValueError):
    """The file holds no model that can be used, or not all of it; says which, why and what to do."""


@dataclass(frozen=True)
class SavedModel:
    """A trained network with what it takes to use it.

    path: its file. recipe: it was trained by. mean, std: what the network's input was normalised
    with, as shares of full ink. height, width: of its images, in pixels. class_names: what its
    outputs stand for. weights_sha256: over names and bytes of all weights, as in a run's records.
    data_sha256: of the training and validation split; None where the file does not tell.
    notes: what had to be assumed to read it, a sentence each.
    """

    path: Path
    network: Network
    recipe: Recipe
    mean: float
    std: float
    height: int
    width: int
    class_names: tuple[str, ...]
    weights_sha256: str
    data_sha256: str | None
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """The model in model.safetensors, in a state dict such as mnist_model.pth, or in the folder
        that holds one of them.

        A state dict tells neither normalisation nor classes: they are those of model.safetensors
        beside it, where that is of the same network, else the origin's.

        Raises SavedModelError, and OSError where the file cannot be read.
        """
        if path.is_dir():
            held = [path / name for name in (SAFETENSORS, PTH) if (path / name).is_file()]
            if not held:
                raise SavedModelError(
                    f"a model's folder holds {SAFETENSORS} or {PTH}, but {path} has neither; a run saves "
                    f"its winner's model when it ends, `benchsweep train` its first seed's"
                )
            path = held[0]
        with path.open("rb") as file:
            beginning = file.read(2)
        # torch's files are zip archives; what neither is nor is named like one is read as safetensors.
        if beginning == b"PK" or path.suffix in (".pth", ".pt"):
            return cls._from_state_dict(path)
        return cls._from_safetensors(path)

    @classmethod
    def _from_safetensors(cls, path: Path) -> Self:
        try:
            with safe_open(path, framework="numpy") as file:
                told = file.metadata() or {}
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise SavedModelError(
                f"{path} must be a whole safetensors file, but is damaged or something else ({error}); "
                f"restore it from a copy, or train its recipe again"
            ) from error
        _check_metadata(path, told)
        try:
            recipe = Recipe.model_validate_json(told["recipe"])
            read = cls(
                path=path,
                network=_network(recipe, (int(told["height"]), int(told["width"])), weights, told),
                recipe=recipe,
                mean=float(told["mean"]),
                std=float(told["std"]),
                height=int(told["height"]),
                width=int(told["width"]),
                class_names=tuple(json.loads(told["class_names"])),
                weights_sha256=told["weights_sha256"],
                data_sha256=told["data_sha256"],
            )
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
            raise SavedModelError(
                f"{path} must be of a recipe that this version of benchsweep knows, but is not ({faults}); "
                f"read it with the version that wrote it"
            ) from error
        except (ValueError, TypeError) as error:
            raise SavedModelError(
                f"{path} is damaged: its metadata do not fit its weights ({error})"
            ) from error
        if (found := sha256_of(read.network)) != read.weights_sha256:
            raise SavedModelError(
                f"{path} is damaged or was changed: its weights must have the SHA-256 "
                f"{read.weights_sha256}, but have {found}; restore it from a copy, or train its recipe again"
            )
        return read

    @classmethod
    def _from_state_dict(cls, path: Path) -> Self:
        weights = _state_dict(path)
        beside = path.with_name(SAFETENSORS)
        note = ""
        if beside.is_file():
            try:
                known = cls._from_safetensors(beside)
                network = _network(
                    known.recipe, (known.height, known.width), weights, {"class_names": known.class_names}
                )
            except ValueError as error:  # of another network, or no model itself
                note = f"; {beside.name} beside it does not tell them: {error}"
            else:
                read = replace(known, path=path, network=network, weights_sha256=sha256_of(network))
                if read.weights_sha256 == known.weights_sha256:
                    return read
                return replace(
                    read,
                    data_sha256=None,
                    notes=(
                        f"{path.name} has other weights than {beside.name} beside it, and is read with "
                        f"the normalisation of that one",
                    ),
                )
        sizes = _sizes(path, weights)
        side = math.isqrt(sizes[0])
        if side * side != sizes[0]:
            raise SavedModelError(
                f"{path} must be of square images, but its first layer takes {sizes[0]} pixels; read it "
                f"with the {SAFETENSORS} that was saved with it beside it"
            )
        hidden = {"hidden_sizes": sizes[1:-1]} if len(sizes) > 2 else {"model": "linear"}
        recipe = Recipe.model_validate(hidden)
        classes = tuple(str(index) for index in range(sizes[-1]))
        network = _network(recipe, (side, side), weights, {"class_names": classes})
        return cls(
            path=path,
            network=network,
            recipe=recipe,
            mean=0.5,
            std=0.5,
            height=side,
            width=side,
            class_names=classes,
            weights_sha256=sha256_of(network),
            data_sha256=None,
            notes=(
                f"{path.name} does not tell how its images were normalised: mean 0.5 and std 0.5 are "
                f"assumed, the origin's{note}",
            ),
        )

    @property
    def parameters(self) -> int:
        """How many numbers it learned."""
        return self.network.parameter_count

    @property
    def title(self) -> str:
        """ "mlp 784-128-64-10", "lenet5"."""
        if self.recipe.model not in ("mlp", "linear"):
            return self.recipe.model
        hidden = self.recipe.hidden_sizes if self.recipe.model == "mlp" else ()
        sizes = (self.height * self.width, *hidden, len(self.class_names))
        return f"{self.recipe.model} {'-'.join(map(str, sizes))}"

    def module(self) -> torch.nn.Module:
        """The network with its normalisation: images of 0 to 255, of any type of numbers, [N, height,
        width] -> logits, float [N, classes]."""
        return _Normalised(self)

    def logits(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """float [N, classes] of images of 0 to 255, [N, height, width]. Raises ValueError for others."""
        if images.ndim != 3 or images.shape[1:] != (self.height, self.width):
            raise ValueError(
                f"images must be [N, {self.height}, {self.width}], as {self.path} was trained on, but are "
                f"{list(images.shape)}"
            )
        module = self.module()
        with torch.inference_mode():
            # A copy: arrays mapped from a file are read-only, which torch warns of.
            batches = (images[at : at + _BATCH].copy() for at in range(0, len(images), _BATCH))
            parts = [module(torch.from_numpy(batch)).numpy() for batch in batches]
        empty = np.empty((0, len(self.class_names)), dtype=np.float32)
        return np.concatenate([empty, *parts])

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of the classes, float [N, classes], rows that sum to 1; images uint8 [N, height, width], 0
        background to 255 ink. Raises ValueError for other shapes."""
        return torch.from_numpy(self.logits(images)).softmax(1).numpy()

    def evaluate(self, split: LabelledImages) -> Evaluation:
        """Accuracy, loss (nats, mean), confusion, calibration and worst mistakes on a split. Raises
        ValueError where its images or classes are not as many as the model's."""
        classes = len(self.class_names)
        if len(split.class_names) != classes:
            raise ValueError(
                f"the split must have the {classes} classes of {self.path}, but has {len(split.class_names)}"
            )
        logits = torch.from_numpy(self.logits(split.images))
        labels = torch.from_numpy(split.labels.astype(np.int64))
        # Added up as in training, so that the figures are the same to the bit.
        parts = (slice(at, at + _BATCH) for at in range(0, len(labels), _BATCH))
        losses = (F.cross_entropy(logits[part], labels[part], reduction="sum") for part in parts)
        loss = sum(float(each) for each in losses) / len(labels)
        probabilities = logits.double().softmax(1).numpy()
        return classification(probabilities, split.labels, split.class_names, split.images, loss=loss)

    def metadata(self) -> dict[str, str]:
        """What model.safetensors tells beside the weights. Raises SavedModelError where that is not
        known: of a state dict alone."""
        if self.data_sha256 is None:
            raise SavedModelError(
                f"{SAFETENSORS} tells recipe, normalisation and data, but {self.path} does not know them "
                f"for sure ({'; '.join(self.notes)}); export the {SAFETENSORS} that was saved with it"
            )
        return {
            "trainable": TRAINABLE,
            "recipe": self.recipe.model_dump_json(),
            "weights_sha256": self.weights_sha256,
            "mean": repr(self.mean),
            "std": repr(self.std),
            "height": str(self.height),
            "width": str(self.width),
            "class_names": json.dumps(self.class_names),
            "data_sha256": self.data_sha256,
        }

    def to_safetensors(self) -> bytes:
        """The content of a model.safetensors. Raises SavedModelError as `metadata` does."""
        return save(self.network.weights(), metadata=self.metadata())

    def to_state_dict(self) -> bytes:
        """The content of a file that torch.load(…, weights_only=True) reads, and a plain torch module
        with layers of the same names loads."""
        buffer = io.BytesIO()
        weights = self.network.weights()
        torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, buffer)
        return buffer.getvalue()


class _Normalised(torch.nn.Module):
    """A saved model's network, behind its normalisation."""

    shift: torch.Tensor

    def __init__(self, model: SavedModel) -> None:
        super().__init__()
        self.network = model.network
        # A byte b becomes shift + scale * b, as in training, and rounds as there.
        self.scale = 1 / (255 * model.std)
        self.register_buffer("shift", torch.tensor(-model.mean / model.std), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [N, classes] of images of 0 to 255, [N, height, width]."""
        pixels = images.flatten(1).to(torch.float32)
        logits: torch.Tensor = self.network(torch.add(self.shift, pixels, alpha=self.scale))
        return logits


def sha256_of(network: Network) -> str:
    """Over names and bytes of all weights, in order: what `Training.weights_sha256` tells."""
    digest = hashlib.sha256()
    for name, array in network.weights().items():
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _check_metadata(path: Path, told: Mapping[str, str]) -> None:
    if "epochs" in told and "state" in told:
        raise SavedModelError(
            f"{path} is a training's checkpoint, to be continued from; a model is in {SAFETENSORS}, which a "
            f"run or `benchsweep train` saves at its end"
        )
    if (trainable := told.get("trainable", TRAINABLE)) != TRAINABLE:
        raise SavedModelError(f"{path} must be a model of {TRAINABLE}, but is one of {trainable}")
    missing = [name for name in _NEEDED if name not in told]
    if missing:
        raise SavedModelError(
            f"{path} must tell in its metadata what it takes to use the model, but lacks "
            f"{', '.join(missing)}: benchsweep did not write it, or an earlier version did; train its "
            f"recipe again"
        )


def _network(recipe: Recipe, shape: tuple[int, int], weights: Weights, told: Mapping[str, Any]) -> Network:
    """The recipe's network with these weights. Raises ValueError where they are of another one."""
    names = told["class_names"]
    network = build(recipe, shape, len(json.loads(names) if isinstance(names, str) else names))
    network.load_weights(weights)
    return network


def _state_dict(path: Path) -> dict[str, NDArray[Any]]:
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # torch raises whatever zip, pickle and its own reader raise
        reason = str(error).strip().partition("\n")[0]
        raise SavedModelError(
            f"{path} must be a state dict as torch.save writes it, but is damaged or something else "
            f"({reason})"
        ) from error
    if not isinstance(held, Mapping) or not all(isinstance(each, torch.Tensor) for each in held.values()):
        raise SavedModelError(
            f"{path} must be a state dict, names with tensors, but holds a {type(held).__name__} of "
            f"something else; save it with torch.save(model.state_dict(), …)"
        )
    return {str(name): tensor.detach().float().numpy() for name, tensor in held.items()}


def _sizes(path: Path, weights: Weights) -> tuple[int, ...]:
    """Units of the input, each hidden layer and the output, from layers fc1, fc2, … Raises
    SavedModelError where it has others."""
    depth = sum(name.endswith(".weight") for name in weights)
    expected = {f"fc{number}.{part}" for number in range(1, depth + 1) for part in ("weight", "bias")}
    matrices = [weights.get(f"fc{number}.weight") for number in range(1, depth + 1)]
    if depth == 0 or set(weights) != expected or any(m is None or m.ndim != 2 for m in matrices):
        raise SavedModelError(
            f"a state dict alone tells its network only where its layers are fc1, fc2, … (weight and bias), "
            f"but {path} has {', '.join(sorted(weights)) or 'none'}; read the {SAFETENSORS} that was saved "
            f"with it"
        )
    shapes = [matrix.shape for matrix in matrices if matrix is not None]
    sizes = (shapes[0][1], *(shape[0] for shape in shapes))
    biases = tuple(weights[f"fc{number}.bias"].shape for number in range(1, depth + 1))
    chained = all(shape[1] == before for shape, before in zip(shapes, sizes, strict=False))
    if not chained or biases != tuple((size,) for size in sizes[1:]):
        told = ", ".join(f"{name} {list(array.shape)}" for name, array in weights.items())
        raise SavedModelError(
            f"each layer of {path} must take what the one before it gives, but they are {told}"
        )
    return sizes
