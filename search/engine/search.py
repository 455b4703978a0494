"""One start of a run, as a stream of events, whichever engine trains its trials."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import asdict
from functools import partial
from typing import Any

from search.cluster.access import THIS_MACHINE, Site
from search.cluster.capacity import Cluster
from search.cluster.placement import Slots
from search.engine.driver import Driver, drop_checkpoint, pop_stop_request
from search.engine.engine import Engine
from search.engine.events import Ended, Event, Note, Started, TrialEnded
from search.engine.kept import KeptEngine
from search.records.environment import environment
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.study.base import SettledTrial, Study
from trainable.contract import refuse_trained_elsewhere
from trainable.storage.durable import write_json


class Search:
    """One start of a run: iterate it for its events, as they happen.

        with owning(run.lock):
            for event in Search(run, SearchStudy(run, plan), data):
                ...

    The run must be owned by this process. `stop` may be called from a signal handler or another thread:
    trials keep their last epoch, and the stream ends within seconds, or after the epoch in progress where
    this process trains itself.
    """

    def __init__(
        self,
        run: RunFolder,
        study: Study,
        data: Any,
        site: Site = THIS_MACHINE,
        notes: tuple[str, ...] = (),
        before: Sweep | None = None,
    ) -> None:
        """data: what the trainable's Source loaded; None if nothing is left to train. notes: messages about
        what was done before, the first events. before: the run as earlier starts left it."""
        self.run = run
        self.plan = study.plan
        self.study = study
        self.before = before
        self.data = data
        self._site = site
        self._notes = notes
        self._stop = threading.Event()
        self._stopped_by: str | None = None
        self._kept: KeptEngine | None = None
        self._follows = False

    def use_engine(self, kept: KeptEngine, another_follows: bool) -> None:
        """Train with the engine that an earlier search of this plan left up. another_follows: whether to
        leave it up once the budget is spent."""
        if self._site.alone:  # a cluster is up anyway
            self._kept, self._follows = kept, another_follows

    def stop(self) -> None:
        """Ask the search to end early; it can be resumed."""
        self._stop.set()

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        spent = self.study.spent()
        yield from map(Note, self._notes)
        if spent is None:
            refuse_trained_elsewhere(self.plan.trainable)
            with self._engine(lambda: self._follows and spent is not None) as engine:
                yield from map(Note, engine.gather(self._stop_requested))
                if engine.slots is not None:
                    spent = yield from self._train(engine, engine.slots, began)
        else:
            yield from self._pruned(self.study.settle())
        seconds = time.monotonic() - began
        if spent:
            yield Ended("budget", spent, seconds)
        else:
            by = "" if self._stopped_by is None else f" by {self._stopped_by}, with `benchsweep stop`"
            yield Ended("interrupted", f"stopped{by} before its budget was spent", seconds)

    def begin(self, cluster: Cluster, seconds: float) -> Started:
        """Record that this start begins to train, and on what. seconds: how long it has been running."""
        study = self.study
        study.begin_session(self._write_environment(cluster), seconds)
        return Started(
            workers=cluster.workers,
            hosts=cluster.hosts,
            device=cluster.device,
            session=study.session,
            finished=study.finished,
            epochs=study.epochs,
        )

    def _engine(self, keep: Callable[[], bool]) -> AbstractContextManager[Engine]:
        """keep: whether to leave it up at the end."""
        if self._site.local:
            from search.engine.local import LocalEngine

            return nullcontext(LocalEngine(self.plan.resources))
        from search.engine.ray_tune.loop import ray_engine

        start = partial(ray_engine, self.study, self.run, self._site)
        if self._kept is None:
            return start()
        return self._kept.use(start, keep)

    def _train(self, engine: Engine, slots: Slots, began: float) -> Generator[Event, None, str | None]:
        """Train until the budget is spent, or something stops the search. Returns why the budget is spent,
        or None if it is not."""
        study = self.study
        yield self.begin(slots.cluster, time.monotonic() - began)
        driver = Driver(study, self.run, self._stop, began, slots)
        try:
            yield from engine.train(driver, self.data)
        except Exception:
            with suppress(OSError):  # the error may be that nothing can be written
                study.note_session(time.monotonic() - began, "error")
            raise
        spent, self._stopped_by = driver.spent(), driver.stopped_by
        pruned: list[SettledTrial] = []
        with study.transaction():
            if spent:
                pruned = study.prune_paused()
            study.note_session(time.monotonic() - began, "budget" if spent else "interrupted")
        yield from self._pruned(pruned)
        return spent

    def _pruned(self, trials: Sequence[SettledTrial]) -> Iterator[Event]:
        """What becomes of trials that were paused when the budget was spent."""
        for trial in trials:
            drop_checkpoint(self.run, trial.number)
            epochs = self.study.epochs_of(trial.number)
            yield TrialEnded(trial.number, trial.state, epochs, trial.score, trial.error)

    def _stop_requested(self) -> bool:
        """Whether to end before anything is trained."""
        if (requester := pop_stop_request(self.run)) is not None:
            self._stopped_by = requester
            self._stop.set()
        return self._stop.is_set()

    def _write_environment(self, cluster: Cluster) -> dict[str, Any]:
        """Returns what this start runs on, and writes it to the run's environment.json."""
        fingerprint = getattr(self.data, "fingerprint", None)
        recorded = {**environment(fingerprint, self.plan.trainable, self.plan.folder), **asdict(cluster)}
        write_json(self.run.environment, recorded)
        return recorded
