"""What a killed sweep can still resume, in one run: ours against plain Ray Tune with OptunaSearch.

    uv run python benchmarks/resume_against_ray.py

Three systems run the same toy trials: a score that is carried from epoch to epoch, epochs that only sleep, a
checkpoint per epoch, two trials at a time. A sweep is started, killed at a seeded time after the first epoch
of that start, resumed, killed again, and finally left to end. The times are the same for every system. A kill
sends SIGKILL to the driver's process group and everything else that it started, as when a machine loses
power, except that everything written stays written.

"ray": tune.Tuner with OptunaSearch() as in the documentation, a function trainable, Ray's defaults; resumed
with Tuner.restore(resume_unfinished=True, resume_errored=True). "ray+sqlite": the same with
OptunaSearch(storage=RDBStorage("sqlite:..."), study_name=...). "ours": search.start.starting. Both of Ray's
run without a seed, as is the default, so parameters differ between systems.

Each trial appends a line to the benchmark's own log after every epoch, before the epoch is checkpointed or
reported. The log shows what was trained; trials are identified by their two parameters, to the last bit. An
epoch that a kill interrupts is in no log and is not counted. "Finished at a kill": all epochs of the trial
were in that log at the time of the kill. The columns, summed over the sweeps:

    kills        kills made; a start that ends before its time is not killed
    ended        sweeps that ended without an error, with every trial in the result: Ray's result grid, our
                 study
    given up     sweeps that cannot be resumed: they crashed twice in a row for the same reason, apart from
                 numbers in it
    crashed      starts that crashed by themselves; the reasons are printed below the table
    new          resumes that could not read the previous state and started a new experiment instead, without
                 an error except in the log
    lost         trials finished at a kill that are not in the final record with the right score. The record
                 of "ray" is its latest snapshot, or its result grid if it ended; for "ray+sqlite" it is
                 enough to be in that or in the study; ours is the study
    again        trials finished at a kill of which an epoch was trained again later
    repeated     epochs trained more than once, counted each time after the first. One that was not yet
                 checkpointed at the time of a kill counts too, for every system
    running      trials still unfinished in the final record: RUNNING in the study, or unfinished in the
                 latest snapshot of "ray", which keeps no study
    recorded     trials finished in the final record (in the study, if there is one), of those requested
    epochs       trained in total, of those requested
    minutes      wall time, from the first start to the end or to giving up

The snapshots that Tuner.restore reads are 10 seconds apart by default, so Ray's losses depend on how the
length of a sweep, its epochs and its kills compare with that; --epoch-seconds and --between change them.
Linux only: remaining processes are found in /proc, and are ended one by one, by their ids.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

from trainable.contract import Metric, TrainingState
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation

# The toy training, and the four names that make this module a trainable.

LOG = "RESUME_BENCHMARK_LOG"
"""The environment variable that names the log of epochs. Workers inherit it from their driver."""

Point = tuple[float, float]


def train_epoch(point: Point, epoch: int, score: float, seconds: float) -> float:
    """One epoch: sleep, move the score halfway to its limit, and log the epoch."""
    began = time.time()
    time.sleep(seconds)
    score = next_score(point, score)
    line = json.dumps({"point": point, "epoch": epoch, "began": began, "ended": time.time()}) + "\n"
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())  # in one write, so that lines of two workers do not mix
    finally:
        os.close(log)
    return score


def next_score(point: Point, score: float) -> float:
    """The score an epoch later. It depends on the one before, so a wrong resume shows in the final score."""
    x, y = point
    return 0.5 * score + 0.5 * ((x - 0.3) ** 2 + (y - 0.7) ** 2)


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """Hyperparameters of one toy trial."""

    x: float = Field(0.5, ge=0, le=1)
    """First parameter of the score."""
    y: float = Field(0.5, ge=0, le=1)
    """Second parameter of the score."""
    seconds: float = Field(1.0, ge=0)
    """Duration of an epoch."""
    epochs: int = Field(5, ge=1)
    """Number of epochs."""
    seed: int = 0
    """Has no effect."""


METRIC = Metric("score", "minimize")


class Source(BaseModel, frozen=True, extra="forbid"):
    """There is nothing to load."""

    def load(self, folder: Path) -> None:
        return None

    def load_test(self, folder: Path) -> None:
        return None


class Training:
    """The toy training as benchsweep's trainable."""

    def __init__(self, recipe: Recipe, data: None, device: str, threads: int) -> None:
        self.recipe, self.epoch, self.score = recipe, 0, 1.0

    def __iter__(self) -> Iterator[Epoch]:
        recipe = self.recipe
        while self.epoch < recipe.epochs:
            self.epoch += 1
            self.score = train_epoch((recipe.x, recipe.y), self.epoch, self.score, recipe.seconds)
            yield Epoch(self.epoch, {"score": self.score}, recipe.seconds)

    def state_dict(self) -> TrainingState:
        return {"epoch": self.epoch, "score": self.score}

    def load_state_dict(self, state: TrainingState) -> None:
        stored: dict[str, Any] = dict(state)
        self.epoch, self.score = stored["epoch"], stored["score"]

    def evaluate(self, test: None) -> Evaluation:
        return Evaluation({"score": self.score}, 1)

    def save(self, folder: Path) -> list[Path]:
        return []


def train_plainly(config: dict[str, Any]) -> None:
    """The toy training as the trainable of a Ray Tune script."""
    from ray import tune

    epoch, score = 0, 1.0
    checkpoint = tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            stored = json.loads((Path(folder) / "state.json").read_text())
        epoch, score = stored["epoch"], stored["score"]
    while epoch < config["epochs"]:
        epoch += 1
        score = train_epoch((config["x"], config["y"]), epoch, score, config["seconds"])
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "state.json").write_text(json.dumps({"epoch": epoch, "score": score}))
            checkpoint = tune.Checkpoint.from_directory(folder)
            tune.report({"score": score, "epoch": epoch}, checkpoint=checkpoint)


# The three systems, each in its own process: what a user starts and resumes.


class Shape(NamedTuple):
    """The size of a sweep."""

    trials: int
    """Number of trials."""
    epochs: int
    """Number of epochs per trial."""
    seconds: float
    """Duration of an epoch."""

    @property
    def total(self) -> int:
        """Number of epochs of a sweep that trains each once."""
        return self.trials * self.epochs

    def score(self, point: Point) -> float:
        """The score of a trial after its last epoch."""
        score = 1.0
        for _ in range(self.epochs):
            score = next_score(point, score)
        return score


def drive_ours(folder: Path, shape: Shape) -> None:
    """Start our search, or resume it."""
    from search.plan.plan import Plan
    from search.records.folder import RunFolder
    from search.start import starting

    table: dict[str, Any] = {
        "name": "sweep",
        "trainable": Path(__file__).stem,
        "budget": {"trials": shape.trials},
        "recipe": {"epochs": shape.epochs, "seconds": shape.seconds},
        "space": {"x": {"low": 0.0, "high": 1.0}, "y": {"low": 0.0, "high": 1.0}},
        "sampler": {"name": "tpe"},
        "pruner": {"name": "none"},
        "resources": {"concurrency": 2},
    }
    with starting(RunFolder.named("sweep", folder), Plan.parse(table, "benchmark"), folder) as search:
        for event in search:
            print(event, flush=True)


def drive_ray(folder: Path, shape: Shape, stored: bool = False) -> None:
    """Start a Ray Tune script, or resume it. stored: whether OptunaSearch keeps its study in SQLite."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    ray.init("local", include_dashboard=False)
    experiment = folder / "sweep"
    if tune.Tuner.can_restore(str(experiment)):
        tuner = tune.Tuner.restore(
            str(experiment), trainable=train_plainly, resume_unfinished=True, resume_errored=True
        )
    else:
        storage: dict[str, Any] = {}
        if stored:
            from optuna.storages import RDBStorage

            storage = {"storage": RDBStorage(_study_url(folder)), "study_name": "sweep"}
        tuner = tune.Tuner(
            train_plainly,
            param_space={
                "x": tune.uniform(0.0, 1.0),
                "y": tune.uniform(0.0, 1.0),
                "epochs": shape.epochs,
                "seconds": shape.seconds,
            },
            tune_config=tune.TuneConfig(
                metric="score",
                mode="min",
                search_alg=OptunaSearch(**storage),
                num_samples=shape.trials,
                max_concurrent_trials=2,
            ),
            run_config=tune.RunConfig(name="sweep", storage_path=str(folder)),
        )
    tuner.fit()


def drive_ray_stored(folder: Path, shape: Shape) -> None:
    """`drive_ray` with its study in SQLite."""
    drive_ray(folder, shape, stored=True)


def _study_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


@dataclass
class Record:
    """What a system has on disk."""

    grid: list[tuple[Point, float]]
    """Finished trials of its result, with their scores."""
    study: list[tuple[Point, float]] | None
    """Finished trials of its study, with their scores; None if it keeps no study."""
    running: int
    """Number of unfinished trials."""


def read_ours(folder: Path, shape: Shape) -> Record:
    """The record of our study."""
    from search.records.sweep import State, Sweep

    trials = Sweep.read(folder / "sweep").trials
    finished = [
        ((trial.recipe["x"], trial.recipe["y"]), trial.score)
        for trial in trials
        if trial.state is State.COMPLETE and trial.score is not None
    ]
    running = sum(not trial.state.is_finished() for trial in trials)
    return Record(finished, finished, running)


def read_ray(folder: Path, shape: Shape) -> Record:
    """The record of Ray's latest snapshot, which is the result grid if it was written at the end."""
    from ray.tune import ExperimentAnalysis

    try:
        trials = ExperimentAnalysis(str(folder / "sweep")).trials
    except ValueError as error:  # incomplete because of the kill, or never written
        print(f"ray's latest snapshot cannot be read: {error}", file=sys.stderr)
        return Record([], None, 0)
    finished = [
        ((trial.config["x"], trial.config["y"]), trial.last_result["score"])
        for trial in trials
        if trial.status == "TERMINATED" and trial.last_result.get("epoch") == shape.epochs
    ]
    running = sum(trial.status not in ("TERMINATED", "ERROR") for trial in trials)
    return Record(finished, None, running)


def read_ray_stored(folder: Path, shape: Shape) -> Record:
    """The same with the study in SQLite, from which the RUNNING trials are counted."""
    import optuna

    trials = optuna.load_study(study_name="sweep", storage=_study_url(folder)).trials
    finished = [
        ((trial.params["x"], trial.params["y"]), float(trial.value or 0.0))
        for trial in trials
        if trial.state is optuna.trial.TrialState.COMPLETE
    ]
    running = sum(trial.state is optuna.trial.TrialState.RUNNING for trial in trials)
    return Record(read_ray(folder, shape).grid, finished, running)


SYSTEMS = {
    "ray": (drive_ray, read_ray),
    "ray+sqlite": (drive_ray_stored, read_ray_stored),
    "ours": (drive_ours, read_ours),
}


# The process that kills, which imports none of the systems.


class Line(NamedTuple):
    """An epoch that ended."""

    point: Point
    """The two parameters of its trial."""
    epoch: int
    """Its number, from 1."""
    ended: float
    """When, in seconds since 1970."""


@dataclass
class Tally:
    """The columns for one system; the docstring of the module explains them."""

    sweeps: int = 0
    """Number of sweeps."""
    kills: int = 0
    """Kills made."""
    ended: int = 0
    """Sweeps that ended with every trial in the result."""
    given_up: int = 0
    """Sweeps that cannot be resumed."""
    crashed: int = 0
    """Starts that crashed by themselves."""
    new: int = 0
    """Resumes that started a new experiment."""
    lost: int = 0
    """Trials finished at a kill that the final record lacks."""
    again: int = 0
    """Trials finished at a kill that were trained again."""
    repeated: int = 0
    """Epochs trained more than once."""
    running: int = 0
    """Trials unfinished in the final record."""
    recorded: int = 0
    """Trials finished in the final record."""
    epochs: int = 0
    """Epochs trained in total."""
    seconds: float = 0.0
    """Wall time."""
    reasons: Counter[str] = field(default_factory=Counter)
    """How often a start crashed for each reason."""

    def add(self, sweep: Tally) -> None:
        """Add the counts of another sweep."""
        for name, value in vars(sweep).items():
            if name == "reasons":
                self.reasons.update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    def cells(self, shape: Shape) -> list[str]:
        """The cells of the row below HEAD."""
        counted = [self.given_up, self.crashed, self.new, self.lost, self.again, self.repeated, self.running]
        return [
            str(self.kills),
            f"{self.ended}/{self.sweeps}",
            *map(str, counted),
            f"{self.recorded}/{self.sweeps * shape.trials}",
            f"{self.epochs}/{self.sweeps * shape.total}",
            f"{self.seconds / 60:.1f}",
        ]


HEAD = ["kills", "ended", "given up", "crashed", "new", "lost", "again", "repeated", "running", "recorded"]
HEAD += ["epochs", "minutes"]


class Machine:
    """Starts processes of a system, and ends them with everything that they started.

    The benchmark adopts the orphans of its children (PR_SET_CHILD_SUBREAPER), so that all its descendants,
    and no other processes, belong to a driver or its Ray.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) was refused")

    def descendants(self) -> set[int]:
        """Ids of all running descendants of this process."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):  # it ended meanwhile
                    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state != "Z":
                        parents[int(entry.name)] = int(parent)
        family: set[int] = set()
        rest = {self.pid}
        while rest:
            rest = {pid for pid, parent in parents.items() if parent in rest}
            family |= rest
        return family

    def end(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill the driver's process group and everything else that remains of it, and wait until all have
        ended."""
        family = self.descendants()
        if driver.returncode is None:
            os.killpg(driver.pid, signal.SIGKILL)
        limit = time.monotonic() + 30
        while family:
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            driver.wait()
            with suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            time.sleep(0.05)
            family = self.descendants()
            if family and time.monotonic() > limit:
                raise SystemExit(f"processes {sorted(family)} were killed and are still running")
        driver.wait()


class Bench:
    """One sweep of one system, in its own folder. scratch: folder of its Ray sessions; a short path, because
    Ray creates sockets below it, whose paths have at most 107 bytes."""

    def __init__(self, machine: Machine, system: str, folder: Path, scratch: Path, shape: Shape) -> None:
        self.machine, self.system, self.folder, self.shape = machine, system, folder, shape
        self.log = folder / "epochs.jsonl"
        self.starts = 0
        folder.mkdir()
        # Ray's own variables, which a shell may have set, are removed. Under `uv run`, Ray would ship the
        # working folder and start every worker in a new environment.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))},
            LOG: str(self.log),
            "RAY_TMPDIR": str(scratch),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        }

    def trained(self) -> list[Line]:
        """All epochs that have ended so far."""
        if not self.log.exists():
            return []
        entries = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [
            Line((entry["point"][0], entry["point"][1]), entry["epoch"], entry["ended"]) for entry in entries
        ]

    def start(self, after: float | None) -> int | None:
        """Start or resume the sweep, and kill it `after` seconds after the end of its first epoch; None lets
        it end. Returns its exit status, or None if it was killed."""
        self.starts += 1
        known = len(self.trained())
        with self.output.open("wb") as output:
            driver = subprocess.Popen(
                self._command("--drive"),
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                start_new_session=True,
            )
        try:
            limit = time.monotonic() + 180 + 5 * self.shape.total * self.shape.seconds
            while driver.poll() is None:
                lines = self.trained()[known:]
                if after is not None and lines and time.time() >= lines[0].ended + after:
                    break
                if time.monotonic() > limit:
                    raise SystemExit(f"{self.system} hangs: see {self.output}")
                time.sleep(0.02 if lines else 0.1)
        finally:
            status = driver.returncode
            self.machine.end(driver)
        return status

    @property
    def output(self) -> Path:
        """What the latest start printed."""
        return self.folder / f"start-{self.starts:02d}.txt"

    def reason(self) -> str:
        """Why the latest start crashed: the last line of its output that names an exception, with N for each
        number, because the same error may concern another trial."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.output.read_text(errors="replace"))
        lines = [line.strip() for line in plain.splitlines() if line.strip()]
        named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b(:|$)", line)]
        return re.sub(r"\d+", "N", (named or lines or ["no output"])[-1][:200])

    def record(self) -> Record:
        """What the system has on disk now, read by another process."""
        done = subprocess.run(self._command("--read"), capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise SystemExit(f"the record of {self.system} cannot be read:\n{done.stderr[-2000:]}")
        stored = json.loads(done.stdout.splitlines()[-1])

        def trials(listed: Any) -> list[tuple[Point, float]]:
            return [((x, y), score) for (x, y), score in listed]

        study = None if stored["study"] is None else trials(stored["study"])
        return Record(trials(stored["grid"]), study, stored["running"])

    def _command(self, mode: str) -> list[str]:
        shape = [str(part) for part in self.shape]
        return [sys.executable, str(Path(__file__).absolute()), mode, self.system, str(self.folder), *shape]


def sweep(bench: Bench, kills: list[float]) -> Tally:
    """Run a sweep through its kills to its end, and count what remained of it."""
    tally = Tally(sweeps=1)
    pending = list(kills)
    finished: list[tuple[set[Point], int]] = []  # at each kill: the finished trials, lines of the log
    status: int | None = None
    last: str | None = None
    began = time.monotonic()
    while True:
        status = bench.start(pending[0] if pending else None)
        said = bench.output.read_text(errors="replace")
        tally.new += status in (None, 0) and "Failed to restore the run state" in said
        if status is None:
            pending.pop(0)
            tally.kills += 1
            lines = bench.trained()
            epochs = Counter(point for point, _ in {(line.point, line.epoch) for line in lines})
            points = {point for point, count in epochs.items() if count == bench.shape.epochs}
            finished.append((points, len(lines)))
            last = None
        elif status == 0:
            break
        else:
            tally.crashed += 1
            reason = bench.reason()
            same, last = reason == last, reason
            tally.reasons[reason] += 1
            if same:
                tally.given_up = 1
                break
    tally.seconds = time.monotonic() - began

    def right(listed: list[tuple[Point, float]]) -> set[Point]:
        score = bench.shape.score
        return {point for point, value in listed if math.isclose(value, score(point), rel_tol=1e-12)}

    record, lines = bench.record(), bench.trained()
    kept = right(record.grid) | right(record.study or [])
    tally.ended = int(status == 0 and len(right(record.grid)) == bench.shape.trials)
    tally.lost = len({point for points, _ in finished for point in points} - kept)
    tally.again = len(
        {line.point for points, known in finished for line in lines[known:] if line.point in points}
    )
    tally.repeated = len(lines) - len({(line.point, line.epoch) for line in lines})
    tally.running = record.running
    tally.recorded = len(right(record.grid if record.study is None else record.study))
    tally.epochs = len(lines)
    return tally


def row(name: str, cells: list[str]) -> str:
    """A line of the table."""
    return f"{name:12}" + "".join(f"{cell:>9}" for cell in cells)


def main() -> None:
    if sys.argv[1:2] in (["--drive"], ["--read"]):
        mode, system, path, trials, epochs, seconds = sys.argv[1:]
        shape = Shape(int(trials), int(epochs), float(seconds))
        drive, read = SYSTEMS[system]
        if mode == "--drive":
            drive(Path(path), shape)
        else:
            print(json.dumps(vars(read(Path(path), shape))))
        return

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sweeps", type=int, default=2, help="of each system")
    parser.add_argument("--kills", type=int, default=3, help="of each sweep, at most")
    parser.add_argument("--between", type=float, nargs=2, default=(2.0, 12.0), metavar=("LOW", "HIGH"))
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5, help="of a trial")
    parser.add_argument("--epoch-seconds", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0, help="of the times of the kills")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    parser.add_argument("--keep", type=Path, help="leave every sweep's files in this new folder")
    arguments = parser.parse_args()
    shape = Shape(arguments.trials, arguments.epochs, arguments.epoch_seconds)
    if arguments.keep:
        arguments.keep.mkdir(parents=True)
    machine = Machine()
    tallies = {system: Tally() for system in arguments.systems}
    with tempfile.TemporaryDirectory(prefix="kill-", dir="/tmp", ignore_cleanup_errors=True) as temporary:
        scratch = Path(temporary)
        folder = arguments.keep.absolute() if arguments.keep else scratch
        for number in range(arguments.sweeps):
            drawn = random.Random(f"{arguments.seed}/{number}")
            kills = [drawn.uniform(*arguments.between) for _ in range(arguments.kills)]
            print(f"sweep {number}: killed", *(f"{after:.1f}" for after in kills), end=" ")
            print("seconds after the first epoch of a start")
            print(row("", HEAD))
            for system in arguments.systems:
                name = f"{system.replace('+', '-')}-{number}"
                counts = sweep(Bench(machine, system, folder / name, scratch, shape), kills)
                tallies[system].add(counts)
                print(row(system, counts.cells(shape)), flush=True)
    print(f"all: {shape.trials} trials of {shape.epochs} epochs of {shape.seconds:g} s, two at a time")
    print(row("", HEAD))
    for system, tally in tallies.items():
        print(row(system, tally.cells(shape)))
    for system, tally in tallies.items():
        for reason, count in tally.reasons.items():
            print(f"{system}, {count} x {reason}")


if __name__ == "__main__":
    main()
