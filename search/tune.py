"""A search on Ray Tune: Ray places and revives trials, the study decides.

Every start is a new Tuner over the same study. Ray's own snapshots are neither needed nor read.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.cluster import Cluster
from search.engine import Engine, EngineLost, connected
from search.environment import environment
from search.events import Ended, Event, Noted, Started
from search.folder import RunFolder
from search.ledger import Ledger
from search.records import Sweep
from search.register import Register
from trainable.contract import import_root
from trainable.durable import write_json
from trainable.worker import Mapped, train_trial


class Search:
    """One start of a run: iterate it for what happens, as it happens.

        with owning(run.lock):
            for event in Search(run, Study(run, plan), data):
                ...

    The run must be owned by this process. register: a `Study`, or a confirmation's `Reruns`. data:
    what the trainable's Source loaded. address: of a Ray cluster ("auto" or host:port), None for this
    machine alone. notes: what was done before, to be told. before: what earlier starts left, as it was
    read already. `stop` may be called from a signal handler: trials keep their last epoch, and the
    stream ends within seconds.
    """

    def __init__(
        self,
        run: RunFolder,
        register: Register,
        data: Any,
        address: str | None = None,
        notes: tuple[str, ...] = (),
        before: Sweep | None = None,
    ) -> None:
        self.run = run
        self.plan = register.plan
        self.register = register
        self._notes = notes
        self.before = before
        self.data = data
        self._address = address
        self._stop = threading.Event()

    def stop(self) -> None:
        """Ask the search to end early; it can be resumed."""
        self._stop.set()

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        register = self.register
        ledger = Ledger(register, self.run, self._stop, began)
        spent = ledger.spent()
        yield from map(Noted, self._notes)
        if spent is None:
            with connected(self.plan.resources, self._address) as engine:
                cluster = engine.cluster
                register.begin_session(self._environment(cluster), time.monotonic() - began)
                yield Started(
                    workers=cluster.workers,
                    hosts=cluster.hosts,
                    device=cluster.device,
                    session=register.session,
                    finished=register.finished,
                    epochs=register.epochs,
                )
                try:
                    yield from self._events(ledger, engine)
                except Exception:
                    with suppress(OSError):  # what is raised may be that nothing can be written
                        register.note_session(time.monotonic() - began, "error")
                    raise
                spent = ledger.spent()
                register.note_session(time.monotonic() - began, "budget" if spent else "interrupted")
        else:
            register.settle()
        seconds = time.monotonic() - began
        if spent:
            yield Ended("budget", spent, seconds)
        else:
            by = "" if ledger.asked is None else f" by {ledger.asked}, with `benchsweep stop`"
            yield Ended("interrupted", f"stopped{by} before its budget was spent", seconds)

    def _environment(self, cluster: Cluster) -> dict[str, Any]:
        """What this start runs on; also the run's environment.json."""
        fingerprint = getattr(self.data, "fingerprint", None)
        found = {**environment(fingerprint, self.plan.trainable), **asdict(cluster)}
        write_json(self.run.environment, found)
        return found

    def _events(self, ledger: Ledger, engine: Engine) -> Iterator[Event]:
        """Run the Tuner beside us, so that this thread stays free for signals and the screen."""
        cluster = ledger.cluster = engine.cluster
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
        patience, looked = 10.0, time.monotonic()
        try:
            while True:
                event: Event | None = None
                with suppress(queue.Empty):
                    event = ledger.events.get(timeout=1)
                    if event is None:
                        break
                if time.monotonic() - looked > 1:
                    looked = time.monotonic()
                    engine.check()
                if event is not None:
                    yield event
        except EngineLost:
            patience = 0.0  # it waits for what will never answer
            raise
        finally:
            self._stop.set()
            thread.join(timeout=patience)
            failed = ledger.failure
            ledger.close()
            shutil.rmtree(self.run.engine, ignore_errors=True)
        if failed or failure:
            raise failed or failure[0]

    def _tuner(self, ledger: Ledger, cluster: Cluster) -> tune.Tuner:
        resources = self.plan.resources
        mapped = Mapped(ray.put(self.data), import_root(self.plan.trainable))
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
                name=f"session-{ledger.register.session:03d}",
                storage_path=str(self.run.engine),
                failure_config=tune.FailureConfig(max_failures=resources.max_failures),
                stop=_Deadline(ledger),
                callbacks=[_Watch(ledger)],
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
        if assignment == "later":
            return None
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
        return self._ledger.guarded(self._ledger.stopping, True)


class _Watch(tune.Callback):
    """Ray's callback: ends the worker of a trial that hangs. Ray then replaces it, as it does when one
    dies, or gives the trial up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._ledger.register.plan.resources.trial_timeout is None:
            return
        self._ledger.pause()
        for trial in trials:
            if trial.status == "RUNNING":
                self._ledger.guarded(partial(self._look, trial), None)

    def _look(self, trial: Any) -> None:
        number = trial.config["number"]
        if self._ledger.hangs(number):
            if self._ledger.give_up_hung(number):
                trial.max_failures = trial.run_metadata.num_failures  # the next one is the last
            ray.kill(trial.temporary_state.ray_actor)
