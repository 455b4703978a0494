"""The formats of a model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchsweep.errors import UsageError
from benchsweep.formats.target import Exported, ModelFormat
from benchsweep.saved_model import ModelLocation, source_of
from reports.exports.model_card import model_card
from search.records.sweep import Sweep
from trainable.mnist.data import DataError, Source

_CHECKED = 1000
"""Images on which an ONNX graph is compared with torch, at most."""


def _safetensors(location: ModelLocation, data_folder: Path) -> Exported:
    model = location.read("to_safetensors")
    return Exported(model.to_safetensors())


def _state_dict(location: ModelLocation, data_folder: Path) -> Exported:
    model = location.read("to_state_dict")
    note = (
        f"a state dict does not say how to normalise images: use mean {model.mean:.6g} and std "
        f"{model.std:.6g}, for pixels from 0 to 1"
    )
    return Exported(model.to_state_dict(), (*model.notes, note))


def _onnx(location: ModelLocation, data_folder: Path) -> Exported:
    from trainable.mnist.onnx import to_onnx  # torch, which no other format needs

    model = location.read("module")
    images, description = _test_images(location, model, data_folder)
    graph = to_onnx(model, images)
    note = (
        f"takes images as uint8 [batch, {model.height}, {model.width}] and returns logits, which differ by "
        f"at most {graph.difference:.2g} from torch's on {graph.images:,} {description}"
    )
    return Exported(graph.content, (*model.notes, note))


def _card(location: ModelLocation, data_folder: Path) -> Exported:
    if location.run is None:
        raise UsageError(
            f"--format card describes how a run chose its winner, but {location.path} is in no run's folder"
        )
    return Exported(model_card(Sweep.read(location.run.path)).encode())


def _test_images(location: ModelLocation, model: Any, data_folder: Path) -> tuple[NDArray[np.uint8], str]:
    """Images of the model's size, uint8 [N, height, width], and a description: validation images of its own
    data if they are available, else the embedded digits."""
    try:
        source, _ = source_of(location, model, None)
        if source.at_hand(data_folder):
            images = source.load(data_folder).validation.images[:_CHECKED]
            if images.shape[1:] == (model.height, model.width):
                return images, f"validation images of {source.dataset}"
    except (DataError, UsageError):
        pass  # a fault of the data does not make the model unusable
    digits = Source.model_validate({"dataset": "digits"}).load(data_folder)
    return _scaled(digits.validation.images, model), "embedded digits"


def _scaled(images: NDArray[np.uint8], model: Any) -> NDArray[np.uint8]:
    size = (model.width, model.height)
    return np.stack([np.asarray(Image.fromarray(image).resize(size)) for image in images])


MODEL_FORMATS = {
    "safetensors": ModelFormat(".safetensors", _safetensors),
    "pth": ModelFormat(".pth", _state_dict),
    "onnx": ModelFormat(".onnx", _onnx),
    "card": ModelFormat(".md", _card),
}
"""By their names on the command line."""
