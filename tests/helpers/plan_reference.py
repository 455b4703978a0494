"""The tables of docs/plan.md, from the plan's JSON Schema; run as a script, this writes them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from search.plan.plan import json_schema

PAGE = Path(__file__).parents[2] / "docs" / "plan.md"
START, END = "<!-- reference: begin -->\n", "<!-- reference: end -->\n"


def reference() -> str:
    """One section per table of a plan, one row per key: its default and its description."""
    whole = json_schema()
    definitions = whole["$defs"]
    sections = [_section("The keys outside any table", _scalars(whole))]
    for name in ("metric", "budget", "constraints", "resources", "confirmation"):
        sections.append(_section(f"`[{name}]`", definitions[_target(whole["properties"][name])]))
    sections += [
        _section(f'`[sampler]` with `name = "{kind}"`', definition)
        for kind, definition in _kinds(whole, "sampler")
    ]
    sections += [
        _section(f'`[pruner]` with `name = "{kind}"`', definition)
        for kind, definition in _kinds(whole, "pruner")
    ]
    sections.append(_section("`[data]` of `trainable.mlp`", definitions["data"]))
    sections.append(_section("`[recipe]` of `trainable.mlp`", definitions["recipe"]))
    cluster = definitions[_target(whole["properties"]["cluster"])]
    sections.append(_section("`[cluster]`", cluster))
    for name in ("ssh", "aws", "kubernetes", "slurm"):
        sections.append(_section(f"`[cluster.{name}]`", definitions[_target(cluster["properties"][name])]))
    return "\n".join(sections)


def _scalars(whole: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("name", "trainable", "storage", "seed", "order", "window")
    return {"properties": {key: whole["properties"][key] for key in kept}}


def _kinds(whole: Mapping[str, Any], table: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    known, own = whole["properties"][table]["anyOf"]
    for name, reference in known["discriminator"]["mapping"].items():
        yield name, whole["$defs"][reference.rpartition("/")[2]]
    yield "mine:Mine", whole["$defs"][own["$ref"].rpartition("/")[2]]


def _target(declared: Mapping[str, Any]) -> str:
    options = [declared, *declared.get("allOf", ()), *declared.get("anyOf", ())]
    return next(str(option["$ref"]).rpartition("/")[2] for option in options if "$ref" in option)


def _section(title: str, definition: Mapping[str, Any]) -> str:
    summary = " ".join(definition.get("description", "").split())
    rows = [
        f"| `{key}` | {_default(declared)} | {_cell(declared)} |"
        for key, declared in definition["properties"].items()
        if not (key == "name" and "const" in declared)
    ]
    table = ["| key | default | |", "|---|---|---|", *rows] if rows else []
    return "\n".join([f"### {title}", "", *([summary, ""] if summary else []), *table, ""])


def _default(declared: Mapping[str, Any]) -> str:
    if "default" not in declared or isinstance(declared["default"], dict):
        return ""
    default = declared["default"]
    return "none" if default is None else f"`{json.dumps(default, ensure_ascii=False)}`"


def _cell(declared: Mapping[str, Any]) -> str:
    values = declared.get("enum", ())
    choices = " One of " + ", ".join(f"`{value}`" for value in values) + "." if values else ""
    return " ".join(declared.get("description", "").split()).replace("|", "\\|") + choices


if __name__ == "__main__":
    before, _, rest = PAGE.read_text().partition(START)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{START}\n{reference()}\n{END}{after}")
