"""The optimizer of a recipe: torch's fused kernels applied to one vector of all parameters."""

from __future__ import annotations

import torch
from torch import Tensor

from trainable.mnist.recipe import Recipe


class Optimizer:
    """adam (coupled L2), adamw (decoupled) or sgd (Nesterov momentum, coupled L2).

    vector, gradient: float [parameters]; a step changes the vector by the gradient. Calls the kernels that
    torch.optim's classes call with fused=True, without the overhead of those classes, which was a sixth of a
    small network's training step.
    """

    def __init__(self, recipe: Recipe, vector: Tensor, gradient: Tensor) -> None:
        self.recipe = recipe
        self._vector, self._gradient = vector, gradient
        names = ("momentum",) if recipe.optimizer == "sgd" else ("exp_avg", "exp_avg_sq")
        self._moments = {name: torch.zeros_like(vector) for name in names}
        # The fused kernels require the number of steps on the device of the vector.
        self._steps = torch.zeros((), device=vector.device)

    def step(self, rate: float) -> None:
        """Change the vector by one step at the learning rate `rate`."""
        recipe, moments = self.recipe, self._moments
        self._steps += 1
        if recipe.optimizer == "sgd":
            torch._fused_sgd_(
                [self._vector],
                [self._gradient],
                [moments["momentum"]] if recipe.momentum > 0 else [],
                weight_decay=recipe.weight_decay,
                momentum=recipe.momentum,
                lr=rate,
                dampening=0.0,
                nesterov=recipe.momentum > 0,
                maximize=False,
                is_first_step=False,
            )
            return
        kernel = torch._fused_adam_ if recipe.optimizer == "adam" else torch._fused_adamw_
        kernel(
            [self._vector],
            [self._gradient],
            [moments["exp_avg"]],
            [moments["exp_avg_sq"]],
            [],
            [self._steps],
            amsgrad=False,
            beta1=0.9,
            beta2=0.999,
            lr=rate,
            weight_decay=recipe.weight_decay,
            eps=1e-8,
            maximize=False,
        )

    @property
    def moments(self) -> dict[str, Tensor]:
        """The moments by name, float [parameters] in the order of the vector; themselves, not copies."""
        return self._moments

    @property
    def steps(self) -> Tensor:
        """The number of steps so far, a scalar; itself, not a copy."""
        return self._steps
