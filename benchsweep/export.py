"""`benchsweep export`: a model in the format that another program reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchsweep.evaluate import Model
from benchsweep.options import RUNS, DataDir, Json, Runs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsweep.model import FoundModel

_CHECKED = 1000
"""Images on which an ONNX graph is compared."""


@dataclass(frozen=True)
class Exported:
    """A file's content, and what is to be said of it."""

    content: bytes
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Form:
    """A format. suffix: of the file. make: from what was found and the data's folder."""

    suffix: str
    make: Callable[[FoundModel, Path], Exported]


def _safetensors(found: FoundModel, data_folder: Path) -> Exported:
    model = found.read("to_safetensors")
    return Exported(model.to_safetensors())


def _state_dict(found: FoundModel, data_folder: Path) -> Exported:
    model = found.read("to_state_dict")
    moments = f"mean {model.mean:.6g} and std {model.std:.6g}"
    note = f"a state dict does not tell how images are normalised: with {moments}, as shares of full ink"
    return Exported(model.to_state_dict(), (*model.notes, note))


def _onnx(found: FoundModel, data_folder: Path) -> Exported:
    from trainable.graph import to_onnx

    model = found.read("module")
    images, which = _real_images(found, model, data_folder)
    graph = to_onnx(model, images)
    note = (
        f"takes images uint8 [batch, {model.height}, {model.width}] and gives logits; within "
        f"{graph.difference:.2g} of torch's on {graph.images:,} {which}"
    )
    return Exported(graph.content, (*model.notes, note))


def _card(found: FoundModel, data_folder: Path) -> Exported:
    from benchsweep.errors import Mistake
    from reports.model_card import model_card
    from search.records import Sweep

    if found.run is None:
        raise Mistake(
            f"--format card tells how a run chose its winner, but {found.path} lies in no run's folder"
        )
    return Exported(model_card(Sweep.read(found.run.path)).encode())


FORMS = {
    "safetensors": Form(".safetensors", _safetensors),
    "pth": Form(".pth", _state_dict),
    "onnx": Form(".onnx", _onnx),
    "card": Form(".md", _card),
}
"""Every format, by its name on the command line."""

Format = StrEnum("Format", {name: name for name in FORMS})  # type: ignore[misc]  # made of the table above


def export(
    model: Model,
    form: Annotated[
        Format, typer.Option("--format", metavar="FORMAT", help=f"{', '.join(FORMS)}.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Where to write.",
            show_default="./ and the run's or folder's name",
        ),
    ] = None,
    data_dir: DataDir = None,
    runs: Runs = RUNS,
    json: Json = False,
) -> None:
    """Write a saved model in another format.

    safetensors: weights, with recipe, normalisation and classes. pth: a PyTorch state dict. onnx: a graph
    that takes bytes of any number of images, normalisation included, and was compared to torch's answers
    before it is written; it needs the extra benchsweep[onnx]. card: a run's model card, as Markdown.

    --json prints one object: file, format, bytes and notes.
    """
    from benchsweep import terminal
    from benchsweep.model import find_model
    from trainable.data import data_folder
    from trainable.durable import write_whole

    found = find_model(model, runs)
    chosen = FORMS[form.value]
    target = _target(found, chosen, output)
    made = chosen.make(found, data_folder(data_dir))
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, made.content)
    if json:
        told = {"file": str(target), "format": form.value, "bytes": len(made.content), "notes": made.notes}
        terminal.print_json(told)
        return
    typer.echo(str(target))
    for note in made.notes:
        terminal.say(terminal.err(), f"note: {note}")


def _target(found: FoundModel, form: Form, output: Path | None) -> Path:
    """The file to write. Raises Mistake when it is the model itself."""
    from benchsweep.errors import Mistake

    name = f"{found.name}{form.suffix}"
    target = Path(name) if output is None else output / name if output.is_dir() else output
    held = (found.folder / each for each in ("model.safetensors", "mnist_model.pth"))
    if target.exists() and any(each.exists() and target.samefile(each) for each in (found.path, *held)):
        raise Mistake(f"{target} is the model itself, which is kept as it is; name another --output")
    return target.absolute()


def _real_images(found: FoundModel, model: Any, data_folder: Path) -> tuple[NDArray[np.uint8], str]:
    """Images of the model's size, uint8 [N, height, width], and what they are: validation images of its
    own data where they are at hand, else the embedded digits."""
    from benchsweep.errors import Mistake
    from benchsweep.model import source_of
    from trainable.data import DataError, Source

    try:
        source, _ = source_of(found, model, None)
        if source.at_hand(data_folder):
            held = source.load(data_folder).validation.images[:_CHECKED]
            if held.shape[1:] == (model.height, model.width):
                return held, f"validation images of {source.dataset}"
    except (DataError, Mistake):
        pass  # what is wrong with the data is no reason against a model that is whole
    return _scaled(
        Source.model_validate({"dataset": "digits"}).load(data_folder).validation.images, model
    ), "embedded digits"


def _scaled(images: NDArray[np.uint8], model: Any) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    size = (model.width, model.height)
    return np.stack([np.asarray(Image.fromarray(each).resize(size)) for each in images])
