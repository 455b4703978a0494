"""`benchsweep schema`: prints or writes the JSON Schema of plans, or of a report's files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from trainable.storage.durable import write_json


def write_schema(of: str, output: Path | None) -> None:
    """of: "plan", "results" or "leaderboard". output: the file to write; None prints it."""
    schema = _schema(of)
    if output is None:
        typer.echo(json.dumps(schema, indent=2, ensure_ascii=False))
    else:
        write_json(output, schema)
        typer.echo(f"written: {output}")


def _schema(of: str) -> dict[str, Any]:
    # Only what is asked for is imported: a plan's schema needs no pandas, a report's no plan.
    if of == "plan":
        from search.plan.plan import json_schema

        return json_schema()
    from reports.exports.results_json_schema import leaderboard_schema, results_json_schema

    return results_json_schema() if of == "results" else leaderboard_schema()
