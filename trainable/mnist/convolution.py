"""Convolutional networks: LeNet-5, and a small modern one with batch norm."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from trainable.mnist.dropout import Dropout
from trainable.mnist.network import Network
from trainable.mnist.precision import Precision

_LEAST_SIDE = 20
"""Pixels. Below this side length, the last feature maps of these networks would be empty."""


class Convolutional(Network):
    """Layers trained by autograd, with their parameters in one vector.

    height, width: of the images in pixels. If a side is below 20, every pixel is repeated by the smallest
    integer factor that reaches 20 (8x8 digits become 24x24).
    drop: shares dropped of the input pixels, and of the inputs of each layer with dropout, in order.
    units: number of inputs of each layer with dropout. precision: of the products in training.

    Weights of convolutions are stored as [out, height, width, in], torch's channels_last, which made a step
    a quarter to a third faster on AVX2.
    """

    def __init__(
        self,
        height: int,
        width: int,
        drop: Sequence[float],
        units: Sequence[int],
        precision: Precision = "float32",
    ) -> None:
        super().__init__()
        self.precision = precision
        self._shape = (height, width)
        self._repeats = -(-_LEAST_SIDE // min(height, width))
        self.dropout = Dropout(drop, (height * width, *units))

    @abstractmethod
    def _logits(self, x: Tensor, kept: Sequence[Tensor | None] | None) -> Tensor:
        """Logits [B, classes] of images x, float [B, 1, height, width]. kept: what each layer with dropout
        keeps of its inputs, uint8 [B, units]; None in inference, where batch norm uses its running
        statistics. In training, it uses the batch's, and updates the running ones."""

    def _lay_out(self, device: torch.device) -> None:
        """Make parameters and statistics views of the vectors."""
        parameters = [
            (module, name, parameter.shape)
            for module in self.modules()
            for name, parameter in module.named_parameters(recurse=False)
        ]
        buffers = [
            (module, name, buffer.shape)
            for module in self.modules()
            for name, buffer in module.named_buffers(recurse=False)
        ]
        self.flat, self.flat_gradient = (
            torch.zeros(sum(shape.numel() for _, _, shape in parameters), device=device) for _ in range(2)
        )
        self.statistics = torch.zeros(sum(shape.numel() for _, _, shape in buffers), device=device)
        at = 0
        for module, name, shape in parameters:
            parameter = nn.Parameter(_view(self.flat, at, shape))
            parameter.grad = _view(self.flat_gradient, at, shape)
            setattr(module, name, parameter)
            at += shape.numel()
        at = 0
        for module, name, shape in buffers:
            setattr(module, name, _view(self.statistics, at, shape))
            at += shape.numel()

    def initialise(self, generator: torch.Generator) -> None:
        """Draw weights and biases as torch's Conv2d and Linear do (uniform, ±1/sqrt(fan_in)), from
        `generator`, on the CPU. Batch norm starts as the identity."""
        with torch.no_grad():
            for module in self.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.weight.fill_(1)
                    module.bias.zero_()
                    module.running_mean.zero_()  # type: ignore[union-attr]
                    module.running_var.fill_(1)  # type: ignore[union-attr]
                elif isinstance(module, nn.Conv2d | nn.Linear):
                    bound = module.weight[0].numel() ** -0.5
                    for parameter in module.parameters():
                        drawn = torch.empty(parameter.shape).uniform_(-bound, bound, generator=generator)
                        parameter.copy_(drawn)

    def to_device(self, device: torch.device) -> Self:
        """Move parameters and statistics, keeping each in one vector."""
        values, statistics = self.flat, self.statistics
        self._lay_out(device)
        self.flat.copy_(values)
        self.statistics.copy_(statistics)
        return self

    def inputs(self, count: int) -> Tensor:
        """As `Network.inputs`."""
        height, width = self._shape
        return torch.empty(count, height * width, device=self.flat.device)

    def forward(self, x: Tensor) -> Tensor:
        """As `Network.forward`."""
        return self._logits(self._images(x), None)

    def _images(self, x: Tensor) -> Tensor:
        """float [B, 1, height, width], channels_last, of x, float [B, pixels], each pixel repeated."""
        (height, width), times = self._shape, self._repeats
        if times > 1:
            x = x.view(-1, height, 1, width, 1).expand(-1, height, times, width, times)
        images = x.reshape(-1, 1, height * times, width * times)
        return images.contiguous(memory_format=torch.channels_last)

    def _dropped(self, x: Tensor, index: int, kept: Sequence[Tensor | None] | None) -> Tensor:
        """Inverted dropout by what is kept at `index`."""
        if kept is None or (units := kept[index]) is None:
            return x
        # A new tensor, because autograd cannot save tensors made in inference mode.
        return x * units.to(x.dtype).div_(1 - self.dropout.shares[index])

    def logits_and_gradient(self, x: Tensor, target: Tensor, kept: Tensor | None) -> Tensor:
        """As `Network.logits_and_gradient`."""
        self.flat_gradient.zero_()
        with torch.inference_mode(False), torch.enable_grad():
            # Copies, because autograd cannot save tensors made in inference mode.
            parts = self.dropout.by_layer(None if kept is None else kept.clone())
            images = self._images(self._dropped(x.clone(), 0, parts))
            with torch.autocast(x.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
                logits = self._logits(images, parts).float()
            loss = F.cross_entropy(logits, target.t().clone(), reduction="sum")
            (loss / target.shape[1]).backward()  # type: ignore[no-untyped-call]
        return logits.detach().t()


class LeNet5(Convolutional):
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998, Gradient-based learning applied to document recognition,
    section II.B) as it is trained today. On 28x28 images of ten classes it has 61,706 parameters; the paper's
    has 60,000.

    Differences from the paper: ReLU instead of a scaled tanh; max pooling instead of averages with a learned
    scale and bias; every map of C3 connected to all six of S2 instead of a table of connections; softmax with
    cross-entropy instead of radial basis functions; 28x28 images with a padding of 2 pixels instead of 32x32.

    dropout, input_dropout: shares dropped of the inputs of fc2 and fc3, and of the pixels.
    """

    def __init__(
        self,
        height: int,
        width: int,
        classes: int,
        dropout: float,
        input_dropout: float,
        precision: Precision = "float32",
    ) -> None:
        super().__init__(height, width, (input_dropout, dropout, dropout), (120, 84), precision)
        left, high = ((side * self._repeats // 2 - 4) // 2 for side in (width, height))
        self.conv1 = nn.Conv2d(1, 6, 5, padding=2, device="meta")
        self.conv2 = nn.Conv2d(6, 16, 5, device="meta")
        self.fc1 = nn.Linear(16 * left * high, 120, device="meta")
        self.fc2 = nn.Linear(120, 84, device="meta")
        self.fc3 = nn.Linear(84, classes, device="meta")
        self._lay_out(torch.device("cpu"))

    def _logits(self, x: Tensor, kept: Sequence[Tensor | None] | None) -> Tensor:
        # Pooled before the ReLU: the two commute, and the ReLU then processes a quarter of the values.
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        x = self._dropped(F.relu(self.fc1(x.flatten(1))), 1, kept)
        x = self._dropped(F.relu(self.fc2(x)), 2, kept)
        return self.fc3(x)  # type: ignore[no-any-return]


class CNN(Convolutional):
    """Five convolutions with batch norm (Ioffe and Szegedy 2015) and one linear layer. On 28x28 images: 5x5
    to `channels` maps, pooled to 12x12; 3x3 twice to 2·channels maps, pooled to 4x4; 3x3 twice to 4·channels
    maps. 80,186 parameters with 16 channels.

    Two thirds of a small network's time on a CPU are spent on its large maps. So the first layer's maps are
    pooled before batch norm and ReLU, which then process a quarter of the values.

    dropout, input_dropout: shares dropped of the linear layer's inputs, and of the pixels.
    """

    def __init__(
        self,
        height: int,
        width: int,
        classes: int,
        channels: int,
        dropout: float,
        input_dropout: float,
        precision: Precision = "float32",
    ) -> None:
        left, high = (
            ((side * -(-_LEAST_SIDE // min(height, width)) - 4) // 2 - 4) // 2 for side in (width, height)
        )
        features = 4 * channels * left * high
        super().__init__(height, width, (input_dropout, dropout), (features,), precision)
        maps = (1, channels, 2 * channels, 2 * channels, 4 * channels, 4 * channels)
        for number, (before, after) in enumerate(pairwise(maps), 1):
            size, padding = (5 if number == 1 else 3), (1 if number > 3 else 0)
            # No bias: the batch norm that follows would remove it.
            layer = nn.Conv2d(before, after, size, padding=padding, bias=False, device="meta")
            self.add_module(f"conv{number}", layer)
            norm = nn.BatchNorm2d(after, device="meta")
            norm.num_batches_tracked = None  # only needed for a cumulative average
            self.add_module(f"norm{number}", norm)
        self.fc = nn.Linear(features, classes, device="meta")
        self._lay_out(torch.device("cpu"))

    def _logits(self, x: Tensor, kept: Sequence[Tensor | None] | None) -> Tensor:
        for number in range(1, 6):
            x = self.get_submodule(f"conv{number}")(x)
            if number in (1, 3):
                x = F.max_pool2d(x, 2)
            norm = self.get_submodule(f"norm{number}")
            norm.train(kept is not None)
            x = F.relu(norm(x), inplace=True)
        return self.fc(self._dropped(x.flatten(1), 1, kept))  # type: ignore[no-any-return]


def _view(vector: Tensor, at: int, shape: torch.Size) -> Tensor:
    """A view of `vector` from index `at`, in this shape; a four-dimensional one is channels_last."""
    part = vector[at : at + shape.numel()]
    if len(shape) == 4:
        count, channels, height, width = shape
        return part.view(count, height, width, channels).permute(0, 3, 1, 2)
    return part.view(shape)
