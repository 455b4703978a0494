"""The state of a run: how far it is, why it failed, and the next command."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import START, confirmed_sweep, make_sweep, make_trial, sweep_of

from reports.analysis.run_state import run_state
from search.records.sweep import Session, State, Sweep

INTERRUPTED = sweep_of(
    [*make_sweep(12, openings=()).trials, make_trial(12, state=State.INTERRUPTED)],
    sessions=(Session(0, START, 60.0, ""),),
)
TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/ray/_private/worker.py", line 961, in main
    run()
  File "/srv/app/trainable/trial_runner.py", line 61, in run
    training = member(recipe)
  File "/home/me/lstm.py", line 12, in build
    width = widths[layer]
  File "/usr/lib/python3.11/site-packages/torch/nn.py", line 3, in forward
    raise IndexError
IndexError: list index out of range
"""


@pytest.mark.parametrize(
    ("sweep", "sentence", "command"),
    [
        (sweep_of(()), "Not started yet.", "benchsweep resume /runs/laptop"),
        (
            INTERRUPTED,
            "Interrupted: 12 of 40 trials are finished, and 1 started trial will be continued.",
            "benchsweep resume /runs/laptop",
        ),
        (
            make_sweep(8, alive=True, openings=()),
            "Running: 8 of 40 trials are finished; about 54 min 08 s remain at this rate.",
            "",
        ),
        (make_sweep(), "", "benchsweep confirm /runs/laptop"),
        (confirmed_sweep(), "", ""),
        (
            sweep_of([make_trial(0, state=State.PRUNED)]),
            "No trial is complete.",
            "benchsweep extend /runs/laptop --trials 20",
        ),
    ],
    ids=["empty", "interrupted", "running", "not confirmed", "confirmed", "all pruned"],
)
def test_a_run_says_how_far_it_is_and_what_to_type_next(sweep: Sweep, sentence: str, command: str) -> None:
    state = run_state(sweep)
    assert (state.sentence, state.command) == (sentence, command)
    assert bool(state.step) == bool(command)


def test_a_failed_search_shows_its_cause_and_the_last_line_of_the_users_own_code(tmp_path: Path) -> None:
    error = "IndexError: list index out of range"
    failed = [make_trial(k, state=State.FAILED, error=error, epochs=(), score=None) for k in range(3)]
    sweep = sweep_of(failed, folder=tmp_path / "runs" / "mine")
    assert run_state(sweep).where == ""
    file = sweep.run.trial(0).error
    file.parent.mkdir(parents=True)
    file.write_text(TRACEBACK)
    state = run_state(sweep)
    assert state.sentence == "Every trial failed (3 trials)."
    assert state.cause == error
    assert state.where == "/home/me/lstm.py, line 12, in build: width = widths[layer]"
    assert state.command.startswith("benchsweep show ") and state.command.endswith(" 0")
    file.write_bytes(b"\xff\xfe")
    assert run_state(sweep).where == ""
    assert run_state(replace(sweep, alive=True)).cause == ""
