"""The formats in which `benchsweep export` writes a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsweep.formats.target import Exported, ModelFormat

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsweep.saved_model import FoundModel

_CHECKED = 1000
"""Images on which an ONNX graph is compared."""


def _safetensors(found: FoundModel, data_folder: Path) -> Exported:
    model = found.read("to_safetensors")
    return Exported(model.to_safetensors())


def _state_dict(found: FoundModel, data_folder: Path) -> Exported:
    model = found.read("to_state_dict")
    moments = f"mean {model.mean:.6g} and std {model.std:.6g}"
    note = f"a state dict does not tell how images are normalised: with {moments}, as shares of full ink"
    return Exported(model.to_state_dict(), (*model.notes, note))


def _onnx(found: FoundModel, data_folder: Path) -> Exported:
    from trainable.mnist.onnx import to_onnx

    model = found.read("module")
    images, which = _real_images(found, model, data_folder)
    graph = to_onnx(model, images)
    note = (
        f"takes images uint8 [batch, {model.height}, {model.width}] and gives logits; within "
        f"{graph.difference:.2g} of torch's on {graph.images:,} {which}"
    )
    return Exported(graph.content, (*model.notes, note))


def _card(found: FoundModel, data_folder: Path) -> Exported:
    from benchsweep.errors import UsageError
    from reports.exports.model_card import model_card
    from search.records.sweep import Sweep

    if found.run is None:
        raise UsageError(
            f"--format card tells how a run chose its winner, but {found.path} lies in no run's folder"
        )
    return Exported(model_card(Sweep.read(found.run.path)).encode())


def _real_images(found: FoundModel, model: Any, data_folder: Path) -> tuple[NDArray[np.uint8], str]:
    """Images of the model's size, uint8 [N, height, width], and what they are: validation images of its
    own data where they are at hand, else the embedded digits."""
    from benchsweep.errors import UsageError
    from benchsweep.saved_model import source_of
    from trainable.mnist.data import DataError, Source

    try:
        source, _ = source_of(found, model, None)
        if source.at_hand(data_folder):
            held = source.load(data_folder).validation.images[:_CHECKED]
            if held.shape[1:] == (model.height, model.width):
                return held, f"validation images of {source.dataset}"
    except (DataError, UsageError):
        pass  # what is wrong with the data is no reason against a model that is whole
    return _scaled(
        Source.model_validate({"dataset": "digits"}).load(data_folder).validation.images, model
    ), "embedded digits"


def _scaled(images: NDArray[np.uint8], model: Any) -> NDArray[np.uint8]:
    import numpy as np
    from PIL import Image

    size = (model.width, model.height)
    return np.stack([np.asarray(Image.fromarray(each).resize(size)) for each in images])


MODEL_FORMATS = {
    "safetensors": ModelFormat(".safetensors", _safetensors),
    "pth": ModelFormat(".pth", _state_dict),
    "onnx": ModelFormat(".onnx", _onnx),
    "card": ModelFormat(".md", _card),
}
"""By their names on the command line."""
