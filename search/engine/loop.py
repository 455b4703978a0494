"""A search on Ray Tune: Ray places and revives trials, the study decides.

Every start is a new Tuner over the same study. Ray's own snapshots are neither needed nor read.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any

from search.cluster.access import HERE, Site
from search.cluster.capacity import Cluster
from search.engine.connection import Engine, EngineLost, connected
from search.engine.driver import Driver, heeded
from search.engine.events import Ended, Event, Noted, Resized, Started
from search.records.environment import environment
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.study.base import Study
from trainable.storage.durable import write_json


class Search:
    """One start of a run: iterate it for what happens, as it happens.

        with owning(run.lock):
            for event in Search(run, Study(run, plan), data):
                ...

    The run must be owned by this process. study: a `Study`, or a `ConfirmationStudy`. data:
    what the trainable's Source loaded. site: where it trains. notes: what was done before, to be told.
    before: what earlier starts left, as it was read already. `stop` may be called from a signal handler:
    trials keep their last epoch, and the stream ends within seconds.
    """

    def __init__(
        self,
        run: RunFolder,
        study: Study,
        data: Any,
        site: Site = HERE,
        notes: tuple[str, ...] = (),
        before: Sweep | None = None,
    ) -> None:
        self.run = run
        self.plan = study.plan
        self.study = study
        self._notes = notes
        self.before = before
        self.data = data
        self._site = site
        self._stop = threading.Event()
        self._asked: str | None = None

    def stop(self) -> None:
        """Ask the search to end early; it can be resumed."""
        self._stop.set()

    def __iter__(self) -> Iterator[Event]:
        began = time.monotonic()
        study = self.study
        spent = study.spent()
        yield from map(Noted, self._notes)
        if spent is None:
            # ray.tune is imported while Ray starts, which is mostly waiting.
            threading.Thread(target=import_module, args=("search.engine.tuner",), daemon=True).start()
            preload = ("trainable.worker", *getattr(self.plan.trainable_module, "PRELOAD", ()))
            with connected(
                self.plan.resources, self._site, preload, self.plan.trainable, self._seen, study.most
            ) as engine:
                yield from map(Noted, engine.gather(self._stopped))
                if engine.ready:
                    spent = yield from self._carried_out(engine, began)
        else:
            study.settle()
        seconds = time.monotonic() - began
        if spent:
            yield Ended("budget", spent, seconds)
        else:
            by = "" if self._asked is None else f" by {self._asked}, with `benchsweep stop`"
            yield Ended("interrupted", f"stopped{by} before its budget was spent", seconds)

    def _carried_out(self, engine: Engine, began: float) -> Generator[Event, None, str | None]:
        """Train on what there is; why the budget is spent then, None where it is not."""
        study, cluster = self.study, engine.places.cluster
        study.begin_session(self._environment(cluster), time.monotonic() - began)
        yield Started(
            workers=cluster.workers,
            hosts=cluster.hosts,
            device=cluster.device,
            session=study.session,
            finished=study.finished,
            epochs=study.epochs,
        )
        ledger = Driver(study, self.run, self._stop, began, engine.places)
        try:
            yield from self._events(ledger, engine)
        except Exception:
            with suppress(OSError):  # what is raised may be that nothing can be written
                study.note_session(time.monotonic() - began, "error")
            raise
        spent, self._asked = ledger.spent(), ledger.asked
        study.note_session(time.monotonic() - began, "budget" if spent else "interrupted")
        return spent

    def _stopped(self) -> bool:
        """Whether to end before anything is trained."""
        if (asked := heeded(self.run)) is not None:
            self._asked = asked
            self._stop.set()
        return self._stop.is_set()

    @property
    def _seen(self) -> Path | None:
        """What all machines must see, for their trials are to be stored beside it."""
        return None if self.run.storage else RunFolder(self.run.owned).lock

    def _changes(self, ledger: Driver, engine: Engine) -> Iterator[Event]:
        """What has become of the cluster's machines."""
        sentences, resized = engine.look()
        yield from map(Noted, sentences)
        if resized:
            cluster = engine.places.cluster
            ledger.resized = True
            yield Resized(cluster.workers, cluster.hosts)

    def _environment(self, cluster: Cluster) -> dict[str, Any]:
        """What this start runs on; also the run's environment.json."""
        fingerprint = getattr(self.data, "fingerprint", None)
        found = {**environment(fingerprint, self.plan.trainable), **asdict(cluster)}
        write_json(self.run.environment, found)
        return found

    def _events(self, ledger: Driver, engine: Engine) -> Iterator[Event]:
        """Run the Tuner beside us, so that this thread stays free for signals and the screen."""
        failure: list[BaseException] = []

        def fit() -> None:
            try:
                from search.engine.tuner import tuner

                tuner(ledger, self.run, self.data, engine, alone=self._site.alone).fit()
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
                    yield from self._changes(ledger, engine)
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
