"""The network of a recipe, independent of optimizers, epochs and data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from trainable.mnist.convolution import CNN, LeNet5
from trainable.mnist.dropout import Dropout
from trainable.mnist.network import Network
from trainable.mnist.precision import Precision, product
from trainable.mnist.recipe import Recipe


class MLP(Network):
    """Fully connected layers fc1, fc2, … with ReLU between them; without hidden layers, a linear classifier.

    sizes: units of the input, each hidden layer and the output. (784, 128, 64, 10) has 109,386 parameters.

    `logits_and_gradient` is a backward pass written by hand: it needs half the operations of autograd, and
    smaller ones, which counts when a step takes half a millisecond. Each layer's bias is the last row of its
    weights, and belongs to an input that is constant, so that one product computes both, and one both
    gradients. Hidden layers are stored as [in, out], the layout in which their products are fastest (1.2x on
    AVX-512), the last one as [out, in], because matrices with few columns are slow (3x with 10). torch's
    [out, in] is a view of either.
    """

    def __init__(
        self, sizes: Sequence[int], dropout: float, input_dropout: float, precision: Precision = "float32"
    ) -> None:
        super().__init__()
        self.precision = precision
        self.sizes = tuple(sizes)
        self.dropout = Dropout((input_dropout, *[dropout] * (len(sizes) - 2)), self.sizes[:-1])
        # The 1/(1-p) of inverted dropout costs nothing as the alpha of the products.
        self.scales = [1 / (1 - share) for share in self.dropout.shares]
        for number, (fan_in, fan_out) in enumerate(pairwise(self.sizes), 1):
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
        count = sum((a + 1) * b for a, b in pairwise(self.sizes))
        self.flat = torch.zeros(count, device=device)
        self.flat_gradient = torch.zeros(count, device=device)
        self._steps: dict[int, _Step] = {}
        self.multiply = product(self.precision, device)
        self.matrices = _matrices(self.flat, self.sizes)
        self.gradients = _matrices(self.flat_gradient, self.sizes)
        for layer, matrix, gradient in zip(self.layers, self.matrices, self.gradients, strict=True):
            for name, part, slope in (
                ("weight", matrix[:-1].t(), gradient[:-1].t()),
                ("bias", matrix[-1], gradient[-1]),
            ):
                parameter = nn.Parameter(part)
                parameter.grad = slope
                setattr(layer, name, parameter)

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases as torch's Linear does (uniform, ±1/sqrt(fan_in)), from `generator`, on the
        CPU."""
        for matrix in self.matrices:
            bound = (len(matrix) - 1) ** -0.5
            for target in (matrix[:-1], matrix[-1]):
                target.copy_(torch.empty(target.shape).uniform_(-bound, bound, generator=generator))

    def to_device(self, device: torch.device) -> MLP:
        """Move the parameters, keeping them in one vector."""
        values = self.flat
        self._lay_out(device)
        self.flat.copy_(values)
        return self

    def stored_order(self, vector: Tensor) -> Tensor:
        """As `Network.stored_order`: each layer's weights as [in, out], then its biases."""
        return torch.cat([matrix.reshape(-1) for matrix in _matrices(vector, self.sizes)])

    def load_stored_order(self, vector: Tensor, stored: Tensor) -> None:
        """As `Network.load_stored_order`."""
        matrices = _matrices(vector, self.sizes)
        parts = torch.split(stored, [matrix.numel() for matrix in matrices])
        for matrix, part in zip(matrices, parts, strict=True):
            matrix.copy_(part.view(matrix.shape))

    def forward(self, x: Tensor, kept: Tensor | None = None) -> Tensor:
        """As `Network.forward`; with dropout if `kept` is given."""
        parts = self.dropout.by_layer(kept)
        for number, layer in enumerate(self.layers):
            if (units := parts[number]) is not None:
                x = x * units * self.scales[number]
            x = layer(x)
            if number < len(self.layers) - 1:
                x = torch.relu(x)
        return x

    def inputs(self, count: int) -> Tensor:
        """As `Network.inputs`."""
        return self._step(count).units[0]

    def _step(self, count: int) -> _Step:
        """What a training step on `count` images works with."""
        if (step := self._steps.get(count)) is None:
            step = self._steps[count] = _Step(self, count)
        return step

    def logits_and_gradient(self, x: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        """As `Network.logits_and_gradient`."""
        step = self._step(len(x))
        multiply = self.multiply
        inputs, units, scales, matrices = step.inputs, step.units, self.scales, self.matrices
        if x is not units[0]:
            units[0].copy_(x)
        if kept is not None:
            step.kept.copy_(kept)
        last = len(matrices) - 1
        for number in range(last):
            if (mask := step.masks[number]) is not None:
                units[number].mul_(mask)
            after = units[number + 1]
            multiply(after, inputs[number], matrices[number], scales[number])
            after.relu_()
        if (mask := step.masks[last]) is not None:
            units[last].mul_(mask)
        logits = multiply(step.logits, step.rows, step.columns, scales[last]).clone()
        delta = logits.softmax(0).sub_(target)
        mean = 1 / len(x)
        multiply(step.slope, delta, inputs[last], mean * scales[last])
        delta = delta.t()
        for number in range(last - 1, -1, -1):
            before, active = step.deltas[number + 1], units[number + 1]
            multiply(before, delta, step.weights[number + 1], scales[number + 1])
            # A unit that was dropped or inactive is 0 in the stored input, so one test covers both.
            delta = threshold_backward(before, active, 0.0, grad_input=before)
            multiply(self.gradients[number], step.transposed[number], delta, mean * scales[number])
        return logits


threshold_backward = torch.ops.aten.threshold_backward.grad_input


class _Step:
    """The memory of a training step of `network` on `count` images, and all views of it, made once: anew in
    every step, they took a quarter of its time."""

    def __init__(self, network: MLP, count: int) -> None:
        device, scales, dropout = network.flat.device, network.scales, network.dropout
        with torch.inference_mode(False):
            self.inputs = [
                torch.zeros(count, -(-(size + 1) // _LINE) * _LINE, device=device)[:, : size + 1]
                for size in network.sizes[:-1]
            ]
            """The inputs of each layer, float [count, units + 1]. The last column times the layer's scale is
            1."""
            for values, scale in zip(self.inputs, scales, strict=True):
                values[:, -1] = 1 / scale
            self.units = [values[:, :-1] for values in self.inputs]
            """The inputs without their last column."""
            self.transposed = [values.t() for values in self.inputs]
            self.deltas = [torch.zeros(count, size, device=device) for size in network.sizes[:-1]]
            """The gradients of the loss by the inputs, float [count, units]."""
            self.kept = torch.zeros(count, dropout.width, device=device)
            self.masks = dropout.by_layer(self.kept)
            matrices = network.matrices
            self.weights = [matrix[:-1].t() for matrix in matrices]
            self.rows, self.columns = matrices[-1].t(), self.transposed[-1]
            self.logits = torch.zeros(network.sizes[-1], count, device=device)
            self.slope = network.gradients[-1].t()


_LINE = 16
"""Floats in a cache line, with which each row of the inputs begins."""


def _matrices(vector: Tensor, sizes: Sequence[int]) -> list[Tensor]:
    """Each layer's weights and, as their last row, biases: views [in + 1, out] of `vector`."""
    parts = torch.split(vector, [(a + 1) * b for a, b in pairwise(sizes)])
    return [
        part.view(b, a + 1).t() if number == len(parts) else part.view(a + 1, b)
        for number, (part, (a, b)) in enumerate(zip(parts, pairwise(sizes), strict=True), 1)
    ]


def build(recipe: Recipe, shape: tuple[int, int], classes: int) -> Network:
    """The recipe's network, not yet initialised. shape: height and width of the images in pixels."""
    height, width = shape
    dropout, input_dropout = recipe.dropout, recipe.input_dropout
    precision = recipe.precision or "float32"
    match recipe.model:
        case "lenet5":
            return LeNet5(height, width, classes, dropout, input_dropout, precision)
        case "cnn":
            return CNN(height, width, classes, recipe.width, dropout, input_dropout, precision)
        case "linear":
            return MLP((height * width, classes), dropout, input_dropout, precision)
        case "mlp":
            sizes = (height * width, *recipe.hidden_sizes, classes)
            return MLP(sizes, dropout, input_dropout, precision)
