"""When a search has stopped coming to anything better."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from searches import TABLE
from studies import carry_on, folder

from search.extend import BudgetIncrease, extended_plan
from search.plan.plan import Plan, PlanError
from search.records.sweep import Sweep
from search.start import plan_of
from search.study.search import SearchStudy
from search.study.stagnation import EndedTrial, trials_without_gain


def _complete(*values: float) -> EndedTrial:
    return EndedTrial(True, values)


def _noisy(level: float) -> EndedTrial:
    """Sixteen epochs whose last four are 0.01 above and below a line."""
    return EndedTrial(True, [level + 0.01 * (-1) ** epoch for epoch in range(15)] + [level])


def test_trials_are_counted_from_the_last_that_was_better() -> None:
    assert trials_without_gain([], 1) == 0
    rising = [_complete(level) for level in (0.1, 0.2, 0.3)]
    assert trials_without_gain(rising, 1) == 0
    assert trials_without_gain(rising, -1) == 2
    assert trials_without_gain([*rising, EndedTrial(False, [0.9]), EndedTrial(False, ())], 1) == 2


def test_a_gain_within_the_noise_of_a_training_is_none_until_such_gains_add_up() -> None:
    level = [0.5, 0.504, 0.508]
    assert trials_without_gain([_noisy(value) for value in level], 1) == 2
    assert trials_without_gain([_noisy(value) for value in (*level, 0.53)], 1) == 0
    assert trials_without_gain([_complete(value) for value in level], 1) == 0


@given(st.lists(st.floats(-1e6, 1e6), max_size=30))
def test_the_count_does_not_depend_on_the_direction(scores: list[float]) -> None:
    trials = [_complete(score) for score in scores]
    flipped = [_complete(-score) for score in scores]
    assert trials_without_gain(trials, 1) == trials_without_gain(flipped, -1)
    assert 0 <= trials_without_gain(trials, 1) <= len(scores)


def _plan(**budget: Any) -> Plan:
    table = {**TABLE, "sampler": {"name": "random"}, "pruner": {"name": "none"}, "budget": budget}
    return Plan.parse(table, "test")


def test_a_search_ends_after_so_many_trials_without_a_gain_and_can_be_extended(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    study = carry_on(run, _plan(patience=4))
    trials = Sweep.read(run.path).trials
    scores = [trial.score or 0.0 for trial in trials]
    first_best = scores.index(max(scores))
    assert len(trials) == first_best + 1 + 4
    assert "last 4 trials" in str(study.spent())
    sweep = Sweep.read(run.path)
    extended = extended_plan(plan_of(sweep), sweep, BudgetIncrease(trials=2))
    assert (extended.budget.trials, extended.budget.patience) == (len(trials) + 2, None)
    assert extended_plan(plan_of(sweep), sweep, BudgetIncrease(), ["budget.patience=9"]).budget.patience == 9


def test_a_search_ends_once_a_complete_trial_has_reached_the_target(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    study = carry_on(run, _plan(target=0.82, trials=200))
    scores = [trial.score or 0.0 for trial in Sweep.read(run.path).trials]
    assert scores[-1] >= 0.82 > max(scores[:-1])
    assert "target" in str(study.spent())
    again = SearchStudy(run, _plan(target=0.82, trials=200))
    assert again.spent() == study.spent()
    sweep = Sweep.read(run.path)
    assert extended_plan(plan_of(sweep), sweep, BudgetIncrease(trials=2)).budget.target is None


def test_a_target_alone_may_never_be_reached_so_it_is_no_budget() -> None:
    with pytest.raises(PlanError, match="patience"):
        _plan(target=0.9).check_searchable()
    _plan(patience=3).check_searchable()
