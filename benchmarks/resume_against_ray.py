"""What a sweep still has after it was killed, in one run: ours against plain Ray Tune with OptunaSearch.

    uv run python benchmarks/resume_against_ray.py

The same toy trials for three systems: a score that is carried from epoch to epoch, each epoch a sleep,
a checkpoint an epoch, two trials at a time. A sweep is started, killed at a seeded time after the first
epoch of that start, resumed, killed again, and at last left alone. The times are the same for every
system. A kill is SIGKILL for the driver's process group and everything else that it started, as when
a machine loses its power, save that what was written stays written.

"ray": tune.Tuner with OptunaSearch() as the documentation writes it, a function trainable, Ray's
defaults; resumed with Tuner.restore(resume_unfinished=True, resume_errored=True). "ray+sqlite": the same
with OptunaSearch(storage=RDBStorage("sqlite:..."), study_name=...). "ours": search.start.starting.
Neither of Ray's is told a seed, as none is by default, so parameters differ between systems.

Each trial appends a line to a log of the benchmark's own whenever an epoch ends, before the epoch is
checkpointed or reported. What was trained is known from there; trials are told apart by their two
parameters, to the last bit. An epoch that a kill cuts off is in no log and counts nowhere. "Finished at
a kill": all its epochs were in that log when the kill came. The columns, summed over the sweeps:

    kills        that were made; a start that ends before its time is not killed
    ended        sweeps that came to their end without an error, with every trial in the result: Ray's
                 result grid, our study
    given up     sweeps that cannot be resumed: they crashed twice in a row for the same reason, numbers in
                 it aside
    crashed      starts that died of themselves; the reasons are printed below the table
    new          resumes that could not read what was there and began a new experiment in its place,
                 which they told in their log alone: they went on as if all were well
    lost         trials finished at a kill that are not in the final record with their right score. The
                 record of "ray" is its newest snapshot, which is its result grid where it ended; for
                 "ray+sqlite" it is enough to be in that or in the study; ours is the study
    again        trials finished at a kill of which an epoch was trained again later
    repeated     epochs trained more than once: each time after the first. One that had ended but was not
                 yet checkpointed when the kill came counts too, for every system
    running      trials still unfinished in the final record: RUNNING in the study, or unfinished in the
                 newest snapshot of "ray", which keeps no study
    recorded     trials finished in the final record (in the study, where there is one), of those asked
    epochs       trained in all, of those asked
    minutes      wall time, from the first start to the end or to giving up

The snapshots that Tuner.restore reads are 10 seconds apart by default, so what Ray loses depends on how
a sweep's length, its epochs and its kills compare to that; --epoch-seconds and --between change it.
Linux only: leftover processes are found in /proc, and are ended one by one, by their ids.
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

# The toy, which is also a trainable of ours: the four names at the end of this part.

LOG = "RESUME_BENCHMARK_LOG"
"""The environment variable that names the log of epochs. Workers inherit it from their driver."""

Point = tuple[float, float]


def train_epoch(point: Point, epoch: int, score: float, seconds: float) -> float:
    """One epoch: sleep, move the score halfway to its limit, and write down that it was trained."""
    began = time.time()
    time.sleep(seconds)
    score = next_score(point, score)
    line = json.dumps({"point": point, "epoch": epoch, "began": began, "ended": time.time()}) + "\n"
    log = os.open(os.environ[LOG], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())  # one write: lines of two workers do not mix
    finally:
        os.close(log)
    return score


def next_score(point: Point, score: float) -> float:
    """The score an epoch later. It needs the one before: a trial continued wrongly ends wrongly."""
    x, y = point
    return 0.5 * score + 0.5 * ((x - 0.3) ** 2 + (y - 0.7) ** 2)


class Recipe(BaseModel, frozen=True, extra="forbid"):
    """Settings of one toy trial. seconds: of an epoch."""

    x: float = Field(0.5, ge=0, le=1)
    y: float = Field(0.5, ge=0, le=1)
    seconds: float = Field(1.0, ge=0)
    epochs: int = Field(5, ge=1)
    seed: int = 0


METRIC = Metric("score", "minimize")


class Source(BaseModel, frozen=True, extra="forbid"):
    """There is nothing to load."""

    def load(self, folder: Path) -> None:
        return None

    def load_test(self, folder: Path) -> None:
        return None


class Training:
    """A toy training of ours."""

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
    """The same training as the trainable of a Ray Tune script."""
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


# The three systems, each in a process of its own: what a user starts, and starts again.


class Shape(NamedTuple):
    """Of a sweep. trials: asked. epochs: of a trial. seconds: of an epoch."""

    trials: int
    epochs: int
    seconds: float

    @property
    def total(self) -> int:
        """Epochs of a sweep that trains each of them once."""
        return self.trials * self.epochs

    def score(self, point: Point) -> float:
        """The score of a trial after its last epoch."""
        score = 1.0
        for _ in range(self.epochs):
            score = next_score(point, score)
        return score


def drive_ours(folder: Path, shape: Shape) -> None:
    """Start our search, or go on with it."""
    from search.plan.plan import Plan
    from search.records.folder import RunFolder
    from search.start import starting

    table: dict[str, Any] = {
        "name": "sweep",
        "trainable": Path(__file__).stem,
        "budget": {"trials": shape.trials},
        "recipe": {"epochs": shape.epochs, "seconds": shape.seconds},
        "space": {"x": {"low": 0.0, "high": 1.0}, "y": {"low": 0.0, "high": 1.0}},
        "resources": {"concurrency": 2},
    }
    with starting(RunFolder.named("sweep", folder), Plan.parse(table, "benchmark"), folder) as search:
        for event in search:
            print(event, flush=True)


def drive_ray(folder: Path, shape: Shape, stored: bool = False) -> None:
    """Start a Ray Tune script, or resume what it left. stored: OptunaSearch keeps its study in sqlite."""
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
        asked: dict[str, Any] = {}
        if stored:
            from optuna.storages import RDBStorage

            asked = {"storage": RDBStorage(_study_url(folder)), "study_name": "sweep"}
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
                search_alg=OptunaSearch(**asked),
                num_samples=shape.trials,
                max_concurrent_trials=2,
            ),
            run_config=tune.RunConfig(name="sweep", storage_path=str(folder)),
        )
    tuner.fit()


def drive_ray_stored(folder: Path, shape: Shape) -> None:
    """`drive_ray` with its study in sqlite."""
    drive_ray(folder, shape, stored=True)


def _study_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'study.db'}"


@dataclass
class Record:
    """What a system has on disk. grid: finished trials of its result, with their scores; study: those
    of its study, None where it keeps none. running: how many trials are unfinished."""

    grid: list[tuple[Point, float]]
    study: list[tuple[Point, float]] | None
    running: int


def read_ours(folder: Path, shape: Shape) -> Record:
    """What our study holds."""
    from search.records.sweep import State, Sweep

    trials = Sweep.read(folder / "sweep").trials
    finished = [
        ((trial.recipe["x"], trial.recipe["y"]), trial.score)
        for trial in trials
        if trial.state is State.COMPLETE and trial.score is not None
    ]
    running = sum(trial.state in (State.RUNNING, State.INTERRUPTED) for trial in trials)
    return Record(finished, finished, running)


def read_ray(folder: Path, shape: Shape) -> Record:
    """What Ray's newest snapshot holds: the result grid, if it was written at the end."""
    from ray.tune import ExperimentAnalysis

    try:
        trials = ExperimentAnalysis(str(folder / "sweep")).trials
    except ValueError as error:  # torn by the kill, or never written: nothing is on record
        print(f"ray's newest snapshot cannot be read: {error}", file=sys.stderr)
        return Record([], None, 0)
    finished = [
        ((trial.config["x"], trial.config["y"]), trial.last_result["score"])
        for trial in trials
        if trial.status == "TERMINATED" and trial.last_result.get("epoch") == shape.epochs
    ]
    running = sum(trial.status not in ("TERMINATED", "ERROR") for trial in trials)
    return Record(finished, None, running)


def read_ray_stored(folder: Path, shape: Shape) -> Record:
    """The same, and the study in sqlite, which alone tells what is still RUNNING."""
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


# The one who kills, which imports neither system.


class Line(NamedTuple):
    """An epoch that ended: of which trial, and when (seconds since 1970)."""

    point: Point
    epoch: int
    ended: float


@dataclass
class Tally:
    """What became of a system's sweeps: the columns, as the module tells them."""

    sweeps: int = 0
    kills: int = 0
    ended: int = 0
    given_up: int = 0
    crashed: int = 0
    new: int = 0
    lost: int = 0
    again: int = 0
    repeated: int = 0
    running: int = 0
    recorded: int = 0
    epochs: int = 0
    seconds: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, other: Tally) -> None:
        """Count another sweep in."""
        for name, value in vars(other).items():
            if name == "reasons":
                self.reasons.update(value)
            else:
                setattr(self, name, getattr(self, name) + value)

    def cells(self, shape: Shape) -> list[str]:
        """The row, under HEAD."""
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
    """Starts processes of a system and ends them, with all that they started.

    The benchmark adopts what its children leave behind (PR_SET_CHILD_SUBREAPER), so that whatever
    descends from it is a driver's or its Ray's, wherever it moved to, and no one else's ever is.
    """

    def __init__(self) -> None:
        self.pid = os.getpid()
        if ctypes.CDLL(None, use_errno=True).prctl(36, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) was refused")

    def descendants(self) -> set[int]:
        """Ids of all living processes that descend from this one."""
        parents: dict[int, int] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):  # it ended while we looked
                    state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                    if state != "Z":
                        parents[int(entry.name)] = int(parent)
        found: set[int] = set()
        rest = {self.pid}
        while rest:
            rest = {pid for pid, parent in parents.items() if parent in rest}
            found |= rest
        return found

    def end(self, driver: subprocess.Popen[bytes]) -> None:
        """Kill the driver's group and everything else that is left of it; return when all are gone."""
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
                raise SystemExit(f"processes {sorted(family)} were killed and are still there")
        driver.wait()


class Bench:
    """One sweep of one system, in a folder of its own. scratch: where its Rays lie, a short path, for
    they put sockets below it, whose paths have 107 bytes at most."""

    def __init__(self, machine: Machine, system: str, folder: Path, scratch: Path, shape: Shape) -> None:
        self.machine, self.system, self.folder, self.shape = machine, system, folder, shape
        self.log = folder / "epochs.jsonl"
        self.starts = 0
        folder.mkdir()
        # Ray's own switches, which a shell may have set, are left at their defaults. Behind `uv run` it
        # would pack up the working folder and start every worker in an environment anew.
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))},
            LOG: str(self.log),
            "RAY_TMPDIR": str(scratch),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        }

    def trained(self) -> list[Line]:
        """Every epoch that has ended so far."""
        if not self.log.exists():
            return []
        stored = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [Line((each["point"][0], each["point"][1]), each["epoch"], each["ended"]) for each in stored]

    def start(self, after: float | None) -> int | None:
        """Start or resume the sweep, and kill it `after` seconds from its first epoch's end on, or let it
        end when None. Returns its exit status, None when it was killed."""
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
        """Why the latest start died: the last line of its output that names an exception, with an N for
        each number in it: the same fault may well be told of another trial."""
        plain = re.sub(r"\x1b\[[0-9;]*m", "", self.output.read_text(errors="replace"))
        lines = [line.strip() for line in plain.splitlines() if line.strip()]
        named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b(:|$)", line)]
        return re.sub(r"\d+", "N", (named or lines or ["it said nothing"])[-1][:200])

    def record(self) -> Record:
        """What the system has on disk now, read by a process of its own."""
        done = subprocess.run(self._command("--read"), capture_output=True, text=True, env=self.environment)
        if done.returncode:
            raise SystemExit(f"the record of {self.system} cannot be read:\n{done.stderr[-2000:]}")
        told = json.loads(done.stdout.splitlines()[-1])

        def trials(listed: Any) -> list[tuple[Point, float]]:
            return [((x, y), score) for (x, y), score in listed]

        study = None if told["study"] is None else trials(told["study"])
        return Record(trials(told["grid"]), study, told["running"])

    def _command(self, mode: str) -> list[str]:
        shape = [str(part) for part in self.shape]
        return [sys.executable, str(Path(__file__).absolute()), mode, self.system, str(self.folder), *shape]


def sweep(bench: Bench, kills: list[float]) -> Tally:
    """Carry a sweep through its kills to its end, and count what was left of it."""
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
            whole = {point for point, count in epochs.items() if count == bench.shape.epochs}
            finished.append((whole, len(lines)))
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
    tally.lost = len({point for whole, _ in finished for point in whole} - kept)
    tally.again = len(
        {line.point for whole, known in finished for line in lines[known:] if line.point in whole}
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
        mode, system, place, trials, epochs, seconds = sys.argv[1:]
        shape = Shape(int(trials), int(epochs), float(seconds))
        drive, read = SYSTEMS[system]
        if mode == "--drive":
            drive(Path(place), shape)
        else:
            print(json.dumps(vars(read(Path(place), shape))))
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
                one = sweep(Bench(machine, system, folder / name, scratch, shape), kills)
                tallies[system].add(one)
                print(row(system, one.cells(shape)), flush=True)
    print(f"all: {shape.trials} trials of {shape.epochs} epochs of {shape.seconds:g} s, two at a time")
    print(row("", HEAD))
    for system, tally in tallies.items():
        print(row(system, tally.cells(shape)))
    for system, tally in tallies.items():
        for reason, count in tally.reasons.items():
            print(f"{system}, {count} x {reason}")


if __name__ == "__main__":
    main()
