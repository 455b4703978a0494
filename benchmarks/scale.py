"""The load that one driver can handle: many concurrent trials that train nothing, compared with Ray Tune and
its OptunaSearch.

    python benchmarks/scale.py                      # 64 at once, 1,000 trials of 20 reports
    python benchmarks/scale.py --at-once 16 --trials 200

Both sides run one after the other on this machine, each in its own process with its own Ray cluster, which is
configured with that many CPUs. Ours stores a checkpoint and a journal record on disk for each report, before
the trial continues. Plain Ray Tune is set up as in its documentation, without either.

trials/s: from the first trial's start to the end, without Ray's start. driver CPU: CPU time of the driver's
process per report, over that time. --side: one of them alone, as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE))


def ours(at_once: int, trials: int, reports: int, folder: Path) -> dict[str, float]:
    """A search with benchsweep."""
    from search.engine import ray_tune  # noqa: F401  sets Ray's environment
    from ray.cluster_utils import Cluster  # isort: skip

    from search.cluster.access import Site
    from search.engine.events import ClusterResized, Ended, Started, TrialStarted
    from search.plan.plan import Plan
    from search.records.folder import RunFolder
    from search.start import starting

    plan = Plan.parse(
        {
            "name": "scale",
            "trainable": "noop",
            "budget": {"trials": trials},
            "recipe": {"epochs": reports},
            "space": {"x": {"low": 0.0, "high": 1.0}, "y": {"low": 0.0, "high": 1.0}},
            "sampler": {"name": "tpe"},
            "pruner": {"name": "none"},
            "confirmation": {"candidates": 0},
        },
        "scale",
    )
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": at_once, "include_dashboard": False})
    began, used = 0.0, 0.0
    try:
        run = RunFolder.named("scale", folder)
        with starting(run, plan, folder, Site(cluster.address)) as search:
            for event in search:
                if isinstance(event, TrialStarted) and not began:
                    began, used = time.perf_counter(), _cpu()
                assert not isinstance(event, ClusterResized)
                if isinstance(event, Started):
                    assert event.workers == at_once
                if isinstance(event, Ended):
                    return {
                        **_figures(began, used, trials, reports),
                        "journal_bytes": run.journal.stat().st_size / trials,
                    }
    finally:
        cluster.shutdown()
    raise AssertionError("it did not end")


def plain(at_once: int, trials: int, reports: int, folder: Path) -> dict[str, float]:
    """Ray Tune with OptunaSearch, as in its documentation."""
    import ray
    from noop import loss
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def train(config: dict[str, Any]) -> None:
        for epoch in range(1, reports + 1):
            tune.report({"loss": loss(config["x"], config["y"], epoch)})

    class Clock(tune.Callback):  # type: ignore[misc]
        began, used = 0.0, 0.0

        def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            if not Clock.began:
                Clock.began, Clock.used = time.perf_counter(), _cpu()

    ray.init(num_cpus=at_once, include_dashboard=False, log_to_driver=False)
    space = {"x": tune.uniform(0.0, 1.0), "y": tune.uniform(0.0, 1.0)}
    tune.Tuner(
        train,
        param_space=space,
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(seed=0),
            metric="loss",
            mode="min",
            num_samples=trials,
            max_concurrent_trials=at_once,
        ),
        run_config=tune.RunConfig(name="plain", storage_path=str(folder), verbose=0, callbacks=[Clock()]),
    ).fit()
    figures = _figures(Clock.began, Clock.used, trials, reports)
    ray.shutdown()
    return figures


def _cpu() -> float:
    """CPU time of this process in seconds, over all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _figures(began: float, used: float, trials: int, reports: int) -> dict[str, float]:
    seconds = time.perf_counter() - began
    return {
        "seconds": seconds,
        "trials_per_second": trials / seconds,
        "driver_ms_a_report": 1000 * (_cpu() - used) / trials / reports,
        "driver_busy": (_cpu() - used) / seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--reports", type=int, default=20)
    parser.add_argument("--side", choices=["ours", "plain"])
    given = parser.parse_args()
    if given.side:
        folder = Path(tempfile.mkdtemp())
        try:
            side = {"ours": ours, "plain": plain}[given.side]
            print(json.dumps(side(given.at_once, given.trials, given.reports, folder)))
        finally:
            shutil.rmtree(folder)
        return
    figures: dict[str, dict[str, float]] = {}
    for side in ("ours", "plain"):
        command = [sys.executable, __file__, "--side", side, "--at-once", str(given.at_once)]
        command += ["--trials", str(given.trials), "--reports", str(given.reports)]
        environment = {**os.environ, "PYTHONPATH": f"{HERE.parent}:{HERE}"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
        if done.returncode:
            raise SystemExit(done.stderr)
        figures[side] = json.loads(done.stdout.splitlines()[-1])
        print(side, "  ".join(f"{name} {value:,.3f}" for name, value in figures[side].items()), flush=True)
    ratio = figures["ours"]["trials_per_second"] / figures["plain"]["trials_per_second"]
    cost = figures["ours"]["driver_ms_a_report"] / figures["plain"]["driver_ms_a_report"]
    print(f"{ratio:.1f} times the trials per second, at {cost:.2f} times the driver's CPU time per report")


if __name__ == "__main__":
    main()
