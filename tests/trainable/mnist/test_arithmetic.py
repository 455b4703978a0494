"""All threads of a training flush denormals, and leave the process as it was."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from trainable.mnist.arithmetic import compute

CODE = """
import sys
import torch
from pathlib import Path
from trainable.mlp import Recipe, Source, Training

if sys.argv[1] == "pool":
    torch.set_num_threads(3)
    torch.ones(4_000_000).mul_(2)
recipe = Recipe(optimizer="sgd", learning_rate=1.0, weight_decay=0.2, batch_size=2048, epochs=60, dropout=0.1)
training = Training(recipe, Source(dataset="digits").load(Path(".")), "cpu", 2)
list(training)
print(training.weights_sha256)
"""


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_every_thread_flushes_denormals_whatever_pool_there_was_before(threads: int) -> None:
    small = torch.full((4_000_000,), 1e-39)
    assert (small * 1 != 0).all()  # this process's pool, which exists now, keeps them
    for _ in range(2):
        assert not compute(threads, lambda: small.mul(1)).view(torch.int32).any()
    assert (small * 1 != 0).all()


def test_threads_are_as_many_as_asked_for_and_as_before_afterwards() -> None:
    before = torch.get_num_threads()
    assert compute(2, torch.get_num_threads) == 2
    assert compute(1, torch.get_num_threads) == 1
    assert torch.get_num_threads() == before
    assert np.float32(1e-39) * np.float32(1) != 0


def test_errors_are_raised_where_the_result_is_awaited() -> None:
    def fail() -> None:
        raise ZeroDivisionError(threading.current_thread().name)

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="training on 2 threads"):
            compute(2, fail)


def test_a_forked_process_computes_too() -> None:
    compute(2, torch.get_num_threads)
    if (child := os.fork()) == 0:
        os._exit(0 if compute(2, lambda: 7) == 7 else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.slow
def test_bits_depend_neither_on_an_earlier_pool_nor_on_omp_num_threads() -> None:
    """A recipe whose weights decay into denormals, on two threads."""
    hashes = set()
    for pool, number in (("none", None), ("pool", None), ("none", "1"), ("pool", "4")):
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        if number is not None:
            environment["OMP_NUM_THREADS"] = number
        run = subprocess.run(
            [sys.executable, "-c", CODE, pool], capture_output=True, text=True, check=True, env=environment
        )
        hashes.add(run.stdout)
    assert len(hashes) == 1
