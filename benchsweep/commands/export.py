"""`benchsweep export`: a model or a run in the format that another program reads."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.formats.models import MODEL_FORMATS
from benchsweep.formats.runs import RUN_FORMATS
from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption

if TYPE_CHECKING:
    from benchsweep.formats.target import Exported

Format = StrEnum("Format", {name: name for name in (*MODEL_FORMATS, *RUN_FORMATS)})  # type: ignore[misc]  # made of the tables


class Part(StrEnum):
    """Which table of a run."""

    trials = "trials"
    epochs = "epochs"
    reruns = "reruns"


def export(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's name below --runs, or the path of its folder; of a model also the path of a saved "
            "one: model.safetensors, mnist_model.pth, or a folder with one.",
        ),
    ],
    form: Annotated[
        Format,
        typer.Option("--format", metavar="FORMAT", help=f"{', '.join(Format)}.", show_default=False),
    ],
    part: Annotated[
        Part, typer.Option("--what", help="Of a csv or parquet table: what its rows are.")
    ] = Part.trials,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="PATH",
            help="Where to write.",
            show_default="./ and the run's or folder's name",
        ),
    ] = None,
    data_dir: DataDirOption = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Write a saved model, or a run, in another format. An earlier export there is replaced as a whole.

    Of a model. safetensors: weights, with recipe, normalisation and classes. pth: a PyTorch state dict.
    onnx: a graph that takes bytes of any number of images, normalisation included, and was compared to
    torch's answers before it is written; it needs the extra benchsweep[onnx]. card: a run's model card, as
    Markdown.

    Of a run, in any state. csv, parquet: a table of --what: trials (recipe, what was sampled of it, score,
    last metrics, times, hashes), epochs (a row an epoch of a trial) or reruns (of the confirmation).
    json: the report's results.json. optuna-sqlite: the study, for optuna.load_study and optuna-dashboard.
    tensorboard: a folder of event files, with the HPARAMS tab. mlflow: a tracking store, a run a trial.
    These two need the extras benchsweep[tensorboard] and benchsweep[mlflow].

    --json prints one object: file, format, bytes and notes.
    """
    from benchsweep import terminal
    from trainable.storage.durable import write_atomic, write_folder

    target, made = _made(what, form.value, part, output, data_dir, runs)
    target.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(made.content, bytes):
        write_atomic(target, made.content)
    else:
        write_folder(target, made.content)
    if json:
        told = {"file": str(target), "format": form.value, "bytes": made.size, "notes": made.notes}
        terminal.print_json(told)
        return
    typer.echo(str(target))
    for note in made.notes:
        terminal.say(terminal.err(), f"note: {note}")


def _made(
    what: str, form: str, part: Part, output: Path | None, data_dir: Path | None, runs: Path
) -> tuple[Path, Exported]:
    """Where to write, and what. Raises Mistake, and what the format's own file names."""
    from benchsweep.errors import UsageError
    from benchsweep.find import run_folder
    from benchsweep.formats.target import model_target, run_target
    from benchsweep.saved_model import find_model
    from trainable.contract import data_folder

    if part is not Part.trials and not (form in RUN_FORMATS and RUN_FORMATS[form].parts):
        tables = " or ".join(name for name, each in RUN_FORMATS.items() if each.parts)
        raise UsageError(f"--what {part} is of a table, --format {tables}, but --format is {form}")
    if form in MODEL_FORMATS:
        found = find_model(what, runs)
        target = model_target(found, MODEL_FORMATS[form], output)
        return target, MODEL_FORMATS[form].make(found, data_folder(data_dir))
    if Path(what).is_file():
        raise UsageError(
            f"--format {form} is of a run, so RUN must be its name or its folder, but {what} is a file"
        )
    run = run_folder(what, runs)
    target = run_target(run, RUN_FORMATS[form], part, output)
    return target, RUN_FORMATS[form].make(run, part, target)
