"""The [space] table: the hyperparameters to search, checked against the recipe whose fields they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from search.plan.fault import Fault, KeyPath, capped, hint_clause, rule, shown, validated_record
from search.plan.recorded import unfit
from search.plan.setting import (
    ChoiceSetting,
    FloatSetting,
    IntSetting,
    Setting,
    encode,
    identity,
    parse_setting,
    same,
)
from trainable.record import NotRecordable, from_record, to_record

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


class NotInSpace(ValueError):
    """A recipe has a value that the space cannot suggest."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(f"{name} must be in the space, but is {shown(value)}")
        self.name = name
        """Name of the hyperparameter."""
        self.value = value
        """Its value in the recipe; None if it is missing."""


@dataclass(frozen=True)
class Space:
    """The hyperparameters to search.

    One with a condition (`when`) is suggested only if every hyperparameter named there was suggested and has
    one of the values listed. The order of the suggestions does not depend on the order in the file.
    """

    settings: Mapping[str, Setting]
    """The hyperparameters by the name of the recipe's field."""

    @classmethod
    def parse(cls, table: object, path: KeyPath = ("space",)) -> tuple[Space, list[Fault]]:
        """The space of a table, and all its faults; with faults, only `check` may be used.

        A condition on something outside of the space is left to `check`, which knows the recipe.
        """
        if not isinstance(table, dict):
            return cls({}), [Fault(path, f"must be a table, but got {shown(table)}")]
        settings: dict[str, Setting] = {}
        faults: list[Fault] = []
        for name, entry in table.items():
            setting, own = parse_setting(entry, (*path, name))
            faults += own
            if setting is not None:
                settings[name] = setting
        space = cls(settings)
        return space, faults + (space._cycle(path) or space._impossible_conditions(path))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters, in the order of the file."""
        return tuple(self.settings)

    @property
    def conditional(self) -> bool:
        """Whether any hyperparameter has a condition."""
        return any(setting.when for setting in self.settings.values())

    @property
    def always(self) -> tuple[str, ...]:
        """Names of the hyperparameters without a condition, in the order of the file."""
        return tuple(name for name, setting in self.settings.items() if not setting.when)

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Suggest a value for every hyperparameter whose condition holds."""
        return self._chosen(lambda name, setting: setting.suggest(trial, name))

    def decode(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """The values of `suggest` for parameters as Optuna stores them, which may include those of
        hyperparameters whose condition fails."""
        return self._chosen(lambda name, setting: setting.decode(params[name]))

    def params_of(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """The parameters of an Optuna trial with this recipe (its fields as plain values).

        Raises NotInSpace if this space cannot suggest the recipe: a value is out of range, or missing.
        """

        def recorded(name: str, setting: Setting) -> Any:
            if name not in recipe or not setting.holds(recipe[name]):
                raise NotInSpace(name, recipe.get(name))
            return setting.decode(encode(recipe[name]))

        return {name: encode(value) for name, value in self._chosen(recorded).items()}

    def _chosen(self, value_of: Callable[[str, Setting], Any]) -> dict[str, Any]:
        """A value for every hyperparameter whose condition holds, in the order of the file."""
        chosen: dict[str, Any] = {}
        for name in self.order:
            setting = self.settings[name]
            if _holds(setting.when, chosen):
                chosen[name] = value_of(name, setting)
        return {name: chosen[name] for name in self.settings if name in chosen}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Optuna's distributions of all hyperparameters, conditional or not."""
        return {name: setting.distribution() for name, setting in self.settings.items()}

    def grid(self, points: int) -> dict[str, list[Any]]:
        """The values of each hyperparameter on a grid, as Optuna stores them.

        All choices, and all integers or steps of a range if there are at most `points` (>= 2), otherwise
        `points` values from low to high.
        """
        return {name: setting.grid(points) for name, setting in self.settings.items()}

    def to_table(self) -> dict[str, Any]:
        """The table as the plan writes it; the inverse of `parse`."""
        return {name: setting.to_table() for name, setting in self.settings.items()}

    def given(self, fixed: Mapping[str, Any]) -> Space:
        """The space after evaluating the conditions on fields outside of it. fixed: values of these fields.

        A hyperparameter whose condition fails is left out, and so are those that depend on it.
        """
        kept: dict[str, Setting] = {}
        for name in self.order:
            setting = self.settings[name]
            outside = {
                parent: values for parent, values in setting.when.items() if parent not in self.settings
            }
            inside = {parent: values for parent, values in setting.when.items() if parent in self.settings}
            if _holds(outside, fixed) and inside.keys() <= kept.keys():
                kept[name] = setting.model_copy(update={"when": inside}) if outside else setting
        return Space({name: kept[name] for name in self.settings if name in kept})

    def check(
        self, recipe_type: type[BaseModel], base: Mapping[str, Any], path: KeyPath = ("space",)
    ) -> list[Fault]:
        """All faults of this space with this type of recipe. base: the [recipe] table."""
        faults = []
        contexts = self._contexts(recipe_type, base)
        for name, setting in self.settings.items():
            if name not in recipe_type.model_fields:
                near = hint_clause(name, recipe_type.model_fields)
                faults.append(Fault((*path, name), f"no such hyperparameter{near}"))
            elif name in base:
                faults.append(
                    Fault(
                        (*path, name),
                        f"must be either searched or fixed, but [recipe] fixes it to {shown(base[name])}",
                    )
                )
            else:
                faults += _refused(recipe_type, contexts, name, setting, (*path, name))
            for parent, values in setting.when.items():
                if parent not in self.settings:
                    condition = (*path, name, "when", parent)
                    faults += _unreachable(recipe_type, base, parent, values, condition)
        return faults

    @property
    def order(self) -> list[str]:
        """Names in the order of suggestion: sorted, parents first, whatever the order in the file."""
        parents = {
            name: sorted(parent for parent in self.settings[name].when if parent in self.settings)
            for name in sorted(self.settings)
        }
        return list(TopologicalSorter(parents).static_order())

    def _cycle(self, path: KeyPath) -> list[Fault]:
        try:
            _ = self.order
        except CycleError as error:
            cycle = " -> ".join(reversed(error.args[1]))
            return [Fault((*path, error.args[1][0], "when"), f"must not form a cycle, but got {cycle}")]
        return []

    def _impossible_conditions(self, path: KeyPath) -> list[Fault]:
        faults = []
        for name, setting in self.settings.items():
            own = [
                Fault(
                    (*path, name, "when", parent),
                    f"must be a value that {parent} can take, but got {shown(value)}",
                )
                for parent, values in setting.when.items()
                if parent in self.settings
                for value in values
                if not self.settings[parent].takes(value)
            ]
            if not own and (parent := self._contradiction(name)) is not None:
                rule = f"must be satisfiable, but requires different values of {parent} at once"
                own = [Fault((*path, name, "when"), rule)]
            faults += own
        return faults

    def _contradiction(self, name: str) -> str | None:
        """The hyperparameter of which `name` and its parents require different values; None if there is
        none."""
        required: dict[str, set[object]] = {}
        queue, queued = [name], {name}
        while queue:
            setting = self.settings[queue.pop()]
            for parent, values in setting.when.items():
                allowed = set(map(identity, values))
                required[parent] = required.get(parent, allowed) & allowed
                if not required[parent]:
                    return parent
                if parent in self.settings and parent not in queued:
                    queue.append(parent)
                    queued.add(parent)
        return None

    def _contexts(self, recipe_type: type[BaseModel], base: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Recipes in which to check whether a value is accepted: a rule between two fields may reject it with
        the other field's default, but not with a suggested value."""
        known = recipe_type.model_fields
        probes = {name: setting.probes() for name, setting in self.settings.items() if name in known}
        # Faults of [recipe] are reported by its own check, and must not hide those of the space.
        broken = {fault.path[0] for fault in validated_record(recipe_type, base, ())[1] if fault.path}
        base = {name: value for name, value in base.items() if name not in broken}
        return [
            dict(base),
            {**base, **{name: values[0] for name, values in probes.items()}},
            {**base, **{name: values[min(1, len(values) - 1)] for name, values in probes.items()}},
        ]

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def read(value: object) -> Space:
            if isinstance(value, Space):
                return value
            space, faults = cls.parse(value)
            if faults:
                raise ValueError("; ".join(fault.sentence("").strip() for fault in faults))
            return space

        return core_schema.no_info_plain_validator_function(
            read, serialization=core_schema.plain_serializer_function_ser_schema(cls.to_table)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(TypeAdapter(dict[str, Setting]).core_schema)


def grid_points(grid: Mapping[str, list[Any]]) -> int:
    """Number of points of a grid."""
    return math.prod(len(values) for values in grid.values())


def _holds(when: Mapping[str, list[Any]], chosen: Mapping[str, Any]) -> bool:
    return all(
        parent in chosen and any(same(chosen[parent], value) for value in values)
        for parent, values in when.items()
    )


def _refused(
    recipe_type: type[BaseModel],
    contexts: list[dict[str, Any]],
    name: str,
    setting: Setting,
    path: KeyPath,
) -> list[Fault]:
    """Faults of a hyperparameter whose values the recipe's field does not accept."""
    numbers = _numbers(recipe_type.model_fields[name].annotation)
    if isinstance(setting, IntSetting) and numbers == {float}:
        floats = f"low = {float(setting.low)}, high = {float(setting.high)}"
        return [Fault(path, f"accepts any number, but this range has only integers; write {floats}")]
    if isinstance(setting, FloatSetting) and numbers == {int}:
        integers = f"low = {math.ceil(setting.low)}, high = {math.floor(setting.high)}"
        return [Fault(path, f"accepts only integers, but this range has other numbers; write {integers}")]
    probes = setting.probes()
    refusals = (_refused_value(recipe_type, contexts, name, value) for value in probes)
    if isinstance(setting, ChoiceSetting):
        return capped((Fault(path, refusal) for refusal in refusals if refusal is not None), path)
    ends = [Fault(path, refusal) for refusal in islice(refusals, 2) if refusal is not None]
    # If an end of the range is rejected, a fault of a value inside adds nothing.
    return ends or [Fault(path, refusal) for refusal in refusals if refusal is not None]


def _refused_value(
    recipe_type: type[BaseModel], contexts: list[dict[str, Any]], name: str, value: Any
) -> str | None:
    """Why the recipe rejects this value of a hyperparameter in each context; None if it accepts it in one."""
    answers = []
    for context in contexts:
        refusal = _refusal(recipe_type, {**context, name: value}, name)
        if refusal is None:
            return None
        answers += [refusal] if refusal else []
    return answers[0] if answers else None


def _unreachable(
    recipe_type: type[BaseModel], base: Mapping[str, Any], parent: str, values: list[Any], path: KeyPath
) -> list[Fault]:
    """Faults of a condition on a field outside of the space: values that the field cannot have."""
    if parent not in recipe_type.model_fields:
        return [Fault(path, f"no such hyperparameter{hint_clause(parent, recipe_type.model_fields)}")]
    refusals = (_refusal(recipe_type, {**base, parent: value}, parent) for value in values)
    return [Fault(path, refusal) for refusal in refusals if refusal]


def _refusal(recipe_type: type[BaseModel], values: Mapping[str, Any], name: str) -> str | None:
    """Why the recipe rejects `values[name]`; None if it accepts it, "" if another field's fault hides
    that."""
    value = values[name]
    try:
        stored = to_record(from_record(recipe_type, values)).get(name, value)
    except ValidationError as error:
        for entry in error.errors(include_url=False):
            if not entry["loc"]:
                text, written = rule(entry), shown(value)
                return text if written in text else f"{text}, if it is {written}"
            if entry["loc"][0] == name:
                return rule(entry)
        return ""
    except NotRecordable as error:
        return error.rule if error.field == name else ""
    except Exception as error:  # a recipe may be the user's own, and its checks may raise anything
        return f"the recipe's own check failed with {shown(value)}: {type(error).__name__}: {error}"
    if not same(stored, value):
        # The string "0.1" would be trained as 0.1, but recorded and compared as a string.
        return f"must be written as the recipe stores it, {shown(stored)}, but got {shown(value)}"
    return unfit(name, stored)


def _numbers(annotation: Any) -> set[type]:
    """The types of numbers in an annotation, such as {float} for `float | None`."""
    if isinstance(annotation, type):
        return {annotation} & {int, float}
    return set(itertools.chain.from_iterable(_numbers(part) for part in get_args(annotation)))
