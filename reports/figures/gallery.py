"""The winner's worst mistakes, image by image."""

from __future__ import annotations

import base64
from collections import Counter
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.figures.classes import class_names
from reports.figures.figure import Figure
from reports.figures.winner_evaluation import of_winner
from reports.formatting.wording import listing, plural, shorten
from search.records.sweep import Sweep
from trainable.evaluation.evaluation import Evaluation
from trainable.evaluation.mistakes import Mistake

SURE = 0.99
"""Probability above which the model counts as certain of its mistake."""


class Picture(NamedTuple):
    """One mistake."""

    example: int
    """Index among the test examples."""
    true: str
    """Name of the true class."""
    predicted: str
    """Name of the predicted class."""
    probability: float
    """Of the predicted class, 0..1."""
    true_probability: float
    """Of the true class, 0..1."""
    png: bytes
    """The image file."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""

    @property
    def source(self) -> str:
        """The image as a data URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png).decode()}"

    @property
    def alt(self) -> str:
        """ "4 predicted as 9, probability 99.7 %"."""
        return (
            f"{shorten(self.true, 40)} predicted as {shorten(self.predicted, 40)}, probability {self.percent}"
        )

    @property
    def percent(self) -> str:
        """The predicted class's probability: "99.7 %"."""
        return percent(self.probability)


class Gallery(NamedTuple):
    """The mistakes that are shown."""

    pictures: tuple[Picture, ...]
    """The most confident mistake first."""
    mistakes: int
    """How many there were in all."""
    light_on_dark: bool
    """Whether the images show light ink on a dark ground, as MNIST's do."""


def gallery(evaluation: Evaluation | None) -> Gallery | str:
    """Returns the pictures, or why there are none."""
    if evaluation is None:
        return "The test set has not been opened yet, so there are no mistakes to show."
    mistakes = evaluation.mistakes
    if mistakes is None:
        return (
            "The evaluation on the test set has no images of mistakes: an earlier version recorded it, or "
            "the trainable does not offer them."
        )
    if not mistakes:
        return f"All {plural(evaluation.count, 'example')} were predicted correctly."
    names = class_names(evaluation)
    images = [mistake.image for mistake in mistakes]
    pictures = tuple(_picture(mistake, names, image) for mistake, image in zip(mistakes, images, strict=True))
    # A border shows the ground; the images' middle may be all ink.
    border = np.concatenate([_border(image) for image in images])
    return Gallery(pictures, _count(evaluation), float(np.median(border)) < 128)


def sentence(numbers: Gallery) -> str:
    """How many mistakes are shown, how certain the model was, and which confusion is most frequent."""
    shown, pictures = len(numbers.pictures), numbers.pictures
    certain = sum(picture.probability > SURE for picture in pictures)
    if numbers.mistakes == 1:
        return f"The only mistake: {pictures[0].alt}."
    head = f"The {'' if shown == 1 else f'{shown} '}most confident of {numbers.mistakes:,} mistakes"
    if shown == numbers.mistakes:
        head = f"All {shown} mistakes, the most confident first"
    text = f"in {certain} the wrong class had a probability above {SURE:.0%}".replace("%", " %")
    if not certain:
        text = f"the wrong class never had a probability above {pictures[0].percent}"
    pairs = Counter((picture.true, picture.predicted) for picture in pictures).most_common()
    most = [pair for pair, count in pairs if count == pairs[0][1]]
    if pairs[0][1] == 1 or len(most) > 3:  # which says little, or too much for a sentence
        return f"{head}: {text}."
    words = listing([f"{shorten(true, 40)} was predicted as {shorten(other, 40)}" for true, other in most])
    times = f"{pairs[0][1]} times{' each' if len(most) > 1 else ''}"
    return f"{head}: {text}; most often {words} ({times})."


def percent(probability: float) -> str:
    """In percent with one digit; 0 % and 100 % only if exact."""
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
    """All mistakes, recorded with an image or not."""
    counts = evaluation.confusion
    recorded = 0 if evaluation.mistakes is None else len(evaluation.mistakes)
    return recorded if counts is None else max(recorded, int(counts.sum() - np.trace(counts)))


def _border(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def table(numbers: Gallery) -> pd.DataFrame:
    """A row a picture."""
    rows = [
        (picture.example, picture.true, picture.predicted, picture.percent, percent(picture.true_probability))
        for picture in numbers.pictures
    ]
    columns = ["test example", "true class", "predicted as", "probability", "of the true class"]
    return pd.DataFrame(rows, columns=columns)


FIGURE = Figure[Sweep, Gallery](
    key="gallery",
    title="Worst mistakes",
    numbers=of_winner(gallery),
    sentence=sentence,
    table=table,
    shape="gallery",
)
