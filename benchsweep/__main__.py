"""The command `benchsweep`, also as `python -m benchsweep`."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.commands import cluster
from benchsweep.commands.check import check
from benchsweep.commands.compare import compare
from benchsweep.commands.confirm import confirm
from benchsweep.commands.doctor import doctor
from benchsweep.commands.evaluate import evaluate
from benchsweep.commands.export import export
from benchsweep.commands.list_runs import runs
from benchsweep.commands.predict import predict
from benchsweep.commands.quickstart import quickstart
from benchsweep.commands.report import report
from benchsweep.commands.reproduce import reproduce
from benchsweep.commands.run import extend, resume, run
from benchsweep.commands.schema import schema
from benchsweep.commands.show import show
from benchsweep.commands.status import status
from benchsweep.commands.stop import stop
from benchsweep.commands.train import train
from benchsweep.errors import exiting_on_error

app = typer.Typer(
    name="benchsweep",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # paragraphs flow, and brackets are brackets
    pretty_exceptions_enable=False,  # a bug's traceback is Python's own, with its notes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(quickstart)
app.command()(run)
app.command()(resume)
app.command()(extend)
app.command()(confirm)
app.command("list")(runs)
app.command()(show)
app.command()(status)
app.command()(stop)
app.command()(report)
app.command()(compare)
app.command()(reproduce)
app.command()(check)
app.command()(train)
app.command()(evaluate)
app.command()(predict)
app.command()(export)
app.command()(doctor)
app.add_typer(cluster.app, name="cluster")
app.command()(schema)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"benchsweep {version('benchsweep')}")
        raise typer.Exit


@app.callback()
def benchsweep(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Distributed hyperparameter search that keeps its results, and says which to believe.

    Begin with `benchsweep quickstart`.
    """


def main(arguments: list[str] | None = None) -> None:
    """Run the command line, and tell a user's errors in sentences. Ends in SystemExit.

    arguments: those after the command's name; this process's own when None.
    """
    with exiting_on_error():
        app(arguments, prog_name="benchsweep")


if __name__ == "__main__":
    main()
