"""A saved model as an ONNX graph, checked against torch before it is returned."""

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
"""Maximum absolute difference between a logit of onnxruntime and the same one of torch. The two sum 32-bit
floats in different orders, which causes differences of about 1e-5."""

_EXTRA = ("onnx", "onnxscript", "onnxruntime")


class ExtraMissing(BenchsweepError, RuntimeError):
    """A package that the export needs is not installed."""


class GraphDiffers(BenchsweepError, RuntimeError):
    """The graph does not compute the same as the model."""


@dataclass(frozen=True)
class Graph:
    """An ONNX graph, and how it was checked."""

    content: bytes
    """Content of its file."""
    difference: float
    """Maximum absolute difference between its logits and torch's."""
    images: int
    """Number of images on which the two were compared."""


def to_onnx(model: SavedModel, images: NDArray[np.uint8]) -> Graph:
    """Convert the model. The graph's input "images" is uint8 [batch, height, width], 0 background to 255 ink;
    its output "logits" is float [batch, classes]. The graph includes the normalization. Its metadata is that
    of model.safetensors, as far as it is known.

    images: real images, uint8 [N, height, width] with N >= 1, on which onnxruntime must compute the same
    logits as torch, in one batch and for the first image alone, because the batch size is not fixed.

    Raises ExtraMissing, and GraphDiffers if a logit differs by more than 1e-3.
    """
    _check_extra()
    content = _exported(model)
    expected = model.logits(images)
    all_at_once, first_alone = (_logits(content, batch) for batch in (images, images[:1]))
    difference = max(
        float(np.abs(all_at_once - expected).max()), float(np.abs(first_alone - expected[:1]).max())
    )
    if not difference <= LARGEST_DIFFERENCE:  # also true for NaN
        raise GraphDiffers(
            f"the ONNX graph's logits must be within {LARGEST_DIFFERENCE:g} of torch's, but differ by "
            f"{difference:.3g} on {len(images):,} images, so nothing was written",
            "update torch and onnxruntime, whose versions may be incompatible",
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
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            'install it with `uv sync --extra onnx`, or `pip install -e ".[onnx]"` in benchsweep\'s folder',
        )


def _exported(model: SavedModel) -> bytes:
    # The exporter would specialize the graph to a batch of 1.
    example = torch.zeros(2, model.height, model.width, dtype=torch.uint8)
    # The exporter prints its progress.
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
    assert program is not None  # guaranteed by dynamo=True
    program.model.metadata_props.update(_metadata(model))
    content: bytes = program.model_proto.SerializeToString()
    return content


def _metadata(model: SavedModel) -> dict[str, str]:
    if model.data_sha256 is not None:
        return model.metadata()
    return {"weights_sha256": model.weights_sha256, "notes": "; ".join(model.notes)}


def _logits(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """onnxruntime's logits."""
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (output,) = session.run(["logits"], {"images": images})
    logits: NDArray[Any] = output
    return logits
