"""What a search may change: the [space] table, checked against the recipe whose fields it names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic_core import CoreSchema, core_schema

from search.plan.fault import Fault, KeyPath, meant, rule, shown, validated
from search.plan.setting import ChoiceSetting, FloatSetting, IntSetting, Setting, encode, parse_setting, same

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import Trial


class Outside(ValueError):
    """A recipe has a value that the space cannot draw. name: of the setting; value: the recipe's."""

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(f"{name} {shown(value)} lies outside of the space")
        self.name = name
        self.value = value


@dataclass(frozen=True)
class Space:
    """The settings a sampler may choose, by the recipe field each one fills.

    A setting with `when` is asked only when every setting it names was asked and has one of the
    values it lists. Two spaces with the same settings ask in the same order, whatever the order
    in their files.
    """

    settings: Mapping[str, Setting]

    @classmethod
    def parse(cls, table: object, path: KeyPath = ("space",)) -> tuple[Space, list[Fault]]:
        """The space written as `table`, and every fault in it; with faults, only `check` may be used.

        A `when` that names no setting of the space is left for `check`, which knows the recipe.
        """
        if not isinstance(table, dict):
            return cls({}), [Fault(path, f"must be a table, but got {shown(table)}")]
        settings: dict[str, Setting] = {}
        faults: list[Fault] = []
        for name, entry in table.items():
            setting, found = parse_setting(entry, (*path, name))
            faults += found
            if setting is not None:
                settings[name] = setting
        space = cls(settings)
        found = space._cycle(path) or space._impossible_conditions(path)
        return space, faults + found

    @property
    def names(self) -> tuple[str, ...]:
        """The settings' names, in the order of the file."""
        return tuple(self.settings)

    @property
    def conditional(self) -> bool:
        """Whether some setting is asked only sometimes."""
        return any(setting.when for setting in self.settings.values())

    @property
    def always(self) -> tuple[str, ...]:
        """The names of the settings that every trial is asked, in the order of the file."""
        return tuple(name for name, setting in self.settings.items() if not setting.when)

    def suggest(self, trial: Trial) -> dict[str, Any]:
        """Draw a value for every setting that applies; those that do not are not in the answer."""
        chosen: dict[str, Any] = {}
        for name in self._order():
            setting = self.settings[name]
            if _holds(setting.when, chosen):
                chosen[name] = setting.suggest(trial, name)
        return {name: chosen[name] for name in self.settings if name in chosen}

    def params_of(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """A recipe (its fields as plain values) as if this space had drawn it, as Optuna holds it.
        Raises Outside where it never could have: a value lies beyond, or is missing."""
        chosen: dict[str, Any] = {}
        for name in self._order():
            setting = self.settings[name]
            if _holds(setting.when, chosen):
                if name not in recipe or not setting.holds(recipe[name]):
                    raise Outside(name, recipe.get(name))
                chosen[name] = setting.decode(encode(recipe[name]))
        return {name: encode(chosen[name]) for name in self.settings if name in chosen}

    def distributions(self) -> dict[str, BaseDistribution]:
        """Every setting as Optuna knows it, asked always or not."""
        return {name: setting.distribution() for name, setting in self.settings.items()}

    def grid(self, points: int) -> dict[str, list[Any]]:
        """The values of each setting on a grid, as Optuna holds them: all choices, all whole
        numbers or steps when there are at most `points` (>= 2), else `points` from low to high."""
        return {name: setting.grid(points) for name, setting in self.settings.items()}

    def to_table(self) -> dict[str, Any]:
        """As the plan writes it; `Space.parse` reads it back."""
        return {name: setting.to_table() for name, setting in self.settings.items()}

    def given(self, fixed: Mapping[str, Any]) -> Space:
        """The space with every condition on a field outside it decided by that field's value.

        A setting whose condition fails is gone, and so are those that depend on it.
        """
        kept: dict[str, Setting] = {}
        for name in self._order():
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
        """Every way in which this space does not fit the recipe. `base`: the [recipe] table."""
        faults = []
        contexts = self._contexts(recipe_type, base)
        for name, setting in self.settings.items():
            if name not in recipe_type.model_fields:
                near = meant(name, recipe_type.model_fields)
                faults.append(Fault((*path, name), f"no such setting of a recipe{near}"))
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
                    where = (*path, name, "when", parent)
                    faults += _unreachable(recipe_type, base, parent, values, where)
        return faults

    def _order(self) -> list[str]:
        # By name, parents first: the order of the file must not change what is drawn.
        parents = {
            name: sorted(parent for parent in self.settings[name].when if parent in self.settings)
            for name in sorted(self.settings)
        }
        return list(TopologicalSorter(parents).static_order())

    def _cycle(self, path: KeyPath) -> list[Fault]:
        try:
            self._order()
        except CycleError as error:
            circle = " -> ".join(reversed(error.args[1]))
            return [
                Fault((*path, error.args[1][0], "when"), f"must not lead back to itself, but does: {circle}")
            ]
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
            if not own and (torn := self._contradiction(name)) is not None:
                own = [
                    Fault(
                        (*path, name, "when"), f"can never hold: it asks {torn} for different values at once"
                    )
                ]
            faults += own
        return faults

    def _contradiction(self, name: str) -> str | None:
        """The setting that `name` and those it depends on want at values that exclude each other."""
        wanted: dict[str, list[Any]] = {}
        waiting = [name]
        while waiting:
            setting = self.settings[waiting.pop()]
            for parent, values in setting.when.items():
                allowed = [
                    one for one in wanted.get(parent, values) if any(same(one, value) for value in values)
                ]
                if not allowed:
                    return parent
                wanted[parent] = allowed
                if parent in self.settings:
                    waiting.append(parent)
        return None

    def _contexts(self, recipe_type: type[BaseModel], base: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Recipes into which a value is put to see whether it can be accepted at all: a rule
        between two fields may refuse it beside the other's default and not beside a draw."""
        known = recipe_type.model_fields
        probes = {name: setting.probes() for name, setting in self.settings.items() if name in known}
        # What is wrong with the recipe itself is told elsewhere, and must not hide what is here.
        broken = {fault.path[0] for fault in validated(recipe_type, base, ())[1] if fault.path}
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
    """How many points a grid has."""
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
    """The values of a setting that its recipe's field cannot take."""
    numbers = _numbers(recipe_type.model_fields[name].annotation)
    if isinstance(setting, IntSetting) and numbers == {float}:
        asked = f"low = {float(setting.low)}, high = {float(setting.high)}"
        return [Fault(path, f"takes any number, but only whole ones would be tried; write {asked}")]
    if isinstance(setting, FloatSetting) and numbers == {int}:
        asked = f"low = {math.ceil(setting.low)}, high = {math.floor(setting.high)}"
        return [Fault(path, f"takes whole numbers, but others would be tried; write {asked}")]
    faults: list[Fault] = []
    for index, value in enumerate(setting.probes()):
        if index == 2 and faults and not isinstance(setting, ChoiceSetting):
            break  # an end of the range is refused; what lies inside adds nothing
        refusals = [_refusal(recipe_type, {**context, name: value}, name) for context in contexts]
        told = [refusal for refusal in refusals if refusal != ""]
        if told and all(told):
            faults.append(Fault(path, str(told[0])))
    return faults


def _unreachable(
    recipe_type: type[BaseModel], base: Mapping[str, Any], parent: str, values: list[Any], path: KeyPath
) -> list[Fault]:
    """The values of a condition that a field outside the space could never have."""
    if parent not in recipe_type.model_fields:
        return [Fault(path, f"no such setting of a recipe{meant(parent, recipe_type.model_fields)}")]
    refusals = (_refusal(recipe_type, {**base, parent: value}, parent) for value in values)
    return [Fault(path, refusal) for refusal in refusals if refusal]


def _refusal(recipe_type: type[BaseModel], values: Mapping[str, Any], name: str) -> str | None:
    """Why the recipe does not take `values[name]`; None when it does; "" when another field's value
    kept it from looking."""
    value = values[name]
    try:
        held = recipe_type.model_validate(values).model_dump(mode="json").get(name, value)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            if not one["loc"]:
                text, written = rule(one), shown(value)
                return text if written in text else f"{text}, when it is {written}"
            if one["loc"][0] == name:
                return rule(one)
        return ""
    except Exception as error:  # a recipe's own checks are somebody else's code
        return f"the recipe's own check failed on {shown(value)}: {type(error).__name__}: {error}"
    if not same(held, value):
        # A text "0.1" would train as 0.1, and be recorded and compared as a text.
        return f"must be written as the recipe holds it, {shown(held)}, but got {shown(value)}"
    return None


def _numbers(annotation: Any) -> set[type]:
    """Which kinds of numbers an annotation names: of `float | None`, {float}."""
    if isinstance(annotation, type):
        return {annotation} & {int, float}
    return set(itertools.chain.from_iterable(_numbers(part) for part in get_args(annotation)))
