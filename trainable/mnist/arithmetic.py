"""Where a training computes: with its number of threads, none of which slows down for denormals."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch

T = TypeVar("T")


def compute(threads: int, function: Callable[[], T]) -> T:
    """Returns function(), computed without gradients, with this number of CPU threads, and with denormals
    flushed to zero: weights decay into them, which would take several times as long.

    The process's settings are as before afterwards. The result does not depend on what the process computed
    before, nor on OMP_NUM_THREADS.
    """
    before = torch.get_num_threads()
    try:
        if threads == 1:
            return _settled(threads, function)
        result: T = _thread(threads, os.getpid()).compute(function)
        return result
    finally:
        torch.set_num_threads(before)


def _settled(threads: int, function: Callable[[], T]) -> T:
    """function() under the settings, in this thread."""
    flushed = float(np.float32(1e-39) * np.float32(1)) == 0.0
    torch.set_flush_denormal(True)
    torch.set_num_threads(threads)
    try:
        with _without_gradients():
            return function()
    finally:
        torch.set_flush_denormal(flushed)


@contextmanager
def _without_gradients() -> Iterator[None]:
    # The order of additions in cuDNN's fastest gradients of convolutions varies.
    with torch.inference_mode(), torch.backends.cudnn.flags(deterministic=True):
        yield


class _Thread:
    """A thread that computes with a pool of its own.

    Whether denormals are flushed is a setting of each thread, which those of OpenMP's pool take over from the
    one that starts them, and keep. So they are started by a thread that flushes.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        # A daemon, so that an interrupted process ends at once and not with the epoch.
        threading.Thread(target=self._run, name=f"training on {threads} threads", daemon=True).start()

    def compute(self, function: Callable[[], Any]) -> Any:
        """Returns function(), or raises what it raised."""
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._work.put((function, answer))
        result, error = answer.get()
        if error is not None:
            raise error
        return result

    def _run(self) -> None:
        torch.set_flush_denormal(True)
        while True:
            function, answer = self._work.get()
            try:
                answer.put((_settled(self._threads, function), None))
            except BaseException as error:  # raised in the thread that asked
                answer.put((None, error))
            del function, answer


@cache
def _thread(threads: int, process: int) -> _Thread:
    """The thread of this process for this number; a forked process has none of its parent's."""
    return _Thread(threads)
