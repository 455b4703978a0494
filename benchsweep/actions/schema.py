"""`benchsweep schema`: prints or writes the JSON Schema of plan files."""

from __future__ import annotations

import json
from pathlib import Path

import typer

from search.plan.plan import json_schema
from trainable.storage.durable import write_json


def write_schema(output: Path | None) -> None:
    """output: the file to write; None prints it."""
    if output is None:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    else:
        write_json(output, json_schema())
        typer.echo(f"written: {output}")
