"""`benchsweep predict`: what a saved model sees in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsweep.commands.evaluate import ModelArgument
from benchsweep.options import RUNS, JsonOption, RunsOption

if TYPE_CHECKING:
    from collections.abc import Sequence

_SHOWN = 3
_LEAST = 0.001


def predict(
    model: ModelArgument,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="Pictures of one digit each: PNG, JPEG, TIFF, WebP, …"),
    ],
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="The digits are dark on light, or light on dark.",
            show_default="told by each picture's border",
        ),
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Tell which digits pictures show, and how sure the model is.

    A picture may have any size, and be in colour, transparent, or a photograph of dark ink on paper. It
    is brought into the form that MNIST's digits have: light on dark, cropped to the ink, its longer side
    20 pixels, its centre of mass in the middle of 28x28. Probabilities are the model's own; it has seen
    nothing but digits, and is sure of what is none.

    --json prints an array with an object for each picture: image, class, probability and probabilities
    (class -> 0 to 1), or image and error.

    Exit codes: 0 all were answered, 1 not all; the others are.
    """
    from benchsweep import terminal
    from benchsweep.saved_model import find_model

    read = find_model(model, runs).read("probabilities")
    answers = [_answer(read, path, invert) for path in images]
    if json:
        terminal.print_json(answers)
    else:
        out = terminal.out()
        for note in _notes(read):
            terminal.say(terminal.err(), f"note: {note}")
        width = max(len(str(path)) for path in images)
        for answer in answers:
            if "error" in answer:
                terminal.say(terminal.err(), f"error: {answer['error']}")
            else:
                out.print(f"{answer['image']:{width}}  {_line(answer)}", soft_wrap=True)
    if any("error" in answer for answer in answers):
        raise typer.Exit(1)


def _answer(model: Any, path: Path, invert: bool | None) -> dict[str, Any]:
    from trainable.mnist.picture import PictureError, frame_for, read_digit

    try:
        image = read_digit(path, frame_for(model.height, model.width), invert)
    except PictureError as error:
        return {"image": str(path), "error": str(error)}
    (shares,) = model.probabilities(image[None]).tolist()
    probabilities = dict(zip(model.class_names, shares, strict=True))
    best = max(probabilities, key=probabilities.__getitem__)
    return {
        "image": str(path),
        "class": best,
        "probability": probabilities[best],
        "probabilities": probabilities,
    }


def _line(answer: dict[str, Any]) -> str:
    """ "7  99.2 %  (1 0.5 %, 2 0.2 %)": the most likely classes, first to third."""
    order = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])[:_SHOWN]
    first, *others = [f"{name} {100 * share:.1f} %" for name, share in order if share >= _LEAST]
    return f"{first}  ({', '.join(others)})" if others else first


def _notes(model: Any) -> Sequence[str]:
    from trainable.mnist.picture import MNIST, frame_for

    notes = list(model.notes)
    if frame_for(model.height, model.width) != MNIST:
        size = f"{model.height}x{model.width}"
        notes.append(f"the model sees {size} pixels, which the digits fill; MNIST's form is for 28x28 alone")
    if tuple(model.class_names) != tuple("0123456789"):
        notes.append("the model was not trained on digits, for whose form alone pictures are made")
    return notes
