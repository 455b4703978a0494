"""From the default recipe to the best one, one hyperparameter at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import (
    DEFAULTS,
    LOG_LOSS,
    PLAN,
    SPACE,
    confirmed_sweep,
    make_confirmation,
    make_sweep,
    make_trial,
    sweep_of,
)

from reports.figures.ablation import draw, sentence, table
from reports.figures.ablation_numbers import Ablation, ablation
from reports.importance.surrogate import Surrogate, surrogate
from search.records.sweep import Sweep


def path_of(sweep: Sweep) -> Ablation:
    numbers = ablation(sweep)
    assert isinstance(numbers, Ablation)
    return numbers


def confirming(sweep: Sweep, number: int, default: dict[str, Any] | None = None, **changes: Any) -> Sweep:
    """The sweep after a confirmation that this trial won over the default recipe."""
    own = next(trial for trial in sweep.trials if trial.number == number)
    sign = sweep.metric.sign
    scores = {
        number: [0.5 + sign * 0.1 + k / 1000 for k in range(10)],
        None: [0.5 + k / 1000 for k in range(10)],
    }
    confirmation = make_confirmation(
        scores,
        {number: own.score or 0.0},
        metric=sweep.metric,
        given={number: own.sampled, None: DEFAULTS if default is None else default},
        **changes,
    )
    return sweep_of(sweep.trials, plan=sweep.plan, metric=sweep.metric, confirmation=confirmation)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(st.integers(0, 200), st.integers(0, 30))
def test_a_path_leads_from_the_prediction_for_the_default_to_that_for_the_best(seed: int, at: int) -> None:
    searched = make_sweep(40, seed=seed)
    complete = [trial for trial in searched.ranked() if trial.state == "COMPLETE"]
    best = complete[at % len(complete)]
    sweep = confirming(searched, best.number)
    numbers = ablation(sweep)
    model = surrogate(sweep)
    assert isinstance(numbers, Ablation)
    assert isinstance(model, Surrogate)
    default = {name: value for name, value in DEFAULTS.items() if name != "gamma"}
    assert numbers.steps[0].predicted == pytest.approx(model.predict([default]).mean[0])
    assert numbers.steps[-1].predicted == pytest.approx(model.predict([best.sampled]).mean[0])
    gained = sum(step.gain for step in numbers.steps)
    assert gained == pytest.approx(numbers.steps[-1].predicted - numbers.steps[0].predicted, abs=1e-8)
    named = [change.name for step in numbers.steps for change in step.changes]
    assert len(named) == len(set(named))
    assert set(named) <= set(SPACE)


def test_each_step_is_the_one_with_the_largest_predicted_gain() -> None:
    sweep = confirmed_sweep()
    numbers, model = path_of(sweep), surrogate(sweep)
    assert isinstance(model, Surrogate)
    best = next(trial.sampled for trial in sweep.trials if trial.number == numbers.trial)
    now = {name: value for name, value in DEFAULTS.items() if name != "gamma"}
    for step in numbers.steps[1:]:
        changed = step.changes[0].name
        options = {name: {**now, name: best[name]} for name in now if now[name] != best[name]}
        expected = {name: float(model.predict([one]).mean[0]) for name, one in options.items()}
        assert expected[changed] == pytest.approx(max(expected.values()), abs=1e-9)
        now = options[changed]
    assert now == best


def test_a_conditional_hyperparameter_changes_with_the_one_it_depends_on() -> None:
    searched = make_sweep(60)
    stepped = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "step")
    (step,) = [
        step
        for step in path_of(confirming(searched, stepped.number)).steps
        if any(change.name == "schedule" for change in step.changes)
    ]
    assert [change.name for change in step.changes] == ["schedule", "gamma"]
    assert (step.changes[0].before, step.changes[0].after, step.changes[1].before) == (
        "constant",
        "step",
        "–",
    )
    other = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "cosine")
    back = path_of(confirming(searched, other.number, {**DEFAULTS, "schedule": "step"}))
    moved = next(step for step in back.steps if step.changes and step.changes[0].name == "schedule")
    assert [(change.name, change.after) for change in moved.changes] == [
        ("schedule", "cosine"),
        ("gamma", "–"),
    ]


def test_a_conditional_hyperparameter_sampled_at_both_ends_is_a_step_of_its_own() -> None:
    searched = make_sweep(60)
    stepped = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "step")
    numbers = path_of(confirming(searched, stepped.number, {**DEFAULTS, "schedule": "step"}))
    assert ("gamma",) in [tuple(change.name for change in step.changes) for step in numbers.steps]


def test_a_gain_in_a_minimised_metric_is_a_decrease() -> None:
    random = np.random.default_rng(1)
    rows = random.uniform(size=(40, 2))
    trials = [
        make_trial(k, sampled={"x": float(x), "y": float(y)}, score=float(abs(x - 0.2) + 0.3 * y))
        for k, (x, y) in enumerate(rows)
    ]
    sweep = sweep_of(trials, metric=LOG_LOSS, plan={"space": {n: {"low": 0.0, "high": 1.0} for n in "xy"}})
    best = sweep.best()
    assert best is not None
    numbers = path_of(confirming(sweep, best.number, {"x": 0.9, "y": 0.9}))
    assert numbers.steps[1].changes[0].name == "x"
    assert all(step.gain > 0 for step in numbers.steps[1:])
    assert numbers.steps[-1].predicted < numbers.steps[0].predicted
    assert numbers.order[0] == 1


def test_the_ends_have_their_scores_with_fresh_seeds() -> None:
    numbers = path_of(confirmed_sweep())
    confirmation = confirmed_sweep().confirmation
    assert confirmation is not None
    assert confirmation.winner is not None
    assert confirmation.reference is not None
    assert numbers.start is not None
    assert numbers.end is not None
    assert (numbers.start.mean, numbers.end.mean) == (confirmation.reference.mean, confirmation.winner.mean)
    assert numbers.start.low < numbers.start.mean < numbers.start.high
    assert numbers.end.seeds == 10
    said = sentence(numbers)
    assert "Of the 0.77 points predicted from the default recipe to trial" in said
    assert "measured with fresh seeds, the total gain is 0.85 points" in said
    shown = table(numbers)
    assert len(shown) == len(numbers.steps)
    assert (shown["measured"] != "").tolist() == [True, False, False, False, True]
    assert "measured" in {trace.name for trace in draw(numbers).data}


def test_a_default_beyond_what_was_searched_is_mentioned() -> None:
    numbers = path_of(confirmed_sweep())
    assert numbers.beyond == ("weight_decay",)
    assert "was trained on no weight_decay as far out as the default's" in sentence(numbers)


def test_without_a_path_the_reason_is_given() -> None:
    assert "is not on record" in str(ablation(make_sweep()))
    searched = make_sweep()
    best = searched.ranked()[0]
    incomplete = confirming(searched, best.number, {"learning_rate": 1e-3})
    assert "lacks weight_decay, dropout and schedule" in str(ablation(incomplete))
    alone = make_confirmation({best.number: [0.9] * 10}, {best.number: 0.9})
    assert "not among the candidates" in str(ablation(sweep_of(searched.trials, confirmation=alone)))
    racing = make_confirmation({best.number: [0.9], None: [0.9]}, {best.number: 0.9})
    assert "no winner yet" in str(ablation(sweep_of(searched.trials, confirmation=racing)))
    lost = make_confirmation(
        {best.number: [0.8 + k / 1000 for k in range(10)], None: [0.9 + k / 1000 for k in range(10)]},
        {best.number: 0.9},
    )
    assert "default recipe itself was chosen" in str(ablation(sweep_of(searched.trials, confirmation=lost)))
    few = make_sweep(3)
    assert "at least 8 complete trials" in str(ablation(confirming(few, 0)))


def test_a_best_recipe_equal_to_the_default_needs_no_path() -> None:
    searched = make_sweep()
    best = searched.ranked()[0]
    assert "the default's value in every hyperparameter" in str(
        ablation(confirming(searched, best.number, {**DEFAULTS, **best.sampled}))
    )


def test_markup_in_a_hyperparameters_name_is_escaped() -> None:
    plan = {**PLAN, "space": {"<b>x": {"low": 0.0, "high": 1.0}}}
    trials = [make_trial(k, sampled={"<b>x": k / 20}, score=k / 20) for k in range(20)]
    numbers = path_of(confirming(sweep_of(trials, plan=plan), 19, {"<b>x": 0.0}))
    assert draw(numbers).layout.yaxis.ticktext[1].startswith("&lt;b&gt;x<br>")
