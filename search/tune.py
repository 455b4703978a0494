"""A search on Ray Tune: Ray places and revives trials, the study decides. The sole ray import here.

Every start is a new Tuner over the same study. Ray's own snapshots are neither needed nor read.
"""

from __future__ import annotations

import logging
import os
import queue
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

# Read by ray when it is imported: no usage statistics, no result files of its own (one of its
# loggers would import torch into the driver), and workers that stay in the folder they are in.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.environment import environment
from search.events import Ended, EpochReported, Event, Started, TrialEnded, TrialStarted
from search.folder import RunFolder
from search.plan import Plan
from search.records import State
from search.study import Question, Study
from trainable.contract import import_root
from trainable.durable import write_json, write_whole
from trainable.worker import Assignment, Mapped, Report, train_trial


class NoRoom(RuntimeError):
    """No machine has what one trial asks for; says what it asks and what there is."""


@dataclass(frozen=True)
class Cluster:
    """What trials run on. workers: trials at once. device: "cpu", "cuda" or "mps"; threads: CPU
    threads of each trial. hosts: machines."""

    workers: int
    device: str
    threads: int
    hosts: int


class Search:
    """One start of a run: iterate it for what happens, as it happens.

        with owning(run.lock):
            for event in Search(run, plan, data, address=None):
                ...

    The run must be owned by this process. data: what the trainable's Source loaded. address: of a
    Ray cluster ("auto" or host:port), None for this machine alone. `stop` may be called from a
    signal handler: trials keep their last epoch, and the stream ends within seconds.
    """

    def __init__(self, run: RunFolder, plan: Plan, data: Any, address: str | None = None) -> None:
        self.run = run
        self.plan = plan
        self._data = data
        self._address = address
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the search to end early; it can be resumed."""
        self._stop.set()

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        study = Study(self.run, self.plan)
        ledger = _Ledger(study, self.run, self._stop, began)
        if ledger.spent() is None:
            with _connected(self._address, self.plan) as cluster:
                study.note_session(time.monotonic() - began, "")
                self._write_environment(cluster)
                yield Started(
                    workers=cluster.workers,
                    hosts=cluster.hosts,
                    device=cluster.device,
                    session=study.session,
                    finished=study.finished,
                    epochs=study.epochs,
                )
                yield from self._events(ledger, cluster)
                study.note_session(time.monotonic() - began, "budget" if ledger.spent() else "interrupted")
        seconds = time.monotonic() - began
        spent = ledger.spent()
        reason: Any = "budget" if spent else "interrupted"
        yield Ended(reason, spent or "stopped before its budget was spent", seconds)

    def _write_environment(self, cluster: Cluster) -> None:
        known = environment(getattr(self._data, "fingerprint", None))
        write_json(self.run.environment, {**known, **asdict(cluster)})

    def _events(self, ledger: _Ledger, cluster: Cluster) -> Iterator[Event]:
        """Run the Tuner beside us, so that this thread stays free for signals and the screen."""
        ledger.cluster = cluster
        failure: list[BaseException] = []

        def fit() -> None:
            try:
                self._tuner(ledger, cluster).fit()
            except BaseException as error:  # handed to the iterating thread, which raises it
                failure.append(error)
            finally:
                ledger.events.put(None)

        thread = threading.Thread(target=fit, name="tuner", daemon=True)
        thread.start()
        try:
            while (event := ledger.events.get()) is not None:
                yield event
        finally:
            self._stop.set()
            thread.join(timeout=10)
            shutil.rmtree(self.run.engine, ignore_errors=True)
        if failure:
            raise failure[0]

    def _tuner(self, ledger: _Ledger, cluster: Cluster) -> tune.Tuner:
        resources = self.plan.resources
        mapped = Mapped(ray.put(self._data), import_root(self.plan.trainable))
        trainable = tune.with_resources(
            tune.with_parameters(train_trial, mapped=mapped), {"cpu": resources.cpus, "gpu": resources.gpus}
        )
        return tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=_Asker(ledger),
                scheduler=_Judge(ledger),
                num_samples=-1,
                max_concurrent_trials=cluster.workers,
                reuse_actors=True,
                trial_name_creator=lambda trial: f"trial-{trial.config['number']:05d}",
                trial_dirname_creator=lambda trial: f"trial-{trial.config['number']:05d}",
            ),
            run_config=tune.RunConfig(
                name=f"session-{ledger.study.session:03d}",
                storage_path=str(self.run.engine),
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                stop=_Deadline(ledger),
                verbose=0,
            ),
        )


@dataclass
class _Ledger:
    """What the searcher, the scheduler and the stopper of one Tuner share. Ray pickles all three
    into a file nobody reads; a ledger pickles as nothing."""

    study: Study
    run: RunFolder
    stop: threading.Event
    began: float
    events: queue.SimpleQueue[Event | None] = field(default_factory=queue.SimpleQueue)
    cluster: Cluster | None = None
    noted: float = 0.0

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())

    def spent(self) -> str | None:
        """Why the budget is spent and nothing may go on, as a sentence; None while it is not."""
        limit = self.study.plan.budget.wall_time
        if limit is not None and self.study.seconds_before + time.monotonic() - self.began >= limit:
            return f"the wall time of {limit:,.0f} s is spent"
        epochs = self.study.plan.budget.epochs
        if epochs is not None and self.study.epochs >= epochs:
            return f"the {epochs:,} epochs of the budget are spent"
        return self.study.exhausted() if self.study.idle else None

    def assignment(self, question: Question) -> dict[str, Any]:
        """What a worker needs to train the question."""
        assert self.cluster is not None
        assignment = Assignment(
            number=question.number,
            trainable=self.study.plan.trainable,
            recipe=question.recipe,
            epochs=question.epochs,
            folder=str(self.run.trial(question.number).path),
            device=self.cluster.device,
            threads=self.cluster.threads,
            reported=question.reported,
        )
        return asdict(assignment)

    def take(self, result: dict[str, Any]) -> bool:
        """Record what a worker reported. Returns whether its trial is to stop."""
        report = Report.from_result(result)
        if not self.study.is_live(report.number):
            return True
        if report.note is not None:
            self.study.note(report.number, report.note)
        pruned: bool | None = False
        if report.epoch is not None:
            pruned = self.study.record(report.number, report.epoch, report.worker)
            if pruned is not None:
                score = report.epoch.metrics[self.study.plan.metric.name]
                self.events.put(EpochReported(report.number, report.epoch, score))
        if pruned:
            self.run.trial(report.number).drop_checkpoint()
            self._ended(report.number, State.PRUNED, None)
        elif report.outcome is not None:
            self.end(report.number, State(report.outcome), report.error)
        if time.monotonic() - self.noted > 5:
            self.noted = time.monotonic()
            self.study.note_session(self.noted - self.began, "")
        return bool(pruned)

    def end(self, number: int, state: State, error: str | None) -> None:
        """Record a trial's end, unless it has one."""
        if self.study.is_live(number):
            if state is State.COMPLETE and self.study.score(number) is None:
                state, error = State.FAILED, "its training ended without a single epoch"
            self.study.end(number, state, error)
            if state is State.DIVERGED:
                self.run.trial(number).drop_checkpoint()
            self._ended(number, state, error)

    def _ended(self, number: int, state: State, error: str | None) -> None:
        score, epochs = self.study.score(number), self.study.epochs_of(number)
        self.events.put(TrialEnded(number, state, epochs, score, error))


class _Asker(Searcher):
    """Ray's searcher: asks the study."""

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        ledger = self._ledger
        question = None if ledger.stop.is_set() else ledger.study.ask()
        if question is None:
            return Searcher.FINISHED
        ledger.events.put(TrialStarted(question.number, question.sampled, question.epochs, question.reported))
        return ledger.assignment(question)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to do: the scheduler saw every end before. A trial that was merely stopped stays
        RUNNING in the study, and the next start continues it."""

    def save(self, checkpoint_path: str) -> None:
        """The study is on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a search is resumed from its study, not from Ray's snapshot")

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        return True


class _Judge(FIFOScheduler):
    """Ray's scheduler: records each report, and stops what the pruner stops. It must be the
    scheduler, for Ray does not show the searcher a result after which it stops a trial."""

    def __init__(self, ledger: _Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        return TrialScheduler.STOP if self._ledger.take(result) else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """Ray gave the trial up: its worker died more often than the plan allows."""
        error = Path(trial.error_file).read_text() if trial.error_file else "no reason is known"
        lines = [line.strip() for line in error.splitlines() if line.strip()]
        ledger, number = self._ledger, trial.config["number"]
        times = ledger.study.plan.resources.max_failures + 1
        write_whole(ledger.run.trial(number).error, error)
        ledger.end(number, State.FAILED, f"its worker died {times} times, at last with: {lines[-1][:300]}")


class _Deadline(tune.Stopper):
    """Ray's stopper: ends everything when asked to, or when the wall time is spent."""

    def __init__(self, ledger: _Ledger) -> None:
        self._ledger = ledger

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        ledger = self._ledger
        return ledger.stop.is_set() or ledger.spent() is not None


@contextmanager
def _connected(address: str | None, plan: Plan) -> Iterator[Cluster]:
    """Ray, up for one search: a cluster that is there, or this machine's own, reachable from
    nowhere else. Raises NoRoom when no trial fits."""
    _on_loopback(address is None)
    ray.init(
        address="local" if address is None else address,
        **({"include_dashboard": False} if address is None else {}),
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield _room(plan)
    finally:
        ray.shutdown()


def _on_loopback(alone: bool) -> None:
    """Let a Ray of our own listen on 127.0.0.1 and nowhere else, as it does on a Mac by itself;
    elsewhere it would take the machine's address and listen on all. The switch is read from the
    environment by the processes it starts, and was read in this one when ray was imported."""
    os.environ[ray_constants.ENABLE_RAY_CLUSTERS_ENV_VAR] = str(int(not alone))
    ray_constants.ENABLE_RAY_CLUSTER = not alone


def _room(plan: Plan) -> Cluster:
    """How many trials the cluster holds at once, and on what."""
    asked = plan.resources
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]

    def fits(node: Mapping[str, float]) -> int:
        needs = [(node.get("CPU", 0.0), asked.cpus), (node.get("GPU", 0.0), asked.gpus)]
        return min(int(has / need + 1e-9) for has, need in needs if need)

    workers = sum(fits(node) for node in nodes)
    if workers == 0:
        largest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
        raise NoRoom(
            f"a trial must fit on one machine, but it asks for cpus = {asked.cpus:g} and gpus = "
            f"{asked.gpus:g} ([resources]), and the largest machine has {largest.get('CPU', 0):g} CPUs and "
            f"{largest.get('GPU', 0):g} GPUs; ask for less, or add a machine"
        )
    device = asked.device if asked.device != "auto" else ("cuda" if asked.gpus else "cpu")
    return Cluster(min(workers, asked.concurrency or workers), device, max(1, int(asked.cpus)), len(nodes))
