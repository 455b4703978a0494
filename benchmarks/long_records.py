"""What a long record costs the driver: a draw, an epoch's record and a resume, with 1,000 and 10,000 trials.

    python benchmarks/long_records.py                              # this build
    python benchmarks/long_records.py --against ../older-build     # and another one, in turn

The record is written first: trials with five hyperparameters, one of them conditional, ten epochs for half of
them, one for the others, which are PRUNED. Each arm, a process of its own, continues its own copy.
resume: until the search is ready to be iterated, which is before Ray starts; imports are not counted. draw:
`Study.ask`. record: `Study.record` of an epoch with its verdict. end: of a trial that is COMPLETE. Two trials
are always in training. The figures are medians over rounds of each round's median, with the range.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from noop import METRIC, Source, Training  # noqa: F401  the rest of the contract
from pydantic import BaseModel, Field

from trainable.epoch import Epoch

HERE = Path(__file__).parent
EPOCHS = 10
FIGURES = ("resume", "draw", "record", "end")


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """Hyperparameters like those of a network, of which none has an effect."""

    x: float = Field(0.1, gt=0, le=1)
    """Like a learning rate."""
    decay: float = Field(1e-4, gt=0, le=1)
    """Like a weight decay."""
    dropout: float = Field(0.0, ge=0, lt=1)
    """Like a dropout probability."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """Like the choice of an optimizer."""
    momentum: float = Field(0.0, ge=0, lt=1)
    """Like the momentum of one of its values."""
    epochs: int = Field(EPOCHS, ge=1)
    """Number of epochs."""
    seed: int = 0
    """Has no effect."""


def plan(sampler: str, pruner: str) -> Any:
    """The plan of the search that is continued."""
    from search.plan.plan import Plan

    return Plan.parse(
        {
            "name": "long",
            "trainable": "long_records",
            "budget": {"trials": 1_000_000},
            "recipe": {"epochs": EPOCHS},
            "space": {
                "x": {"low": 1e-4, "high": 1.0, "log": True},
                "decay": {"low": 1e-6, "high": 1e-2, "log": True},
                "dropout": {"low": 0.0, "high": 0.5},
                "optimizer": {"choices": ["adam", "sgd"]},
                "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": "sgd"}},
            },
            "sampler": {"name": sampler},
            "pruner": {"name": pruner},
        },
        "long records",
    )


def loss(recipe: dict[str, Any], epoch: int) -> float:
    """A loss that no two recipes share."""
    return float(abs(recipe["x"] - 0.03) + recipe["decay"] + recipe["dropout"] / 10 + 1 / epoch)


def write_record(folder: Path, trials: int, sampler: str, pruner: str) -> None:
    """A run of that many trials that was interrupted after the last one."""
    from optuna.trial import TrialState, create_trial

    from search.records import schema
    from search.records.folder import RunFolder
    from search.study.search import SearchStudy
    from trainable.storage.epochs import _line

    run, given, chance = RunFolder.named("long", folder), plan(sampler, pruner), random.Random(0)
    run.path.mkdir(parents=True)
    run.plan.write_text(given.to_toml())
    study = SearchStudy(run, given)
    study.adopt()
    study.begin_session({})
    lines = []
    for number in range(trials):
        sampled: dict[str, Any] = {
            "x": 10 ** chance.uniform(-4, 0),
            "decay": 10 ** chance.uniform(-6, -2),
            "dropout": chance.uniform(0, 0.5),
            "optimizer": chance.choice(["adam", "sgd"]),
        }
        if sampled["optimizer"] == "sgd":
            sampled["momentum"] = chance.uniform(0, 0.99)
        recipe = given.recorded_recipe(sampled)
        epochs = chance.choice([1, EPOCHS])
        values = {epoch: loss(recipe, epoch) for epoch in range(1, epochs + 1)}
        distributions = given.space.distributions()
        complete = epochs == EPOCHS
        frozen = create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            value=values[epochs] if complete else None,
            params=given.space.params_of(recipe),
            distributions={name: distributions[name] for name in sampled},
            user_attrs={schema.RECIPE: recipe, schema.SESSION: 0},
            intermediate_values=values,
        )
        log = study.journal._file
        lines.append(_creation(study, frozen))
        own = run.trial(number).path
        own.mkdir(parents=True)
        (own / "epochs.jsonl").write_text(
            "".join(_line(Epoch(epoch, {"loss": value}, 0.1)) for epoch, value in values.items())
        )
    log.append_logs(lines)


def _creation(study: Any, frozen: Any) -> dict[str, Any]:
    """The line of the journal that creates a trial."""
    from optuna.distributions import distribution_to_json

    at = "2026-01-01T00:00:00.000000+00:00"
    return {
        "op_code": 4,
        "worker_id": "elsewhere",
        "study_id": 0,
        "state": frozen.state.value,
        "value": None,
        "values": frozen.values,
        "datetime_start": at,
        "datetime_complete": at,
        "params": {
            name: frozen.distributions[name].to_internal_repr(value) for name, value in frozen.params.items()
        },
        "distributions": {name: distribution_to_json(kind) for name, kind in frozen.distributions.items()},
        "user_attrs": frozen.user_attrs,
        "system_attrs": {},
        "intermediate_values": {str(epoch): value for epoch, value in frozen.intermediate_values.items()},
    }


def arm(folder: Path, draws: int, cpu: bool) -> dict[str, float]:
    """Seconds of each figure, in this process. cpu: of processor time."""
    import optuna

    import search.engine.search
    from search.cluster.access import Site
    from search.records.folder import RunFolder
    from search.records.sweep import State, Sweep
    from search.start import plan_of, starting
    from search.study.base import Suggestion

    optuna.samplers.TPESampler(seed=0)  # imports
    given = plan_of(Sweep.read(_empty(folder).path))
    times: dict[str, list[float]] = {name: [] for name in FIGURES}
    clock = time.process_time if cpu else time.perf_counter
    began = clock()
    with starting(RunFolder.named("long", folder), given, folder, Site(local=True)) as search:
        times["resume"].append(clock() - began)
        study = search.study
        study.begin_session({})

        def timed(name: str) -> Iterator[None]:
            started = clock()
            yield
            times[name].append(clock() - started)

        training: list[Suggestion] = []
        for _ in range(draws):
            for _ in timed("draw"):
                asked = study.ask()
            if isinstance(asked, Suggestion):
                training.append(asked)
            if len(training) < 3:
                continue
            ends = training.pop(0)
            recipe = json.loads(ends.recipe)
            for epoch in range(1, EPOCHS + 1):
                for _ in timed("record"):
                    measured = Epoch(epoch, {"loss": loss(recipe, epoch)}, 0.1)
                    stopped = study.record(ends.number, measured, "here:1")
                if stopped:
                    break
            else:
                for _ in timed("end"):
                    study.end(ends.number, State.COMPLETE)
    return {name: statistics.median(taken[len(taken) // 5 :]) for name, taken in times.items() if taken}


def _empty(folder: Path) -> Any:
    """A run without trials, to import and to warm up what a resume needs."""
    from search.records.folder import RunFolder
    from search.study.search import SearchStudy

    run = RunFolder.named("empty", folder)
    run.path.mkdir()
    table = json.loads((folder / "plan.json").read_text())
    given = plan(table["sampler"], table["pruner"])
    run.plan.write_text(given.to_toml())
    SearchStudy(run, given).adopt()
    return run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--against", type=Path, help="the folder of another build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=25)
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--pruner", default="successive_halving")
    parser.add_argument(
        "--cpu", action="store_true", help="processor time, on a machine that is busy otherwise"
    )
    parser.add_argument("--arm", type=Path, help="measure this folder's record alone, as JSON")
    given = parser.parse_args()
    if given.arm:
        print(json.dumps(arm(given.arm, given.draws, given.cpu)))
        return
    builds = {"this": HERE.parent, **({} if given.against is None else {"other": given.against.resolve()})}
    print(_processor())
    for trials in given.trials:
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in builds}
        with tempfile.TemporaryDirectory() as folder:
            written = Path(folder, "written")
            write_record(written, trials, given.sampler, given.pruner)
            (written / "plan.json").write_text(json.dumps({"sampler": given.sampler, "pruner": given.pruner}))
            for number in range(given.rounds):
                for name in sorted(builds, reverse=bool(number % 2)):
                    copy = Path(folder, name)
                    shutil.copytree(written, copy)
                    taken[name].append(_alone(builds[name], copy, given.draws, given.cpu))
                    shutil.rmtree(copy)
        print(
            f"{trials:,} trials, {given.sampler}, {given.pruner}, {given.rounds} rounds; ms"
            + (" of processor time" if given.cpu else "")
        )
        for figure in FIGURES:
            _print(figure, {name: [1000 * one[figure] for one in rounds] for name, rounds in taken.items()})


def _print(figure: str, taken: dict[str, list[float]]) -> None:
    medians = {name: statistics.median(figures) for name, figures in taken.items()}
    parts = [
        f"{name} {medians[name]:9.2f} ({min(figures):.2f} to {max(figures):.2f})"
        for name, figures in taken.items()
    ]
    ratio = f"  ratio {medians['other'] / medians['this']:.1f}" if "other" in medians else ""
    print(f"  {figure:7}", "  ".join(parts) + ratio, flush=True)


def _alone(build: Path, folder: Path, draws: int, cpu: bool) -> dict[str, float]:
    """One arm, in a process that imports the packages of `build`, and this file from here."""
    code = (
        f"import sys; sys.path[:0] = [{str(build)!r}, {str(HERE)!r}]; import json, long_records, pathlib;"
        f"print(json.dumps(long_records.arm(pathlib.Path({str(folder)!r}), {draws}, {cpu})))"
    )
    environment = {**os.environ, "PYTHONPATH": f"{build}:{HERE}"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=folder
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")


if __name__ == "__main__":
    import long_records

    long_records.main()
