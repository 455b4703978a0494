"""`benchsweep compare`: several runs side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from benchsweep.options import RUNS, JsonOption, RunsOption


def compare(
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN RUN…", help="2 to 12 runs: names below --runs, or paths of their folders."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="DIR",
            help="Where to write compare.html and compare.md. Default: compare-RUN-RUN below --runs.",
            show_default=False,
        ),
    ] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    runs: RunsOption = RUNS,
    json: JsonOption = False,
) -> None:
    """Compare several runs.

    It tells which run found more and how soon, whether the difference is real, and how the runs differ in
    plan, space and environment. Two winners that were evaluated on the same test examples are compared
    example by example over all their seeds, other winners over the seeds of their confirmations; if
    neither is possible, the output says why. Scores are compared only between runs with the same metric
    and the same data.

    It prints the verdict and writes a page, compare.html, and the same as Markdown, compare.md.

    --json prints one object and writes the page only with --output or --open: schema (2); runs (name, folder,
    state, metric, data_sha256 or null, group, trials, epochs, seconds, best (trial, score, sampled) or null,
    top (the same: the top score in the search) or null, winner (name, metrics, seeds: on the test set) or
    null, incumbents (number, score, trials, epochs, seconds: what each best trial so far had cost), edf
    (scores, shares at least as good, count) or null); groups (the names of runs with the same metric and
    data); sentences; cautions; pairs (one, other, on: "test set", "validation" or null, metric, method:
    "images", "models", "seeds" or null, winners: name, seeds, mean, deviation; comparison: difference, low,
    high, p, level, or null; p: adjusted for all pairs; standing: the first is better, tied or worse; why: the
    reason if they are not compared); differences (plan, space, environment: key -> run -> value in words).

    Exit codes: 0 whatever the result, 2 the runs cannot be compared.
    """
    from benchsweep.actions.compare import compare_runs

    compare_runs(run, output, open_it, runs, json)
