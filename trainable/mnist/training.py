"""One training run: an iterator of Epochs that can be stopped, stored and continued with the same bits."""

from __future__ import annotations

import hashlib
import json
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainable.contract import TrainingState
from trainable.epoch import Diverged, Epoch
from trainable.evaluation.evaluation import Evaluation, classification
from trainable.mnist.arithmetic import compute
from trainable.mnist.augmentation import Augmentation
from trainable.mnist.data import Dataset, LabelledImages
from trainable.mnist.dropout import RandomBytes
from trainable.mnist.models import build
from trainable.mnist.network import Network
from trainable.mnist.optimizers import Optimizer
from trainable.mnist.precision import Precision, check, settings
from trainable.mnist.recipe import Recipe
from trainable.mnist.schedules import PlateauState, rates
from trainable.storage.durable import write_atomic

_BLOCK = 2048
"""Maximum number of images gathered, and of masks drawn, at a time, so that they fit into a core's cache."""


class Training:
    """Trains a recipe: `for epoch in Training(recipe, data, "cpu", 1)`.

    device: "cpu", "cuda", "cuda:1" or "mps". Raises UnsupportedPrecision if it is slower with the recipe's
    precision than in float32. threads: number of CPU threads. The same recipe, data, kind of
    device and number of threads give the same bits; another number of threads rounds differently.

    All data is on the device as bytes, and an epoch is a loop over a permutation of it. Random numbers depend
    on seed and epoch only, so that no generator is stored. Raises Diverged once a loss is not finite.
    """

    def __init__(self, recipe: Recipe, data: Dataset, device: str, threads: int) -> None:
        self.recipe = recipe
        self.device = torch.device(device)
        self.precision: Precision = recipe.precision or "float32"
        check(self.precision, self.device)
        self.threads = threads
        self.epoch = 0
        self._train = _DeviceSplit(data.train, self.device)
        self._validation = _DeviceSplit(data.validation, self.device)
        self._data_sha256 = data.fingerprint
        self._data_name = data.name
        self._moments = (0.5, 0.5) if recipe.normalisation == "origin" else (data.mean, data.std)
        # A byte b becomes shift + scale * b.
        mean, std = self._moments
        self._scale, self._shift = 1 / (255 * std), torch.tensor(-mean / std)
        self._plateau = PlateauState()
        self._steps = -(-len(data.train) // recipe.batch_size)
        self._smooth = torch.full((), recipe.label_smoothing / self._train.classes, device=self.device)
        height, width = data.train.images.shape[1:]
        self._augmentation = Augmentation(recipe, height, width, self.device)
        self._shape = (height, width)
        self.network = self._new_network()
        self.network.initialise(generator_of(recipe.seed, 0))
        self.network.to_device(self.device)
        self._average: Network | None = None
        if recipe.ema > 0:
            self._average = self._new_network().to_device(self.device)
            self._average.load_weights(self.network.weights())
        self._optimizer = Optimizer(recipe, self.network.flat, self.network.flat_gradient)

    def _new_network(self) -> Network:
        return build(self.recipe, self._shape, self._train.classes)

    @property
    def model(self) -> Network:
        """The network that is evaluated and saved: the average of the weights if the recipe has one."""
        return self.network if self._average is None else self._average

    def __iter__(self) -> Iterator[Epoch]:
        while self.epoch < self.recipe.epochs:
            yield self._next_epoch()

    def _next_epoch(self) -> Epoch:
        """Train one epoch and evaluate it on the validation split."""
        started = time.perf_counter()
        number = self.epoch + 1
        rate = self.rates(number)
        values = compute(self.threads, lambda: self._figures(number, rate))
        return self.ended(number, rate, values, time.perf_counter() - started)

    def rates(self, number: int) -> list[float]:
        """The learning rate at each step of an epoch (1 for the first)."""
        return [value * self._plateau.factor for value in rates(self.recipe, number, self._steps)]

    def ended(
        self, number: int, rate: list[float], values: tuple[float, float, float], seconds: float
    ) -> Epoch:
        """Take in that an epoch was trained. values: mean loss on train, mean loss and accuracy on
        validation."""
        train_loss, loss, accuracy = values
        metrics = {
            "learning_rate": rate[-1],
            "train_loss": train_loss,
            "validation_loss": loss,
            "validation_accuracy": accuracy,
        }
        epoch = Epoch(number, metrics, seconds)
        if self.recipe.schedule == "reduce_on_plateau":
            self._plateau.observe(loss, self.recipe)
        self.epoch = number
        return epoch

    def _figures(self, number: int, rate: list[float]) -> tuple[float, float, float]:
        """Train an epoch. Returns the mean losses on both splits and the validation accuracy."""
        with settings(self.precision, self.device):
            train_loss = self._train_epoch(number, rate)
        check_finite(number, train_loss)
        return train_loss, *self.validate()

    def validate(self) -> tuple[float, float]:
        """Mean loss and accuracy of the model on the validation split."""
        logits, loss = self._measure(self._validation)
        correct = (logits.argmax(1) == self._validation.labels).cpu().numpy()
        return loss, float(correct.mean())

    def _train_epoch(self, number: int, rate: list[float]) -> float:
        """Train on every batch once, in an order of this epoch's own. Returns the mean loss per image."""
        recipe, network = self.recipe, self.network
        distortions = generator_of(recipe.seed, number, "augmentation")
        random = RandomBytes(stream_of(recipe.seed, number, "dropout"))
        batch_size = recipe.batch_size
        total = torch.zeros((), device=self.device)
        upcoming = iter(rate)
        step = (number - 1) * self._steps
        for chosen in self.order(number).split(block_of(batch_size)):
            images = self.gather(chosen, distortions).split(batch_size)
            target = self.targets(chosen)
            targets = target.split(batch_size, 1)
            drawn = network.draw_kept(len(chosen), random)
            kept = [None] * len(images) if drawn is None else drawn.split(batch_size)
            logits = []
            for batch, wanted, units in zip(images, targets, kept, strict=True):
                x = self.normalise(batch, network.inputs(len(batch)))
                logits.append(network.logits_and_gradient(x, wanted, units))
                step += 1
                self.update(next(upcoming), step)
            total -= summed_log_likelihood(logits, target)
        return float(total) / len(self._train.images)

    def order(self, number: int) -> Tensor:
        """The indices of the training images in an epoch's order, int64 [N]."""
        generator = generator_of(self.recipe.seed, number)
        return torch.randperm(len(self._train.images), generator=generator).to(self.device)

    @property
    def distorts(self) -> bool:
        """Whether the images are distorted."""
        return self._augmentation.active

    def gather(self, chosen: Tensor, distortions: torch.Generator) -> Tensor:
        """The images at the indices `chosen`, [B, pixels] in 0..255, distorted if the recipe says so."""
        gathered = self._train.images.index_select(0, chosen)
        return self._augmentation(gathered, distortions) if self.distorts else gathered

    def normalise(self, images: Tensor, out: Tensor) -> Tensor:
        """Writes images in 0..255 to `out`, float [B, pixels], normalized. Returns it."""
        return torch.add(self._shift, out.copy_(images), alpha=self._scale, out=out)

    def update(self, rate: float, step: int) -> None:
        """Change the weights by the network's gradient, at a learning rate. step: 1 for the first."""
        if self.recipe.gradient_clip is not None:
            _clip(self.network.flat_gradient, self.recipe.gradient_clip)
        self._optimizer.step(rate)
        if self._average is not None:
            self._average_in(self._average, step)

    def _average_in(self, average: Network, step: int) -> None:
        """Add the weights after this step (1 for the first) to their average. The horizon grows with the
        steps up to the recipe's, or else the initial weights would count for many epochs."""
        share = max(1 - math.exp(-1 / (self.recipe.ema * self._steps)), 10 / (step + 9))
        average.flat.lerp_(self.network.flat, share)
        average.statistics.lerp_(self.network.statistics, share)

    def targets(self, chosen: Tensor) -> Tensor:
        """One-hot columns with label smoothing, float [classes, B], of the images at the indices `chosen`."""
        labels = self._train.labels.index_select(0, chosen)
        targets = self._smooth.expand(self._train.classes, len(labels)).clone()
        return targets.scatter_add_(
            0, labels[None], targets.new_full((1, len(labels)), 1 - self.recipe.label_smoothing)
        )

    def _measure(self, split: _DeviceSplit) -> tuple[Tensor, float]:
        """Logits [N, classes] of the current model, and its mean loss in nats."""
        loss, parts = 0.0, []
        for images, labels in zip(split.images.split(1024), split.labels.split(1024), strict=True):
            logits = self.model(torch.add(self._shift, images, alpha=self._scale))
            loss += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum"))
            parts.append(logits)
        return torch.cat(parts), loss / len(split.labels)

    def evaluate(self, test: LabelledImages) -> Evaluation:
        """The evaluation of the model on a split that it was not trained on."""
        logits, loss = compute(self.threads, lambda: self._measure(_DeviceSplit(test, self.device)))
        # On the CPU, because Apple's GPUs have no float64, which still separates confidences close to 1.
        probabilities = logits.cpu().double().softmax(1).numpy()
        return classification(probabilities, test.labels, test.class_names, test.images, loss=loss)

    def state_dict(self) -> TrainingState:
        """Everything that the next epoch depends on. A new training with the same recipe, data, device and
        threads that loads it continues with the same bits."""
        return {
            "epoch": self.epoch,
            "plateau.factor": self._plateau.factor,
            "plateau.best": self._plateau.best,
            "plateau.waited": self._plateau.waited,
            **self._stored_networks(),
            **{
                f"optimizer.{name}": _array(self.network.stored_order(moment))
                for name, moment in self._optimizer.moments.items()
            },
            "optimizer.steps": _array(self._optimizer.steps),
        }

    def load_state_dict(self, state: TrainingState) -> None:
        """Continue from a state that `state_dict` returned. Raises ValueError if it is of another network."""
        values: dict[str, Any] = dict(state)
        expected = {name: array.shape for name, array in self._stored_networks().items()}
        given = {
            name: value.shape for name, value in values.items() if name.startswith(("network.", "average."))
        }
        if given != expected:
            raise ValueError(f"the state must hold {expected}, but holds {given}: it is of another recipe")
        for kind, network in self._networks().items():
            network.load_weights({name: values[f"{kind}.{name}"] for name in network.state_dict()})
        for name, moment in self._optimizer.moments.items():
            self.network.load_stored_order(moment, _tensor(values[f"optimizer.{name}"]))
        self._optimizer.steps.copy_(_tensor(values["optimizer.steps"]))
        self._plateau = PlateauState(
            values["plateau.factor"], values["plateau.best"], values["plateau.waited"]
        )
        self.epoch = values["epoch"]

    def _networks(self) -> dict[str, Network]:
        average = {} if self._average is None else {"average": self._average}
        return {"network": self.network, **average}

    def _stored_networks(self) -> dict[str, NDArray[Any]]:
        return {
            f"{kind}.{name}": array
            for kind, network in self._networks().items()
            for name, array in network.weights().items()
        }

    def weights(self) -> dict[str, NDArray[Any]]:
        """float32 arrays by name, in the shapes of torch's own layers: fc1.weight [128, 784], …; averaged if
        the recipe says so."""
        return self.model.weights()

    @property
    def parameters(self) -> int:
        """Number of learned parameters."""
        return self.network.parameter_count

    @property
    def weights_sha256(self) -> str:
        """As `Network.weights_sha256`."""
        return self.model.weights_sha256

    def save(self, folder: Path) -> list[Path]:
        """Write model.safetensors and a state dict to the folder, which is named after the data set, such as
        mnist_model.pth. Returns their paths.

        The metadata of model.safetensors has everything needed to use the model: trainable, recipe (JSON),
        weights_sha256, mean and std (subtracted from pixels in 0..1, and divided by), height and width in
        pixels, class_names (JSON), data_sha256. The state dict is one that a torch module with
        layers of the same names (fc1, fc2, …) can load.
        """
        import io

        from safetensors.numpy import save

        from trainable.mnist.weights_file import SAFETENSORS, STATE_DICT

        weights = self.weights()
        mean, std = self._moments
        metadata = {
            "trainable": "trainable.mlp",
            "recipe": self.recipe.model_dump_json(),
            "weights_sha256": self.weights_sha256,
            "mean": repr(mean),
            "std": repr(std),
            "height": str(self._shape[0]),
            "width": str(self._shape[1]),
            "class_names": json.dumps(self._train.class_names),
            "data_sha256": self._data_sha256,
        }
        buffer = io.BytesIO()
        torch.save({name: torch.from_numpy(array) for name, array in weights.items()}, buffer)
        state_dict = f"{self._data_name}{STATE_DICT}"
        files = {SAFETENSORS: save(weights, metadata=metadata), state_dict: buffer.getvalue()}
        for name, content in files.items():
            write_atomic(folder / name, content)
        return [folder / name for name in files]


def block_of(batch_size: int) -> int:
    """Number of images whose batches are gathered, and whose dropout is drawn, at a time."""
    return max(1, _BLOCK // batch_size) * batch_size


def summed_log_likelihood(logits: Sequence[Tensor], target: Tensor) -> Tensor:
    """The sum over the images of some batches. logits: of each batch, [classes, B]. target: of all."""
    return (torch.cat(list(logits), 1).log_softmax(0) * target).sum()


def check_finite(number: int, train_loss: float) -> None:
    """Raises Diverged unless an epoch's loss is finite."""
    if not np.isfinite(train_loss):
        raise Diverged(f"epoch {number}: train_loss must stay finite, but became {train_loss}")


class _DeviceSplit:
    """A split on the device: images uint8 [N, pixels], labels int64 [N]."""

    def __init__(self, digits: LabelledImages, device: torch.device) -> None:
        images = digits.images.reshape(len(digits), -1)
        with warnings.catch_warnings():
            # torch warns of read-only arrays, such as those mapped from Ray's object store.
            warnings.filterwarnings("ignore", message=".*not writable.*")
            self.images = torch.from_numpy(images).to(device)
        self.labels = torch.from_numpy(digits.labels.astype(np.int64)).to(device)
        self.classes = len(digits.class_names)
        self.class_names = digits.class_names


def generator_of(seed: int, epoch: int, *purpose: str) -> torch.Generator:
    """Random numbers of one epoch (0 for the initial weights), on the CPU, so that order and masks are the
    same on every device. purpose: selects another stream, which does not change that of order and masks."""
    return torch.Generator().manual_seed(stream_of(seed, epoch, *purpose))


def stream_of(seed: int, epoch: int, *purpose: str) -> int:
    """The seed, 0..2^63-1, of one epoch's random numbers for one purpose."""
    digest = hashlib.sha256("/".join((str(seed), str(epoch), *purpose)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _clip(gradient: Tensor, largest: float) -> None:
    """Scale the gradient so that its L2 norm is at most `largest`."""
    gradient.mul_((largest / (torch.linalg.vector_norm(gradient) + 1e-6)).clamp_(max=1.0))


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy().copy()


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(np.array(array))
