"""`benchsweep check`: a gate for continuous integration, for a run or a training."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, RunsOption


def check(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="The name of a run below --runs, its folder, or a folder that `benchsweep train` wrote.",
        ),
    ],
    against: Annotated[
        str,
        typer.Option(
            metavar="BENCHMARK|RUN",
            help="The key of a published result, such as origin-improved, or anything that RUN accepts.",
        ),
    ],
    level: Annotated[
        float,
        typer.Option(min=1e-6, max=0.5, help="Significance level of the paired test: its false-alarm rate."),
    ] = 0.05,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Fail if a run's test accuracy is significantly worse than another.

    Two runs are compared image by image, over all seeds of each. Of a published result only the accuracy
    is known, so it is compared with the 95 % interval of RUN. The accuracies are read from the records:
    the test set is not opened.

    --json prints one object: ours, theirs, standing (better, tied or worse), passed, accuracy, interval,
    other, comparison (difference, low, high, p, level) or null, sentence.

    Exit codes: 0 better or tied, 1 worse, 2 no test accuracy to compare.
    """
    from benchsweep.actions.check import check_accuracy

    check_accuracy(run, against, level, runs, json)
