"""The command `benchsweep`, also as `python -m benchsweep`."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from benchsweep.commands import COMMANDS, CommandEntry
from benchsweep.errors import exiting_on_error
from benchsweep.notices import printed_notices
from benchsweep.output_stream import lasting_output

SETTINGS: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,  # importing what draws boxes takes longer than everything else in --help
    "pretty_exceptions_enable": False,  # a bug keeps Python's own traceback, with its notes
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


class DeferredCommand(TyperCommand):
    """A command whose file is imported only when it is called."""

    def __init__(self, name: str, entry: CommandEntry) -> None:
        super().__init__(name, short_help=entry.summary, rich_markup_mode=None)
        self._entry = entry

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        """The context of the real command, which is invoked in place of this one."""
        return self.load().make_context(info_name, args, *rest, **extra)

    def load(self) -> Any:
        """The real command."""
        module = import_module(f"benchsweep.commands.{self._entry.module}")
        command = getattr(module, self._entry.attribute)
        if not isinstance(command, typer.Typer):
            function, command = command, typer.Typer(**SETTINGS)
            command.command(self.name)(function)
        return typer.main.get_command(command)


class CommandGroup(TyperGroup):
    """All commands of the table."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(DeferredCommand(name, entry))


app = typer.Typer(name="benchsweep", cls=CommandGroup, no_args_is_help=True, **SETTINGS)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # takes as long as half of --help

        typer.echo(f"benchsweep {version('benchsweep')}")
        raise typer.Exit


@app.callback()
def benchsweep(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Distributed hyperparameter search that keeps its results, and says which of them to believe.

    Start with `benchsweep quickstart`.
    """


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line and ends in SystemExit.

    arguments: those after the command's name; None for the arguments of this process.
    """
    with lasting_output(), exiting_on_error(), printed_notices():
        app(arguments, prog_name="benchsweep")


if __name__ == "__main__":
    main()
