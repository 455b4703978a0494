"""A checkpoint is complete, or it is not accepted as one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainable.epoch import Diverged, Epoch
from trainable.storage.checkpoint import Checkpoint, DamagedCheckpoint, latest, previous

STATE = {"epoch": 2, "best": None, "weights": np.arange(60, dtype=np.float32), "steps": np.float32(7)}
EPOCHS = (Epoch(1, {"loss": 0.5}, 0.1), Epoch(2, {"loss": 0.25}, 0.2))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    Checkpoint(STATE, EPOCHS).write(path)
    found = Checkpoint.read(path)
    assert found.epochs == EPOCHS
    assert found.state["epoch"] == 2
    assert found.state["best"] is None
    np.testing.assert_array_equal(found.state["weights"], STATE["weights"])
    assert found.state["steps"] == np.float32(7)


@settings(max_examples=60)
@given(position=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_detected(
    position: float, bit: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("flip") / "checkpoint.safetensors"
    Checkpoint(STATE, EPOCHS).write(path)
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1 << bit
    path.write_bytes(content)
    try:
        found = Checkpoint.read(path)
    except DamagedCheckpoint:
        return
    # A flip in the padding of the header changes nothing that is read.
    assert found.epochs == EPOCHS
    np.testing.assert_array_equal(found.state["weights"], STATE["weights"])


def test_a_damaged_checkpoint_is_skipped_for_the_previous_one_and_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    Checkpoint({"epoch": 1}, EPOCHS[:1]).write(path)
    Checkpoint({"epoch": 2}, EPOCHS).write(path)
    path.write_bytes(path.read_bytes()[:-3])
    found, errors = latest(path)
    assert found is not None
    assert found.state["epoch"] == 1
    assert len(errors) == 1
    assert str(path) in errors[0]


def test_no_checkpoint_is_not_an_error(tmp_path: Path) -> None:
    assert latest(tmp_path / "checkpoint.safetensors") == (None, [])


def test_two_damaged_checkpoints_give_none_and_two_errors(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"")
    previous(path).write_bytes(b"nonsense")
    found, errors = latest(path)
    assert found is None
    assert len(errors) == 2


def test_a_value_that_is_not_finite_never_becomes_an_epoch() -> None:
    with pytest.raises(Diverged, match="epoch 3: loss must stay finite, but became nan"):
        Epoch(3, {"loss": float("nan")}, 1.0)
