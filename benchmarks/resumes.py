"""What resuming costs: how a journal grows, and a sweep that is resumed again and again.

    python benchmarks/resumes.py --growth
    python benchmarks/resumes.py --resumes 20 --trials 200

--growth records synthetic trials of 12 epochs (figures from a formula, files as a search leaves them)
and measures in a fresh process, for 100, 1,000 and 10,000 of them: the journal's size, the seconds
until the next trial can be asked for, and the seconds of one ask (TPE) and one recorded epoch.

--resumes carries a real sweep out twice (digits, two workers): undisturbed, and killed with SIGKILL
every few seconds of training, driver, daemons and workers, and resumed at once. A start-up is the time
from the command to the first epoch. ratio: the time of all starts less their start-ups, over that of
the undisturbed one less its own.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parent))

from chaos import Driver

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from trainable.epoch import Epoch

GROWTH: dict[str, Any] = {
    "data": {"dataset": "digits"},
    "recipe": {"epochs": 12},
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "weight_decay": {"low": 1e-7, "high": 1e-3, "log": True},
        "dropout": {"low": 0.0, "high": 0.4},
        "schedule": {"choices": ["constant", "step"]},
        "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
    },
    "sampler": {"name": "random"},
    "pruner": {"name": "none"},
}
SWEEP: dict[str, Any] = {
    **GROWTH,
    "trainable": "logged_mlp",
    "recipe": {"batch_size": 4, "epochs": 12},
    "sampler": {"name": "tpe"},  # and no pruner: which trials it stops would depend on the interruptions
}


def record(run: RunFolder, trials: int) -> None:
    """Record this many finished trials, without training them."""
    from search.study.base import Suggestion
    from search.study.search import SearchStudy

    plan = Plan.parse({**GROWTH, "name": run.name, "budget": {"trials": trials}}, "benchmark")
    run.path.mkdir()
    run.plan.write_text(plan.to_toml())
    study = SearchStudy(run, plan)
    study.begin_session({})
    while isinstance(question := study.ask(), Suggestion):
        lines = []
        for number in range(1, 13):
            accuracy = 1 - abs(float(question.sampled["learning_rate"]) - 0.01) - 0.3 / number
            metrics = {"train_loss": 0.1, "validation_loss": 0.2, "validation_accuracy": accuracy}
            epoch = Epoch(number, {"learning_rate": 1e-3, **metrics}, 0.5)
            lines.append(json.dumps(epoch.to_json()) + "\n")
            with study.transaction():
                study.record(question.number, epoch, "laptop:4711")
                if number == 12:
                    study.end(question.number, State.COMPLETE)
        folder = run.trial(question.number)
        folder.path.mkdir(parents=True)
        folder.epochs.write_text("".join(lines))
    study.note_session(1.0, "interrupted")


MEASURE = """
import json, sys, time
from pathlib import Path
import optuna, search.engine.ray_tune.loop  # what every start loads, whatever it resumes
from search.records.folder import RunFolder
from search.plan.plan import Plan
from search.start import plan_of, starting
from trainable.epoch import Epoch
run = RunFolder(Path(sys.argv[1]))
began = time.perf_counter()
def longer(sweep):
    table = plan_of(sweep).to_table()
    table["budget"]["trials"] += 10
    return Plan.parse({**table, "sampler": {"name": "tpe"}, "pruner": {"name": "median"}}, "benchmark")
with starting(run, longer, Path(), extend=True) as search:
    ready = time.perf_counter()
    question = search.study.base.ask()
    asked = time.perf_counter()
    search.study.base.record(question.number, Epoch(1, {"validation_accuracy": 0.5}, 0.1), "laptop:4711")
    recorded = time.perf_counter()
print(json.dumps([ready - began, asked - ready, recorded - asked]))
"""


def growth(sizes: list[int], folder: Path) -> None:
    """Print a line for each number of trials."""
    print(f"{'trials':>7} {'journal':>9} {'a trial':>8} {'resume':>8} {'ask':>8} {'record':>9}")
    for trials in sizes:
        run = RunFolder.named(f"growth-{trials}", folder)
        record(run, trials)
        size = run.journal.stat().st_size
        command = [sys.executable, "-c", MEASURE, str(run.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        resume, ask, noted = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{trials:7,} {size / 1e6:6.2f} MB {size / trials / 1e3:5.2f} kB {resume:6.2f} s "
            f"{ask * 1e3:5.0f} ms {noted * 1e3:6.1f} ms",
            flush=True,
        )


def start(run: RunFolder, seconds: float | None) -> tuple[float, float, bool]:
    """One start, killed `seconds` after its first epoch; None lets it end. Returns the duration of its
    start-up and of what came after it (seconds), and whether it ended by itself."""
    began = time.perf_counter()
    driver = Driver(run, local=False)
    up: float | None = None
    ended = False
    for event in driver.lines():
        now = time.perf_counter()
        ended = ended or event == "Ended"
        if event == "EpochReported":
            up = now if up is None else up
            if seconds is not None and now - up > seconds:
                driver.kill()
                break
    driver.process.wait()
    over = time.perf_counter()
    driver.clear()
    if up is None:
        return over - began, 0.0, ended
    return up - began, over - up, ended


def resumes(count: int, trials: int, folder: Path) -> None:
    """Print what the two sweeps took."""
    sweeps = []
    for name, kills in (("undisturbed", 0), ("resumed", count)):
        run = RunFolder.named(name, folder)
        run.path.mkdir()
        plan = Plan.parse({**SWEEP, "name": name, "budget": {"trials": trials}}, "benchmark")
        run.plan.write_text(plan.to_toml())
        after = sweeps[0][1] / (count + 1) if sweeps else None
        startups, work, starts, ended = 0.0, 0.0, 0, False
        while not ended:
            up, more, ended = start(run, after if starts < kills else None)
            startups, work, starts = startups + up, work + more, starts + 1
        sweep = Sweep.read(run.path)
        epochs = sum(len(trial.epochs) for trial in sweep.trials)
        trained = len(run.path.with_suffix(".epochs").read_text().splitlines())
        sweeps.append((startups, work))
        print(
            f"{name:12} {starts:3} starts  {startups + work:6.1f} s, of which start-ups {startups:6.1f} s  "
            f"{len(sweep.trials)} trials, {epochs} epochs on record, {trained} trained",
            flush=True,
        )
    (first, undisturbed), (_, resumed) = sweeps
    print(f"ratio {resumed / undisturbed:.2f} without start-ups (one start-up: {first:.1f} s)")


def main() -> None:
    parser = argparse.ArgumentParser(description="What resuming costs.")
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--resumes", type=int)
    parser.add_argument("--trials", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.growth:
            growth(given.sizes, Path(folder))
        if given.resumes:
            resumes(given.resumes, given.trials, Path(folder))
        if not given.growth and not given.resumes:
            parser.error("nothing to do: give --growth, --resumes N or both")


if __name__ == "__main__":
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    main()
