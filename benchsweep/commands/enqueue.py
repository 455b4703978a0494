"""`benchsweep enqueue`: asks a run to train a known recipe next."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, RunArgument, RunsOption


def enqueue(
    run: RunArgument,
    values: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...",
            help="Values of hyperparameters, as in learning_rate=0.003. Those that are left out have their "
            "value in the default recipe.",
            show_default=False,
        ),
    ],
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Ask a run to train a known recipe next.

    It is trained before any that the run's sampler chooses. The run may be searched at this moment,
    interrupted, or finished: the recipe becomes its next trial, and counts in its budget. The sampler learns
    from it as from any other.

    --json prints one object: name, sampled (hyperparameter to value, complete), position (1 for the next
    one), and next (the command to type next) or null.
    """
    from benchsweep.actions.enqueue import enqueue_recipe

    enqueue_recipe(run, values, runs, json)
