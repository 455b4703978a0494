"""Learning-rate schedules: the rate at every step. A new schedule is added here only.

Every schedule except reduce_on_plateau is a function of the step alone, so a checkpoint need not store it.
The formulas are those of torch.optim.lr_scheduler, and the tests compare the two.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass

from trainable.mnist.recipe import Recipe

Factor = Callable[[int], float]
"""Takes a step, 0 for the first of the training. Returns the share of the peak rate, 0..1."""


def _anneal(start: float, end: float, share: float) -> float:
    """A value from start to end along half a cosine. share: how far, 0..1."""
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2


def _constant(recipe: Recipe, steps: int) -> Factor:
    return lambda step: 1.0


def _step(recipe: Recipe, steps: int) -> Factor:
    """Multiplied by gamma after every `step_epochs` epochs."""
    return lambda step: recipe.gamma ** (step // steps // recipe.step_epochs)


def _multistep(recipe: Recipe, steps: int) -> Factor:
    """Multiplied by gamma after each epoch in `milestones`."""
    return lambda step: recipe.gamma ** bisect.bisect_right(recipe.milestones, step // steps)


def _exponential(recipe: Recipe, steps: int) -> Factor:
    """Multiplied by gamma after every epoch."""
    return lambda step: recipe.gamma ** (step // steps)


def _linear(recipe: Recipe, steps: int) -> Factor:
    """A straight line from the peak to `final_rate`, batch by batch."""
    last = max(1, recipe.epochs * steps - 1)
    return lambda step: 1 + (recipe.final_rate - 1) * step / last


def _cosine(recipe: Recipe, steps: int) -> Factor:
    """A linear rise over `warmup`, then half a cosine down to `final_rate`, batch by batch (Loshchilov and
    Hutter 2017, SGDR, eq. 5, without restarts)."""
    total = recipe.epochs * steps
    rise = min(int(recipe.warmup * total), max(0, total - 2))  # leaves a step for the descent

    def factor(step: int) -> float:
        if step < rise:
            return (step + 1) / (rise + 1)
        return _anneal(1.0, recipe.final_rate, (step - rise) / max(1, total - 1 - rise))

    return factor


def _one_cycle(recipe: Recipe, steps: int) -> Factor:
    """Half a cosine up from 1/25 of the peak over `warmup`, then half a cosine down to `final_rate`, batch by
    batch (Smith and Topin 2018, Super-convergence; the momentum stays constant)."""
    total = recipe.epochs * steps
    top = recipe.warmup * total - 1

    def factor(step: int) -> float:
        if step <= top and top > 0:
            return _anneal(1 / 25, 1.0, step / top)
        return _anneal(1.0, recipe.final_rate, (step - max(top, 0)) / max(1e-9, total - 1 - max(top, 0)))

    return factor


_FACTORS: dict[str, Callable[[Recipe, int], Factor]] = {
    "constant": _constant,
    "step": _step,
    "multistep": _multistep,
    "exponential": _exponential,
    "linear": _linear,
    "cosine": _cosine,
    "one_cycle": _one_cycle,
    "reduce_on_plateau": _constant,
}


@dataclass
class PlateauState:
    """The state of reduce_on_plateau, which multiplies the rate by gamma once the validation loss has not
    improved by a share of 1e-4 for more than `patience` epochs."""

    factor: float = 1.0
    """Share of the peak rate, 0..1."""
    best: float | None = None
    """Lowest validation loss so far; None before the first epoch."""
    waited: int = 0
    """Epochs since the last improvement or reduction."""

    def observe(self, loss: float, recipe: Recipe) -> None:
        """Update the state with an epoch's validation loss."""
        if self.best is None or loss < self.best * (1 - 1e-4):
            self.best, self.waited = loss, 0
        else:
            self.waited += 1
        if self.waited > recipe.patience:
            self.factor, self.waited = self.factor * recipe.gamma, 0


def rates(recipe: Recipe, epoch: int, steps: int) -> list[float]:
    """The learning rate at each of the `steps` steps of an epoch (1 for the first), not yet reduced by
    reduce_on_plateau."""
    factor = _FACTORS[recipe.schedule](recipe, steps)
    first = (epoch - 1) * steps
    return [recipe.learning_rate * factor(step) for step in range(first, first + steps)]
