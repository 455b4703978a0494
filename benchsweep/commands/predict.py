"""`benchsweep predict`: the classes of image files, by a saved model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, ModelArgument, RunsOption


def predict(
    model: ModelArgument,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="Images of one digit each: PNG, JPEG, TIFF, WebP, …"),
    ],
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="Whether the digits are dark on light, or light on dark.",
            show_default="decided by the border of each image",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Recognize the digits in image files.

    An image may have any size, and may be coloured, transparent, or a photograph of dark ink on paper. It
    is converted to the format of MNIST's digits: light on dark, cropped to the ink, the longer side 20
    pixels, the centre of mass in the middle of 28x28. The probabilities are the model's own: it was
    trained on nothing but digits, and can be confident about an image that is not one.

    --json prints an array with an object for each image: image, class, probability and probabilities
    (class -> 0 to 1), or image and error.

    Exit codes: 0 all images were classified, 1 some could not be.
    """
    from benchsweep.actions.predict import predict_images

    predict_images(model, images, invert, runs, json)
