"""A checkpoint is complete, or it is not accepted as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from trainable.epoch import Epoch
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


_DTYPES = npst.scalar_dtypes() | npst.complex_number_dtypes() | npst.unicode_string_dtypes()


@given(
    stored=npst.arrays(_DTYPES, npst.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)),
    layout=st.sampled_from(["C", "F", "transposed", "strided", "reversed"]),
)
def test_an_array_of_any_layout_and_type_is_read_as_it_was(
    stored: NDArray[Any], layout: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    array = {
        "C": lambda: stored,
        "F": lambda: np.asfortranarray(stored),
        "transposed": lambda: stored.T,
        "strided": lambda: np.atleast_1d(stored)[::2],
        "reversed": lambda: np.atleast_1d(stored)[::-1],
    }[layout]()
    path = tmp_path_factory.mktemp("layout") / "checkpoint.safetensors"
    Checkpoint({"weights": array}, EPOCHS).write(path)
    read = Checkpoint.read(path).state["weights"]
    assert read.shape == array.shape
    assert read.dtype == array.dtype.newbyteorder("=")
    assert read.tobytes() == array.astype(read.dtype).tobytes()


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=5), _PLAIN, max_size=3))
def test_plain_values_are_read_as_they_were(state: dict[str, Any]) -> None:
    content = Checkpoint(state, EPOCHS).to_bytes()
    assert repr(Checkpoint.parse(content, "test").state) == repr(state)  # where nan is nan, and True is not 1


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(6.0).reshape(2, 3).T,
        torch.tensor(3),
        torch.ones(2, 2, dtype=torch.bfloat16),
        torch.tensor([1 + 2j]),
        torch.zeros(0, 3),
        torch.nn.Parameter(torch.ones(2)),
    ],
    ids=lambda tensor: f"{tensor.dtype} {list(tensor.shape)}",
)
def test_a_tensor_is_a_tensor_again_at_any_depth(tensor: torch.Tensor) -> None:
    state = {"top": tensor, "adam": {"state": {0: {"step": [tensor]}}}}
    read: Any = Checkpoint.parse(Checkpoint(state, EPOCHS).to_bytes(), "test").state
    for each in (read["top"], read["adam"]["state"][0]["step"][0]):
        assert isinstance(each, torch.Tensor) and each.dtype == tensor.dtype
        assert torch.equal(each, tensor.detach())
        each.add_(1)  # its memory is its own


def test_optimizers_and_schedulers_continue_from_what_was_stored() -> None:
    def made() -> tuple[Any, ...]:
        model = torch.nn.Linear(2, 1)
        adam = torch.optim.AdamW(model.parameters(), lr=0.1, amsgrad=True)
        steps = torch.optim.lr_scheduler.MultiStepLR(adam, [2, 4])
        return model, adam, steps, torch.optim.lr_scheduler.ReduceLROnPlateau(adam)

    def step(model: Any, adam: Any, steps: Any, plateau: Any) -> float:
        adam.zero_grad()
        loss = model(torch.ones(3, 2)).square().mean()
        loss.backward()
        adam.step()
        steps.step()
        plateau.step(1.0)
        return loss.item()

    parts = made()
    for _ in range(3):
        step(*parts)
    state = {str(at): part.state_dict() for at, part in enumerate(parts)}
    read: Any = Checkpoint.parse(Checkpoint(state, EPOCHS).to_bytes(), "test").state
    others = made()
    for at, part in enumerate(others):
        part.load_state_dict(read[str(at)])
    assert [step(*others) for _ in range(4)] == [step(*parts) for _ in range(4)]


def test_arrays_with_the_same_path_are_kept_apart() -> None:
    state = {"a": {"b": np.ones(1)}, "a/b": np.zeros(2), "c": {"d/e": np.ones(3), "d": {"e": np.ones(4)}}}
    read: Any = Checkpoint.parse(Checkpoint(state, EPOCHS).to_bytes(), "test").state
    assert [len(read["a"]["b"]), len(read["a/b"]), len(read["c"]["d/e"]), len(read["c"]["d"]["e"])] == [
        *(1, 2, 3, 4)
    ]


def test_a_structured_array_is_read_as_it_was() -> None:
    array = np.array([(1, [2.0, 3.0])], dtype=[("a", "<i4"), ("b", "<f8", (2,))])
    read = Checkpoint.parse(Checkpoint({"rows": array}, EPOCHS).to_bytes(), "test").state["rows"]
    assert read.dtype == array.dtype and read.tobytes() == array.tobytes()


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"__metadata__": np.ones(2)}, ["'__metadata__'", "rename"]),
        ({"model": {"layers": [torch.nn.ReLU()]}}, ["'model'['layers'][0]", "ReLU", "state_dict()"]),
        ({"rows": np.array([{}], dtype=object)}, ["'rows'", "object", "pickle"]),
        ({"best": {b"key": 1}}, ["'best'[b'key']", "bytes", "text"]),
        ({3: 1}, ["3", "name entries with text"]),
        (None, ["must return a dict", "None"]),
    ],
)
def test_a_state_that_could_not_be_read_back_is_refused_with_its_key(
    state: dict[str, Any], words: list[str], tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint.safetensors"
    Checkpoint(STATE, EPOCHS).write(path)
    with pytest.raises((TypeError, ValueError)) as raised:
        Checkpoint(state, EPOCHS).write(path)
    assert all(word in str(raised.value) for word in words)
    assert Checkpoint.read(path).epochs == EPOCHS


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


def test_a_value_that_is_not_finite_is_not_stored() -> None:
    epoch = Epoch(3, {"loss": float("nan"), "accuracy": 0.5}, 1.0)
    assert Checkpoint.parse(Checkpoint({}, (epoch,)).to_bytes(), "test").epochs[0].metrics == {
        "accuracy": 0.5
    }
