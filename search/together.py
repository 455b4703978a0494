"""Whether a plan may train several trials at once in one process."""

from __future__ import annotations

from search.plan.plan import Plan
from trainable.errors import InputError


class NotTogether(InputError):
    """A plan trains several trials at once in one process, which its trainable cannot."""


def refuse_together(plan: Plan, local: bool) -> None:
    """Raises NotTogether if the plan asks for it and its trainable has no Population, or other processes
    train. local: whether this process trains."""
    if plan.resources.together == 1:
        return
    if not local:
        raise NotTogether(
            "resources.together must be 1 unless the search trains in its own process",
            "add --local, or set resources.together = 1",
        )
    if getattr(plan.trainable_module, "Population", None) is None:
        raise NotTogether(
            "resources.together must be 1 for a trainable without a Population, and "
            f"{plan.trainable} has none",
            "set resources.together = 1, or define Population (trainable/contract.py)",
        )
