"""A model's worst mistakes: wrong predictions with the highest confidence. Does not import torch."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

KEPT = 24
"""Maximum number of mistakes that are stored per model."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """An example whose class was predicted wrong."""

    index: int
    """Index of the example in the split, from 0."""
    true: int
    """True class, as an index of the evaluation's class_names."""
    predicted: int
    """Predicted class, as an index of the evaluation's class_names."""
    probability: float
    """Predicted probability of the predicted class, 0..1."""
    true_probability: float
    """Predicted probability of the true class, 0..1."""
    png: bytes
    """The image as the model saw it: a greyscale PNG file."""

    @property
    def image(self) -> NDArray[np.uint8]:
        """The image, uint8 [height, width]. Raises OSError if `png` is not a complete PNG file."""
        from PIL import Image  # most commands read records without showing an image

        with Image.open(io.BytesIO(self.png), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("L"))

    def to_json(self) -> dict[str, Any]:
        """Returns plain values, with the PNG file as base64."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return {**values, "png": base64.b64encode(self.png).decode()}

    def summary(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Returns plain values without the image. Classes are names, or indices if they have no names."""
        return {
            "index": self.index,
            "true": _name(self.true, class_names),
            "predicted": _name(self.predicted, class_names),
            "probability": self.probability,
            "true_probability": self.true_probability,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Returns the mistake that `to_json` stored. Raises ValueError if its PNG is not valid base64."""
        return cls(**{**stored, "png": base64.b64decode(stored["png"], validate=True)})


def worst_mistakes(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    images: NDArray[np.uint8],
    most: int = KEPT,
) -> tuple[Mistake, ...]:
    """Returns at most `most` mistakes, those with the highest probability of the wrong class first. Ties are
    in the order of the examples.

    probabilities: [N, classes]. labels: the true classes, [N]. images: uint8 [N, height, width]. Raises
    ValueError for images of another shape or type.
    """
    if images.ndim != 3 or images.dtype != np.uint8 or len(images) != len(labels):
        raise ValueError(
            f"images must be uint8 [{len(labels)}, height, width], but are {images.dtype} "
            f"{list(images.shape)}"
        )
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    order = np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")
    return tuple(
        Mistake(
            index=int(index),
            true=int(labels[index]),
            predicted=int(predicted[index]),
            probability=float(probabilities[index, predicted[index]]),
            true_probability=float(probabilities[index, labels[index]]),
            png=to_png(images[index]),
        )
        for index in wrong[order[:most]]
    )


def _name(label: int, class_names: Sequence[str]) -> str:
    return str(class_names[label]) if label < len(class_names) else str(label)


def to_png(image: NDArray[np.uint8]) -> bytes:
    """Returns a greyscale PNG file of an image, uint8 [height, width]. Always the same bytes."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()
