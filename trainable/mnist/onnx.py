"""A saved model as an ONNX graph, checked against torch before anyone sees it."""

from __future__ import annotations

import contextlib
import importlib
import io
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trainable.errors import BenchsweepError
from trainable.mnist.saved import SavedModel

LARGEST_DIFFERENCE = 1e-3
"""Of a logit, between the two. Both add 32-bit floats in an order of their own, which makes 1e-5."""

_EXTRA = ("onnx", "onnxscript", "onnxruntime")


class ExtraMissing(BenchsweepError, RuntimeError):
    """A package that ONNX needs is not installed; says which and how to install it."""


class GraphDiffers(BenchsweepError, RuntimeError):
    """The graph does not compute what the model does, so it is not given out; says by how much."""


@dataclass(frozen=True)
class Graph:
    """An ONNX file's content, and how it was checked.

    difference: the largest between its logits and torch's, in absolute value. images: on how many.
    """

    content: bytes
    difference: float
    images: int


def to_onnx(model: SavedModel, images: NDArray[np.uint8]) -> Graph:
    """The model's graph: "images", uint8 [batch, height, width], 0 background to 255 ink -> "logits",
    float [batch, classes]. The normalisation is inside, and bytes cannot be mistaken for shares of 1.
    Its metadata are those of model.safetensors, as far as they are known.

    images: real ones, uint8 [N, height, width] with N >= 1, on which onnxruntime must give torch's
    logits; they are given at once and the first one alone, for the batch's size is not fixed.

    Raises ExtraMissing, and GraphDiffers above a difference of 1e-3.
    """
    _check_extra()
    content = _exported(model)
    wanted = model.logits(images)
    answered = [_answer(content, batch) for batch in (images, images[:1])]
    pairs = ((answered[0], wanted), (answered[1], wanted[:1]))
    difference = max(float(np.abs(found - expected).max()) for found, expected in pairs)
    if not difference <= LARGEST_DIFFERENCE:  # NaN is no agreement either
        raise GraphDiffers(
            f"the ONNX graph's logits must be within {LARGEST_DIFFERENCE:g} of torch's, but differ by "
            f"{difference:.3g} on {len(images):,} images; nothing was written. The versions of torch and "
            f"onnxruntime may not go together: update them"
        )
    return Graph(content, difference, len(images))


def _check_extra() -> None:
    missing = []
    for name in _EXTRA:
        try:
            importlib.import_module(name)
        except ImportError:
            missing.append(name)
    if missing:
        raise ExtraMissing(
            f"ONNX needs the extra benchsweep[onnx], of which {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not installed; install it with `uv sync --extra onnx`, "
            f'or `pip install -e ".[onnx]"` in benchsweep\'s folder'
        )


def _exported(model: SavedModel) -> bytes:
    # Two images, not one: a batch of 1 would be taken for a size that never changes.
    example = torch.zeros(2, model.height, model.width, dtype=torch.uint8)
    # The exporter tells of its progress; what matters of it is checked.
    with torch.no_grad(), contextlib.redirect_stdout(io.StringIO()):
        program = torch.onnx.export(
            model.module().eval(),
            (example,),
            dynamo=True,
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            external_data=False,
            verbose=False,
        )
    assert program is not None  # it is, with dynamo
    program.model.metadata_props.update(_told(model))
    content: bytes = program.model_proto.SerializeToString()
    return content


def _told(model: SavedModel) -> dict[str, str]:
    if model.data_sha256 is not None:
        return model.metadata()
    return {"weights_sha256": model.weights_sha256, "notes": "; ".join(model.notes)}


def _answer(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """onnxruntime's logits."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": images})
    answered: NDArray[Any] = logits
    return answered
