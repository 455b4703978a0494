"""A model's worst mistakes: what it was surest of and wrong. Read without torch."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

KEPT = 24
"""Mistakes of a model that are kept: what one looks through at a glance."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """An example that was taken for another class.

    index: among the split's examples, from 0. true, predicted: classes, as indices of the evaluation's
    class_names. probability: of the predicted class, 0..1, as the model gave it; true_probability: of the
    true one. png: the image as the model saw it, a greyscale PNG file.
    """

    index: int
    true: int
    predicted: int
    probability: float
    true_probability: float
    png: bytes

    @property
    def image(self) -> NDArray[np.uint8]:
        """The image, uint8 [height, width]. Raises OSError where `png` is no whole PNG file."""
        from PIL import Image  # here, since records are read by commands that show no image

        with Image.open(io.BytesIO(self.png), formats=["PNG"]) as picture:
            return np.asarray(picture.convert("L"))

    def to_json(self) -> dict[str, Any]:
        """Plain values, the PNG as base64."""
        named = {name: getattr(self, name) for name in self.__slots__}
        return {**named, "png": base64.b64encode(self.png).decode()}

    def told(self, class_names: Sequence[str]) -> dict[str, Any]:
        """Plain values for whoever reads no pixels: classes by name, by index where they have none."""
        return {
            "index": self.index,
            "true": _name(self.true, class_names),
            "predicted": _name(self.predicted, class_names),
            "probability": self.probability,
            "true_probability": self.true_probability,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """The mistake that `to_json` stored. Raises ValueError where its PNG is no base64."""
        return cls(**{**stored, "png": base64.b64decode(stored["png"], validate=True)})


def worst_mistakes(
    probabilities: NDArray[np.floating[Any]],
    labels: NDArray[np.integer[Any]],
    images: NDArray[np.uint8],
    most: int = KEPT,
) -> tuple[Mistake, ...]:
    """The mistakes with the highest probability of the wrong class, that one first; of equal ones the
    earlier example. At most `most` of them.

    probabilities: [N, classes]. labels: [N], the true classes. images: uint8 [N, height, width].
    Raises ValueError for images of another shape or type.
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


def _name(place: int, class_names: Sequence[str]) -> str:
    return str(class_names[place]) if place < len(class_names) else str(place)


def to_png(image: NDArray[np.uint8]) -> bytes:
    """A greyscale PNG file of uint8 [height, width]: the same bytes each time."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(image)).save(buffer, "PNG")
    return buffer.getvalue()
