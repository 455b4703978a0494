"""`benchsweep schema`: what a plan may say, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def schema(
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write to this file.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of plans, by which an editor completes and checks them."""
    from search.plan.plan import json_schema
    from trainable.storage.durable import write_json

    if output is None:
        typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
    else:
        write_json(output, json_schema())
        typer.echo(f"written: {output}")
