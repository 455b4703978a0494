"""`benchsweep replay`: plays a run's recorded curves under another pruner or sampler."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, OptionalRunArgument, RunsOption


def replay(
    run: OptionalRunArgument = None,
    pruner: Annotated[
        str | None,
        typer.Option(
            "--pruner",
            metavar="PRUNER",
            help="A pruner's name, or its table, as in '{name=\"median\", n_warmup_steps=4}'. The run's own "
            "if left out.",
            show_default=False,
        ),
    ] = None,
    sampler: Annotated[
        str | None,
        typer.Option(
            "--sampler",
            metavar="SAMPLER",
            help="A sampler's name, or its table. If left out, trials are played in the order of their "
            "numbers.",
            show_default=False,
        ),
    ] = None,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Play a run's curves under another pruner or sampler.

    It tells what that would have saved. Trials are played one after the other, and nothing is trained, so a
    trial that was stopped is known only as far as it was trained. Each suggestion of another sampler
    stands for the nearest recipe on record.

    --json prints one object: recorded, epochs, stopped, beyond, complete, left_out, best, best_on_record,
    epochs_until_best, recorded_until_best, keeps_best (`search.replay.Replay`) and sentences.
    """
    from benchsweep.actions.replay import replay_run

    replay_run(run, pruner, sampler, runs, json)
