"""`benchsweep schema`: the JSON Schema of plan files, for editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def schema(
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write to this file.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of plan files.

    With it an editor completes and checks plans.
    """
    from benchsweep.actions.schema import write_schema

    write_schema(output)
