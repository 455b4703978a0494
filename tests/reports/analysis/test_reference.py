"""What random search would have found."""

from __future__ import annotations

from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweeps import PLAN, START, boosting_sweep, make_trial, sweep_of

from reports.analysis.reference import expected_best, outcomes, random_trials
from search.records.sweep import State, WarmStartSummary

SCORES = st.lists(st.floats(-10, 10), min_size=1, max_size=4)


@given(SCORES, st.integers(1, 4))
def test_the_expected_best_is_the_mean_over_every_draw(values: list[float], count: int) -> None:
    every = np.mean([max(draw) for draw in product(values, repeat=count)])
    assert expected_best(np.array(values), np.array([count]))[0] == pytest.approx(every, abs=1e-9)


@given(SCORES)
def test_the_expected_best_rises_from_the_mean_to_the_best(values: list[float]) -> None:
    best = expected_best(np.array(values), np.array([1, 2, 5, 100_000]))
    assert best[0] == pytest.approx(np.mean(values), abs=1e-9)
    assert (np.diff(best) >= -1e-9).all()
    assert best[-1] == pytest.approx(max(values), abs=1e-3)


def test_a_failed_draw_is_no_best_one() -> None:
    best = expected_best(np.array([-np.inf, 1.0]), np.array([1, 3]))
    assert best.tolist() == [1.0, 1.0]
    assert np.isnan(expected_best(np.array([-np.inf]), np.array([1]))).all()


def test_trials_are_random_that_began_before_enough_others_had_ended() -> None:
    plan = {**PLAN, "sampler": {"name": "tpe", "n_startup_trials": 2}}
    at = [(0, 10), (0, 30), (10, 20), (12, 40), (21, 50)]
    made = [
        make_trial(k, started=START + timedelta(seconds=began), ended=START + timedelta(seconds=ended))
        for k, (began, ended) in enumerate(at)
    ]
    sweep = sweep_of(made, plan=plan)
    assert [trial.number for trial in random_trials(sweep)] == [0, 1, 2, 3]
    assert random_trials(sweep_of(made, plan=plan, warm_start=WarmStartSummary("other", 3, "3 trials"))) == ()
    assert len(random_trials(sweep_of(made, plan={"sampler": {"name": "random"}}))) == 5
    assert random_trials(sweep_of(made, plan={})) == ()


def test_outcomes_are_greater_for_the_better_and_infinitely_bad_for_none() -> None:
    boosting = boosting_sweep(3)
    scores = outcomes(boosting, boosting.trials)
    assert int(scores.argmax()) == min(boosting.trials, key=lambda trial: trial.score or 9.0).number
    failed = make_trial(0, state=State.FAILED)
    assert outcomes(boosting, [failed]).tolist() == [-np.inf]


def test_what_is_random_of_auto_is_its_start_without_the_default_and_without_requests() -> None:
    made = [make_trial(number, requested=number in (0, 9)) for number in range(12)]
    auto = {"sampler": {"name": "auto", "n_startup_trials": 6}}
    assert [trial.number for trial in random_trials(sweep_of(made, plan=auto))] == [2, 3, 4, 5]
    drawn = random_trials(sweep_of(made, plan={"sampler": {"name": "random"}}))
    assert [trial.number for trial in drawn] == [1, 2, 3, 4, 5, 6, 7, 8, 10, 11]
