"""A fault in a plan: where it stands, which rule it breaks, and with what value."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

KeyPath = tuple[str, ...]
TABLES = ("budget", "data", "recipe", "space", "sampler", "pruner", "resources", "cluster")
M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to change in a plan.

    path: the keys that lead to it, outermost first; empty when it concerns the whole file.
    rule: a sentence of the rule and of the value that breaks it.
    origin: what the user wrote it in, where that is not the file itself.
    """

    path: KeyPath
    rule: str
    origin: str | None = None

    def sentence(self, origin: str) -> str:
        """`configs/laptop.toml [space] droput: no such setting …`."""
        place = ".".join(self.path)
        if self.path and (len(self.path) > 1 or self.path[0] in TABLES):
            place = f"[{self.path[0]}] {'.'.join(self.path[1:])}"
        return f"{self.origin or origin} {place}".rstrip() + f": {self.rule}"


def shown(value: object) -> str:
    """The value as TOML would write it, cut at 80 characters."""
    if isinstance(value, float):
        text = repr(value) if math.isfinite(value) else str(value)
    else:
        try:
            text = json.dumps(value, ensure_ascii=False)
        except (TypeError, ValueError):  # a date, or a whole number of more digits than Python prints
            text = type(value).__name__ if isinstance(value, int) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."


def meant(name: str, known: Iterable[str]) -> str:
    """The same as `hint`, after a semicolon; nothing where nothing is known."""
    advice = hint(name, known)
    return "" if advice is None else f"; {advice}"


def hint(name: str, known: Iterable[str]) -> str | None:
    """`did you mean dropout?` if a known name is similar, else `there are a, b, c`; None without names."""
    names = list(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"did you mean {near[0]}?"
    return f"there are {', '.join(names)}" if names else None


def unknown(table: Mapping[str, Any], known: Sequence[str], path: KeyPath, what: str) -> list[Fault]:
    """A fault for every key of `table` that is not `known`; `what` is what the known ones are."""
    return [Fault((*path, key), f"no such {what}{meant(key, known)}") for key in table if key not in known]


def rule(error: Mapping[str, Any]) -> str:
    """One of pydantic's errors as rule and value: `must be less than 1, but got 1.2`."""
    if error["type"] == "missing":
        return "must be given"
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    text = re.sub(r"^\w+ should ", "must ", str(error["msg"])).replace("a valid dictionary", "a table")
    return f"{text}, but got {shown(error['input'])}"


def validated(
    model: type[M], table: object, path: KeyPath, what: str = "setting"
) -> tuple[M | None, list[Fault]]:
    """`table` as a `model`, or every fault that keeps it from being one.

    A model that is somebody else's may raise anything in its own checks: that is a fault too.
    """
    if not isinstance(table, Mapping):
        return None, [Fault(path, f"must be a table, but got {shown(table)}")]
    try:
        return model.model_validate(dict(table)), []
    except ValidationError as error:
        return None, [
            _fault(one, path, tuple(model.model_fields), what) for one in error.errors(include_url=False)
        ]
    except Exception as error:
        return None, [Fault(path, f"its own check failed: {type(error).__name__}: {error}")]


def _fault(error: Mapping[str, Any], path: KeyPath, known: Sequence[str], what: str) -> Fault:
    keys = tuple(str(key) for key in error["loc"])
    if error["type"] == "extra_forbidden" and len(keys) == 1:
        return Fault((*path, *keys), f"no such {what}{meant(keys[0], known)}")
    return Fault((*path, *keys), rule(error))


def chosen(
    kinds: Mapping[str, type[M]], table: object, path: KeyPath, default: M | None
) -> tuple[M | None, list[Fault]]:
    """The kind that the table's `name` names, validated; `default` for an empty table."""
    if not isinstance(table, Mapping):
        example = f'{{ name = "{next(iter(kinds))}" }}'
        return None, [Fault(path, f"must be a table such as {example}, but got {shown(table)}")]
    if not table and default is not None:
        return default, []
    name = table.get("name")
    if name is None:
        return None, [Fault((*path, "name"), f"must be given; there are {', '.join(kinds)}")]
    if not isinstance(name, str) or name not in kinds:
        return None, [Fault((*path, "name"), f"no such {path[-1]}: {shown(name)}{meant(str(name), kinds)}")]
    return validated(kinds[name], table, path, f"setting of {name}")
