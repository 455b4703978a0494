"""Seconds per epoch of four ways to train the same recipe on one core, in one run.

    uv run python benchmarks/training_speed.py --data-dir DIR

floor     only the matrix products of the network's shapes
ours      trainable.mnist.training.Training
eager     a plain eager loop over tensors in memory
stock     DataLoader with per-image ToTensor and Normalize, the pattern of most tutorials

They run in turn, round after round, so that other load on the machine affects all of them; the figure is the
median round. All train 784-128-64-10 with dropout 0.2 and Adam with coupled L2 on MNIST's 55,000 training
images; the stock pattern is timed on a share of them.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from trainable.contract import data_folder
from trainable.mnist.data import Dataset, Source
from trainable.mnist.recipe import Recipe
from trainable.mnist.training import Training

SIZES = (784, 128, 64, 10)
DROPOUT, DECAY, RATE = 0.2, 1e-4, 1e-3
STOCK_SHARE = 0.1


class Network(nn.Module):
    """The origin's network, as its notebook writes it."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (nn.Linear(a, b) for a, b in itertools.pairwise(SIZES))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(F.relu(self.fc1(x.flatten(1))))
        return self.fc3(self.dropout(F.relu(self.fc2(x))))


def ours(data: Dataset, batch: int) -> Callable[[], float]:
    recipe = Recipe(dropout=DROPOUT, weight_decay=DECAY, learning_rate=RATE, batch_size=batch, epochs=10_000)
    epochs = iter(Training(recipe, data, "cpu", 1))

    def epoch() -> float:
        # Its validation of 5,000 images is part of our epoch, and of none of the others.
        return next(epochs).seconds

    return epoch


def _step(network: Network, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss = F.cross_entropy(network(x), y)
    loss.backward()
    optimizer.step()
    return float(loss)


def eager(data: Dataset, batch: int) -> Callable[[], float]:
    images = torch.from_numpy(data.train.images.reshape(-1, 784)).float().div_(255).sub_(0.5).div_(0.5)
    labels = torch.from_numpy(data.train.labels).long()
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY)

    def epoch() -> float:
        began = time.perf_counter()
        for chosen in torch.randperm(len(images)).split(batch):
            _step(network, optimizer, images[chosen], labels[chosen])
        return time.perf_counter() - began

    return epoch


def stock(data: Dataset, batch: int, folder: Path) -> Callable[[], float]:
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    full = datasets.MNIST(str(folder), train=True, transform=transform)
    part = torch.utils.data.Subset(full, range(int(STOCK_SHARE * len(data.train))))
    loader = torch.utils.data.DataLoader(part, batch_size=batch, shuffle=True)
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY)

    def epoch() -> float:
        began = time.perf_counter()
        for x, y in loader:
            _step(network, optimizer, x, y)
        return (time.perf_counter() - began) / STOCK_SHARE

    return epoch


def floor(data: Dataset, batch: int) -> Callable[[], float]:
    weights = [torch.randn(shape) for shape in itertools.pairwise(SIZES)]
    values = [torch.randn(batch, size) for size in SIZES]

    def epoch() -> float:
        began = time.perf_counter()
        for _ in range(-(-len(data.train) // batch)):
            for layer in range(3):
                torch.mm(values[layer], weights[layer])
            for layer in (2, 1, 0):
                torch.mm(values[layer].t(), values[layer + 1])
            for layer in (2, 1):  # the first layer passes no gradient on
                torch.mm(values[layer + 1], weights[layer].t())
        return time.perf_counter() - began

    return epoch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128])
    arguments = parser.parse_args()
    folder = data_folder(arguments.data_dir)
    data = Source().load(folder)
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # for the other ways, too
    print(f"torch {torch.__version__}, 1 thread, median of {arguments.rounds} rounds, 55,000 images")
    for batch in arguments.batches:
        ways = {
            "floor": floor(data, batch),
            "ours": ours(data, batch),
            "eager": eager(data, batch),
            "stock": stock(data, batch, folder),
        }
        for epoch in ways.values():
            epoch()  # the first one allocates memory that later ones reuse
        rounds = [{name: epoch() for name, epoch in ways.items()} for _ in range(arguments.rounds)]
        median = {name: statistics.median(times[name] for times in rounds) for name in ways}
        print(f"\nbatch {batch:>3}   s/epoch   against ours")
        for name, seconds in median.items():
            print(f"{name:9} {seconds:9.3f}   {seconds / median['ours']:8.2f}x")
        print(f"share of the floor reached: {100 * median['floor'] / median['ours']:.0f} %")


if __name__ == "__main__":
    main()
