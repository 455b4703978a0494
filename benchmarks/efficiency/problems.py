"""All problems, by name."""

from __future__ import annotations

from efficiency.formulas import crossing, losses, networks, schedules
from efficiency.problem import Problem
from efficiency.tables import mnist, tabulated


def problem(name: str) -> Problem:
    """The problem of a name such as "networks-3", "hpolib-protein_structure" or "mnist"."""
    if name == "mnist":
        return mnist()
    family, _, instance = name.partition("-")
    if family in ("hpobench", "hpolib"):
        return tabulated(family, instance)
    return {"networks": networks, "crossing": crossing, "schedules": schedules, "losses": losses}[family](
        int(instance)
    )
