"""Kill a search again and again, and compare its result with that of an undisturbed search.

    python benchmarks/chaos.py --kills 100
    python benchmarks/chaos.py --each-record
    python benchmarks/chaos.py --each-record --local
    python benchmarks/chaos.py --each-record --local --pausing

A small real search (digits, one worker; tpe and successive halving, or with --pausing auto and forecast) runs
once undisturbed. Then it runs again and again, killed and resumed until it ends, until the given number of
kills is reached. Each kill is one of these, in turn:

- everything: SIGKILL to the driver, Ray's daemons and the workers, at a random moment
- the driver alone: SIGKILL, and the next start at once, while the old worker still trains its epoch
- at a record: SIGKILL to the driver before, within or after a random write to the journal
- a worker: SIGKILL to the process that trains; the driver keeps running

--each-record kills once at every kind of record instead, in turn before, within and after it.
--local trains without Ray, in the driver, so that a worker and the driver alone cannot be killed.

lost: trials that were recorded as finished before a kill, and are missing or changed at the end.
repeated: epochs of such trials that were trained again, by the trainable's own log.
wrong: trials whose recipe, state, score or any epoch's metrics differ from the undisturbed search's.
in flight: epochs trained twice because a kill came before they were stored: at most one per kill.
left: processes of a start that were still there 15 s after its driver had been killed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent))  # for the workers, where logged_mlp is imported from

from fork_server import PIPE, ForkServer

from search.cluster.access import Site
from search.engine.processes import Descendants
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import JournalFile
from search.records.sweep import State, Sweep, Trial
from search.start import plan_of, starting

TABLE: dict[str, Any] = {
    "name": "chaos",
    "trainable": "logged_mlp",
    "budget": {"trials": 9},
    "data": {"dataset": "digits"},
    "recipe": {"batch_size": 8, "epochs": 12},
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "schedule": {"choices": ["constant", "step"]},
        "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
    },
    "sampler": {"name": "tpe", "n_startup_trials": 3},
    "pruner": {"name": "successive_halving", "min_resource": 2, "reduction_factor": 2},
    "resources": {"concurrency": 1},
}
PAUSING: dict[str, Any] = {
    "budget": {"trials": 14},
    "sampler": {"name": "auto", "n_startup_trials": 4},
    "pruner": {"name": "forecast", "chance": 0.3, "n_startup_trials": 2},
}
"""What differs in a search that pauses trials."""
WAYS = ("everything", "the driver alone", "at a record", "a worker")
LOCAL_WAYS = ("everything", "at a record")
MOMENTS = ("before", "within", "after")
GRACE = 15.0
"""Seconds after a driver's death by which what it started must have ended."""
OPERATIONS = ("study", "", "study user", "study system", "trial", "param", "state", "value", "user", "system")


class Setting(NamedTuple):
    """How searches run."""

    local: bool = False
    """Whether the driver trains, without Ray."""
    pausing: bool = False
    """Whether trials are paused."""

    @property
    def table(self) -> dict[str, Any]:
        """The plan."""
        return {**TABLE, **PAUSING} if self.pausing else TABLE


@dataclass
class Tally:
    """Counts over all sweeps."""

    kills: Counter[str] = field(default_factory=Counter)
    """Number of kills of each kind."""
    records: list[str] = field(default_factory=list)
    """The records at which a process was killed: "before: user worker"."""
    sweeps: int = 0
    """Searches that ran to their end."""
    starts: int = 0
    """Starts of all searches."""
    trials: int = 0
    """Trials on record at the end."""
    epochs: int = 0
    """Different epochs trained."""
    lost: int = 0
    """Trials finished before a kill, and missing or changed at the end."""
    repeated: int = 0
    """Epochs of such trials that were trained again."""
    wrong: int = 0
    """Trials that differ from those of the undisturbed search."""
    in_flight: int = 0
    """Other epochs that were trained twice."""
    left: int = 0
    """Processes that outlived their driver by `GRACE` seconds."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "kills": sum(self.kills.values()), "ways": dict(self.kills)}


@cache
def _fork_server() -> ForkServer:
    """Starts the drivers: they die too often to import everything each time."""
    return ForkServer()


class Driver:
    """A start of the search in its own process. deadly: at which record it kills itself; None for none."""

    def __init__(self, run: RunFolder, setting: Setting, deadly: dict[str, Any] | None = None) -> None:
        options = [f"--{name}" for name, given in setting._asdict().items() if given]
        self._errors = run.path.with_suffix(".stderr").open("w")
        self.process = _fork_server().start(
            *(__file__, "--drive", str(run.path), "--deadly", json.dumps(deadly), *options),
            stdout=PIPE,
            stderr=self._errors,
            start_new_session=True,
            env={**os.environ, "CHAOS_LOG": str(run.path.with_suffix(".epochs"))},
        )
        self._started = Descendants(self.process.pid)
        self._died = 0.0

    def lines(self) -> Iterator[str]:
        """Yields the names of its events."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("event "):
                self._started.remember()
                yield line.split()[1]

    def kill(self) -> None:
        """End the driver alone."""
        self._started.remember()
        self.process.kill()
        self.wait()

    def wait(self) -> int | None:
        """Wait for its end. Returns its exit status."""
        status = self.process.wait()
        self._died = self._died or time.monotonic()
        return status

    def clear(self) -> None:
        """Kill the processes that it left behind."""
        self._started.kill()
        self.wait()
        self._errors.close()

    def outlived(self) -> int:
        """Number of its processes that live on `GRACE` seconds after its death; they are killed."""
        while (left := self._started.alive()) and time.monotonic() < self._died + GRACE:
            time.sleep(0.2)
        self.clear()
        return left


def drive(folder: Path, deadly: dict[str, Any] | None, setting: Setting) -> None:
    """One start, in this process."""
    run = RunFolder(folder)
    if deadly is not None:
        _make_deadly(**deadly)
    plan = Plan.parse({**setting.table, "name": run.name}, "chaos")
    given = plan_of if run.plan.exists() else plan
    with starting(run, given, Path(), Site(local=setting.local)) as search:
        for event in search:
            print("event", type(event).__name__, flush=True)


def _make_deadly(seen: str, nth: int, moment: str) -> None:
    """Make this process kill itself at the nth write to the journal (counted from 1). With nth 0: at the
    first write of a kind that is not in the file `seen` yet, to which it is then added."""
    write, count = JournalFile._write, 0

    def deadly(self: JournalFile, logs: list[dict[str, Any]]) -> int:
        nonlocal count, moment
        count += 1
        kind, known = _kind(logs), Path(seen).read_text().splitlines()
        if (count != nth) if nth else any(line.partition(": ")[2] == kind for line in known):
            return write(self, logs)
        if not nth:
            moment = MOMENTS[len(known) % 3]
        with Path(seen).open("a") as file:
            file.write(f"{moment}: {kind}\n")
        if moment == "after":
            write(self, logs)
        elif moment == "within":
            size = self._path.stat().st_size
            written = write(self, logs)
            os.truncate(self._path, size + written // 2)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")

    JournalFile._write = deadly  # type: ignore[method-assign]


def _kind(logs: list[dict[str, Any]]) -> str:
    """What a transaction writes: "user worker, value, state 1". Without the duration of the session, which
    any transaction may include, every few seconds."""

    def part(log: dict[str, Any]) -> str:
        attributes = log.get("user_attr") or log.get("system_attr") or {}
        names = [name.split(":")[0].rstrip("0123456789_") for name in attributes]
        state = [str(int(log["state"]))] if log["op_code"] == 6 else []
        return " ".join([OPERATIONS[log["op_code"]], *names, *state])

    parts = list(map(part, logs))
    return ", ".join(parts[:-1] if len(parts) > 1 and parts[-1] == "study user session" else parts)


def _figures(trial: Trial) -> tuple[Any, ...]:
    return (
        dict(trial.recipe),
        trial.state,
        trial.score,
        [(epoch.number, dict(epoch.metrics)) for epoch in trial.epochs],
    )


def _finished(run: RunFolder) -> dict[int, tuple[Any, ...]]:
    """The trials that are over, by number."""
    if not run.plan.exists():
        return {}
    trials = Sweep.read(run.path).trials
    over = [trial for trial in trials if trial.state.is_finished()]
    return {trial.number: _figures(trial) for trial in over}


def _trained(run: RunFolder) -> Counter[tuple[str, int]]:
    """How often each epoch was trained, by the trainable's own log."""
    log = run.path.with_suffix(".epochs")
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(tuple(json.loads(line)) for line in lines)


def _of(counts: Counter[tuple[str, int]], figures: tuple[Any, ...]) -> Counter[tuple[str, int]]:
    """How often each epoch of this trial was trained."""
    return Counter({key: count for key, count in counts.items() if json.loads(key[0]) == figures[0]})


def _kill(driver: Driver, way: str, run: RunFolder, chance: random.Random) -> bool:
    """Wait for a random moment, and kill. Returns whether there was still a process to kill."""
    events = driver.lines()
    if way == "everything" and chance.random() < 0.15:
        time.sleep(chance.uniform(0.1, 3))  # while it starts
    else:
        for _ in range(chance.randint(2, 60)):
            if next(events, None) is None:
                break
        time.sleep(chance.uniform(0, 0.1))
    if driver.process.poll() is not None:
        return False
    if way == "a worker":
        workers = [trial.worker for trial in Sweep.read(run.path).trials if trial.state is State.RUNNING]
        pids = [int(worker.rpartition(":")[2]) for worker in workers if worker is not None]
        with suppress(ProcessLookupError):
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        for _ in events:
            pass
        return bool(pids)
    driver.kill()
    if way == "everything":
        driver.clear()
    return True


def _sweep(
    run: RunFolder, tally: Tally, kills: int, chance: random.Random, records: Path | None, setting: Setting
) -> None:
    """Run a search to its end, killed at most `kills` times. records: the file with the kinds of records at
    which it was killed already; None for random kills."""
    old: list[Driver] = []
    done: dict[int, tuple[Any, int]] = {}  # trials finished at a kill, and their number of trained epochs
    while True:
        ways = LOCAL_WAYS if setting.local else WAYS
        way = "at a record" if records else ways[sum(tally.kills.values()) % len(ways)]
        deadly = None
        if records is not None or (kills and way == "at a record"):
            seen = records or run.path.with_suffix(".seen")
            seen.touch()
            nth = 0 if records else chance.randint(1, 40)
            deadly = {"seen": str(seen), "nth": nth, "moment": chance.choice(MOMENTS)}
        driver = Driver(run, setting, deadly)
        tally.starts += 1
        killed = False
        if kills and deadly is None:
            killed = _kill(driver, way, run, chance)
        for _ in driver.lines():
            pass
        status = driver.wait()
        killed = killed or status == -signal.SIGKILL
        if killed:
            tally.kills[way] += 1
            kills -= 1
            counts = _trained(run)
            for number, figures in _finished(run).items():
                done.setdefault(number, (figures, sum(_of(counts, figures).values())))
        for previous in old:
            tally.left += previous.outlived()
        old = [driver]
        if status == 0:
            break
        if not killed:
            raise SystemExit(run.path.with_suffix(".stderr").read_text())
    for previous in old:
        tally.left += previous.outlived()
    ends = _finished(run)
    counts = _trained(run)
    again = [sum(_of(counts, figures).values()) - then for figures, then in done.values()]
    tally.lost += sum(ends.get(number) != figures for number, (figures, _) in done.items())
    tally.repeated += sum(again)
    tally.in_flight += sum(counts.values()) - len(counts) - sum(again)
    tally.epochs += len(counts)


def chaos(kills: int, seed: int, each_record: bool, setting: Setting, folder: Path) -> Tally:
    """Make `kills` kills, or one at each kind of record."""
    undisturbed = RunFolder.named("undisturbed", folder)
    undisturbed.path.mkdir()
    tally = Tally()
    _sweep(undisturbed, Tally(), 0, random.Random(seed), None, setting)
    expected = _finished(undisturbed)
    assert len(expected) == setting.table["budget"]["trials"]
    epochs = sum(_trained(undisturbed).values())
    print(f"undisturbed: {len(expected)} trials, {epochs} epochs", file=sys.stderr)
    records = folder / "records.txt" if each_record else None
    while sum(tally.kills.values()) < kills or (records and not tally.sweeps):
        run = RunFolder.named(f"sweep-{tally.sweeps}", folder)
        run.path.mkdir()
        chance = random.Random(f"{seed} {tally.sweeps}")
        share = min(chance.randint(3, 9), kills - sum(tally.kills.values()))
        _sweep(run, tally, 10**9 if records else share, chance, records, setting)
        ends = _finished(run)
        tally.sweeps += 1
        tally.trials += len(ends)
        tally.wrong += sum(ends.get(number) != figures for number, figures in expected.items())
        tally.wrong += len(ends.keys() - expected.keys())
        print(json.dumps(tally.to_json()), file=sys.stderr, flush=True)
    if records is not None:
        tally.records = records.read_text().splitlines()
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Kill a search again and again, and compare its result with an undisturbed one."
    )
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--each-record", action="store_true", help="kill at every kind of record once")
    parser.add_argument("--local", action="store_true", help="train in the driver, without Ray")
    parser.add_argument("--pausing", action="store_true", help="pause trials")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--drive", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--deadly", help=argparse.SUPPRESS)
    given = parser.parse_args()
    setting = Setting(given.local, given.pausing)
    if given.drive:
        drive(given.drive, json.loads(given.deadly), setting)
        return
    with tempfile.TemporaryDirectory() as folder:
        kills = 0 if given.each_record else given.kills
        tally = chaos(kills, given.seed, given.each_record, setting, Path(folder))
    counts = tally.to_json()
    if given.json:
        print(json.dumps(counts))
        return
    for name, value in counts.items():
        print(f"{name:10} {value}")


if __name__ == "__main__":
    main()
