"""The commands, one a file: their options and their help. `benchsweep.actions` does the work.

A command's file is imported when the command is called. `benchsweep --help` needs this table alone.
"""

from __future__ import annotations

from typing import NamedTuple


class CommandEntry(NamedTuple):
    """Where a command is defined, and what `benchsweep --help` says about it."""

    module: str
    """Name of its file in this folder."""
    attribute: str
    """Name of its function in that file, or of a `typer.Typer` with subcommands."""
    summary: str
    """The first sentence of its own help."""


COMMANDS = {
    "quickstart": CommandEntry("quickstart", "quickstart", "Run a first small search and show its results."),
    "try": CommandEntry("try_plan", "try_plan", "Try a plan's trainable on two epochs, without a search."),
    "plan": CommandEntry("plan", "plan", "Say what a search will cost on this machine, without starting it."),
    "run": CommandEntry("run", "run", "Search as a plan describes, confirm the winner, write the report."),
    "resume": CommandEntry("run", "resume", "Continue a run until its budget is spent."),
    "extend": CommandEntry("run", "extend", "Give a run more budget or another space, and continue it."),
    "confirm": CommandEntry("confirm", "confirm", "Train a run's best trials again with fresh seeds."),
    "list": CommandEntry("list_runs", "runs", "List all runs: their progress and their best score."),
    "show": CommandEntry("show", "show", "Show a run, or one of its trials."),
    "status": CommandEntry("status", "status", "Show the progress of a run."),
    "watch": CommandEntry("watch", "watch", "Show runs live in a browser, while they are searched."),
    "stop": CommandEntry("stop", "stop", "Stop a run that another terminal or another host searches."),
    "enqueue": CommandEntry("enqueue", "enqueue", "Ask a run to train a known recipe next."),
    "report": CommandEntry("report", "report", "Write the report of one or several runs again."),
    "replay": CommandEntry("replay", "replay", "Play a run's curves under another pruner or sampler."),
    "compare": CommandEntry("compare", "compare", "Compare several runs."),
    "reproduce": CommandEntry("reproduce", "reproduce", "Train a recorded trial again and compare it."),
    "check": CommandEntry(
        "check", "check", "Fail if a run's test accuracy is significantly worse than another."
    ),
    "train": CommandEntry("train", "train", "Train a plan's own recipe and evaluate it on the test set."),
    "evaluate": CommandEntry("evaluate", "evaluate", "Evaluate a saved model."),
    "predict": CommandEntry("predict", "predict", "Recognize the digits in image files."),
    "export": CommandEntry("export", "export", "Write a saved model or a run in another format."),
    "doctor": CommandEntry("doctor", "doctor", "Check this machine and, if named, a run's files."),
    "cluster": CommandEntry("cluster", "app", "Write the file that starts a cluster for a plan."),
    "schema": CommandEntry("schema", "schema", "Print the JSON Schema of plans, or of results."),
}
"""By name, in the order of `benchsweep --help`."""
