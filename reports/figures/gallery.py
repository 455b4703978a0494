"""The winner's worst mistakes, image by image."""

from __future__ import annotations

import base64
from collections import Counter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.figures.classes import class_names
from reports.formatting.wording import listing, plural, shorten
from trainable.evaluation.evaluation import Evaluation
from trainable.evaluation.mistakes import Mistake

SURE = 0.99
"""The probability above which a mistake is counted as one made for sure."""


class Picture(NamedTuple):
    """One mistake.

    example: its index among the test examples. true, predicted: names of classes. probability: of the
    predicted class, 0..1; true_probability: of the true one. png: the image's file. width, height: in
    pixels.
    """

    example: int
    true: str
    predicted: str
    probability: float
    true_probability: float
    png: bytes
    width: int
    height: int

    @property
    def source(self) -> str:
        """The image as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def alt(self) -> str:
        """ "4 taken for 9, 99.7 % sure"."""
        return f"{shorten(self.true, 40)} taken for {shorten(self.predicted, 40)}, {self.sure} sure"

    @property
    def sure(self) -> str:
        """The probability in percent: "99.7 %", and no "100.0 %" for what is less."""
        return share(self.probability)


class Gallery(NamedTuple):
    """pictures: the surest mistake first. mistakes: how many there were in all, at least as many as
    pictures. light_on_dark: whether the images show light ink on a dark ground, as MNIST's do."""

    pictures: tuple[Picture, ...]
    mistakes: int
    light_on_dark: bool


def gallery(evaluation: Evaluation | None) -> Gallery | str:
    """The pictures, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so there are no mistakes to show."
    held = evaluation.mistakes
    if held is None:
        return (
            "The record of the look at the test set keeps no images of mistakes: an earlier version wrote "
            "it, or the trainable offers none."
        )
    if not held:
        return f"None of {plural(evaluation.count, 'example')} was taken for another class."
    names = class_names(evaluation)
    images = [mistake.image for mistake in held]
    pictures = tuple(_picture(each, names, image) for each, image in zip(held, images, strict=True))
    # A border shows the ground; the images' middle may be all ink.
    border = np.concatenate([_border(image) for image in images])
    return Gallery(pictures, _count(evaluation), float(np.median(border)) < 128)


def sentence(numbers: Gallery) -> str:
    """How many of how many are shown, how sure the model was, and what was mixed up most."""
    shown, pictures = len(numbers.pictures), numbers.pictures
    surest = sum(picture.probability > SURE for picture in pictures)
    if numbers.mistakes == 1:
        return f"The only mistake: {pictures[0].alt}."
    head = f"The {'' if shown == 1 else f'{shown} '}surest of {numbers.mistakes:,} mistakes"
    if shown == numbers.mistakes:
        head = f"All {shown} mistakes, the surest first"
    told = f"in {surest} the model was more than {SURE:.0%} sure of the wrong class".replace("%", " %")
    if not surest:
        told = f"in none was the model more than {pictures[0].sure} sure of the wrong class"
    pairs = Counter((picture.true, picture.predicted) for picture in pictures).most_common()
    most = [pair for pair, count in pairs if count == pairs[0][1]]
    if pairs[0][1] == 1 or len(most) > 3:  # which says little, or too much for a sentence
        return f"{head}: {told}."
    words = listing([f"{shorten(true, 40)} was taken for {shorten(other, 40)}" for true, other in most])
    each = " each" if len(most) > 1 else ""
    return f"{head}: {told}; most often {words} ({pairs[0][1]} times{each})."


def share(probability: float) -> str:
    """In percent to one digit; what is not quite none or all is not told as if it were."""
    if probability > 0.9995 and probability < 1:
        return "over 99.9 %"
    if 0 < probability < 0.0005:
        return "under 0.1 %"
    return f"{100 * probability:.1f} %"


def _picture(mistake: Mistake, names: tuple[str, ...], image: NDArray[np.uint8]) -> Picture:
    height, width = image.shape
    return Picture(
        mistake.index,
        names[mistake.true],
        names[mistake.predicted],
        mistake.probability,
        mistake.true_probability,
        mistake.png,
        width,
        height,
    )


def _count(evaluation: Evaluation) -> int:
    """How many mistakes it made, shown or not."""
    counts = evaluation.confusion
    held = 0 if evaluation.mistakes is None else len(evaluation.mistakes)
    return held if counts is None else max(held, int(counts.sum() - np.trace(counts)))


def _border(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
