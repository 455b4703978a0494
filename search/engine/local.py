"""Trains in this process, without Ray: for debugging, and for tests.

The training runs in the thread that iterates the search, so a breakpoint in a trainable stops there. Journal,
checkpoints, events and weights are those of a search with one worker. Trials are trained one at a time, or as
many at once as `resources.together` says.
"""

from __future__ import annotations

import socket
from bdb import BdbQuit
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from search.cluster.capacity import Host, trial_resources
from search.cluster.placement import Slots
from search.cluster.this_machine import gpus
from search.engine.driver import Driver
from search.engine.events import Event
from search.plan.budget import Resources
from trainable.assignment import Assignment
from trainable.together import Together


class LocalEngine:
    """The engine that is this process. Raises InsufficientResources if it lacks the GPU of a trial."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources.model_copy(update={"concurrency": resources.together})
        self._timeout = resources.trial_timeout
        self.slots = Slots([_this_machine(resources)], self._resources)

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        # A search that ended early left trials in those of before.
        self.slots = Slots([_this_machine(self._resources)], self._resources)
        if self._timeout is not None:
            yield (
                "resources.trial_timeout has no effect with --local: a trial that hangs, hangs this process"
            )

    def train(self, driver: Driver, data: Any) -> Iterator[Event]:
        trials = Together(lambda: data)
        try:
            more = True
            while more or len(trials):
                while more and not driver.slots.full:
                    assignment = driver.guarded(driver.next, None)
                    yield from driver.pending_events()
                    if not isinstance(assignment, Assignment):
                        more = assignment == "later"
                        break
                    trials.start(assignment)
                report = trials.next_report()
                if report is None:
                    continue
                if driver.guarded(partial(driver.take, report), True):
                    trials.end(report.number)
                    more = True  # it may be asked for again
                yield from driver.pending_events()
                if driver.guarded(driver.stopping, True):
                    break
            yield from driver.pending_events()
        except BdbQuit:  # the user left the debugger: the trial is no failure, and can be resumed
            driver.stop.set()
            yield from driver.pending_events()
        finally:
            trials.close()
            failure = driver.failure
            driver.close()
        if failure is not None:
            raise failure


def _this_machine(resources: Resources) -> Host:
    """As many CPUs and custom resources as a trial asks for, so that any plan can be debugged here, and the
    GPUs that this machine has."""
    offered = dict(trial_resources(resources)[0].bundle)
    if offered.get("GPU") or resources.device == "cuda":
        offered["GPU"] = float(gpus())
    return Host("local", socket.gethostname(), offered)
