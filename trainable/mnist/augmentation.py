"""Images distorted anew in every epoch: turned, scaled, sheared, shifted, and bent like rubber."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from trainable.mnist.recipe import Recipe

_CHUNK = 256
"""Images distorted at a time: their grids stay in a core's cache, which is worth a third."""


class Augmentation:
    """A recipe's random distortions of images of one size, on the device where the images are.

    Each image gets its own: an affine map (rotation, horizontal and vertical scale, shear, shift,
    each drawn uniformly from ± its setting) as in Cireşan et al. 2010, Deep, big, simple neural
    nets, section 3, and an elastic displacement field as in Simard, Steinkraus and Platt 2003,
    Best practices for convolutional neural networks, section 2: random displacements smoothed by a
    Gaussian. Both are one matrix product, from a few random numbers an image to the place that
    every pixel reads, and one bilinear look-up there. What lies outside an image is background.
    """

    def __init__(self, recipe: Recipe, height: int, width: int, device: torch.device) -> None:
        self.recipe = recipe
        self.device = device
        self._shape = (height, width)
        # Sides are measured by the longer one, so that a rotation turns an oblong image rigidly.
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
        """Whether the recipe distorts at all."""
        recipe = self.recipe
        settings = (recipe.rotation, recipe.scaling, recipe.shear, recipe.shift, recipe.elastic_strength)
        return any(setting > 0 for setting in settings)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Distorted copies of `images`, uint8 [B, pixels]: float [B, pixels], from 0 to 255.

        Every random number is drawn from `generator`, on the CPU whatever the device.
        """
        coefficients = self._coefficients(len(images), generator).to(self.device)
        parts = zip(images.split(_CHUNK), coefficients.split(_CHUNK), strict=True)
        return torch.cat([self._sample(some, drawn) for some, drawn in parts])

    def _sample(self, images: Tensor, coefficients: Tensor) -> Tensor:
        """Each image read where its coefficients, [B, 2, basis], say."""
        count = len(images)
        grid = torch.mm(coefficients.view(2 * count, -1), self._basis).view(count, 2, *self._shape)
        ink = images.view(count, 1, *self._shape).float()
        read = torch.nn.functional.grid_sample(ink, grid.permute(0, 2, 3, 1), align_corners=False)
        return read.view(count, -1)

    def _coefficients(self, count: int, generator: torch.Generator) -> Tensor:
        """Shares of the basis's rows (x, y, 1, bumps …) in the x and y that each pixel reads, in
        grid_sample's unit, where an image reaches from -1 to 1: float [B, 2, basis].

        A pixel reads where the drawing's inverse takes it, so that settings speak of the drawing.
        """
        recipe = self.recipe
        drawn = torch.empty(count, 6).uniform_(-1, 1, generator=generator)
        angle, wide, high, slant, right, down = drawn.unbind(1)
        angle = angle * math.radians(recipe.rotation)
        wide, high = 1 / (1 + recipe.scaling * wide), 1 / (1 + recipe.scaling * high)
        slant, right, down = recipe.shear * slant, recipe.shift * right, recipe.shift * down
        cos, sin = angle.cos(), angle.sin()
        # unscale · unshear · unrotate: the drawing is scaled, then sheared, then turned, then shifted.
        x = torch.stack((wide * (cos - slant * -sin), wide * (sin - slant * cos), -right), 1)
        y = torch.stack((high * -sin, high * cos, -down), 1)
        affine = torch.stack((x, y), 1)
        bumps = len(self._basis) - 3
        if bumps:
            bent = torch.empty(count, 2, bumps).normal_(0, recipe.elastic_strength, generator=generator)
            affine = torch.cat((affine, bent), 2)
        return affine * (2 / torch.tensor(self._reach))[:, None]


def _bumps(positions: Tensor, recipe: Recipe) -> Tensor:
    """Gaussians along one side, float [bumps, positions], whose sum with random weights of variance
    1 has variance 1 at every position.

    Smoothing white noise by a Gaussian leaves nothing finer than the Gaussian, so noise at every
    1.5 deviations is enough: correlations are within 0.05 of exp(-d²/4s²), those of white noise, and
    the variance is levelled here. 9 bumps a side for 28 pixels make the field a tenth as dear.
    """
    smoothness = recipe.elastic_smoothness
    spacing = 1.5 * smoothness
    last = math.ceil((0.5 + 2 * smoothness) / spacing)
    centres = spacing * torch.arange(-last, last + 1)
    bumps = torch.exp(-0.5 * ((positions[None] - centres[:, None]) / smoothness) ** 2)
    return bumps / bumps.square().sum(0).sqrt()
