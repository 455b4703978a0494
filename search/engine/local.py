"""Trains in this process, one trial at a time, without Ray: for debugging, and for tests.

The training runs in the thread that iterates the search, so a breakpoint in a trainable stops there. Journal,
checkpoints, events and weights are those of a search with one worker.
"""

from __future__ import annotations

import socket
from bdb import BdbQuit
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from typing import Any

from search.cluster.capacity import Host, trial_resources
from search.cluster.placement import Slots
from search.cluster.this_machine import gpus
from search.engine.driver import Driver
from search.engine.events import Event
from search.plan.budget import Resources
from trainable.assignment import Assignment
from trainable.trial_runner import run_trial


class LocalEngine:
    """The engine that is this process. Raises InsufficientResources if it lacks the GPU of a trial."""

    def __init__(self, resources: Resources) -> None:
        one_at_a_time = resources.model_copy(update={"concurrency": 1})
        self._timeout = resources.trial_timeout
        self.slots = Slots([_this_machine(resources)], one_at_a_time)

    def gather(self, stopped: Callable[[], bool]) -> Iterator[str]:
        if self._timeout is not None:
            yield (
                "resources.trial_timeout has no effect with --local: a trial that hangs, hangs this process"
            )

    def train(self, driver: Driver, data: Any) -> Iterator[Event]:
        try:
            while (assignment := driver.guarded(driver.next, None)) is not None:
                yield from driver.pending_events()
                if isinstance(assignment, Assignment):
                    yield from _trained(driver, assignment, data)
            yield from driver.pending_events()
        finally:
            failure = driver.failure
            driver.close()
        if failure is not None:
            raise failure


def _trained(driver: Driver, assignment: Assignment, data: Any) -> Iterator[Event]:
    """Train one trial until it ends or the search is to stop."""
    with closing(run_trial(assignment, lambda: data)) as reports:
        try:
            for report in reports:
                ended = driver.guarded(partial(driver.take, report), True)
                yield from driver.pending_events()
                if ended or driver.guarded(driver.stopping, True):
                    break
        except BdbQuit:  # the user left the debugger: the trial is no failure, and can be resumed
            driver.stop.set()


def _this_machine(resources: Resources) -> Host:
    """As many CPUs and custom resources as a trial asks for, so that any plan can be debugged here, and the
    GPUs that this machine has."""
    offered = dict(trial_resources(resources)[0].bundle)
    if offered.get("GPU") or resources.device == "cuda":
        offered["GPU"] = float(gpus())
    return Host("local", socket.gethostname(), offered)
