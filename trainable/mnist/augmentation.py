"""Random distortions of the training images, drawn again in every epoch: rotation, scaling, shear, shift and
elastic deformation."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainable.mnist.recipe import Recipe

_CHUNK = 256
"""Images distorted at a time. Their grids fit into a core's cache, which saves a third of the time."""


class Augmentation:
    """A recipe's random distortions of images of one size, on the device of the images.

    Each image gets its own distortion: an affine map (rotation, horizontal and vertical scale, shear, shift,
    each drawn uniformly from ± its hyperparameter) as in Cireşan et al. 2010, Deep, big, simple neural nets,
    section 3, and an elastic displacement field as in Simard, Steinkraus and Platt 2003, Best practices for
    convolutional neural networks, section 2: random displacements smoothed by a Gaussian. One matrix product
    maps a few random numbers per image to the position that every pixel samples, and one bilinear
    interpolation reads it. Pixels outside an image are background.
    """

    def __init__(self, recipe: Recipe, height: int, width: int, device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self._shape = (height, width)
        # In units of the longer side, so that a rotation does not shear an oblong image.
        side = max(height, width)
        self._reach = (width / side, height / side)
        y, x = ((torch.arange(size) - (size - 1) / 2) / side for size in (height, width))
        plane = [x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width)]
        self._basis = torch.stack(plane).view(3, -1)
        if recipe.elastic_strength > 0:
            bumps = torch.einsum("iy,jx->ijyx", _bumps(y, recipe), _bumps(x, recipe))
            self._basis = torch.cat((self._basis, bumps.reshape(-1, height * width)))
        self._basis = self._basis.to(device)

    @property
    def active(self) -> bool:
        """Whether the recipe has any distortion."""
        recipe = self.recipe
        settings = (recipe.rotation, recipe.scaling, recipe.shear, recipe.shift, recipe.elastic_strength)
        return any(setting > 0 for setting in settings)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distorted copies, float [B, pixels] in 0..255, of `images`, uint8 [B, pixels].

        All random numbers are drawn from `generator` on the CPU, on any device.
        """
        coefficients = self._coefficients(len(images), generator).to(self.device)
        parts = zip(images.split(_CHUNK), coefficients.split(_CHUNK), strict=True)
        return torch.cat([self._sample(chunk, shares) for chunk, shares in parts])

    def _sample(self, images: Tensor, coefficients: Tensor) -> Tensor:
        """Each image sampled at the positions given by its coefficients, [B, 2, basis]."""
        count = len(images)
        grid = torch.mm(coefficients.view(2 * count, -1), self._basis).view(count, 2, *self._shape)
        ink = images.view(count, 1, *self._shape).float()
        read = torch.nn.functional.grid_sample(ink, grid.permute(0, 2, 3, 1), align_corners=False)
        return read.view(count, -1)

    def _coefficients(self, count: int, generator: torch.Generator) -> Tensor:
        """Shares of the basis's rows (x, y, 1, bumps …) in the x and y that each pixel samples, in the unit
        of grid_sample, where an image extends from -1 to 1: float [B, 2, basis].

        A pixel samples at the inverse map of its position, so that the hyperparameters describe how the
        drawing moves.
        """
        recipe = self.recipe
        drawn = torch.empty(count, 6).uniform_(-1, 1, generator=generator)
        angle, wide, high, slant, right, down = drawn.unbind(1)
        angle = angle * math.radians(recipe.rotation)
        wide, high = 1 / (1 + recipe.scaling * wide), 1 / (1 + recipe.scaling * high)
        slant, right, down = recipe.shear * slant, recipe.shift * right, recipe.shift * down
        cos, sin = angle.cos(), angle.sin()
        # The inverse of: scale, then shear, then rotate, then shift.
        x = torch.stack((wide * (cos - slant * -sin), wide * (sin - slant * cos), -right), 1)
        y = torch.stack((high * -sin, high * cos, -down), 1)
        affine = torch.stack((x, y), 1)
        bumps = len(self._basis) - 3
        if bumps:
            bent = torch.empty(count, 2, bumps).normal_(0, recipe.elastic_strength, generator=generator)
            affine = torch.cat((affine, bent), 2)
        return affine * (2 / torch.tensor(self._reach))[:, None]


def _bumps(positions: Tensor, recipe: Recipe) -> Tensor:
    """Gaussians along one side, float [bumps, positions], whose sum with random weights of variance 1 has
    variance 1 at every position.

    White noise smoothed by a Gaussian has no detail finer than the Gaussian, so noise at every 1.5 standard
    deviations is enough: its correlations are within 0.05 of exp(-d²/4s²), those of smoothed white noise, and
    the variance is made constant here. With 9 bumps a side for 28 pixels, the field takes a tenth of the
    time.
    """
    smoothness = recipe.elastic_smoothness
    spacing = 1.5 * smoothness
    last = math.ceil((0.5 + 2 * smoothness) / spacing)
    centres = spacing * torch.arange(-last, last + 1)
    bumps = torch.exp(-0.5 * ((positions[None] - centres[:, None]) / smoothness) ** 2)
    return bumps / bumps.square().sum(0).sqrt()
