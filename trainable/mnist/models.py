"""The network of a recipe, independent of optimizers, epochs and data."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trainable.mnist.convolution import CNN, LeNet5
from trainable.mnist.network import Network, mask
from trainable.mnist.recipe import Recipe


class MLP(Network):
    """Fully connected layers fc1, fc2, … with ReLU between them; without hidden layers, a linear classifier.

    sizes: units of the input, each hidden layer and the output. (784, 128, 64, 10) has 109,386 parameters.

    Each weight is stored as [in, out], the layout in which its products are fastest (1.2x on AVX-512), and
    exposed as torch's [out, in]. `loss_and_gradient` is a backward pass written by hand: it needs a third
    fewer operations than autograd, and smaller ones, which counts when a step takes half a millisecond.
    """

    def __init__(self, sizes: Sequence[int], dropout: float, input_dropout: float) -> None:
        super().__init__()
        self.sizes = tuple(sizes)
        self.drop = (input_dropout, *[dropout] * (len(sizes) - 2))
        for number, (fan_in, fan_out) in enumerate(zip(self.sizes, self.sizes[1:], strict=False), 1):
            layer = nn.Linear(fan_in, fan_out, device="meta")
            self.add_module(f"fc{number}", layer)
        self._lay_out(torch.device("cpu"))

    @property
    def layers(self) -> list[nn.Linear]:
        """fc1, fc2, …"""
        return [layer for layer in self.children() if isinstance(layer, nn.Linear)]

    def _lay_out(self, device: torch.device) -> None:
        """Make the parameters of all layers views of the two vectors."""
        self.statistics = torch.zeros(0, device=device)
        count = sum(a * b + b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        self.flat = torch.zeros(count, device=device)
        self.flat_gradient = torch.zeros(count, device=device)
        self._views: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
        at = 0
        for layer, fan_in, fan_out in zip(self.layers, self.sizes, self.sizes[1:], strict=False):
            ends = (at, at + fan_in * fan_out, at + fan_in * fan_out + fan_out)
            weight, gradient = (
                v[ends[0] : ends[1]].view(fan_in, fan_out) for v in (self.flat, self.flat_gradient)
            )
            bias, bias_gradient = (v[ends[1] : ends[2]] for v in (self.flat, self.flat_gradient))
            layer.weight = nn.Parameter(weight.t(), requires_grad=True)
            layer.bias = nn.Parameter(bias, requires_grad=True)
            self._views.append((weight, bias, gradient, bias_gradient))
            at = ends[2]

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases as torch's Linear does (uniform, ±1/sqrt(fan_in)), from `generator`, on the
        CPU."""
        for weight, bias, _, _ in self._views:
            bound = weight.shape[0] ** -0.5
            for target in (weight, bias):
                target.copy_(torch.empty(target.shape).uniform_(-bound, bound, generator=generator))

    def to_device(self, device: torch.device) -> MLP:
        """Move the parameters, keeping them in one vector."""
        values = self.flat
        self._lay_out(device)
        self.flat.copy_(values)
        return self

    def masks(self, count: int, generator: torch.Generator) -> list[Tensor | None]:
        """As `Network.masks`: one for the input and one for each hidden layer."""
        layers = zip(self.drop, self.sizes, strict=False)
        masks = [mask(share, count, units, generator) for share, units in layers]
        return [None if kept is None else kept.to(self.flat.device) for kept in masks]

    def forward(self, x: Tensor, masks: Sequence[Tensor | None] | None = None) -> Tensor:
        """Logits [B, classes] of x, float [B, pixels]; with dropout if masks are given."""
        for number, layer in enumerate(self.layers):
            if masks is not None and (kept := masks[number]) is not None:
                x = x * kept / (1 - self.drop[number])
            x = layer(x)
            if number < len(self.layers) - 1:
                x = torch.relu(x)
        return x

    def loss_and_gradient(self, x: Tensor, target: Tensor, masks: Sequence[Tensor | None]) -> Tensor:
        """As `Network.loss_and_gradient`; x is overwritten if it has a mask."""
        inputs = []
        last = len(self._views) - 1
        # The 1/(1-p) of inverted dropout costs nothing as the alpha of the products.
        scales = [1 / (1 - share) for share in self.drop]
        for number, (weight, bias, _, _) in enumerate(self._views):
            if (kept := masks[number]) is not None:
                x = x.mul_(kept)
            inputs.append(x)
            x = torch.addmm(bias, x, weight, alpha=scales[number])
            if number < last:
                x.relu_()
        log_p = x.log_softmax(1)
        loss = torch.dot(target.view(-1), log_p.view(-1)).neg()
        delta = log_p.exp_().sub_(target).div_(len(target))
        for number in range(last, -1, -1):
            weight, _, gradient, bias_gradient = self._views[number]
            torch.sum(delta, 0, out=bias_gradient)
            if self.drop[number] > 0.0:
                delta.mul_(scales[number])
            torch.mm(inputs[number].t(), delta, out=gradient)
            if number > 0:
                delta = torch.mm(delta, weight.t())
                # A unit that was dropped or inactive is 0 in the stored input, so one test covers both.
                delta = torch.ops.aten.threshold_backward(delta, inputs[number], 0.0)
        return loss


def build(recipe: Recipe, shape: tuple[int, int], classes: int) -> Network:
    """The recipe's network, not yet initialised. shape: height and width of the images in pixels."""
    height, width = shape
    dropout, input_dropout = recipe.dropout, recipe.input_dropout
    match recipe.model:
        case "lenet5":
            return LeNet5(height, width, classes, dropout, input_dropout)
        case "cnn":
            return CNN(height, width, classes, recipe.width, dropout, input_dropout)
        case "linear":
            return MLP((height * width, classes), dropout, input_dropout)
        case "mlp":
            return MLP((height * width, *recipe.hidden_sizes, classes), dropout, input_dropout)
