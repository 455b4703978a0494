"""`benchsweep plan`: says what a search will cost, before it is started."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import (
    RUNS,
    DataDirOption,
    DatasetOption,
    JsonOption,
    LocalOption,
    PlanArgument,
    RunsOption,
    SetOption,
)


def plan(
    config: PlanArgument,
    sets: SetOption = [],  # noqa: B006  typer copies it
    corners: Annotated[
        int,
        typer.Option(
            "--corners",
            metavar="N",
            min=0,
            max=64,
            help="Time the recipes at N corners of the space, at most.",
        ),
    ] = 6,
    seconds: Annotated[
        float,
        typer.Option("--seconds", metavar="S", min=0, help="Begin no further recipe after S seconds."),
    ] = 30.0,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    dataset: DatasetOption = None,
    local: LocalOption = False,
    json: JsonOption = False,
) -> None:
    """Say what a search will cost on this machine, without starting it.

    It trains up to two epochs of the default recipe and of recipes at corners of the space, in this process,
    one after the other. From these it estimates the trials per hour, how long the search takes and which of
    its limits ends it, the time of the confirmation, memory, and disk space. The estimates are for a search
    that prunes no trial and eliminates no candidate: a pruner makes it shorter, and several trainings at once
    on a busy machine make it longer. A plan that cannot be searched here is refused with the reason.

    --json prints one object: name, workers, recipes (each with sampled, epoch_seconds, epochs and
    checkpoint_bytes), trials_per_hour, limits (trials, epochs and wall_time, those that the plan sets: when
    the search reaches them, each with seconds, low and high), first_limit, seconds, low, high, confirmation,
    memory_bytes, checkpoint_bytes, memory_available, disk_bytes and disk_free. low and high bound a 90 %
    interval, or are null.

    Exit codes: 0 the plan can be searched here, 1 this machine cannot train it, 2 a fault in the plan.
    """
    from benchsweep.actions.plan import estimate

    estimate(config, sets, corners, seconds, runs, data_dir, dataset, local, json)
