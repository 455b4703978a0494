"""What a search costs besides training, in one run: ours against plain Ray Tune with OptunaSearch.

    uv run python benchmarks/search_overhead.py --data-dir DIR

1. Time from the command to the first epoch: `benchsweep run` of a plan on MNIST, in a process of
   its own, on a warm disk.
2. Cost per short trial: the same training of scikit-learn's digits (a few milliseconds an epoch),
   the same sampler settings, the same two workers, the same pruning rule, a checkpoint an epoch.
   Once through our bridge, once as a Ray Tune script as its documentation writes it: a function
   trainable, tune.with_parameters, OptunaSearch, ASHA, and Ray's defaults for everything else.
   Each side's clock runs from a Ray that is up to its last trial's end, on a Ray of its own; sides
   alternate; the figure is the median.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

PLAN: dict[str, Any] = {
    "name": "overhead",
    "data": {"dataset": "digits"},
    "recipe": {"batch_size": 256, "epochs": 4, "hidden_sizes": [32]},
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "dropout": {"low": 0.0, "high": 0.4},
    },
    "sampler": {"name": "tpe"},
    "pruner": {"name": "successive_halving", "reduction_factor": 4},
    "resources": {"concurrency": 2},
}


def first_epoch(folder: Path) -> float:
    """Seconds from the start of the command until its first epoch is reported."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as runs:
        plan = Path(runs) / "first.toml"
        plan.write_text(
            'name = "first"\n[budget]\ntrials = 1\n[recipe]\nepochs = 1\nbatch_size = 256\n'
            "[space]\ndropout = { low = 0.0, high = 0.4 }\n"
        )
        command = [sys.executable, "-m", "benchsweep", "run", str(plan), "--json"]
        command += ["--runs", runs, "--data-dir", str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            seconds = None
            for line in process.stdout:
                if seconds is None and json.loads(line).get("event") == "EpochReported":
                    seconds = time.perf_counter() - began
        if process.returncode or seconds is None:
            raise SystemExit(f"benchsweep run ended with {process.returncode} and no epoch")
        return seconds


def _data() -> Any:
    from trainable.mlp import Source

    return Source(dataset="digits").load(Path())


def ours(trials: int, data: Any) -> float:
    """Seconds per trial through our bridge."""
    from search.events import Started, TrialEnded
    from search.folder import RunFolder
    from search.lock import owning
    from search.plan import Plan
    from search.tune import Search

    began, ends = 0.0, []
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.named("ours", Path(folder))
        run.path.mkdir()
        plan = Plan.parse({**PLAN, "budget": {"trials": trials}}, "benchmark")
        with owning(run.lock):
            for event in Search(run, plan, data):
                if isinstance(event, Started):
                    began = time.perf_counter()
                elif isinstance(event, TrialEnded):
                    ends.append(time.perf_counter())
    assert len(ends) == trials
    return (ends[-1] - began) / trials


def _train_plainly(config: dict[str, Any], data: Any) -> None:
    """The trainable of a plain Ray Tune script: train, checkpoint, report, epoch by epoch."""
    import torch
    from ray import tune

    from trainable.recipe import Recipe
    from trainable.training import Training

    recipe = Recipe.model_validate({**PLAN["recipe"], **config})
    training = Training(recipe, data, "cpu", 1)
    for epoch in training:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(training.weights(), Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report(dict(epoch.metrics), checkpoint=checkpoint)


def plain(trials: int, data: Any) -> float:
    """Seconds per trial of a plain Ray Tune script."""
    import optuna
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler
    from ray.tune.search.optuna import OptunaSearch

    ends = []

    class Clock(tune.Callback):
        def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
            ends.append(time.perf_counter())

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            tune.Tuner(
                tune.with_resources(tune.with_parameters(_train_plainly, data=data), {"cpu": 1}),
                param_space={
                    "learning_rate": tune.loguniform(1e-4, 1e-1),
                    "dropout": tune.uniform(0.0, 0.4),
                },
                tune_config=tune.TuneConfig(
                    metric="validation_accuracy",
                    mode="max",
                    search_alg=OptunaSearch(seed=0),
                    scheduler=ASHAScheduler(max_t=4, grace_period=1, reduction_factor=4),
                    num_samples=trials,
                    max_concurrent_trials=2,
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Clock()]),
            ).fit()
    finally:
        ray.shutdown()
    assert len(ends) == trials
    return (ends[-1] - began) / trials


@contextlib.contextmanager
def silence() -> Any:
    """What Ray prints would bury the figures."""
    kept = os.dup(1), os.dup(2)
    with open(os.devnull, "w") as nothing:
        sys.stdout.flush()
        os.dup2(nothing.fileno(), 1)
        os.dup2(nothing.fileno(), 2)
        try:
            yield
        finally:
            sys.stdout.flush()
            os.dup2(kept[0], 1)
            os.dup2(kept[1], 2)
            os.close(kept[0])
            os.close(kept[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    from trainable.data import data_folder

    starts = [first_epoch(data_folder(arguments.data_dir)) for _ in range(arguments.rounds)]
    print(f"command to first epoch: median {statistics.median(starts):.1f} s of {arguments.rounds} starts")

    data, figures = _data(), []
    for _ in range(arguments.rounds):
        with silence():
            figures.append({side.__name__: side(arguments.trials, data) for side in (plain, ours)})
    median = {name: statistics.median(each[name] for each in figures) for name in ("plain", "ours")}
    for name, seconds in median.items():
        print(f"{name:6} {1000 * seconds:7.0f} ms per trial ({arguments.trials} trials of at most 4 epochs)")
    print(f"ours costs {median['ours'] / median['plain']:.2f} of plain Ray Tune")


if __name__ == "__main__":
    main()
