"""The network has the origin's shape and names, and its backward pass by hand is autograd's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trainable.mnist.dropout import RandomBytes
from trainable.mnist.models import MLP, build
from trainable.mnist.recipe import Recipe


def network(sizes: tuple[int, ...], dropout: float = 0.0, input_dropout: float = 0.0) -> MLP:
    model = MLP(sizes, dropout, input_dropout)
    model.initialise(torch.Generator().manual_seed(1))
    return model


def test_the_default_network_has_the_109386_parameters_of_the_origin() -> None:
    model = build(Recipe(), (28, 28), 10)
    assert model.parameter_count == 109_386
    assert {name: tuple(parameter.shape) for name, parameter in model.named_parameters()} == {
        "fc1.weight": (128, 784),
        "fc1.bias": (128,),
        "fc2.weight": (64, 128),
        "fc2.bias": (64,),
        "fc3.weight": (10, 64),
        "fc3.bias": (10,),
    }


def test_linear_is_one_layer() -> None:
    assert build(Recipe(model="linear"), (28, 28), 10).parameter_count == 7850


@settings(max_examples=30, deadline=None)
@given(
    hidden=st.lists(st.integers(1, 20), max_size=3),
    dropout=st.sampled_from([0.0, 0.3]),
    input_dropout=st.sampled_from([0.0, 0.2]),
    batch=st.integers(1, 9),
)
def test_the_gradient_by_hand_is_that_of_autograd(
    hidden: list[int], dropout: float, input_dropout: float, batch: int
) -> None:
    model = network((12, *hidden, 5), dropout, input_dropout)
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(batch, 12, generator=generator)
    target = torch.rand(batch, 5, generator=generator).softmax(1)
    kept = model.draw_kept(batch, RandomBytes(7))

    expected = nn.functional.cross_entropy(model(x, kept), target, reduction="mean")
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(expected, list(parameters.values()))
    with torch.no_grad():
        logits = model.logits_and_gradient(x.clone(), target.t().contiguous(), kept)
    assert nn.functional.cross_entropy(logits.t(), target).item() == pytest.approx(expected.item(), rel=1e-5)
    for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_step_leaves_nothing_behind_for_the_next_one_of_any_batch_size() -> None:
    model = network((12, 7, 5), dropout=0.5, input_dropout=0.3)
    generator = torch.Generator().manual_seed(7)
    batches = [
        (torch.randn(count, 12, generator=generator), torch.rand(5, count, generator=generator).softmax(0))
        for count in (6, 3)
    ]
    kept = [model.draw_kept(len(x), RandomBytes(3)) for x, _ in batches]

    def gradient(number: int) -> torch.Tensor:
        (x, target), units = batches[number], kept[number]
        with torch.inference_mode():
            model.logits_and_gradient(model.inputs(len(x)).copy_(x), target, units)
        return model.flat_gradient.clone()

    first = [gradient(0), gradient(1)]
    assert torch.equal(gradient(0), first[0])
    assert torch.equal(gradient(1), first[1])


def test_vectors_are_stored_in_the_order_of_the_first_version_and_come_back() -> None:
    """Each layer's weights as [in, out], then its biases."""
    model = network((12, 7, 5))
    stored = model.stored_order(model.flat)
    expected = [part.t().reshape(-1) for parameter in model.parameters() for part in [parameter.detach()]]
    assert torch.equal(stored, torch.cat(expected))
    again = torch.zeros_like(model.flat)
    model.load_stored_order(again, stored)
    assert torch.equal(again, model.flat)


def test_weights_are_drawn_as_torchs_linear_draws_them() -> None:
    drawn, peer = network((784, 128)).fc1, nn.Linear(784, 128)
    assert drawn.weight.std().item() == pytest.approx(peer.weight.std().item(), rel=0.02)
    assert drawn.weight.abs().max().item() <= 784**-0.5


def test_a_plain_torch_module_of_the_origins_shape_loads_the_weights() -> None:
    class Origin(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2, self.fc3 = nn.Linear(784, 128), nn.Linear(128, 64), nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.fc3(torch.relu(self.fc2(torch.relu(self.fc1(x)))))  # type: ignore[no-any-return]

    ours, origin = network((784, 128, 64, 10)), Origin()
    origin.load_state_dict(ours.state_dict())
    x = torch.randn(4, 784)
    torch.testing.assert_close(ours(x), origin(x))


def test_a_network_is_built_again_from_its_weights_and_answers_alike() -> None:
    recipe = Recipe(hidden_sizes=(30, 20))
    ours, again = build(recipe, (28, 28), 10), build(recipe, (28, 28), 10)
    ours.initialise(torch.Generator().manual_seed(1))
    again.load_weights(ours.weights())
    x = torch.randn(4, 784)
    torch.testing.assert_close(again(x), ours(x), rtol=0, atol=0)
