"""`benchsweep predict`: classifies image files with a saved model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from benchsweep import terminal
from benchsweep.errors import FAILURE
from benchsweep.saved_model import find_model
from trainable.mnist.picture import MNIST, PictureError, frame_for, read_digit

_SHOWN = 3
"""Classes printed for each image, at most."""
_MIN_SHARE = 0.001
"""Probability from which a class is printed, 0 to 1."""


def predict_images(name: str, images: Sequence[Path], invert: bool | None, runs: Path, json: bool) -> None:
    """Prints the most likely classes of each image. Exits with 1 if one could not be read."""
    model = find_model(name, runs).read("probabilities")
    answers = [_answer(model, path, invert) for path in images]
    if json:
        terminal.print_json(answers)
    else:
        out = terminal.out()
        for note in _notes(model):
            terminal.say(terminal.err(), f"note: {note}")
        width = max(len(str(path)) for path in images)
        for answer in answers:
            if "error" in answer:
                terminal.say(terminal.err(), f"error: {answer['error']}")
            else:
                out.print(f"{answer['image']:{width}}  {_line(answer)}", soft_wrap=True)
    if any("error" in answer for answer in answers):
        raise typer.Exit(FAILURE)


def _answer(model: Any, path: Path, invert: bool | None) -> dict[str, Any]:
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
    first, *others = [f"{name} {100 * share:.1f} %" for name, share in order if share >= _MIN_SHARE]
    return f"{first}  ({', '.join(others)})" if others else first


def _notes(model: Any) -> Sequence[str]:
    notes = list(model.notes)
    if frame_for(model.height, model.width) != MNIST:
        notes.append(
            f"the model takes {model.height}x{model.width} pixels, which the digit fills; MNIST's margins "
            f"apply to 28x28 only"
        )
    if tuple(model.class_names) != tuple("0123456789"):
        notes.append("the model was not trained on digits, but images are prepared as digits")
    return notes
