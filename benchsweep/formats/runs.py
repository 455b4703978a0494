"""The formats of a run."""

from __future__ import annotations

import importlib
import shlex
from pathlib import Path

from benchsweep.errors import UsageError
from benchsweep.formats.target import Exported, RunFormat, is_marked, marked
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.verdict import reproduce_command
from reports.exports import frames
from reports.exports.optuna_study import copy_study
from reports.exports.results import results
from reports.page.report import results_json
from search.records.folder import RunFolder
from search.records.sweep import Sweep

_EVENT_FILES = "events.out.tfevents.*.benchsweep"
_FRAMES = {"trials": frames.trials_frame, "epochs": frames.epochs_frame, "reruns": frames.reruns_frame}


def _csv(run: RunFolder, table: str, target: Path) -> Exported:
    frame = _FRAMES[table](Sweep.read(run.path))
    return Exported(frames.to_csv(frame), _notes_on_rows(run, table, len(frame)))


def _parquet(run: RunFolder, table: str, target: Path) -> Exported:
    frame = _FRAMES[table](Sweep.read(run.path))
    return Exported(frames.to_parquet(frame), _notes_on_rows(run, table, len(frame)))


def _notes_on_rows(run: RunFolder, table: str, rows: int) -> tuple[str, ...]:
    return () if rows else (f"{run.name} has no {table} yet: the table has columns but no rows",)


def _json(run: RunFolder, table: str, target: Path) -> Exported:
    sweep = Sweep.read(run.path)
    return Exported(results_json(results(sweep, read_benchmarks(), reproduce_command(sweep))))


def _optuna(run: RunFolder, table: str, target: Path) -> Exported:
    sweep = Sweep.read(run.path)
    content = copy_study(run, run.name, sweep.metric)
    return Exported(marked(content), (f"view it with `optuna-dashboard {_url(target)}`",))


def _tensorboard(run: RunFolder, table: str, target: Path) -> Exported:
    _check_extra("tensorboard")
    from reports.exports.event_files import event_files  # imports the extra

    export = event_files(Sweep.read(run.path))
    notes = [f"view it with `tensorboard --logdir {shlex.quote(str(target))}`"]
    if export.left_out:
        notes.append(f"{export.left_out:,} values were left out: they do not fit TensorBoard's 32-bit floats")
    return Exported(export.files, tuple(notes))


def _mlflow(run: RunFolder, table: str, target: Path) -> Exported:
    _check_extra("mlflow")
    from reports.exports.mlflow_store import mlflow_store  # imports the extra

    export = mlflow_store(Sweep.read(run.path))
    note = f"view it with `mlflow server --backend-store-uri {_url(target)}`"
    return Exported(marked(export.content), (*export.notes, note))


def _url(target: Path) -> str:
    return shlex.quote(f"sqlite:///{target}")


def _check_extra(name: str) -> None:
    """Raises UsageError if the package of that extra is not installed."""
    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"--format {name} needs the extra benchsweep[{name}], which is not installed ({error})",
            f'install it with `uv sync --extra {name}`, or `pip install -e ".[{name}]"` in the folder of '
            f"benchsweep",
        ) from error


def _is_event_folder(path: Path) -> bool:
    """Whether a folder contains only event files of ours, and at least one."""
    if not path.is_dir():
        return False
    files = [file for file in path.rglob("*") if not file.is_dir()]
    return bool(files) and all(file.match(_EVENT_FILES) for file in files)


RUN_FORMATS = {
    "csv": RunFormat(".csv", _csv, has_tables=True),
    "parquet": RunFormat(".parquet", _parquet, has_tables=True),
    "json": RunFormat(".json", _json),
    "optuna-sqlite": RunFormat(".optuna.db", _optuna, is_own_export=is_marked),
    "tensorboard": RunFormat(".tensorboard", _tensorboard, is_own_export=_is_event_folder),
    "mlflow": RunFormat(".mlflow.db", _mlflow, is_own_export=is_marked),
}
"""By their names on the command line."""
