"""The convolutional networks have the published shapes, and train as plain torch trains them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from trainable.mnist.convolution import CNN, Convolutional, LeNet5
from trainable.mnist.dropout import RandomBytes
from trainable.mnist.models import build
from trainable.mnist.network import Network
from trainable.mnist.recipe import Recipe


def network(model: str, shape: tuple[int, int] = (28, 28), **settings: Any) -> Network:
    built = build(Recipe.model_validate({"model": model, "width": 4, **settings}), shape, 10)
    built.initialise(torch.Generator().manual_seed(1))
    return built


def batch(count: int = 12, pixels: int = 784) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    images = torch.randn(count, pixels, generator=generator)
    return images, torch.rand(count, 10, generator=generator).softmax(1).t()


class PlainLeNet5(nn.Module):
    """As the textbooks write it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        self.fc1, self.fc2, self.fc3 = nn.Linear(400, 120), nn.Linear(120, 84), nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x.view(-1, 1, 28, 28))), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2).flatten(1)
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x)))))  # type: ignore[no-any-return]


def test_lenet5_has_61706_parameters() -> None:
    assert network("lenet5").parameter_count == 61_706


def test_the_cnn_has_as_many_parameters_as_its_configs_say() -> None:
    assert network("cnn", width=16).parameter_count == 80_186
    assert network("cnn", width=64).parameter_count == 1_150_154


def test_lenet5_answers_and_learns_as_the_plain_one_with_its_weights() -> None:
    ours, plain = network("lenet5"), PlainLeNet5()
    plain.load_state_dict({name: torch.from_numpy(array) for name, array in ours.weights().items()})
    x, target = batch()
    expected = F.cross_entropy(plain(x), target.t())
    expected.backward()  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        torch.testing.assert_close(ours(x), plain(x), rtol=1e-4, atol=1e-5)
        logits = ours.logits_and_gradient(x.clone(), target, None)
        loss = F.cross_entropy(logits.t(), target.t())
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, parameter), peer in zip(ours.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, peer.grad, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize("model", ["lenet5", "cnn"])
def test_parameters_and_gradients_are_views_of_one_vector_each(model: str) -> None:
    ours = network(model)
    x, target = batch()
    with torch.inference_mode():
        ours.logits_and_gradient(x, target, None)
        for name, parameter in ours.named_parameters():
            assert parameter.untyped_storage().data_ptr() == ours.flat.untyped_storage().data_ptr(), name
            assert parameter.grad is not None
            assert (
                parameter.grad.untyped_storage().data_ptr() == ours.flat_gradient.untyped_storage().data_ptr()
            )
            assert parameter.grad.abs().sum() > 0, name
        total = sum(float(p.grad.double().square().sum()) for p in ours.parameters() if p.grad is not None)
    assert float(ours.flat_gradient.double().square().sum()) == pytest.approx(total)


def test_the_gradient_is_of_the_last_batch_alone() -> None:
    ours = network("lenet5")
    x, target = batch()
    with torch.inference_mode():
        ours.logits_and_gradient(x.clone(), target, None)
        once = ours.flat_gradient.clone()
        ours.logits_and_gradient(x.clone(), target, None)
    torch.testing.assert_close(ours.flat_gradient, once, rtol=0, atol=0)


def test_batch_norm_gathers_in_training_and_answers_each_image_alone_afterwards() -> None:
    ours = network("cnn")
    x, target = batch()
    before = ours.statistics.clone()
    with torch.inference_mode():
        for _ in range(5):
            ours.logits_and_gradient(x.clone(), target, None)
        gathered = ours.statistics.clone()
        together = ours(x)
        alone = torch.cat([ours(one) for one in x.split(1)])
    assert not torch.equal(before, gathered)
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    assert torch.equal(ours.statistics, gathered)


def test_the_weights_of_batch_norm_hold_its_statistics_and_build_the_same_network_again() -> None:
    ours = network("cnn")
    x, target = batch()
    with torch.inference_mode():
        ours.logits_and_gradient(x.clone(), target, None)
    weights = ours.weights()
    assert {"norm1.weight", "norm1.running_mean", "norm5.running_var"} <= set(weights)
    again = build(Recipe(model="cnn", width=4), (28, 28), 10)
    again.load_weights(weights)
    torch.testing.assert_close(again(x), ours(x), rtol=0, atol=0)


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="of another recipe"):
        network("cnn").load_weights(network("lenet5").weights())


@pytest.mark.parametrize("model", ["lenet5", "cnn"])
def test_dropout_takes_its_numbers_from_what_is_given_as_kept(model: str) -> None:
    ours = network(model, dropout=0.5, input_dropout=0.2)
    x, target = batch()
    before = torch.get_rng_state()

    def loss(seed: int) -> float:
        kept = ours.draw_kept(len(x), RandomBytes(seed))
        with torch.inference_mode():
            logits = ours.logits_and_gradient(x.clone(), target, kept)
            return float(F.cross_entropy(logits.t(), target.t()))

    assert loss(1) == loss(1)
    assert loss(1) != loss(2)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", ["lenet5", "cnn"])
@pytest.mark.parametrize("shape", [(8, 8), (20, 20), (28, 28), (8, 12), (32, 32)])
def test_images_of_every_size_are_taken_small_ones_by_repeating_their_pixels(
    model: str, shape: tuple[int, int]
) -> None:
    ours = network(model, shape)
    assert ours(torch.randn(3, shape[0] * shape[1])).shape == (3, 10)
    if shape == (8, 8):
        x = torch.randn(3, 8, 8)
        enlarged = network(model, (24, 24))
        large = x.repeat_interleave(3, 1).repeat_interleave(3, 2).view(3, -1)
        torch.testing.assert_close(ours(x.view(3, -1)), enlarged(large))


def test_weights_are_drawn_as_torchs_layers_draw_them() -> None:
    drawn = network("cnn", width=32)
    assert isinstance(drawn, CNN)
    weight = drawn.get_submodule("conv3").weight
    assert isinstance(weight, torch.Tensor)
    assert weight.std().item() == pytest.approx(nn.Conv2d(64, 64, 3).weight.std().item(), rel=0.02)
    assert weight.abs().max().item() <= (64 * 9) ** -0.5


@pytest.mark.parametrize("kind", [LeNet5, CNN])
def test_moving_a_network_keeps_its_numbers(kind: type[Convolutional]) -> None:
    ours = network("lenet5" if kind is LeNet5 else "cnn")
    assert isinstance(ours, kind)
    before = ours.weights()
    ours.to_device(torch.device("cpu"))
    for name, array in ours.weights().items():
        np.testing.assert_array_equal(array, before[name])
