"""Failures: trials whose errors differ only in their values have one cause."""

from __future__ import annotations

import pytest
from sweeps import make_trial, sweep_of

from reports.analysis.failures import failures, failures_sentence, kind_of_error
from search.records.sweep import State


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MemoryError: 1003 units need 4.02 GiB", "MemoryError: 1,871 units need 14.0 GiB"),
        (
            "epoch 3: train_loss must stay finite, but became nan",
            "epoch 12: train_loss must stay finite, but became -inf",
        ),
        ("OSError: no space left: /tmp/a/epoch_1.bin", "OSError: no space left: /scratch/b"),
        (
            "TypeError: <Layer object at 0x7f12ab> is not callable",
            "TypeError: <Layer object at 0x55e0> is not callable",
        ),
        ("KeyError: 'width 12'", "KeyError: 'depth'"),
        ("task 9f86d081884c7d659a2f died", "task e3b0c44298fc1c149afb died"),
    ],
)
def test_errors_that_differ_in_values_are_of_one_kind(one: str, other: str) -> None:
    assert kind_of_error(one) == kind_of_error(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("MemoryError: 1003 units", "ValueError: 1003 units"),
        ("TypeError: expected float32", "TypeError: expected float64"),
        ("it can't be", "it won't be"),
        ("epoch 3: train_loss must be finite", "epoch 3: validation_loss must be finite"),
    ],
)
def test_errors_that_differ_in_words_are_of_different_kinds(one: str, other: str) -> None:
    assert kind_of_error(one) != kind_of_error(other)


def test_fifty_failures_of_one_kind_are_one_cause_with_its_first_error_as_the_example() -> None:
    failed = [
        make_trial(k, state=State.FAILED, score=None, error=f"MemoryError: {1001 + k} units do not fit")
        for k in range(50)
    ]
    sweep = sweep_of([*failed, *(make_trial(50 + k) for k in range(10))])
    (cause,) = failures(sweep)
    assert cause.trials == tuple(range(50))
    assert cause.messages == 50
    assert cause.text == "MemoryError: 1001 units do not fit (trial 0; the others differ in their values)"
    assert failures_sentence(sweep).startswith("50 trials of 60 went wrong, for 1 cause;")


def test_equal_errors_are_shown_as_they_are() -> None:
    failed = [make_trial(k, state=State.FAILED, score=None, error="boom 3") for k in range(2)]
    (cause,) = failures(sweep_of(failed))
    assert cause.text == "boom 3"
