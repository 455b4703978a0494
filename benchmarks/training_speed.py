"""Seconds per epoch of several ways to train the same recipe on one core, in one run.

    uv run python benchmarks/training_speed.py --data-dir DIR [--against CHECKOUT]

floor     only the matrix products of the network's shapes
ours      trainable.mnist.training.Training
against   the same of another checkout of this repository, such as an earlier commit's
eager     a plain eager loop over tensors in memory
stock     DataLoader with per-image ToTensor and Normalize, the pattern of most tutorials

They run in turn, round after round, so that other load on the machine affects all of them. The figure is the
median round, in seconds of the core (not of the clock, which also counts what others do on it); brackets are
the fastest and the slowest round. A ratio is the median of the rounds' ratios. All train 784-128-64-10 with
dropout and Adam with coupled L2 on MNIST's 55,000 training images; the stock pattern is timed on a share of
them. Ours and against have a process each, and their epochs include the validation of 5,000 images.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

SIZES = (784, 128, 64, 10)
DECAY, RATE = 1e-4, 1e-3
STOCK_SHARE = 0.05
HERE = Path(__file__).resolve().parents[1]


class Network(nn.Module):
    """The origin's network, as its notebook writes it, with dropout of its input too."""

    def __init__(self, dropout: float, input_dropout: float) -> None:
        super().__init__()
        self.fc1, self.fc2, self.fc3 = (nn.Linear(a, b) for a, b in itertools.pairwise(SIZES))
        self.dropout, self.input_dropout = nn.Dropout(dropout), nn.Dropout(input_dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(F.relu(self.fc1(self.input_dropout(x.flatten(1)))))
        return self.fc3(self.dropout(F.relu(self.fc2(x))))


class Served:
    """A checkout's training in a process of its own, which trains an epoch when it is told to."""

    def __init__(self, checkout: Path, recipe: dict[str, Any], folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve", json.dumps(recipe), "--data-dir", str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=checkout,
            env={**os.environ, "PYTHONPATH": str(checkout)},
        )

    def __call__(self) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def serve(recipe: dict[str, Any], folder: Path) -> None:
    """Train an epoch for each line on stdin, and print the seconds of the core that it took."""
    from trainable.mnist.data import Source
    from trainable.mnist.recipe import Recipe
    from trainable.mnist.training import Training

    epochs = iter(Training(Recipe(**recipe), Source().load(folder), "cpu", 1))
    for _ in sys.stdin:
        began = time.process_time()
        next(epochs)
        print(time.process_time() - began, flush=True)


def _step(network: Network, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor) -> float:
    optimizer.zero_grad()
    loss = F.cross_entropy(network(x), y)
    loss.backward()
    optimizer.step()
    return float(loss)


def eager(data: Any, batch: int, network: Network) -> Callable[[], float]:
    images = torch.from_numpy(data.train.images.reshape(-1, 784)).float().div_(255).sub_(0.5).div_(0.5)
    labels = torch.from_numpy(data.train.labels).long()
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY)

    def epoch() -> float:
        began = time.process_time()
        for chosen in torch.randperm(len(images)).split(batch):
            _step(network, optimizer, images[chosen], labels[chosen])
        return time.process_time() - began

    return epoch


def stock(data: Any, batch: int, network: Network, folder: Path) -> Callable[[], float]:
    from torchvision import datasets, transforms

    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))])
    full = datasets.MNIST(str(folder), train=True, transform=transform)
    part = torch.utils.data.Subset(full, range(int(STOCK_SHARE * len(data.train))))
    loader = torch.utils.data.DataLoader(part, batch_size=batch, shuffle=True)
    optimizer = torch.optim.Adam(network.parameters(), RATE, weight_decay=DECAY)

    def epoch() -> float:
        began = time.process_time()
        for x, y in loader:
            _step(network, optimizer, x, y)
        return (time.process_time() - began) / STOCK_SHARE

    return epoch


def floor(count: int, batch: int) -> Callable[[], float]:
    weights = [torch.randn(shape) for shape in itertools.pairwise(SIZES)]
    values = [torch.randn(batch, size) for size in SIZES]

    def epoch() -> float:
        began = time.process_time()
        for _ in range(-(-count // batch)):
            for layer in range(3):
                torch.mm(values[layer], weights[layer])
            for layer in (2, 1, 0):
                torch.mm(values[layer].t(), values[layer + 1])
            for layer in (2, 1):  # the first layer passes no gradient on
                torch.mm(values[layer + 1], weights[layer].t())
        return time.process_time() - began

    return epoch


def processor() -> str:
    """The processor's name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = {line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")}
    return ", ".join(sorted(names)) or platform.processor() or platform.machine()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--input-dropout", type=float, default=0.05)
    parser.add_argument("--against", type=Path, help="another checkout of this repository")
    parser.add_argument("--only", nargs="+", help="names of the ways to compare with ours")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)  # for the other ways, too
    if arguments.serve:
        serve(json.loads(arguments.serve), arguments.data_dir)
        return
    from trainable.contract import data_folder
    from trainable.mnist.data import Source

    folder = data_folder(arguments.data_dir)
    data = Source().load(folder)
    shares = {"dropout": arguments.dropout, "input_dropout": arguments.input_dropout}
    print(
        f"{processor()}, {torch.backends.cpu.get_cpu_capability()}, torch {torch.__version__}, 1 thread; "
        f"{arguments.rounds} rounds, {len(data.train):,} images, dropout {arguments.dropout}, input dropout "
        f"{arguments.input_dropout}"
    )
    for batch in arguments.batches:
        recipe = {"weight_decay": DECAY, "learning_rate": RATE, "batch_size": batch, "epochs": 10_000}
        ways: dict[str, Callable[[], float]] = {
            "floor": floor(len(data.train), batch),
            "ours": Served(HERE, recipe | shares, folder),
        }
        if arguments.against is not None:
            ways["against"] = Served(arguments.against.resolve(), recipe | shares, folder)
        ways["eager"] = eager(data, batch, Network(**shares))
        ways["stock"] = stock(data, batch, Network(**shares), folder)
        if arguments.only:
            ways = {name: way for name, way in ways.items() if name in ("ours", *arguments.only)}
        for epoch in ways.values():
            epoch()  # the first one allocates memory that later ones reuse
        rounds = [{name: epoch() for name, epoch in ways.items()} for _ in range(arguments.rounds)]
        print(f"\nbatch {batch:>3}   s/epoch                  times ours")
        for name, way in ways.items():
            times = [times[name] for times in rounds]
            ratios = [times[name] / times["ours"] for times in rounds]
            print(
                f"{name:9} {statistics.median(times):9.3f} [{min(times):.3f}, {max(times):.3f}] "
                f"{statistics.median(ratios):9.2f} [{min(ratios):.2f}, {max(ratios):.2f}]"
            )
            if isinstance(way, Served):
                way.close()


if __name__ == "__main__":
    main()
