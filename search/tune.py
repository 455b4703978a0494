"""A search on Ray Tune: Ray places and revives trials, the study decides. The sole ray import here.

Every start is a new Tuner over the same study. Ray's own snapshots are neither needed nor read.
"""

from __future__ import annotations

import logging
import os
import platform
import shutil
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

# Read by ray when it is imported: no usage statistics, no result files of its own (one of its
# loggers would import torch into the driver), and workers that stay in the folder they are in. Each
# trial runs in a thread of its own: with an arena for each, glibc would keep what every one left.
# Behind `uv run`, Ray would upload the working folder and start each worker in an environment anew.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", str(10**9))
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
os.environ.setdefault("MALLOC_ARENA_MAX", "2")
os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

import ray
from ray import tune
from ray._private import ray_constants
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.environment import environment
from search.events import Ended, Event, Started
from search.folder import RunFolder
from search.ledger import Cluster, Ledger
from search.plan import Plan
from search.study import Study
from trainable.contract import import_root
from trainable.durable import write_json
from trainable.worker import Mapped, train_trial


class NoRoom(RuntimeError):
    """No machine has what one trial asks for; says what it asks and what there is."""


class Search:
    """One start of a run: iterate it for what happens, as it happens.

        with owning(run.lock):
            for event in Search(run, plan, data, address=None):
                ...

    The run must be owned by this process. data: what the trainable's Source loaded. address: of a
    Ray cluster ("auto" or host:port), None for this machine alone. repaired: what was mended in the
    journal before, to be told. `stop` may be called from a
    signal handler: trials keep their last epoch, and the stream ends within seconds.
    """

    def __init__(
        self,
        run: RunFolder,
        plan: Plan,
        data: Any,
        address: str | None = None,
        repaired: str | None = None,
    ) -> None:
        self.run = run
        self.plan = plan
        self._repaired = repaired
        self._data = data
        self._address = address
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the search to end early; it can be resumed."""
        self._stop.set()

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        study = Study(self.run, self.plan)
        ledger = Ledger(study, self.run, self._stop, began)
        spent = ledger.spent()
        if spent is None:
            with _connected(self._address, self.plan) as cluster:
                study.begin_session(self._environment(cluster))
                yield Started(
                    workers=cluster.workers,
                    hosts=cluster.hosts,
                    device=cluster.device,
                    session=study.session,
                    finished=study.finished,
                    epochs=study.epochs,
                    repaired=self._repaired,
                )
                yield from self._events(ledger, cluster)
                spent = ledger.spent()
                study.note_session(time.monotonic() - began, "budget" if spent else "interrupted")
        else:
            study.settle()
        seconds = time.monotonic() - began
        if spent:
            yield Ended("budget", spent, seconds)
        else:
            yield Ended("interrupted", "stopped before its budget was spent", seconds)

    def _environment(self, cluster: Cluster) -> dict[str, Any]:
        """What this start runs on; also the run's environment.json."""
        fingerprint = getattr(self._data, "fingerprint", None)
        found = {**environment(fingerprint, self.plan.trainable), **asdict(cluster)}
        write_json(self.run.environment, found)
        return found

    def _events(self, ledger: Ledger, cluster: Cluster) -> Iterator[Event]:
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
        if ledger.failure or failure:
            raise ledger.failure or failure[0]

    def _tuner(self, ledger: Ledger, cluster: Cluster) -> tune.Tuner:
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


class _Asker(Searcher):
    """Ray's searcher: asks the study."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        assignment = self._ledger.guarded(self._ledger.next, None)
        return Searcher.FINISHED if assignment is None else assignment

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

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = self._ledger.guarded(lambda: self._ledger.take(result), True)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The trial's worker died. Ray tells it both when it will start the trial anew and when it
        gives it up."""
        ledger, number = self._ledger, trial.config["number"]
        if trial.should_recover():
            ledger.guarded(lambda: ledger.lost(number), None)
        else:
            error = Path(trial.error_file).read_text() if trial.error_file else ""
            ledger.guarded(lambda: ledger.give_up(number, error), None)


class _Deadline(tune.Stopper):
    """Ray's stopper: ends everything when asked to, or when the wall time is spent."""

    def __init__(self, ledger: Ledger) -> None:
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
    if address is not None and ":" in address:
        _reachable(address)
    ray.init(
        address="local" if address is None else address,
        **({"include_dashboard": False} if address is None else {}),
        log_to_driver=True,
        logging_level=logging.ERROR,
    )
    try:
        yield _room(plan)
    finally:
        ray.shutdown()


def _reachable(address: str) -> None:
    """Raise ConnectionError when nothing answers at host:port: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"a Ray cluster must answer at {address} (--address), but nothing does: {error}; start one there "
            f"with `ray start --head`, or leave --address out to use this machine alone"
        ) from error


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
        cpus, gpus = node.get("CPU", 0.0), node.get("GPU", 0.0)
        by_cpus = int(cpus / asked.cpus)
        if not asked.gpus:
            return by_cpus
        # A trial's share lies on one GPU: two GPUs hold four trials of 0.4, not five.
        by_gpus = int(1 / asked.gpus + 1e-9) * int(gpus) if asked.gpus < 1 else int(gpus / asked.gpus)
        return min(by_cpus, by_gpus)

    workers = sum(fits(node) for node in nodes)
    if workers == 0:
        largest = max(nodes, key=lambda node: (node.get("GPU", 0.0), node.get("CPU", 0.0)))
        raise NoRoom(
            f"a trial must fit on one machine, but it asks for cpus = {asked.cpus:g} and gpus = "
            f"{asked.gpus:g} ([resources]), and the largest machine has {largest.get('CPU', 0):g} CPUs and "
            f"{largest.get('GPU', 0):g} GPUs; ask for less, or add a machine"
        )
    device = asked.device if asked.device != "auto" else ("cuda" if asked.gpus else "cpu")
    if device == "cuda" and not any(node.get("GPU") for node in nodes):
        raise NoRoom('resources.device is "cuda", but no machine has a GPU; use "auto" or "cpu"')
    if device == "mps" and platform.system() != "Darwin":
        raise NoRoom(
            f'resources.device is "mps", which Macs have, but this is {platform.system()}; use "auto"'
        )
    return Cluster(min(workers, asked.concurrency or workers), device, max(1, int(asked.cpus)), len(nodes))
