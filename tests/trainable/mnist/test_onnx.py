"""A model as an ONNX graph answers as torch does, whatever network it is; else there is no graph."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import trainable.mnist.onnx
from trainable.mnist.data import Dataset
from trainable.mnist.onnx import LARGEST_DIFFERENCE, GraphDiffers, to_onnx
from trainable.mnist.recipe import Recipe
from trainable.mnist.saved import SavedModel
from trainable.mnist.training import Training

NETWORKS: dict[str, dict[str, Any]] = {
    "mlp": {"normalisation": "dataset"},
    "linear": {"model": "linear"},
    "lenet5": {"model": "lenet5"},
    "cnn": {"model": "cnn", "width": 4, "normalisation": "dataset"},
}


@pytest.fixture(autouse=True)
def extra() -> None:
    """These tests need the extra, as the one on MNIST needs MNIST."""
    if os.environ.get("BENCHSWEEP_REQUIRE_ALL"):
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    for name in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(name, reason="the extra benchsweep[onnx] is not installed")


def saved(digits: Dataset, folder: Path, **changes: Any) -> SavedModel:
    recipe = Recipe.model_validate({"epochs": 1, "batch_size": 100, "learning_rate": 5e-3, **changes})
    training = Training(recipe, digits, "cpu", 1)
    list(training)
    training.save(folder)
    return SavedModel.read(folder)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_bytes_go_in_and_torchs_logits_come_out_for_any_batch(
    name: str, digits: Dataset, tmp_path: Path
) -> None:
    import onnxruntime

    model = saved(digits, tmp_path, **NETWORKS[name])
    images = digits.validation.images
    graph = to_onnx(model, images)
    assert graph.images == len(images)
    assert graph.difference < 1e-4
    session = onnxruntime.InferenceSession(graph.content, providers=["CPUExecutionProvider"])
    (given,), (made,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape[1:]) == ("images", "tensor(uint8)", [8, 8])
    assert (made.name, made.shape[1:]) == ("logits", [10])
    for count in (1, 7, 200):
        (logits,) = session.run(None, {"images": digits.train.images[:count]})
        assert np.allclose(logits, model.logits(digits.train.images[:count]), atol=1e-4)
    told = session.get_modelmeta().custom_metadata_map
    assert {key: told[key] for key in model.metadata()} == model.metadata()


@pytest.mark.slow
def test_a_graph_that_answers_otherwise_is_refused(
    digits: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = saved(digits, tmp_path)
    exported = trainable.mnist.onnx._exported(model)
    with torch.no_grad():  # the model moves on, and the graph stays where it was
        model.network.flat.add_(0.01)
    monkeypatch.setattr(trainable.mnist.onnx, "_exported", lambda _: exported)
    with pytest.raises(
        GraphDiffers, match=f"must be within {LARGEST_DIFFERENCE:g} of torch's, but differ by"
    ):
        to_onnx(model, digits.validation.images)
