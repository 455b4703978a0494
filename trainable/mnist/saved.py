"""A trained model, read from the file that `Training.save` wrote."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.numpy import save
from torch.nn import functional as F  # noqa: N812

from trainable.evaluation.evaluation import Evaluation, classification
from trainable.mnist.data import LabelledImages
from trainable.mnist.models import build
from trainable.mnist.network import Network
from trainable.mnist.recipe import Recipe
from trainable.mnist.weights_file import (
    SAFETENSORS,
    STATE_DICT,
    TRAINABLE,
    SavedModelError,
    Weights,
    layer_sizes,
    read_safetensors,
    read_state_dict,
)

__all__ = ["SAFETENSORS", "TRAINABLE", "SavedModel", "SavedModelError"]

_BATCH = 1024
"""Images evaluated at a time, as in training."""


@dataclass(frozen=True)
class SavedModel:
    """A trained network with everything needed to use it."""

    path: Path
    """The file that it was read from."""
    network: Network
    recipe: Recipe
    """The recipe it was trained by."""
    mean: float
    """Subtracted from pixels in 0..1 before they enter the network."""
    std: float
    """What pixels are divided by after that; above 0."""
    height: int
    """Height of the images in pixels."""
    width: int
    """Width of the images in pixels."""
    class_names: tuple[str, ...]
    """One for each output, in order."""
    weights_sha256: str
    """SHA-256 of names and bytes of all weights, as in a run's records."""
    data_sha256: str | None
    """SHA-256 of the training and validation split; None if the file does not record it."""
    notes: tuple[str, ...] = ()
    """What had to be assumed to read it, one sentence each."""

    @classmethod
    def read(cls, path: Path) -> Self:
        """The model in a model.safetensors, in a state dict such as mnist_model.pth, or in a folder with one
        of them.

        A state dict contains neither normalization nor class names. They are taken from the model.safetensors
        in the same folder if that is of the same network. Otherwise mean 0.5 and std 0.5 are assumed.

        Raises SavedModelError, and OSError if the file cannot be read.
        """
        if path.is_dir():
            candidates = (path / SAFETENSORS, *sorted(path.glob(f"*{STATE_DICT}")))
            files = [file for file in candidates if file.is_file()]
            if not files:
                raise SavedModelError(
                    f"a model's folder must contain {SAFETENSORS} or a state dict such as mnist{STATE_DICT}, "
                    f"but {path} has neither",
                    "a run saves its winner's model when it ends, `benchsweep train` its first seed's",
                )
            path = files[0]
        with path.open("rb") as file:
            beginning = file.read(2)
        # torch writes zip archives. Any other file without a torch suffix is read as safetensors.
        if beginning == b"PK" or path.suffix in (".pth", ".pt"):
            return cls._from_state_dict(path)
        return cls._from_safetensors(path)

    @classmethod
    def _from_safetensors(cls, path: Path) -> Self:
        weights, metadata = read_safetensors(path)
        try:
            recipe = Recipe.model_validate_json(metadata["recipe"])
            height, width = int(metadata["height"]), int(metadata["width"])
            mean, std = float(metadata["mean"]), float(metadata["std"])
            if not (math.isfinite(mean) and 0 < std < math.inf):
                raise ValueError(f"mean must be finite and std above 0, but they are {mean} and {std}")
            class_names = tuple(json.loads(metadata["class_names"]))
            model = cls(
                path=path,
                network=_network(recipe, (height, width), class_names, weights),
                recipe=recipe,
                mean=mean,
                std=std,
                height=height,
                width=width,
                class_names=class_names,
                weights_sha256=metadata["weights_sha256"],
                data_sha256=metadata["data_sha256"],
            )
        except ValidationError as error:
            faults = "; ".join(
                f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()
            )
            raise SavedModelError(
                f"the recipe of {path} must be valid in this version of benchsweep, but is not ({faults})",
                "read it with the version that wrote it",
            ) from error
        except (ValueError, TypeError) as error:
            raise SavedModelError(
                f"{path} is damaged: its metadata does not fit its weights ({error})",
                "restore it from a copy, or train its recipe again",
            ) from error
        actual = model.network.weights_sha256
        if actual != model.weights_sha256:
            raise SavedModelError(
                f"{path} is damaged or was changed: its weights must have the SHA-256 "
                f"{model.weights_sha256}, but have {actual}",
                "restore it from a copy, or train its recipe again",
            )
        return model

    @classmethod
    def _from_state_dict(cls, path: Path) -> Self:
        weights = read_state_dict(path)
        neighbour = path.with_name(SAFETENSORS)
        reason = ""
        if neighbour.is_file():
            try:
                known = cls._from_safetensors(neighbour)
                network = _network(known.recipe, (known.height, known.width), known.class_names, weights)
            except ValueError as error:  # of another network, or not a model
                reason = f" ({neighbour.name} in the same folder cannot be used: {error})"
            else:
                return known._with_weights(path, network)
        return cls._assumed(path, weights, reason)

    def _with_weights(self, path: Path, network: Network) -> Self:
        """This model with the network that was read from the state dict `path`."""
        model = replace(self, path=path, network=network, weights_sha256=network.weights_sha256)
        if model.weights_sha256 == self.weights_sha256:
            return model
        note = (
            f"{path.name} has other weights than {self.path.name} in the same folder, whose normalization is "
            f"assumed"
        )
        return replace(model, data_sha256=None, notes=(note,))

    @classmethod
    def _assumed(cls, path: Path, weights: Weights, reason: str) -> Self:
        """The model of a state dict alone. reason: why no other file helps, in brackets."""
        sizes = layer_sizes(path, weights)
        side = math.isqrt(sizes[0])
        if side * side != sizes[0]:
            raise SavedModelError(
                f"{path} must be a model of square images, but its first layer takes {sizes[0]} pixels",
                f"put the {SAFETENSORS} that was saved with it in the same folder",
            )
        recipe = Recipe.model_validate(
            {"hidden_sizes": sizes[1:-1]} if len(sizes) > 2 else {"model": "linear"}
        )
        class_names = tuple(str(index) for index in range(sizes[-1]))
        try:
            network = _network(recipe, (side, side), class_names, weights)
        except ValueError as error:
            raise SavedModelError(f"{path} cannot be used: {error}") from error
        return cls(
            path=path,
            network=network,
            recipe=recipe,
            mean=0.5,
            std=0.5,
            height=side,
            width=side,
            class_names=class_names,
            weights_sha256=network.weights_sha256,
            data_sha256=None,
            notes=(
                f"{path.name} does not record how its images were normalized; mean 0.5 and std 0.5 are "
                f"assumed{reason}",
            ),
        )

    @property
    def parameters(self) -> int:
        """Number of learned parameters."""
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
        """The network with its normalization. Takes images with values in 0..255, of any number type, [N,
        height, width], and returns logits, float [N, classes]."""
        return _Normalized(self)

    def logits(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Logits [N, classes] of images with values in 0..255, [N, height, width]. Raises ValueError for
        another shape."""
        if images.ndim != 3 or images.shape[1:] != (self.height, self.width):
            raise ValueError(
                f"images must be [N, {self.height}, {self.width}], as {self.path} was trained on, but are "
                f"{list(images.shape)}"
            )
        module = self.module()
        with torch.inference_mode():
            # Copied, because torch warns of read-only arrays, such as those mapped from a file.
            batches = (images[at : at + _BATCH].copy() for at in range(0, len(images), _BATCH))
            parts = [module(torch.from_numpy(batch)).numpy() for batch in batches]
        empty = np.empty((0, len(self.class_names)), dtype=np.float32)
        return np.concatenate([empty, *parts])

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Probabilities of the classes, [N, classes], whose rows sum to 1. images: uint8 [N, height, width],
        0 background to 255 ink. Raises ValueError for another shape."""
        return torch.from_numpy(self.logits(images)).softmax(1).numpy()

    def evaluate(self, split: LabelledImages) -> Evaluation:
        """Accuracy, mean loss (nats), confusion matrix, calibration and worst mistakes on a split. Raises
        ValueError if the size of its images or its number of classes is not the model's."""
        classes = len(self.class_names)
        if len(split.class_names) != classes:
            raise ValueError(
                f"the split must have the {classes} classes of {self.path}, but has {len(split.class_names)}"
            )
        logits = torch.from_numpy(self.logits(split.images))
        labels = torch.from_numpy(split.labels.astype(np.int64))
        # Summed in the same order as in training, so that the loss is the same to the bit.
        parts = (slice(at, at + _BATCH) for at in range(0, len(labels), _BATCH))
        losses = (F.cross_entropy(logits[part], labels[part], reduction="sum") for part in parts)
        loss = sum(map(float, losses)) / len(labels)
        probabilities = logits.double().softmax(1).numpy()
        return classification(probabilities, split.labels, split.class_names, split.images, loss=loss)

    def metadata(self) -> dict[str, str]:
        """The metadata of model.safetensors. Raises SavedModelError if it is not known, because the model was
        read from a state dict alone."""
        if self.data_sha256 is None:
            raise SavedModelError(
                f"{SAFETENSORS} records recipe, normalization and data, which {self.path} does not record "
                f"({'; '.join(self.notes)})",
                f"export the {SAFETENSORS} that was saved with it",
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
        """The content of a file that torch.load(…, weights_only=True) reads. A torch module with layers of
        the same names can load it."""
        buffer = io.BytesIO()
        weights = self.network.weights()
        torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, buffer)
        return buffer.getvalue()


class _Normalized(torch.nn.Module):
    """A saved model's network, preceded by its normalization."""

    shift: torch.Tensor
    """What a pixel of 0 becomes; a scalar buffer."""

    def __init__(self, model: SavedModel) -> None:
        super().__init__()
        self.network = model.network
        # A byte b becomes shift + scale * b, with the same rounding as in training.
        self.scale = 1 / (255 * model.std)
        self.register_buffer("shift", torch.tensor(-model.mean / model.std), persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits [N, classes] of images with values in 0..255, [N, height, width]."""
        pixels = images.flatten(1).to(torch.float32)
        logits: torch.Tensor = self.network(torch.add(self.shift, pixels, alpha=self.scale))
        return logits


def _network(recipe: Recipe, shape: tuple[int, int], class_names: Sequence[str], weights: Weights) -> Network:
    """The recipe's network with these weights. Raises ValueError if they are of another network, or not all
    finite."""
    try:
        with torch.device("meta"):  # without memory: the file may claim any size
            build(recipe, shape, len(class_names)).check_weights(weights)
    except (RuntimeError, OverflowError) as error:  # a size beyond what torch can count
        raise ValueError(f"no network has the size that it claims: {str(error).splitlines()[0]}") from error
    broken = [name for name, array in weights.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"all weights must be finite, but {', '.join(broken)} are not")
    network = build(recipe, shape, len(class_names))
    network.load_weights(weights)
    return network
