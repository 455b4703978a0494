"""The network has the origin's shape and names, and its backward pass by hand is autograd's."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

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
    masks = model.masks(batch, generator)

    expected = nn.functional.cross_entropy(model(x, masks), target, reduction="mean")
    expected.backward()  # type: ignore[no-untyped-call]
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}  # type: ignore[union-attr]
    with torch.no_grad():
        loss = model.loss_and_gradient(x.clone(), target, masks)
    assert float(loss) / batch == pytest.approx(expected.item(), rel=1e-5)
    for (name, _), (_, _, weight, bias) in zip(
        [(f"fc{i + 1}", None) for i in range(len(model.layers))], model._views, strict=True
    ):
        torch.testing.assert_close(weight.t(), gradients[f"{name}.weight"], rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(bias, gradients[f"{name}.bias"], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_masks_drop_the_share_asked_for_in_every_quarter_of_the_random_words(share: float) -> None:
    mask = network((784, 10), input_dropout=share).masks(4000, torch.Generator().manual_seed(3))[0]
    assert mask is not None
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    for quarter in range(4):
        assert float(mask.view(-1)[quarter::4].mean()) == pytest.approx(1 - share, abs=0.003)


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
