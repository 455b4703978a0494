"""What records say of states and ranks, from records made by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sweeps import make_confirmation, make_look, make_opening, make_trial, sweep_of

from search.records.sweep import State, Sweep, TestSetOpening
from trainable.contract import Metric


def sweep(scores: list[tuple[State, float | None]], direction: Any = "maximize") -> Sweep:
    """A sweep whose trials have these states and scores."""
    trials = [make_trial(number, state=state, score=score) for number, (state, score) in enumerate(scores)]
    return sweep_of(trials, metric=Metric("score", direction))


SCORES = st.lists(
    st.tuples(st.sampled_from(list(State)), st.none() | st.floats(0, 1, allow_nan=False)), max_size=12
)


@given(SCORES, st.sampled_from(["maximize", "minimize"]))
def test_the_best_is_a_complete_trial_that_no_complete_trial_beats(
    scores: list[tuple[State, float | None]], direction: str
) -> None:
    found = sweep(scores, direction)
    complete = [
        trial.score for trial in found.trials if trial.state is State.COMPLETE and trial.score is not None
    ]
    best = found.best()
    if not complete:
        assert best is None
        return
    assert best is not None
    assert best.score == found.metric.best(complete)


@given(SCORES)
def test_ranking_holds_every_scored_trial_once_and_no_failure(
    scores: list[tuple[State, float | None]],
) -> None:
    found = sweep(scores)
    expected = {
        trial.number
        for trial in found.trials
        if trial.score is not None and trial.state not in (State.FAILED, State.DIVERGED)
    }
    ranked = [trial.number for trial in found.ranked()]
    assert set(ranked) == expected
    assert len(ranked) == len(expected)


def test_of_equal_trials_the_earlier_is_the_best() -> None:
    best = sweep([(State.PRUNED, 0.99), (State.COMPLETE, 0.9), (State.COMPLETE, 0.9)]).best()
    assert best is not None
    assert best.number == 1


def test_the_best_is_what_the_confirmation_chose_whatever_the_top_score_is() -> None:
    searched = sweep([(State.COMPLETE, 0.97), (State.COMPLETE, 0.99), (State.COMPLETE, 0.98)])
    behind = {1: [0.96, 0.962, 0.961], None: [0.95, 0.951, 0.952]}
    for winner in (2, None):
        race = make_confirmation(
            {**behind, winner: [0.98, 0.979, 0.981]}, {1: 0.99, 2: 0.98}, seeds=(1, 2, 3)
        )
        found = replace(searched, confirmation=race)
        best, top = found.best(), found.top()
        assert (best.number if best else None) == winner
        assert top is not None
        assert top.number == 1


def test_an_opening_survives_json() -> None:
    opening = make_opening(make_look(3), make_look(None, seed=7))
    again = TestSetOpening.from_json(opening.to_json())
    assert again.to_json() == opening.to_json()
    assert again.time == opening.time
    assert [(look.trial, look.seed) for look in again.looks] == [(3, 0), (None, 7)]
