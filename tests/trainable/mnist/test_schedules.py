"""Our schedules are those of torch.optim.lr_scheduler, at every step."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from trainable.mnist.recipe import Recipe
from trainable.mnist.schedules import PlateauState, rates

STEPS = 7


def ours(recipe: Recipe) -> list[float]:
    return [rate for epoch in range(1, recipe.epochs + 1) for rate in rates(recipe, epoch, STEPS)]


def theirs(
    recipe: Recipe, build: Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler], each_batch: bool
) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    schedule = build(optimizer)
    seen = []
    for step in range(recipe.epochs * STEPS):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step + 1 < recipe.epochs * STEPS and (each_batch or (step + 1) % STEPS == 0):
            schedule.step()
    return seen


PEERS = {
    "constant": (False, lambda o, r: lr_scheduler.ConstantLR(o, factor=1.0)),
    "step": (False, lambda o, r: lr_scheduler.StepLR(o, r.step_epochs, r.gamma)),
    "multistep": (False, lambda o, r: lr_scheduler.MultiStepLR(o, list(r.milestones), r.gamma)),
    "exponential": (False, lambda o, r: lr_scheduler.ExponentialLR(o, r.gamma)),
    "linear": (
        True,
        lambda o, r: lr_scheduler.LinearLR(
            o, start_factor=1.0, end_factor=r.final_rate, total_iters=r.epochs * STEPS - 1
        ),
    ),
    "cosine": (
        True,
        lambda o, r: lr_scheduler.CosineAnnealingLR(
            o, T_max=r.epochs * STEPS - 1, eta_min=r.final_rate * r.learning_rate
        ),
    ),
    "one_cycle": (
        True,
        lambda o, r: lr_scheduler.OneCycleLR(
            o,
            max_lr=r.learning_rate,
            total_steps=r.epochs * STEPS,
            pct_start=r.warmup,
            div_factor=25,
            final_div_factor=1 / (25 * r.final_rate),
            cycle_momentum=False,
        ),
    ),
}


@pytest.mark.parametrize("name", PEERS)
def test_a_schedule_is_the_one_torch_knows_by_that_name(name: str) -> None:
    warmup = 0.0 if name == "cosine" else 0.3
    recipe = Recipe.model_validate(
        {"schedule": name, "epochs": 10, "step_epochs": 3, "milestones": (2, 7), "warmup": warmup}
    )
    each_batch, build = PEERS[name]
    expected = theirs(recipe, lambda optimizer: build(optimizer, recipe), each_batch)
    assert ours(recipe) == pytest.approx(expected, rel=1e-6)


@example(name="cosine", epochs=1, warmup=0.9, final_rate=0.5)
@given(
    name=st.sampled_from(["linear", "cosine", "one_cycle"]),
    epochs=st.integers(1, 12),
    warmup=st.floats(0, 0.9),
    final_rate=st.floats(1e-4, 1),
)
def test_a_schedule_ends_at_its_final_rate_and_never_passes_its_peak(
    name: str, epochs: int, warmup: float, final_rate: float
) -> None:
    recipe = Recipe.model_validate(
        {"schedule": name, "epochs": epochs, "warmup": warmup, "final_rate": final_rate}
    )
    seen = ours(recipe)
    assert seen[-1] == pytest.approx(recipe.learning_rate * final_rate)
    assert max(seen) <= recipe.learning_rate * (1 + 1e-9)
    assert min(seen) > 0


def test_cosine_rises_over_its_warm_up_before_it_falls() -> None:
    seen = ours(Recipe(schedule="cosine", epochs=10, warmup=0.2))
    top = seen.index(max(seen))
    assert top == int(0.2 * 70)
    assert seen[: top + 1] == sorted(seen[: top + 1])
    assert seen[top:] == sorted(seen[top:], reverse=True)


@given(losses=st.lists(st.floats(0.01, 3), min_size=1, max_size=30), patience=st.integers(0, 4))
def test_a_plateau_cuts_the_rate_when_torch_does(losses: list[float], patience: int) -> None:
    recipe = Recipe(schedule="reduce_on_plateau", patience=patience, gamma=0.3)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.learning_rate)
    peer = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=patience, eps=0)
    plateau = PlateauState()
    for loss in losses:
        plateau.observe(loss, recipe)
        peer.step(loss)
        assert recipe.learning_rate * plateau.factor == pytest.approx(optimizer.param_groups[0]["lr"])
