"""`benchsweep reproduce`: a recorded trial again, without Ray, compared to the bit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from benchsweep.options import RUNS, DataDir, Json, Run, Runs

if TYPE_CHECKING:
    from search.reproduce import Reproduction


def reproduce(
    run: Run,
    trial: Annotated[str, typer.Argument(metavar="[TRIAL]", help="A trial's number, or best.")] = "best",
    runs: Runs = RUNS,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Train a recorded trial again, in this process, and compare every epoch and the weights.

    It trains on the device and threads the trial had. When something differs, the first differences
    are told, with what else is not as it was then.

    --json prints one object: trial, epochs, exact, weights_compared, differences and conditions.

    Exit codes: 0 the same to the bit, 1 not.
    """
    from benchsweep import terminal
    from benchsweep.find import run_folder, trial_of
    from search.records import Sweep
    from search.reproduce import Reproduction, reproduce
    from trainable.data import data_folder

    folder = run_folder(run, runs)
    sweep = Sweep.read(folder.path)
    number = trial_of(sweep, trial).number
    out = terminal.out()
    for told in reproduce(folder, number, data_folder(data_dir)):
        if not isinstance(told, Reproduction):
            if not json:
                score = sweep.metric.format(told.metrics[sweep.metric.name])
                terminal.say(out, f"epoch {told.number}: {score}")
            continue
        if json:
            terminal.print_json({**vars(told), "exact": told.exact})
        else:
            for line in _lines(told):
                terminal.say(out, line)
        if not told.exact:
            raise typer.Exit(1)


def _lines(told: Reproduction) -> list[str]:
    """What came of it, as sentences."""
    if told.exact:
        weights = "all weights" if told.weights_compared else "not the weights, which are gone"
        return [f"reproduced to the bit: trial {told.trial}, {told.epochs} epochs and {weights}"]
    shown = [f"trial {told.trial} came out otherwise, in {len(told.differences)} places:"]
    shown += [f"  {difference}" for difference in told.differences[:5]]
    shown += [f"since then: {condition}" for condition in told.conditions]
    return shown
