"""Faults in a plan: where each one is, and which rule the value breaks. Translates pydantic's errors."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar, get_args

from pydantic import AliasChoices, AliasPath, BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from search.plan.other_names import called, meant
from trainable.record import from_record

KeyPath = tuple[str, ...]
_NOT_WHOLE = ("int_type", "int_parsing", "int_from_float")

M = TypeVar("M", bound=BaseModel)

MOST_FAULTS = 50
"""Maximum number of faults that one table, or one hyperparameter, is shown with."""

_MOST_HINTS = 100
_UNPRINTED = 10**80
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)

_NOT_A_TABLE = ("dict_type", "model_type", "model_attributes_type")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to change in a plan."""

    path: KeyPath
    """Keys that lead to the faulty value, outermost first; empty if the fault concerns the file itself."""
    rule: str
    """The rule and the value that breaks it."""
    origin: str | None = None
    """Where the value was written, such as `--set budget.trials=x`; None if it was in the file."""

    def sentence(self, origin: str, tables: Collection[str] = ()) -> str:
        """The fault and where it is, such as `configs/laptop.toml [space] droput: no such …`.

        origin: the file. tables: keys of a plan that hold tables.
        """
        key = dotted(self.path)
        if len(self.path) > 1 or (self.path and self.path[0] in tables):
            key = f"[{dotted(self.path[:1])}] {dotted(self.path[1:])}"
        return f"{self.origin or origin} {key}".rstrip() + f": {self.rule}"


def dotted(path: Iterable[str]) -> str:
    """The keys as TOML writes them: those that are not letters, digits, dashes and underscores in quotes."""
    return ".".join(key if _BARE.fullmatch(key) else shown(key) for key in map(cut, path))


def cut(text: str) -> str:
    """The text, of which only the first 77 characters are shown if it has more than 80."""
    return text if len(text) <= 80 else text[:77] + "..."


def shown(value: object) -> str:
    """The value as TOML writes it, cut at 80 characters."""
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return cut(json.dumps(value[:81], ensure_ascii=False))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _UNPRINTED:
        return "a whole number of more than 80 digits"
    text = ""
    try:
        for part in _ENCODER.iterencode(value):
            text += part
            if len(text) > 80:
                break
    except (ValueError, RecursionError):  # an integer with more digits than Python prints, or a deep list
        text += "..."
    return cut(text)


def hint_clause(name: str, known: Iterable[str]) -> str:
    """The same as `hint`, after a semicolon; empty without known names."""
    advice = hint(name, known)
    return "" if advice is None else f"; {advice}"


def hint(name: str, known: Iterable[str]) -> str | None:
    """`did you mean dropout?` if a known name is similar, else `there are a, b, c`; None without names."""
    names = list(known)
    # difflib takes quadratic time, and a long list helps nobody.
    near = difflib.get_close_matches(name, names[:_MOST_HINTS], n=1, cutoff=0.6) if len(name) <= 80 else []
    if near:
        return f"did you mean {cut(near[0])}?"
    others = ", ..." if len(names) > _MOST_HINTS else ""
    return f"there are {', '.join(map(cut, names[:_MOST_HINTS]))}{others}" if names else None


def unknown(
    table: Mapping[str, Any], model: type[BaseModel], path: KeyPath, what: str = "key"
) -> list[Fault]:
    """A fault for every key of `table` that no field of the model has as its name. what: the kind of key, for
    the message."""
    keys = (key for key in table if key not in model.model_fields)
    return capped((Fault((*path, key), _unknown_rule(key, model, what)) for key in keys), path)


def capped(faults: Iterable[Fault], path: KeyPath) -> list[Fault]:
    """The first of the faults at `path`, and one for all others."""
    first = list(islice(faults, MOST_FAULTS + 1))
    if len(first) > MOST_FAULTS:
        first[MOST_FAULTS] = Fault(path, f"has more than {MOST_FAULTS} faults, and the others are not shown")
    return first


def _unknown_rule(key: str, model: type[BaseModel], what: str) -> str:
    for name, field in model.model_fields.items():
        if key in _aliases(field):
            return f"must be called {name}, the name of its field, of which {key} is an alias"
    return f"no such {what}{hint_clause(key, model.model_fields)}"


def _aliases(field: FieldInfo) -> list[object]:
    validation = field.validation_alias
    choices = validation.choices if isinstance(validation, AliasChoices) else [validation]
    paths = [choice.path[0] if isinstance(choice, AliasPath) else choice for choice in choices]
    return [field.alias, field.serialization_alias, *paths]


def rule(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as rule and value: `must be less than 1, but got 1.2`."""
    if error["type"] == "missing":
        return "must be given"
    if error["type"] in ("value_error", "assertion_error"):
        return str(error["ctx"]["error"]) or str(error["msg"])
    if error["type"] in _NOT_WHOLE:
        return f"must be a whole number, but got {shown(error['input'])}"
    text = re.sub(r"^\w+ should ", "must ", str(error["msg"])).replace("a valid dictionary", "a table")
    text = text.replace("an object", "a table").replace("a valid array", "a valid list")
    return f"{text}, but got {shown(error['input'])}"


def validated(
    model: type[M], table: object, path: KeyPath, what: str = "key"
) -> tuple[M | None, list[Fault]]:
    """`table` as a `model`, or None and all its faults. what: the kind of its keys, for the message."""
    return _validated(model, model.model_validate, table, path, what)


def validated_record(
    model: type[M], table: object, path: KeyPath, what: str = "key"
) -> tuple[M | None, list[Fault]]:
    """The same for a recipe or a source, of which `table` is a record."""
    return _validated(model, lambda values: from_record(model, values), table, path, what)


def _validated(
    model: type[M], parse: Callable[[dict[str, Any]], M], table: object, path: KeyPath, what: str
) -> tuple[M | None, list[Fault]]:
    if not isinstance(table, Mapping):
        return None, [Fault(path, f"must be a table, but got {shown(table)}")]
    try:
        return parse(dict(table)), []
    except ValidationError as error:
        return None, _faults(error, [model], path, what)
    except Exception as error:  # a model may be the user's own, and its checks may raise anything
        return None, [Fault(path, f"its own check failed: {type(error).__name__}: {error}")]


def validated_by_name(
    adapter: TypeAdapter[Any], models: Sequence[type[BaseModel]], table: object, path: KeyPath
) -> tuple[Any, list[Fault]]:
    """`table` as one of `models`, which its key `name` selects, or None and all its faults.

    adapter: of the union of these models.
    """
    try:
        return adapter.validate_python(dict(table) if isinstance(table, Mapping) else table), []
    except ValidationError as error:
        return None, _faults(error, models, path, path[-1])


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """The pydantic models that an annotation names: the members of a union, or the one model."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def by_name(models: Iterable[type[BaseModel]]) -> dict[str, type[BaseModel]]:
    """The models that have a key `name`, by its value."""
    return {model.model_fields["name"].default: model for model in models if "name" in model.model_fields}


def _faults(
    error: ValidationError, models: Sequence[type[BaseModel]], path: KeyPath, what: str
) -> list[Fault]:
    entries = error.errors(include_url=False)
    return capped((_fault(entry, models, path, what) for entry in entries), path)


def _fault(error: Any, models: Sequence[type[BaseModel]], path: KeyPath, what: str) -> Fault:
    """models: those that the value at `path` may be. what: the kind of its keys, or of these models."""
    *parents, last = error["loc"] or ("",)
    keys, parent = _walk(parents, models)
    if error["type"] == "extra_forbidden":
        owner = parent[0] if len(parent) == 1 else BaseModel
        if name := next(iter(by_name(parent)), None):
            what = f"setting of {name}"
        elif keys:
            what = "key"
        return Fault((*path, *keys, str(last)), _unknown_rule(str(last), owner, what))
    keys, possible = _walk(error["loc"], models)
    names = by_name(possible)
    if error["type"] == "union_tag_not_found":
        return Fault((*path, *keys, "name"), f"must be given; there are {', '.join(names)}")
    if error["type"] == "union_tag_invalid":
        name = error["input"]["name"]
        kind = path[0] if keys else what
        return Fault((*path, *keys, "name"), f"no such {kind}: {shown(name)}; {called(str(name), names)}")
    if error["type"] in _NOT_A_TABLE and names:
        got, example, advice = error["input"], next(iter(names)), ""
        if isinstance(got, str):
            example = meant(got, names) or example
            advice = "" if got in names else f"; {called(got, names)}"
        rule_and_value = f'must be a table such as {{ name = "{example}" }}, but got {shown(got)}'
        return Fault((*path, *keys), rule_and_value + advice)
    if error["type"] in _NOT_A_TABLE and possible:
        return Fault((*path, *keys), f"must be a table, but got {shown(error['input'])}")
    return Fault((*path, *keys), rule(error))


def _walk(
    location: Sequence[str | int], models: Sequence[type[BaseModel]]
) -> tuple[KeyPath, Sequence[type[BaseModel]]]:
    """The keys of a location in pydantic's error, and the models that the value there may be.

    pydantic's location also contains the name of each union's member, which is not a key of the table.
    """
    keys: list[str] = []
    for part in location:
        names = by_name(models)
        if len(models) > 1 and part in names:
            models = [names[str(part)]]
            continue
        keys.append(str(part))
        fields = models[0].model_fields if len(models) == 1 else {}
        if isinstance(part, str):  # the item of a list is what the list's annotation names
            models = models_in(fields[part].annotation) if part in fields else []
    return tuple(keys), models
