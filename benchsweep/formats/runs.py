"""The formats in which `benchsweep export` writes a run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from benchsweep.formats.target import Exported, RunFormat, is_marked, marked

if TYPE_CHECKING:
    from search.records.folder import RunFolder

_EVENTS = "events.out.tfevents.*.benchsweep"


def _frame(run: RunFolder, part: str, form: str) -> Exported:
    from reports.exports import frames
    from search.records.sweep import Sweep

    sweep = Sweep.read(run.path)
    make = {"trials": frames.trials_frame, "epochs": frames.epochs_frame, "reruns": frames.reruns_frame}[part]
    frame = make(sweep)
    notes = () if len(frame) else (f"{run.name} has no {part} yet: the table has its columns and no row",)
    return Exported({"csv": frames.to_csv, "parquet": frames.to_parquet}[form](frame), notes)


def _csv(run: RunFolder, part: str, target: Path) -> Exported:
    return _frame(run, part, "csv")


def _parquet(run: RunFolder, part: str, target: Path) -> Exported:
    return _frame(run, part, "parquet")


def _json(run: RunFolder, part: str, target: Path) -> Exported:
    from reports.analysis.benchmarks import read_benchmarks
    from reports.analysis.verdict import reproduce_command
    from reports.exports.results import results
    from reports.page.report import results_json
    from search.records.sweep import Sweep

    sweep = Sweep.read(run.path)
    return Exported(results_json(results(sweep, read_benchmarks(), reproduce_command(sweep))))


def _optuna(run: RunFolder, part: str, target: Path) -> Exported:
    from reports.exports.optuna_study import copy_study
    from search.records.sweep import Sweep

    sweep = Sweep.read(run.path)
    content = copy_study(run, run.name, sweep.metric)
    return Exported(marked(content), (f"see it with `optuna-dashboard {_url(target)}`",))


def _tensorboard(run: RunFolder, part: str, target: Path) -> Exported:
    _check_extra("tensorboard")
    from reports.exports.event_files import event_files
    from search.records.sweep import Sweep

    made = event_files(Sweep.read(run.path))
    notes = [f"see it with `tensorboard --logdir {shlex.quote(str(target))}`"]
    if made.left_out:
        notes.append(
            f"{made.left_out:,} values that no 32-bit float holds, as TensorBoard's are, were left out"
        )
    return Exported(made.files, tuple(notes))


def _mlflow(run: RunFolder, part: str, target: Path) -> Exported:
    _check_extra("mlflow")
    from reports.exports.mlflow_store import mlflow_store
    from search.records.sweep import Sweep

    made = mlflow_store(Sweep.read(run.path))
    shown = f"see it with `mlflow server --backend-store-uri {_url(target)}`"
    return Exported(marked(made.content), (*made.notes, shown))


def _url(target: Path) -> str:
    return shlex.quote(f"sqlite:///{target}")


def _check_extra(name: str) -> None:
    """Raises Mistake unless the package of that extra is installed."""
    import importlib

    from benchsweep.errors import UsageError

    try:
        importlib.import_module(name)
    except ImportError as error:
        raise UsageError(
            f"--format {name} needs the extra benchsweep[{name}], which is not installed ({error}); install "
            f'it with `uv sync --extra {name}`, or `pip install -e ".[{name}]"` in benchsweep\'s folder'
        ) from error


def _is_event_folder(path: Path) -> bool:
    """Whether there is nothing but event files of ours in a folder."""
    if not path.is_dir():
        return False
    held = [each for each in path.rglob("*") if not each.is_dir()]
    return bool(held) and all(each.match(_EVENTS) for each in held)


RUN_FORMATS = {
    "csv": RunFormat(".csv", _csv, parts=True),
    "parquet": RunFormat(".parquet", _parquet, parts=True),
    "json": RunFormat(".json", _json),
    "optuna-sqlite": RunFormat(".optuna.db", _optuna, ours=is_marked),
    "tensorboard": RunFormat(".tensorboard", _tensorboard, ours=_is_event_folder),
    "mlflow": RunFormat(".mlflow.db", _mlflow, ours=is_marked),
}
"""By their names on the command line."""
