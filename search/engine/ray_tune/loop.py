"""A search on Ray Tune: Ray schedules and restarts trials, the study decides.

Every start is a new Tuner over the same study. Ray's own snapshots are neither needed nor read.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import Any

from search.cluster.access import Site
from search.cluster.placement import Slots
from search.engine.driver import Driver
from search.engine.events import ClusterResized, Event, Note
from search.engine.ray_tune.connection import Connection, EngineLost, connected
from search.records.folder import RunFolder
from search.study.base import Study


@contextmanager
def ray_engine(study: Study, run: RunFolder, site: Site) -> Iterator[RayEngine]:
    """Ray, up for one start of `study`, and shut down at the end."""
    # ray.tune is imported while Ray starts, which is mostly waiting.
    threading.Thread(target=import_module, args=("search.engine.ray_tune.tuner",), daemon=True).start()
    plan = study.plan
    with connected(
        plan.resources,
        site,
        preload=("trainable.worker", *getattr(plan.trainable_module, "PRELOAD", ())),
        trainable=plan.trainable,
        code_folder=plan.folder,
        # All machines must see the run's lock if their trials are stored in the run's folder.
        shared_file=None if run.storage else RunFolder(run.owned).lock,
        trials=study.max_trainings,
    ) as connection:
        yield RayEngine(connection, alone=site.alone)


class RayEngine:
    """The engine that is Ray Tune."""

    def __init__(self, connection: Connection, alone: bool) -> None:
        self._connection = connection
        self._alone = alone

    @property
    def slots(self) -> Slots | None:
        return self._connection.slots

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        return self._connection.gather(stopped)

    def train(self, driver: Driver, data: Any) -> Iterator[Event]:
        """Runs the Tuner in a thread, so that this one stays free for signals and the screen."""
        failure: list[BaseException] = []

        def fit() -> None:
            try:
                from search.engine.ray_tune.tuner import tuner

                tuner(driver, data, self._connection, alone=self._alone).fit()
            except BaseException as error:  # handed to the iterating thread, which raises it
                failure.append(error)
            finally:
                driver.events.put(None)

        thread = threading.Thread(target=fit, name="tuner", daemon=True)
        thread.start()
        patience, last_check = 10.0, time.monotonic()
        try:
            while True:
                event: Event | None = None
                with suppress(queue.Empty):
                    event = driver.events.get(timeout=1)
                    if event is None:
                        break
                if time.monotonic() - last_check > 1:
                    last_check = time.monotonic()
                    self._connection.check()
                    yield from self._cluster_changes(driver)
                if event is not None:
                    yield event
        except EngineLost:
            patience = 0.0  # the thread waits for processes that will never answer
            raise
        finally:
            driver.stop.set()
            thread.join(timeout=patience)
            failed = driver.failure
            driver.close()
            shutil.rmtree(driver.run.engine, ignore_errors=True)
        if failed or failure:
            raise failed or failure[0]

    def _cluster_changes(self, driver: Driver) -> Iterator[Event]:
        """Events about machines that joined, left or were refused."""
        messages, resized = self._connection.poll()
        yield from map(Note, messages)
        if resized:
            driver.resized = True
            yield ClusterResized(driver.slots.cluster.workers, driver.slots.cluster.hosts)
