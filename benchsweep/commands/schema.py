"""`benchsweep schema`: the JSON Schema of plan files, for editors, and of a report's files, for scripts."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class SchemaName(StrEnum):
    """What has a schema."""

    plan = "plan"
    results = "results"
    leaderboard = "leaderboard"


def schema(
    of: Annotated[
        SchemaName,
        typer.Argument(
            metavar="[WHAT]",
            help="plan: plan files. results: results.json. leaderboard: a row of leaderboard.csv.",
        ),
    ] = SchemaName.plan,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write to this file.", show_default=False),
    ] = None,
) -> None:
    """Print the JSON Schema of plans, or of results.

    With a plan's schema an editor completes and checks plans. The others describe each key of results.json
    and each column of leaderboard.csv.
    """
    from benchsweep.actions.schema import write_schema

    write_schema(of, output)
