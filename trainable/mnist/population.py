"""Several recipes trained together in one process, an epoch of each at a time."""

from __future__ import annotations

import time
from collections.abc import Hashable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from trainable.epoch import Diverged, Epoch
from trainable.mnist.arithmetic import compute
from trainable.mnist.dropout import RandomBytes
from trainable.mnist.models import MLP, threshold_backward
from trainable.mnist.precision import Product, settings
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import (
    Training,
    block_of,
    check_finite,
    generator_of,
    stream_of,
    summed_log_likelihood,
)


def group(recipe: Recipe) -> Hashable | None:
    """Recipes with equal groups can be trained together; None if it is only trained alone.

    They have equal layers, batches, precision and normalisation. Learning rates, schedules, optimizers,
    decays, shares of dropout, smoothing, averages, lengths and seeds may differ.
    """
    if recipe.model not in ("mlp", "linear"):
        return None
    layers = recipe.hidden_sizes if recipe.model == "mlp" else ()
    return (layers, recipe.batch_size, recipe.precision or "float32", recipe.normalisation)


def advance(trainings: Sequence[Training]) -> list[Epoch | Exception]:
    """Trains one epoch of each, all of one group. Returns the epochs, or why a training has none.

    Each training gets the bits that it gets alone, so that they may join and leave after any epoch. What they
    share is done once: images are gathered and normalized once for all whose seed and epoch are equal, and
    operations on each unit are carried out for all networks at once. Products are not: one wide product was
    no faster than several.
    """
    began = time.perf_counter()
    numbers = [training.epoch + 1 for training in trainings]
    rates = [training.rates(number) for training, number in zip(trainings, numbers, strict=True)]
    found = compute(trainings[0].threads, lambda: _figures(trainings, numbers, rates))
    seconds = (time.perf_counter() - began) / len(trainings)
    return [
        values if isinstance(values, Exception) else training.ended(number, rate, values, seconds)
        for training, number, rate, values in zip(trainings, numbers, rates, found, strict=True)
    ]


def _figures(
    trainings: Sequence[Training], numbers: Sequence[int], rates: Sequence[Sequence[float]]
) -> list[tuple[float, float, float] | Diverged]:
    """Trains an epoch of each. Returns their mean losses on both splits and their validation accuracies."""
    with settings(trainings[0].precision, trainings[0].device):
        losses = _train(trainings, numbers, rates)
    figures: list[tuple[float, float, float] | Diverged] = []
    for training, number, loss in zip(trainings, numbers, losses, strict=True):
        try:
            check_finite(number, loss)
        except Diverged as error:
            figures.append(error)
        else:
            figures.append((loss, *training.validate()))
    return figures


def _train(
    trainings: Sequence[Training], numbers: Sequence[int], rates: Sequence[Sequence[float]]
) -> list[float]:
    """Trains an epoch of each. Returns their mean losses per image."""
    first, members = trainings[0], range(len(trainings))
    networks = [cast(MLP, training.network) for training in trainings]
    streams = _Streams(trainings, numbers)
    random = [
        RandomBytes(stream_of(training.recipe.seed, number, "dropout"))
        for training, number in zip(trainings, numbers, strict=True)
    ]
    batch_size = first.recipe.batch_size
    totals = [torch.zeros((), device=first.device) for _ in members]
    steps: dict[int, _Steps] = {}
    upcoming = zip(*rates, strict=True)
    done = [(number - 1) * len(rate) for number, rate in zip(numbers, rates, strict=True)]
    for images, chosen in streams.blocks(block_of(batch_size)):
        size = len(chosen[0])
        targets = [
            training.targets(chosen[stream]) for training, stream in zip(trainings, streams.of, strict=True)
        ]
        stacked = torch.stack(targets)
        kept = [network.draw_kept(size, source) for network, source in zip(networks, random, strict=True)]
        logits: list[list[Tensor]] = [[] for _ in members]
        for at in range(0, size, batch_size):
            some = slice(at, min(at + batch_size, size))
            length = some.stop - at
            if (step := steps.get(length)) is None:
                step = steps[length] = _Steps(networks, length, streams.of)
            for batches, normalised in zip(images, step.images, strict=True):
                first.normalise(batches[some], normalised)
            outputs = step.gradients(
                stacked[:, :, some], [None if units is None else units[some] for units in kept]
            )
            for member, rate in zip(members, next(upcoming), strict=True):
                logits[member].append(outputs[member])
                done[member] += 1
                trainings[member].update(rate, done[member])
        for member in members:
            totals[member] -= summed_log_likelihood(logits[member], targets[member])
    return [float(total) / len(streams) for total in totals]


class _Streams:
    """The images of an epoch in each order that a training has: equal for equal seeds and epochs, unless the
    images are distorted.

    of: the number of each training's stream.
    """

    def __init__(self, trainings: Sequence[Training], numbers: Sequence[int]) -> None:
        self._members: list[Training] = []
        self._orders: list[Tensor] = []
        self._distortions: list[torch.Generator] = []
        self.of: list[int] = []
        known: dict[Hashable, int] = {}
        for member, (training, number) in enumerate(zip(trainings, numbers, strict=True)):
            seed = training.recipe.seed
            key = (seed, number, member if training.distorts else None)
            if key not in known:
                known[key] = len(self._members)
                self._members.append(training)
                self._orders.append(training.order(number))
                self._distortions.append(generator_of(seed, number, "augmentation"))
            self.of.append(known[key])

    def __len__(self) -> int:
        """Number of images in an epoch."""
        return len(self._orders[0])

    def blocks(self, size: int) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
        """The images of each stream, [size, pixels], and their indices; the last block may be smaller."""
        for chosen in zip(*(torch.split(order, size) for order in self._orders), strict=True):
            parts = zip(self._members, chosen, self._distortions, strict=True)
            yield [training.gather(indices, source) for training, indices, source in parts], list(chosen)


_Call = tuple[Product, Tensor, Tensor, Tensor, float]
"""A product that is to be computed, and its arguments."""


class _Steps:
    """The memory of a step of all `networks` on `count` images, and all views of it.

    streams: the number of each network's images in `images`, float [count, pixels].
    """

    def __init__(self, networks: Sequence[MLP], count: int, streams: Sequence[int]) -> None:
        self._networks, self._streams = networks, streams
        first = networks[0]
        device, members, layers = first.flat.device, len(networks), range(len(first.sizes) - 1)
        last, mean = layers[-1], 1 / count
        with torch.inference_mode(False):
            shared = [torch.ones(count, _width(first.sizes[0]), device=device) for _ in set(streams)]
            self.images = [values[:, : first.sizes[0]] for values in shared]
            own = [torch.zeros(members, count, _width(first.sizes[n]), device=device) for n in layers]
            self._inputs = [values[:, :, :size] for values, size in zip(own, first.sizes, strict=False)]
            """What each layer takes in, float [members, count, units]; of the first layer only for networks
            with dropout of their input. The others read `images`."""
            self._deltas = [torch.zeros_like(values) for values in self._inputs]
            self._masks = [
                torch.ones_like(self._inputs[n]) if any(each.dropout.units[n] for each in networks) else None
                for n in layers
            ]
            self._logits = torch.zeros(members, first.sizes[-1], count, device=device)
            self._outputs = torch.zeros_like(self._logits)
            self._each = list(zip(self._logits, self._outputs, strict=True))
            self._forward: list[list[_Call]] = [[] for _ in layers]
            self._slopes: list[list[_Call]] = [[] for _ in layers]
            self._back: list[list[_Call]] = [[] for _ in layers]
            for member, network in enumerate(networks):
                for n in layers:
                    multiply, scale, size = network.multiply, network.scales[n], first.sizes[n]
                    own[n][member, :, size] = 1 / scale  # the input that belongs to the biases
                    taken = own[n][member, :, : size + 1]
                    if n == 0 and network.dropout.units[0] == 0:
                        taken = shared[streams[member]][:, : size + 1]
                    matrix, slope = network.matrices[n], network.gradients[n]
                    if n == last:
                        delta = self._outputs[member].t()
                        self._forward[n].append(
                            (multiply, self._logits[member], matrix.t(), taken.t(), scale)
                        )
                        self._slopes[n].append((multiply, slope.t(), delta.t(), taken, mean * scale))
                    else:
                        delta = self._deltas[n + 1][member]
                        self._forward[n].append((multiply, self._inputs[n + 1][member], taken, matrix, scale))
                        self._slopes[n].append((multiply, slope, taken.t(), delta, mean * scale))
                    self._back[n].append((multiply, self._deltas[n][member], delta, matrix[:-1].t(), scale))

    def gradients(self, targets: Tensor, kept: Sequence[Tensor | None]) -> Tensor:
        """Write each network's gradient. Returns their logits [members, classes, count]; all as
        `Network.logits_and_gradient`, on `images`. targets: float [members, classes, count]."""
        inputs, last = self._inputs, len(self._inputs) - 1
        self._take(kept)
        for number in range(last + 1):
            for multiply, out, a, b, scale in self._forward[number]:
                multiply(out, a, b, scale)
            if number < last:
                inputs[number + 1].relu_()
                if (masks := self._masks[number + 1]) is not None:
                    inputs[number + 1].mul_(masks)
        for logits, output in self._each:
            # One by one: on several threads, its rounding depends on how it is divided between them.
            torch.softmax(logits, 0, out=output)
        self._outputs.sub_(targets)
        for number in range(last, -1, -1):
            for multiply, out, a, b, scale in self._slopes[number]:
                multiply(out, a, b, scale)
            if number > 0:
                for multiply, out, a, b, scale in self._back[number]:
                    multiply(out, a, b, scale)
                delta = self._deltas[number]
                threshold_backward(delta, inputs[number], 0.0, grad_input=delta)
        return self._logits.clone()

    def _take(self, kept: Sequence[Tensor | None]) -> None:
        """Set the masks of this step, and drop pixels."""
        for member, network in enumerate(self._networks):
            for number, part in enumerate(network.dropout.by_layer(kept[member])):
                if part is not None and (masks := self._masks[number]) is not None:
                    masks[member].copy_(part)
                    if number == 0:
                        images = self.images[self._streams[member]]
                        torch.mul(images, masks[member], out=self._inputs[0][member])


def _width(units: int) -> int:
    """Floats in a row of `units` and a constant, with which each row begins a cache line."""
    return -(-(units + 1) // 16) * 16
