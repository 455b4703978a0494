"""Images are distorted as the recipe says, from the generator given alone, and not at all by default."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainable.mnist.augmentation import Augmentation
from trainable.mnist.data import Dataset
from trainable.mnist.recipe import Recipe

CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "rotation": 10,
    "scaling": 0.1,
    "shear": 0.1,
    "shift": 0.1,
    "elastic_strength": 0.03,
}


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def distorted(images: torch.Tensor, side: int = 28, **settings: Any) -> torch.Tensor:
    augmentation = Augmentation(Recipe.model_validate(settings), side, side, CPU)
    return augmentation(images.reshape(len(images), -1), generator()).view(len(images), side, side)


def blot(side: int = 28, row: int = 14, column: int = 14) -> torch.Tensor:
    """A round blot of ink, uint8 [side, side], whose centre of mass is (row, column)."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return (255 * torch.exp(-((y - row) ** 2 + (x - column) ** 2) / 4.5)).to(torch.uint8)


def centres(images: torch.Tensor) -> torch.Tensor:
    """Centres of mass from the image's middle in pixels, right and down: float [B, 2]."""
    place = torch.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    ink = images.sum((1, 2))
    return torch.stack(((images.sum(1) * place).sum(1) / ink, (images.sum(2) * place).sum(1) / ink), 1)


def test_by_default_nothing_is_distorted() -> None:
    assert not Augmentation(Recipe(), 28, 28, CPU).active
    for name, value in EVERYTHING.items():
        assert Augmentation(Recipe.model_validate({name: value}), 28, 28, CPU).active


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(2, 30),
    count=st.integers(1, 600),
    rotation=st.floats(0, 180),
    scaling=st.floats(0, 0.9),
    elastic=st.floats(0, 0.5),
)
def test_ink_stays_between_none_and_full_and_an_image_depends_on_its_numbers_alone(
    side: int, count: int, rotation: float, scaling: float, elastic: float
) -> None:
    images = torch.randint(0, 256, (count, side * side), dtype=torch.uint8, generator=generator(2))
    recipe = Recipe(rotation=rotation, scaling=scaling, elastic_strength=elastic)
    augmentation = Augmentation(recipe, side, side, CPU)
    result = augmentation(images, generator())
    assert result.shape == images.shape
    assert result.min() >= 0
    assert result.max() <= 255.001
    torch.testing.assert_close(result, augmentation(images, generator()), rtol=0, atol=0)


def test_settings_too_small_to_see_leave_every_pixel_in_place(digits: Dataset) -> None:
    images = torch.from_numpy(digits.train.images)
    tiny = distorted(images, 8, shift=1e-7, rotation=1e-6, elastic_strength=1e-7)
    torch.testing.assert_close(tiny, images.float(), rtol=0, atol=0.01)


def test_a_shift_moves_by_up_to_its_share_of_the_side_each_way() -> None:
    moved = centres(distorted(blot().expand(2000, 28, 28), shift=0.2)) - 0.5
    for axis in range(2):
        assert moved[:, axis].abs().max().item() == pytest.approx(0.2 * 28, abs=0.1)
        assert moved[:, axis].mean().item() == pytest.approx(0, abs=0.3)
        assert moved[:, axis].std().item() == pytest.approx(0.2 * 28 / math.sqrt(3), rel=0.05)


def test_a_rotation_turns_about_the_middle_by_up_to_its_degrees() -> None:
    moved = centres(distorted(blot(column=21).expand(2000, 28, 28), rotation=30))
    degrees = torch.atan2(moved[:, 1], moved[:, 0]) * 180 / math.pi - math.degrees(math.atan2(0.5, 7.5))
    assert degrees.abs().max().item() == pytest.approx(30, abs=0.5)
    assert degrees.std().item() == pytest.approx(30 / math.sqrt(3), rel=0.05)
    torch.testing.assert_close(moved.norm(dim=1), torch.full((2000,), math.hypot(7.5, 0.5)), rtol=0, atol=0.1)


def test_scaling_stretches_wide_and_high_each_by_up_to_its_share() -> None:
    moved = centres(distorted(blot(row=20, column=20).expand(2000, 28, 28), scaling=0.2)) / 6.5
    assert moved.min().item() == pytest.approx(0.8, abs=0.02)
    assert moved.max().item() == pytest.approx(1.2, abs=0.02)
    assert abs(np.corrcoef(moved.numpy().T)[0, 1]) < 0.1


def test_shear_moves_a_row_aside_by_up_to_its_share_of_the_rows_height() -> None:
    moved = centres(distorted(blot(row=21).expand(2000, 28, 28), shear=0.3))
    assert (moved[:, 0] - 0.5).abs().max().item() == pytest.approx(0.3 * 7.5, abs=0.1)
    torch.testing.assert_close(moved[:, 1], torch.full((2000,), 7.5), rtol=0, atol=0.05)


@settings(max_examples=20, deadline=None)
@given(side=st.integers(6, 32), smoothness=st.floats(0.05, 1))
def test_elastic_displacements_are_as_strong_as_asked_at_every_pixel(side: int, smoothness: float) -> None:
    recipe = Recipe(elastic_strength=0.05, elastic_smoothness=smoothness)
    basis = Augmentation(recipe, side, side, CPU)._basis[3:]
    torch.testing.assert_close(basis.square().sum(0), torch.ones(side * side), rtol=1e-4, atol=0)


def test_elastic_displacements_resemble_each_other_as_those_of_smoothed_noise_do() -> None:
    """White noise smoothed by a Gaussian of deviation s correlates as exp(-d²/4s²)."""
    basis = Augmentation(Recipe(elastic_strength=0.05, elastic_smoothness=0.15), 28, 28, CPU)._basis[3:]
    middle = basis.view(-1, 28, 28)[:, 14, 14]
    found = torch.einsum("b,byx->yx", middle, basis.view(-1, 28, 28))
    y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    expected = torch.exp(-((y - 14) ** 2 + (x - 14) ** 2) / (4 * (0.15 * 28) ** 2))
    torch.testing.assert_close(found, expected, rtol=0, atol=0.05)


def test_an_oblong_image_is_turned_rigidly() -> None:
    image = torch.zeros(12, 28, dtype=torch.uint8)
    image[5:7, 18:20] = 255
    augmentation = Augmentation(Recipe(rotation=20), 12, 28, CPU)
    turned = augmentation(image.view(1, -1).expand(500, -1), generator()).view(-1, 12, 28)
    y, x = (torch.arange(size) - (size - 1) / 2 for size in (12, 28))
    ink = turned.sum((1, 2))
    right, down = (turned.sum(1) * x).sum(1) / ink, (turned.sum(2) * y).sum(1) / ink
    torch.testing.assert_close(torch.hypot(right, down), torch.full((500,), 5.0), rtol=0, atol=0.1)
