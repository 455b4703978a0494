"""The JSON Schema of results.json, and the columns of leaderboard.csv, for those who read the files."""

from __future__ import annotations

import ast
import inspect
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from reports.exports import results_schema

DIALECT = "https://json-schema.org/draft/2020-12/schema"

LEADERBOARD_COLUMNS = {
    "group": ("integer", "1 for the best tie group; a row is in our row's group if `against` is tied"),
    "rank": ("integer", "1 + the number of rows with a higher accuracy"),
    "model": ("string", "What the model is"),
    "kind": ("string", "The kind of the model"),
    "test_accuracy_percent": ("number", "0 to 100; in our row the mean over the winner's seeds"),
    "low": ("number", "0 to 100: lower end of our row's 95 % interval; empty in published rows"),
    "high": ("number", "0 to 100: upper end of our row's 95 % interval; empty in published rows"),
    "measured_here_percent": ("number", "0 to 100: the recipe measured with benchsweep; empty if it was not"),
    "measured_here": ("string", "That result with seeds, interval and plan; empty if it was not measured"),
    "parameters": ("integer", "Learned parameters; empty if unknown"),
    "augmentation": ("string", "How training images are distorted; none if they are not"),
    "ensemble": ("integer", "Number of networks that vote; empty if unknown"),
    "same_rules": ("boolean", "Whether it is one network, trained without augmentation"),
    "year": ("integer", "Of the publication; in our row, of the evaluation"),
    "source": ("string", "Where it was published"),
    "note": ("string", "Anything else a reader must know"),
    "ours": ("boolean", "Whether it is this run's winner"),
    "against": ("string", "How our winner compares with it: better, tied, worse; empty in our own row"),
}
"""(JSON type, meaning) of each column, by name, in the file's order. An empty cell is a missing value."""

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", NoneType: "null"}


def results_json_schema() -> dict[str, Any]:
    """The JSON Schema of results.json, with a description of each key. New keys may be added."""
    definitions: dict[str, Any] = {}
    root = _schema(results_schema.RunJson, definitions)
    title = f"results.json of benchsweep, schema {results_schema.SCHEMA}"
    return {"$schema": DIALECT, "title": title, **root, "$defs": dict(sorted(definitions.items()))}


def leaderboard_schema() -> dict[str, Any]:
    """The JSON Schema of a row of leaderboard.csv, its columns in the file's order."""
    columns = {
        name: {"type": [kind, "null"], "description": meaning}
        for name, (kind, meaning) in LEADERBOARD_COLUMNS.items()
    }
    return {
        "$schema": DIALECT,
        "title": "A row of leaderboard.csv of benchsweep",
        "type": "object",
        "properties": columns,
        "required": list(columns),
    }


def _schema(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return {}
    if is_typeddict(kind):
        return _reference(kind, definitions)
    if origin in (UnionType, Union):
        return {"anyOf": [_schema(part, definitions) for part in parts]}
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is list:
        return {"type": "array", "items": _schema(parts[0], definitions)}
    if origin is tuple:
        items = [_schema(part, definitions) for part in parts]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(parts[1], definitions)}
    return {"type": _PLAIN[kind]}


def _reference(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """A reference to the definition of an object, which is added if it is missing."""
    name = kind.__name__.removesuffix("Json")
    if name not in definitions:
        definitions[name] = {}  # an object may contain its own kind
        meanings = _meanings().get(kind.__name__, {})
        properties = {}
        for key, item in get_type_hints(kind).items():
            properties[key] = _schema(item, definitions)
            if key in meanings:
                properties[key]["description"] = meanings[key]
        definitions[name] |= {
            "type": "object",
            "properties": properties,
            "required": sorted(kind.__required_keys__),
        }
    return {"$ref": f"#/$defs/{name}"}


@cache
def _meanings() -> dict[str, dict[str, str]]:
    """The docstring under each key, by object and key."""
    meanings: dict[str, dict[str, str]] = {}
    for statement in ast.parse(inspect.getsource(results_schema)).body:
        if not isinstance(statement, ast.ClassDef):
            continue
        own = meanings.setdefault(statement.name, {})
        for field, text in zip(statement.body, statement.body[1:], strict=False):
            match field, text:
                case ast.AnnAssign(target=ast.Name(id=key)), ast.Expr(value=ast.Constant(value=str(meaning))):
                    own[key] = " ".join(meaning.split())
    return meanings
