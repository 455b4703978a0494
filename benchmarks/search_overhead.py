"""What a search costs besides training, in one run: ours against plain Ray Tune with OptunaSearch.

    uv run python benchmarks/search_overhead.py --data-dir DIR

1. Time from the command to the first epoch: `benchsweep run` of a plan on MNIST, in a process of
   its own, on a warm disk.
2. Cost per short trial: the same training of scikit-learn's digits (a few milliseconds an epoch),
   the same sampler settings, the same two workers, the same pruning rule, a checkpoint an epoch.
   "ours": through our bridge. "plain": a Ray Tune script as its documentation writes it, with a
   function trainable, tune.with_parameters, OptunaSearch, ASHA, and Ray's defaults for everything
   else. "tuned": the same with reuse_actors and without Ray's own loggers, as one who knows would.
   Each side has a process and a Ray of its own, and its clock runs from its first trial's end to
   its last one's, so that starting Ray and importing torch once is nobody's; sides alternate; the
   figure is the median.
"""

from __future__ import annotations

import argparse
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

from trainable.contract import data_folder

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

PLAN: dict[str, Any] = {
    "name": "overhead",
    "data": {"dataset": "digits"},
    "recipe": {"batch_size": 256, "epochs": 4, "hidden_sizes": [32]},
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "dropout": {"low": 0.0, "high": 0.4},
    },
    "sampler": {"name": "tpe", "group": False},  # OptunaSearch's, which is Optuna's default
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
                if seconds is None and json.loads(line).get("event") == "epoch_reported":
                    seconds = time.perf_counter() - began
        if process.returncode or seconds is None:
            raise SystemExit(f"benchsweep run ended with {process.returncode} and no epoch")
        return seconds


def _data() -> Any:
    from trainable.mlp import Source

    return Source(dataset="digits").load(Path())


def ours(trials: int, data: Any) -> float:
    """Seconds per trial through our bridge."""
    from search.engine.events import TrialEnded
    from search.engine.search import Search
    from search.plan.plan import Plan
    from search.records.folder import RunFolder
    from search.records.lock import owning
    from search.study.search import SearchStudy

    ends = []
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.named("ours", Path(folder))
        run.path.mkdir()
        plan = Plan.parse({**PLAN, "budget": {"trials": trials}}, "benchmark")
        with owning(run.lock):
            for event in Search(run, SearchStudy(run, plan), data):
                if isinstance(event, TrialEnded):
                    ends.append(time.perf_counter())
    assert len(ends) == trials
    return (ends[-1] - ends[0]) / (trials - 1)


def _train_plainly(config: dict[str, Any], data: Any) -> None:
    """The trainable of a plain Ray Tune script: train, checkpoint, report, epoch by epoch."""
    import torch
    from ray import tune

    from trainable.mnist.recipe import Recipe
    from trainable.mnist.training import Training

    recipe = Recipe.model_validate({**PLAN["recipe"], **config})
    training = Training(recipe, data, "cpu", 1)
    for epoch in training:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(training.weights(), Path(folder) / "checkpoint.pt")
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report(dict(epoch.metrics), checkpoint=checkpoint)


def plain(trials: int, data: Any, reuse_actors: bool = False) -> float:
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
                    reuse_actors=reuse_actors,
                ),
                run_config=tune.RunConfig(storage_path=folder, verbose=0, callbacks=[Clock()]),
            ).fit()
    finally:
        ray.shutdown()
    assert len(ends) == trials
    return (ends[-1] - ends[0]) / (trials - 1)


def tuned(trials: int, data: Any) -> float:
    """Seconds per trial of a Ray Tune script whose author knows Ray's costs."""
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    return plain(trials, data, reuse_actors=True)


SIDES = {"plain": plain, "tuned": tuned, "ours": ours}


def alone(side: str, trials: int) -> float:
    """One side's seconds per trial, in a process of its own: neither inherits the other's settings."""
    command = [sys.executable, __file__, "--side", side, "--trials", str(trials)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{side} failed:\n{done.stderr[-2000:]}")
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", choices=SIDES, help="run this side alone and print its seconds per trial")
    arguments = parser.parse_args()
    if arguments.side:
        print(SIDES[arguments.side](arguments.trials, _data()))
        return

    folder = data_folder(arguments.data_dir)
    starts = [first_epoch(folder) for _ in range(arguments.rounds)]
    print(f"command to first epoch: median {statistics.median(starts):.1f} s of {arguments.rounds} starts")
    rounds = [{side: alone(side, arguments.trials) for side in SIDES} for _ in range(arguments.rounds)]
    median = {side: statistics.median(times[side] for times in rounds) for side in SIDES}
    print(f"{arguments.trials} trials of at most 4 epochs, 2 workers, median of {arguments.rounds} rounds")
    for side, seconds in median.items():
        print(
            f"{side:6} {1000 * seconds:7.0f} ms per trial   ours costs {median['ours'] / seconds:.2f} of it"
        )


if __name__ == "__main__":
    main()
