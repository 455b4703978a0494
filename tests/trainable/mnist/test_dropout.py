"""Units are dropped with the probability of their share, by random bytes that depend on the seed alone."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from trainable.mnist.dropout import Dropout, RandomBytes

FIRST_BYTES = "9d81d162d069d0a5c364387d290b4040e644e83be1581b06fff3804d194cdd9e"
"""SHA-256 of the first 1,000 bytes of seed 123."""


@pytest.mark.parametrize("share", [1e-3, 0.05, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_each_unit_is_dropped_with_its_share(share: float) -> None:
    """Over 400 draws of 500 images: the mean of 4,000,000 units within 5 standard deviations."""
    dropout, random = Dropout((share,), (20,)), RandomBytes(5)
    means = [kept.float().mean(0) for _ in range(400) if (kept := dropout.draw(500, random)) is not None]
    by_unit = 1 - torch.stack(means).mean(0)
    deviation = (share * (1 - share) / 200_000) ** 0.5
    # A threshold is drawn 400 times, and is within 1/256 of the share.
    rounding = 0.5 / 256 / 400**0.5
    assert float(by_unit.mean()) == pytest.approx(share, abs=5 * (deviation + rounding) / 20**0.5)
    assert by_unit.numpy() == pytest.approx(np.full(20, share), abs=5 * (deviation + rounding))


def test_no_share_and_half_are_exact() -> None:
    assert Dropout((0.0, 0.0), (784, 128)).draw(100, RandomBytes(1)) is None
    random = RandomBytes(1)
    kept = Dropout((0.5,), (8,)).draw(4, random)
    assert kept is not None
    bytes_ = RandomBytes(1)
    bytes_.take(16)
    assert kept.tolist() == (bytes_.take(32).reshape(4, 8) >= 128).astype(int).tolist()


def test_units_and_images_are_independent() -> None:
    kept = Dropout((0.3, 0.6), (30, 30)).draw(20_000, RandomBytes(9))
    assert kept is not None
    values = kept.numpy().astype(float)
    between_units = np.corrcoef(values.T)[~np.eye(60, dtype=bool)]
    assert np.abs(between_units).max() < 5 / 20_000**0.5
    flat = values[:, :30].reshape(-1)
    for lag in (1, 7, 30, 60):
        assert abs(np.corrcoef(flat[lag:], flat[:-lag])[0, 1]) < 5 / len(flat) ** 0.5


def test_only_the_layers_with_a_share_take_bytes() -> None:
    alone = Dropout((0.3,), (30,)).draw(50, RandomBytes(2))
    among = Dropout((0.0, 0.3, 0.0), (784, 30, 10))
    parts = among.by_layer(among.draw(50, RandomBytes(2)))
    assert alone is not None
    assert parts[0] is None
    assert parts[1] is not None
    assert parts[2] is None
    assert torch.equal(parts[1], alone)


def test_the_bytes_of_a_seed_are_the_same_in_every_version() -> None:
    """A change of them would change the bits of every recipe with dropout."""
    taken = RandomBytes(123).take(1000)
    assert hashlib.sha256(taken.tobytes()).hexdigest() == FIRST_BYTES
    assert taken.tobytes() == np.random.PCG64(123).random_raw(125).astype("<u8").tobytes()
