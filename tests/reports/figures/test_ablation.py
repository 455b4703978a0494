"""From the default recipe to the best one, a setting at a time."""

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

from reports.figures.ablation import Ablation, ablation, draw, sentence, table
from reports.importance.surrogate import Surrogate, surrogate
from search.records.sweep import Sweep


def pathed(sweep: Sweep) -> Ablation:
    told = ablation(sweep)
    assert isinstance(told, Ablation)
    return told


def confirming(sweep: Sweep, number: int, default: dict[str, Any] | None = None, **changes: Any) -> Sweep:
    """The sweep after a confirmation that this trial won over the default recipe."""
    own = next(trial for trial in sweep.trials if trial.number == number)
    sign = sweep.metric.sign
    scores = {
        number: [0.5 + sign * 0.1 + k / 1000 for k in range(10)],
        None: [0.5 + k / 1000 for k in range(10)],
    }
    told = make_confirmation(
        scores,
        {number: own.score or 0.0},
        metric=sweep.metric,
        given={number: own.sampled, None: DEFAULTS if default is None else default},
        **changes,
    )
    return sweep_of(sweep.trials, plan=sweep.plan, metric=sweep.metric, confirmation=told)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 200), st.integers(0, 30))
def test_a_path_leads_from_the_models_word_on_the_default_to_that_on_the_best(seed: int, at: int) -> None:
    searched = make_sweep(40, seed=seed)
    complete = [trial for trial in searched.ranked() if trial.state == "COMPLETE"]
    best = complete[at % len(complete)]
    sweep = confirming(searched, best.number)
    told = ablation(sweep)
    model = surrogate(sweep)
    assert isinstance(told, Ablation)
    assert isinstance(model, Surrogate)
    default = {name: value for name, value in DEFAULTS.items() if name != "gamma"}
    assert told.steps[0].predicted == pytest.approx(model.predict([default]).mean[0])
    assert told.steps[-1].predicted == pytest.approx(model.predict([best.sampled]).mean[0])
    gained = sum(step.gain for step in told.steps)
    assert gained == pytest.approx(told.steps[-1].predicted - told.steps[0].predicted, abs=1e-8)
    named = [change.name for step in told.steps for change in step.changes]
    assert len(named) == len(set(named))
    assert set(named) <= set(SPACE)


def test_each_step_is_the_one_with_the_largest_predicted_gain() -> None:
    sweep = confirmed_sweep()
    told, model = pathed(sweep), surrogate(sweep)
    assert isinstance(model, Surrogate)
    best = next(trial.sampled for trial in sweep.trials if trial.number == told.trial)
    now = {name: value for name, value in DEFAULTS.items() if name != "gamma"}
    for step in told.steps[1:]:
        name = step.changes[0].name
        options = {each: {**now, each: best[each]} for each in now if now[each] != best[each]}
        expected = {each: float(model.predict([one]).mean[0]) for each, one in options.items()}
        assert expected[name] == pytest.approx(max(expected.values()), abs=1e-9)
        now = options[name]
    assert now == best


def test_a_setting_asked_only_under_a_condition_goes_with_the_one_it_depends_on() -> None:
    searched = make_sweep(60)
    stepped = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "step")
    (step,) = [
        each
        for each in pathed(confirming(searched, stepped.number)).steps
        if any(change.name == "schedule" for change in each.changes)
    ]
    assert [change.name for change in step.changes] == ["schedule", "gamma"]
    assert (step.changes[0].before, step.changes[0].after, step.changes[1].before) == (
        "constant",
        "step",
        "–",
    )
    other = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "cosine")
    back = pathed(confirming(searched, other.number, {**DEFAULTS, "schedule": "step"}))
    moved = next(each for each in back.steps if each.changes and each.changes[0].name == "schedule")
    assert [(change.name, change.after) for change in moved.changes] == [
        ("schedule", "cosine"),
        ("gamma", "–"),
    ]


def test_a_conditional_setting_asked_at_both_ends_is_a_step_of_its_own() -> None:
    searched = make_sweep(60)
    stepped = next(trial for trial in searched.ranked() if trial.sampled.get("schedule") == "step")
    told = pathed(confirming(searched, stepped.number, {**DEFAULTS, "schedule": "step"}))
    assert ("gamma",) in [tuple(change.name for change in step.changes) for step in told.steps]


def test_a_gain_of_a_minimised_metric_is_a_fall() -> None:
    random = np.random.default_rng(1)
    rows = random.uniform(size=(40, 2))
    trials = [
        make_trial(k, sampled={"x": float(x), "y": float(y)}, score=float(abs(x - 0.2) + 0.3 * y))
        for k, (x, y) in enumerate(rows)
    ]
    sweep = sweep_of(trials, metric=LOG_LOSS, plan={"space": {n: {"low": 0.0, "high": 1.0} for n in "xy"}})
    best = sweep.best()
    assert best is not None
    told = pathed(confirming(sweep, best.number, {"x": 0.9, "y": 0.9}))
    assert told.steps[1].changes[0].name == "x"
    assert all(step.gain > 0 for step in told.steps[1:])
    assert told.steps[-1].predicted < told.steps[0].predicted
    assert told.order[0] == 1


def test_the_ends_carry_what_was_measured_with_fresh_seeds() -> None:
    told = pathed(confirmed_sweep())
    held = confirmed_sweep().confirmation
    assert held is not None
    assert held.winner is not None
    assert held.reference is not None
    assert told.start is not None
    assert told.end is not None
    assert (told.start.mean, told.end.mean) == (held.reference.mean, held.winner.mean)
    assert told.start.low < told.start.mean < told.start.high
    assert told.end.seeds == 10
    said = sentence(told)
    assert "Of the 0.77 points predicted from the default recipe to trial" in said
    assert "measured with fresh seeds, the whole is 0.85 points" in said
    shown = table(told)
    assert len(shown) == len(told.steps)
    assert (shown["measured"] != "").tolist() == [True, False, False, False, True]
    assert "measured" in {trace.name for trace in draw(told).data}


def test_a_default_beyond_what_was_searched_is_told() -> None:
    told = pathed(confirmed_sweep())
    assert told.beyond == ("weight_decay",)
    assert "was shown no weight_decay like the default's" in sentence(told)


def test_a_path_that_cannot_be_told_says_why() -> None:
    assert "is not on record" in str(ablation(make_sweep()))
    searched = make_sweep()
    best = searched.ranked()[0]
    bare = confirming(searched, best.number, {"learning_rate": 1e-3})
    assert "lacks weight_decay, dropout and schedule" in str(ablation(bare))
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
    assert "the default's value in every setting" in str(
        ablation(confirming(searched, best.number, {**DEFAULTS, **best.sampled}))
    )


def test_marks_in_a_setting_are_drawn_as_they_are() -> None:
    plan = {**PLAN, "space": {"<b>x": {"low": 0.0, "high": 1.0}}}
    trials = [make_trial(k, sampled={"<b>x": k / 20}, score=k / 20) for k in range(20)]
    told = pathed(confirming(sweep_of(trials, plan=plan), 19, {"<b>x": 0.0}))
    assert draw(told).layout.yaxis.ticktext[1].startswith("&lt;b&gt;x<br>")
