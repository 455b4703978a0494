"""What `benchsweep show` prints of a run and of a trial."""

from __future__ import annotations

import io
from pathlib import Path

from rich.console import Console
from sweeps import make_plans, make_repeat, make_sweep, make_trial, sweep_of

from benchsweep.screen.tables import print_run, print_trial
from search.records.sweep import State, Sweep, WarmStartSummary


def run_of(sweep: Sweep) -> list[str]:
    out = io.StringIO()
    print_run(Console(file=out, width=80), sweep)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def trial_of(sweep: Sweep, number: int) -> list[str]:
    out = io.StringIO()
    print_trial(Console(file=out, width=80), sweep, sweep.trials[number])
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_a_run_tells_each_change_of_its_plan() -> None:
    first, second = ("budget.trials: 40 -> 60", "space.x: [red] -> [/red]"), ("budget.trials: 60 -> 80",)
    lines = run_of(make_sweep(plans=make_plans((10, first), (30, second))))
    assert (
        "plan 2 since 2026-11-20 10:30 UTC, trials 10 to 29: "
        "budget.trials: 40 -> 60; space.x: [red] -> [/red]" in lines
    )
    assert "plan 3 since 2026-11-20 11:30 UTC, from trial 30 on: budget.trials: 60 -> 80" in lines
    assert not any(line.startswith("plan 1") for line in lines)


def test_a_run_tells_what_its_sampler_began_with() -> None:
    lines = run_of(
        make_sweep(warm_start=WarmStartSummary("old", 3, "3 of 4 finished trials of old seed the sampler"))
    )
    assert "warm start 3 of 4 finished trials of old seed the sampler. None of them is ranked here." in lines


def test_a_run_whose_plan_never_changed_says_nothing_of_versions() -> None:
    assert run_of(make_sweep(plans=make_plans())) == run_of(make_sweep())
    assert not any(line.startswith(("plan", "warm start")) for line in run_of(make_sweep()))


def test_a_run_ranks_no_repeated_recipe_and_tells_its_error_once() -> None:
    best, lost = make_trial(0), make_trial(1, state=State.DIVERGED, error="the loss became nan")
    lines = run_of(sweep_of([best, lost, make_repeat(2, best), make_repeat(3, lost)]))
    assert "trials 4 trials: 1 complete, 1 diverged and 2 that repeat a recipe" in lines
    assert sum("the loss became nan" in line for line in lines) == 1
    assert [line.split()[:3] for line in lines if " complete " in line and "%" in line] == [
        ["1", "0", "complete"]
    ]


def test_a_trial_tells_whose_recipe_it_repeats_and_under_which_plan_it_was_drawn() -> None:
    first = make_trial(0)
    sweep = sweep_of([first, make_repeat(1, first)], plans=make_plans((1, ("budget.trials: 40 -> 60",))))
    lines = trial_of(sweep, 1)
    assert "trained not again: it has the recipe of trial 0 and got its result" in lines
    assert "plan version 2 of 2" in lines
    assert "plan version 1 of 2" in trial_of(sweep, 0)
    assert "trained 3.0 s by laptop:4711" in trial_of(sweep, 0)
    assert not any(line.startswith("plan ") for line in trial_of(sweep_of([first]), 0))


def test_a_failed_trial_shows_the_end_of_its_traceback_and_a_damaged_one_is_left_out(tmp_path: Path) -> None:
    failed = make_trial(0, state=State.FAILED, error="TypeError: no", epochs=(), score=None, pauses=(2, 5))
    sweep = sweep_of([failed], folder=tmp_path)
    file = sweep.run.trial(0).error
    assert not any("traceback" in line for line in trial_of(sweep, 0))
    file.parent.mkdir(parents=True)
    file.write_text("\n".join([f"frame [{number}]" for number in range(100)] + ["TypeError: no"]))
    lines = trial_of(sweep, 0)
    assert lines[-1] == "TypeError: no" and "frame [99]" in lines and "frame [50]" not in lines
    assert "paused after epoch 2, epoch 5" in lines
    file.write_bytes(b"\xff\xfe")
    assert not any("traceback" in line for line in trial_of(sweep, 0))
