"""A plan as a run recorded it, read without its trainable and whatever version wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from search.plan.budget import Budget, ConfirmationSettings
from search.plan.constraints import Constraints
from search.plan.declared import opens_test_split
from search.plan.fault import Fault, KeyPath, validated
from search.plan.plan import Plan
from search.plan.pruner import Pruner, parse_pruner
from search.plan.sampler import Sampler, max_trials, parse_sampler
from search.plan.setting import Setting, parse_setting
from search.plan.space import Space


@dataclass(frozen=True)
class RecordedPlan:
    """The plan of a run, to be shown and compared; `Plan` is one to be carried out.

    Nothing is checked: a key that this version does not know is in `table` alone, and one that is missing or
    cannot be understood has this version's default.
    """

    table: Mapping[str, Any]
    """All of it, as in its file."""
    trainable: str
    """The module that is searched. It may not be importable here."""
    data: Mapping[str, Any]
    """What is trained on: the fields of the trainable's Source."""
    recipe: Mapping[str, Any]
    """The hyperparameters that are the same in every trial."""
    space: Mapping[str, Setting]
    """The hyperparameters that are searched, in the plan's order."""
    budget: Budget
    """When the search ends."""
    sampler: Sampler | None
    """What proposes trials; None if it is missing or unknown to this version."""
    pruner: Pruner | None
    """What stops trials early; None if it is missing or unknown to this version."""
    confirmation: ConfirmationSettings
    """How the best trials are confirmed."""
    constraints: Constraints = field(default_factory=Constraints)
    """What trials must keep to be chosen."""

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> RecordedPlan:
        """The plan in a table, as TOML or JSON holds it."""
        parts = {name: part for name, part in table.items() if isinstance(part, Mapping)}
        entries = parts.get("space", {}).items()
        settings = {name: _tolerant(parse_setting, entry) for name, entry in entries}
        return cls(
            table=table,
            trainable=str(table.get("trainable", Plan.model_fields["trainable"].default)),
            data=parts.get("data", {}),
            recipe=parts.get("recipe", {}),
            space={name: setting for name, setting in settings.items() if setting is not None},
            budget=_tolerant(_budget, parts.get("budget")) or Budget(),
            sampler=_tolerant(parse_sampler, parts.get("sampler")),
            pruner=_tolerant(parse_pruner, parts.get("pruner")),
            confirmation=_tolerant(_confirmation, parts.get("confirmation")) or ConfirmationSettings(),
            constraints=_tolerant(_constraints, parts.get("constraints")) or Constraints(),
        )

    @property
    def has_test_split(self) -> bool:
        """Whether its trainable has a test split, on which the winner is evaluated."""
        return opens_test_split(self.confirmation, self.trainable)

    @property
    def epochs(self) -> int | None:
        """The epochs of every trial; None if they are searched or not on record."""
        epochs = self.recipe.get("epochs")
        return epochs if isinstance(epochs, int) else None

    @property
    def max_trials(self) -> int | None:
        """The most trials that its budget or its grid allows; None if unlimited."""
        return max_trials(self.budget, self.sampler, Space(self.space))

    @property
    def sampler_name(self) -> str:
        """As the plan has it, known to this version or not; "" if it has none."""
        return self._name("sampler")

    @property
    def pruner_name(self) -> str:
        """As the plan has it, known to this version or not; "" if it has none."""
        return self._name("pruner")

    def _name(self, part: str) -> str:
        table = self.table.get(part)
        return str(table.get("name", "")) if isinstance(table, Mapping) else ""


def _budget(table: object, path: KeyPath) -> tuple[Budget | None, list[Fault]]:
    return validated(Budget, table, path)


def _constraints(table: object, path: KeyPath) -> tuple[Constraints | None, list[Fault]]:
    return validated(Constraints, table, path)


def _confirmation(table: object, path: KeyPath) -> tuple[ConfirmationSettings | None, list[Fault]]:
    return validated(ConfirmationSettings, table, path)


def _tolerant(parse: Callable[[object, KeyPath], tuple[Any, list[Fault]]], table: object) -> Any:
    """What `parse` makes of a table without the keys that it refuses; None if it refuses all or the name."""
    while isinstance(table, Mapping):
        parsed, faults = parse(dict(table), ("plan",))
        if parsed is not None:
            return parsed
        refused = {fault.path[1] for fault in faults if len(fault.path) > 1}
        if "name" in refused or not refused & table.keys():
            return None
        table = {key: value for key, value in table.items() if key not in refused}
    return None
