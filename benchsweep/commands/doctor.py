"""`benchsweep doctor`: checks this machine, and a run's files."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, DataDirOption, JsonOption, RunsOption


def doctor(
    run: Annotated[
        str | None, typer.Argument(metavar="[RUN]", help="A run to check as well.", show_default=False)
    ] = None,
    runs: RunsOption = RUNS,
    data_dir: DataDirOption = None,
    json: JsonOption = False,
) -> None:
    """Check this machine and, if named, a run's files.

    It changes nothing and takes about 10 seconds.

    Of the machine, it checks versions, devices, memory, disks, locks, ports, the data, and whether Ray
    starts. Of a run, whether it is searched at the moment or not, it checks that the plan, the journal,
    the epochs, the checkpoints and the test-set openings are complete and consistent. Each problem comes
    with advice.

    --json prints one object: findings (each with name, verdict, message and advice), and the numbers of pass,
    warn and fail. The verdict is PASS, WARN (it works, but slower, or something dispensable is lost) or
    FAIL (a search would stop, or a result is lost).

    Exit codes: 0 no FAIL, 1 a FAIL.
    """
    from benchsweep.actions.doctor import examine

    examine(run, runs, data_dir, json)
