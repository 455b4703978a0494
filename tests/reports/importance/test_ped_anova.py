"""PED-ANOVA of weighted trials, against Optuna's of a study; fANOVA, against Optuna's of the same forest."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from sweeps import boosting_sweep, make_sweep, make_trial, sweep_of

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.scale import Scale, scales
from reports.exports.results import results
from reports.figures.importances import Importances, draw, importances, sentence, table
from reports.formatting.wording import setting
from reports.importance.encoding import Encoding
from reports.importance.fanova import TREES, fanova
from reports.importance.ped_anova import BinnedColumn, binned_column, ped_anova
from reports.importance.surrogate import complete_trials, encoding_of, scores_of, varies
from search.records.sweep import Sweep, Trial


def study_of(sweep: Sweep, trials: list[Trial], moving: list[Scale]) -> optuna.Study:
    """The trials as Optuna holds them."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    known: dict[str, BaseDistribution] = {
        scale.name: CategoricalDistribution(scale.choices)
        if scale.choices
        else FloatDistribution(scale.low, scale.high, log=scale.log)
        for scale in moving
    }
    study = optuna.create_study(direction=sweep.metric.direction)
    for trial in trials:
        held = {
            s.name: setting(trial.sampled[s.name]) if s.choices else float(trial.sampled[s.name])
            for s in moving
            if s.name in trial.sampled
        }
        asked = {name: known[name] for name in held}
        study.add_trial(optuna.trial.create_trial(params=held, distributions=asked, value=trial.score))
    return study


def both(sweep: Sweep, trials: list[Trial], weights: list[int], quantile: float) -> tuple[Any, Any]:
    """Each setting's importance: ours of the weighted trials, Optuna's of a study that repeats them."""
    moving = [scale for scale in scales(sweep) if varies(scale, trials)]
    losses = -sweep.metric.sign * scores_of(trials)
    columns = [binned_column(scale, trials) for scale in moving]
    ours = ped_anova(columns, losses, np.array([weights], dtype=np.float64), quantile)[0]
    repeated = [trial for trial, weight in zip(trials, weights, strict=True) for _ in range(weight)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = study_of(sweep, repeated, moving)
        told = PedAnovaImportanceEvaluator(target_quantile=quantile).evaluate(study)
    return ours, np.array([told.get(scale.name, 0.0) for scale in moving])


@pytest.mark.parametrize("sweep", [make_sweep(14), make_sweep(), make_sweep(200), boosting_sweep(60)])
def test_trials_that_count_once_give_optunas_importances(sweep: Sweep) -> None:
    trials = complete_trials(sweep)
    ours, optunas = both(sweep, trials, [1] * len(trials), 0.3)
    assert ours.max() > 0
    np.testing.assert_allclose(ours, optunas, rtol=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_weighted_trials_give_optunas_importances_of_repeated_ones(data: st.DataObject) -> None:
    sweep = make_sweep(20, seed=data.draw(st.integers(0, 5)))
    trials = complete_trials(sweep)
    weights = data.draw(st.lists(st.integers(0, 4), min_size=len(trials), max_size=len(trials)))
    if sum(weights) < 2:
        return
    ours, optunas = both(sweep, trials, weights, data.draw(st.sampled_from([0.1, 0.25, 0.5, 0.9])))
    np.testing.assert_allclose(ours, optunas, rtol=1e-9, atol=1e-14)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
def test_importances_do_not_depend_on_the_order_of_trials_and_are_never_negative(
    seed: int, quantile: float
) -> None:
    random = np.random.default_rng(seed)
    cells = random.integers(-1, 50, 30)
    losses = np.round(random.normal(size=30), 1)
    weights = random.integers(0, 3, (4, 30)).astype(np.float64) + np.eye(4, 30)
    order = random.permutation(30)
    one = ped_anova(
        [BinnedColumn(cells, 50, False), BinnedColumn(cells % 3, 3, True)], losses, weights, quantile
    )
    shuffled = [BinnedColumn(cells[order], 50, False), BinnedColumn((cells % 3)[order], 3, True)]
    other = ped_anova(shuffled, losses[order], weights[:, order], quantile)
    assert (one >= 0).all()
    np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-15)


def numbers_sweep(trials: int = 60) -> Sweep:
    """A search of three numbers from 0 to 1, of which the third has no effect."""
    random = np.random.default_rng(4)
    rows = random.uniform(size=(trials, 3))
    plan = {"space": {name: {"low": 0.0, "high": 1.0} for name in "abc"}}
    edges = np.array([[0.0] * 3, [1.0] * 3])
    return sweep_of(
        [
            make_trial(number, sampled=dict(zip("abc", map(float, row), strict=True)), score=float(score))
            for number, row in enumerate([*edges, *rows])
            for score in [0.9 - abs(row[0] - 0.6) / 5 - row[1] ** 2 / 20]
        ],
        plan=plan,
    )


def test_fanova_of_numbers_is_optunas_of_the_same_forest() -> None:
    sweep = numbers_sweep()
    trials = complete_trials(sweep)
    told = fanova(encoding_of(scales(sweep), trials), trials, scores_of(trials))
    evaluator = FanovaImportanceEvaluator(n_trees=TREES, max_depth=64, seed=0)
    # Optuna's one column a setting and its forest's seed are ours; its default depth is never reached.
    optunas = evaluator.evaluate(study_of(sweep, trials, scales(sweep)))
    assert told.shape == (TREES, 3)
    np.testing.assert_allclose(told.mean(axis=0), [optunas[name] for name in "abc"], rtol=1e-6)


def test_fanova_weighs_each_choice_alike_whatever_was_sampled_most() -> None:
    scale = Scale("c", 0.0, 2.0, False, False, ("x", "y", "z"))
    other = Scale("d", 0.0, 1.0, False, False, ("p", "q"))
    encoding = Encoding((scale, other), frozenset())
    worth = {"x": 0.0, "y": 0.0, "z": 3.0}
    picks = [("x", "p")] * 30 + [("y", "q"), ("z", "p"), ("x", "q"), ("y", "p"), ("z", "q")] * 6
    trials = [make_trial(k, sampled={"c": c, "d": d}) for k, (c, d) in enumerate(picks)]
    told = fanova(encoding, trials, np.array([worth[c] for c, _ in picks]))
    np.testing.assert_allclose(told, np.tile([1.0, 0.0], (len(told), 1)), atol=1e-9)


def test_a_decisive_setting_leads_in_most_resamples_and_its_interval_holds_its_share() -> None:
    told = importances(numbers_sweep(120))
    assert isinstance(told, Importances)
    assert told.names[:2] == ("a", "b")
    assert told.leading > 0.9
    assert told.stable
    assert told.resamples == 500
    assert all(low <= share <= high for share, (low, high) in zip(told.shares, told.intervals, strict=True))
    assert told.fanova[0] is not None
    assert 0.5 < told.fanova[0] < 1
    assert f"leads in {100 * told.leading:.0f} % of 500 resamples" in sentence(told)


def test_a_setting_without_effect_leads_no_more_often_than_its_like() -> None:
    random = np.random.default_rng(2)
    sampled = [dict(zip("abcd", map(float, row), strict=True)) for row in random.uniform(size=(40, 4))]
    trials = [make_trial(k, sampled=each, score=float(random.normal())) for k, each in enumerate(sampled)]
    told = importances(sweep_of(trials))
    assert isinstance(told, Importances)
    assert not told.stable
    assert "leads in only" in sentence(told)


def test_fanova_gives_no_share_to_a_setting_that_not_every_trial_was_asked() -> None:
    told = importances(make_sweep())
    assert isinstance(told, Importances)
    shares = dict(zip(told.names, told.fanova, strict=True))
    assert shares["gamma"] is None
    assert sum(share for share in shares.values() if share is not None) <= 1
    assert "does not apply to gamma" in sentence(told)
    shown = table(told).set_index("hyperparameter")
    assert shown.loc["gamma", "fANOVA"] == "–"
    assert list(shown.index) == list(told.names)
    assert [len(bars.x) for bars in draw(told).data] == [5, 4]


def test_results_hold_the_intervals_and_fanova_beside_the_shares() -> None:
    sweep = make_sweep()
    told, stored = importances(sweep), results(sweep, read_benchmarks(), "")
    assert isinstance(told, Importances)
    assert stored["importances"] == dict(zip(told.names, told.shares, strict=True))
    assert stored["importances_intervals"]["dropout"] == told.intervals[1]._asdict()
    assert stored["importances_leading"] == told.leading
    assert stored["fanova"]["gamma"] is None
    assert stored["fanova_intervals"]["gamma"] is None
    assert set(stored["fanova_intervals"]["learning_rate"]) == {"low", "high"}
    none = results(make_sweep(3), read_benchmarks(), "")
    assert (none["importances"], none["fanova"], none["importances_leading"]) == (None, None, None)
    assert "at least 8" in none["importances_note"]
