"""The surrogate model of the scores: what it learns from, and what it predicts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor
from sweeps import boosting_sweep, make_repeat, make_sweep, make_trial, sweep_of

from reports.analysis.scale import Scale
from reports.importance.encoding import Encoding, is_outside
from reports.importance.leaves import leaves
from reports.importance.surrogate import Surrogate, fit_quality, surrogate
from search.records.sweep import State, Sweep

RATE = Scale("rate", 1e-4, 1e-2, True, False, ())
KIND = Scale("kind", 0.0, 2.0, False, False, ("a", "b", "c"))
GAMMA = Scale("gamma", 0.0, 2.0, False, False, ())


def modelled(sweep: Sweep) -> Surrogate:
    model = surrogate(sweep)
    assert isinstance(model, Surrogate)
    return model


def test_numbers_become_shares_choices_are_one_hot_and_a_column_marks_what_was_sampled() -> None:
    encoding = Encoding((RATE, KIND, GAMMA), frozenset({"gamma"}))
    rows = encoding.rows([{"rate": 1e-3, "kind": "b", "gamma": 1.5}, {"rate": 1e-2, "kind": "c"}])
    np.testing.assert_allclose(rows, [[0.5, 0, 1, 0, 0.75, 1], [1, 0, 0, 1, 0.5, 0]])
    assert encoding.columns("gamma") == range(4, 6)
    with pytest.raises(KeyError):
        encoding.columns("dropout")


def test_a_value_outside_the_scale_is_clipped_and_recognized() -> None:
    encoding = Encoding((RATE, KIND), frozenset())
    np.testing.assert_allclose(encoding.rows([{"rate": 0.0, "kind": "z"}]), [[0, 0, 0, 0]])
    assert is_outside(RATE, 0.0)
    assert is_outside(KIND, "z")
    assert not is_outside(RATE, 1e-3)
    assert not is_outside(KIND, "a")


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_row_lies_in_one_leaf_and_has_its_value(seed: int) -> None:
    random = np.random.default_rng(seed)
    x, y = random.uniform(size=(40, 3)), random.normal(size=40)
    tree = DecisionTreeRegressor(random_state=0, max_depth=int(random.integers(1, 9))).fit(x, y)
    rows = random.uniform(-0.2, 1.2, size=(25, 3))
    boxes = leaves(tree.tree_)
    contained = boxes.containing_all(range(3), rows)
    assert (contained.sum(axis=0) == 1).all()
    np.testing.assert_allclose(boxes.value @ contained, tree.predict(rows))


def test_a_tree_without_a_split_is_one_leaf_that_contains_everything() -> None:
    boxes = leaves(DecisionTreeRegressor().fit([[0.0], [1.0]], [3.0, 3.0]).tree_)
    assert boxes.value.tolist() == [3.0]
    assert boxes.containing(0, np.array([-9.0, 9.0])).all()
    assert not boxes.splits_on(0)


def test_the_model_learns_from_complete_trials_that_were_trained() -> None:
    sweep = make_sweep()
    complete = [trial for trial in sweep.trials if trial.state is State.COMPLETE]
    again = sweep_of([*sweep.trials, make_repeat(40, complete[0])])
    assert [trial.number for trial in modelled(again).trials] == [trial.number for trial in complete]


def test_r_squared_is_the_forests_out_of_bag_score_and_predictions_are_the_forests() -> None:
    model = modelled(make_sweep(120))
    scores = [trial.score for trial in model.trials]
    forest = RandomForestRegressor(n_estimators=128, oob_score=True, random_state=0).fit(model.rows, scores)
    assert model.r_squared == pytest.approx(forest.oob_score_)
    assert 0.7 < model.r_squared < 1
    prediction = model.predict([dict(trial.sampled) for trial in model.trials])
    np.testing.assert_allclose(prediction.mean, forest.predict(model.rows))
    assert prediction.trees.shape == (128, len(scores))
    assert (prediction.deviation > 0).any()


def test_noise_is_not_called_explained() -> None:
    random = np.random.default_rng(0)
    trials = [make_trial(k, sampled={"x": k / 40}, score=float(random.normal())) for k in range(40)]
    model = modelled(sweep_of(trials))
    assert model.weak
    assert model.r_squared < 0.1
    assert fit_quality(-0.2) == "explains none of the variance of unseen scores"


def test_a_partial_dependence_is_the_mean_prediction_over_the_trials_that_sampled_both() -> None:
    model = modelled(make_sweep(60))
    rates, gammas = [5e-4, 3e-3], [0.2, 0.5, 0.8]
    means = model.dependence("learning_rate", rates, "gamma", gammas)
    background = [dict(trial.sampled) for trial in model.trials if "gamma" in trial.sampled]
    assert 2 < len(background) < len(model.trials)
    for column, rate in enumerate(rates):
        for row, gamma in enumerate(gammas):
            settings = [{**sampled, "learning_rate": rate, "gamma": gamma} for sampled in background]
            assert means[row, column] == pytest.approx(model.predict(settings).mean.mean(), abs=1e-12)


def test_a_partial_dependence_takes_choices() -> None:
    model = modelled(make_sweep(60))
    means = model.dependence("schedule", ["constant", "one_cycle"], "dropout", [0.1])
    # No trial combines a gamma with this schedule, but a partial dependence does.
    settings = [{**trial.sampled, "schedule": "one_cycle", "dropout": 0.1} for trial in model.trials]
    assert means[0, 1] == pytest.approx(model.predict(settings).mean.mean(), abs=1e-12)


def test_hyperparameters_never_sampled_together_have_no_dependence() -> None:
    trials = [
        make_trial(k, sampled={"one" if k % 2 else "other": k / 20}, score=k / 20 + k % 3) for k in range(20)
    ]
    with pytest.raises(ValueError, match="none has one and other"):
        modelled(sweep_of(trials)).dependence("one", [0.1], "other", [0.1])


def test_without_a_model_the_reason_is_given() -> None:
    assert "at least 8 complete trials; there are 0" in str(surrogate(sweep_of(())))
    assert "there is 1." in str(surrogate(make_sweep(1)))
    same = sweep_of([make_trial(k, sampled={"x": k}, score=0.5) for k in range(9)])
    assert "same score" in str(surrogate(same))
    still = sweep_of([make_trial(k, sampled={"x": 1}, score=k / 10) for k in range(9)])
    assert "No hyperparameter varied" in str(surrogate(still))


def test_the_same_sweep_gives_the_same_model() -> None:
    one, other = modelled(boosting_sweep()), modelled(boosting_sweep())
    assert one is not other
    recipes = [{"depth": 3, "shrinkage": 0.1}]
    assert one.predict(recipes).trees.tolist() == other.predict(recipes).trees.tolist()
