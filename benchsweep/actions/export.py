"""`benchsweep export`: writes a model or a run in another format."""

from __future__ import annotations

from pathlib import Path

import typer

from benchsweep import terminal
from benchsweep.errors import UsageError
from benchsweep.find import run_folder
from benchsweep.formats.models import MODEL_FORMATS
from benchsweep.formats.runs import RUN_FORMATS
from benchsweep.formats.target import Exported, model_target, run_target
from benchsweep.saved_model import find_model
from trainable.contract import data_folder
from trainable.storage.durable import write_atomic, write_folder


def write_export(
    source: str, form: str, table: str, output: Path | None, data_dir: Path | None, runs: Path, json: bool
) -> None:
    """Writes the export and prints its path. Raises UsageError, and what the format's own code raises."""
    if form in MODEL_FORMATS:
        target, exported = _export_model(source, form, table, output, data_dir, runs)
    else:
        target, exported = _export_run(source, form, table, output, runs)
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(exported.content, bytes):
        write_atomic(target, exported.content)
    else:
        write_folder(target, exported.content)
    if json:
        terminal.print_json(
            {"file": str(target), "format": form, "bytes": exported.size, "notes": exported.notes}
        )
        return
    typer.echo(str(target))
    for note in exported.notes:
        terminal.say(terminal.err(), f"note: {note}")


def _export_model(
    source: str, form: str, table: str, output: Path | None, data_dir: Path | None, runs: Path
) -> tuple[Path, Exported]:
    _check_table(form, table)
    location = find_model(source, runs)
    target = model_target(location, MODEL_FORMATS[form], output)
    return target, MODEL_FORMATS[form].make(location, data_folder(data_dir))


def _export_run(source: str, form: str, table: str, output: Path | None, runs: Path) -> tuple[Path, Exported]:
    _check_table(form, table)
    if Path(source).is_file():
        raise UsageError(f"--format {form} exports a run, named or by its folder, but {source} is a file")
    run = run_folder(source, runs)
    target = run_target(run, RUN_FORMATS[form], table, output)
    return target, RUN_FORMATS[form].make(run, table, target)


def _check_table(form: str, table: str) -> None:
    has_tables = [name for name, run_format in RUN_FORMATS.items() if run_format.has_tables]
    if table != "trials" and form not in has_tables:
        raise UsageError(f"--what {table} needs --format {' or '.join(has_tables)}, but --format is {form}")
