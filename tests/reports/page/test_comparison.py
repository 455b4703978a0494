"""Several runs side by side: laws of the numbers, known differences, and what must not be compared."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import (
    ENVIRONMENT,
    LOG_LOSS,
    PLAN,
    START,
    boosting_sweep,
    confirmed_sweep,
    make_confirmation,
    make_evaluation,
    make_look,
    make_opening,
    make_repeat,
    make_sweep,
    make_trial,
    sweep_of,
)

from reports.analysis.contrast import environment_contrasts, plan_contrasts, space_contrasts
from reports.analysis.runs import ComparedRun, comparable_runs, compared_runs
from reports.analysis.winner import correct_bits
from reports.analysis.winner_pairs import pairs
from reports.figures import differences, edf, incumbents
from reports.figures.stroke import stroke
from reports.figures.trace import search_seconds, trace
from reports.formatting.wording import plain_json
from reports.page.comparison import MOST, RunComparison
from reports.page.comparison_json import comparison_json
from reports.statistics.comparison import compare, mcnemar
from search.records.sweep import Session, State, Sweep
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation


def named(sweep: Sweep, name: str, **changes: Any) -> Sweep:
    """The sweep as a run of its own."""
    return replace(sweep, folder=Path("/runs") / name, name=name, **changes)


def looked_at(name: str, wrong: int, seeds: int = 5, first: int = 0, **changes: Any) -> Sweep:
    """A run whose best trial was looked at with so many seeds, each of about `wrong` mistakes of 10,000."""
    searched = make_sweep(openings=())
    best = searched.best()
    assert best is not None
    looks = [
        make_look(best.number, seed, make_evaluation(wrong + seed % 5, first + seed)) for seed in range(seeds)
    ]
    return named(searched, name, openings=(make_opening(*looks),), **changes)


def run_of(sweep: Sweep) -> ComparedRun:
    return ComparedRun(0, sweep.name, sweep.name, sweep)


SCORES = st.lists(
    st.tuples(
        st.floats(0, 1, allow_nan=False),
        st.sampled_from([State.COMPLETE, State.COMPLETE, State.PRUNED, State.FAILED, State.INTERRUPTED]),
    ),
    max_size=30,
)


def searched(told: Sequence[tuple[float, State]], metric: Metric) -> Sweep:
    return sweep_of(
        [make_trial(k, score=score, state=state) for k, (score, state) in enumerate(told)], metric=metric
    )


METRICS = st.sampled_from([Metric("validation_accuracy", "maximize", "share"), LOG_LOSS])


@settings(max_examples=150, deadline=None)
@given(SCORES, METRICS)
def test_incumbents_only_get_better_and_the_last_one_is_the_best(
    told: list[tuple[float, State]], metric: Metric
) -> None:
    sweep = searched(told, metric)
    traced = trace(run_of(sweep))
    scores = [each.score for each in traced.incumbents]
    assert all(metric.better(later, earlier) for earlier, later in itertools.pairwise(scores))
    best = sweep.best()
    assert (traced.best is None) == (best is None)
    if best is not None and traced.best is not None:
        assert (traced.best.score, traced.best.number) == (best.score, best.number)
    for by in ("trials", "epochs", "seconds"):
        costs = [each.at(by) for each in traced.incumbents]
        known = [cost for cost in costs if cost is not None]
        assert known == sorted(known)
        assert all(cost <= (traced.end(by) or 0) for cost in known)
    assert traced.trials == len(told)
    assert traced.epochs == sum(len(trial.epochs) for trial in sweep.trials)


@settings(max_examples=150, deadline=None)
@given(SCORES, METRICS, st.floats(0, 1, allow_nan=False))
def test_a_distribution_counts_the_complete_trials_that_are_at_least_as_good(
    told: list[tuple[float, State]], metric: Metric, score: float
) -> None:
    complete = [each for each, state in told if state is State.COMPLETE]
    made = edf.distribution(run_of(searched(told, metric)))
    if not complete:
        assert made is None
        return
    assert made is not None
    assert made.trials == len(complete)
    assert list(made.scores) == sorted(set(complete))
    falling = made.shares if metric.higher_is_better else made.shares[::-1]
    assert falling[0] == 1.0
    assert all(0 < later < earlier for earlier, later in itertools.pairwise(falling))
    for at in (score, *complete):
        count = sum(not metric.better(at, each) for each in complete)
        assert made.share_at(metric, at) == pytest.approx(count / len(complete))


def test_a_drawn_distribution_ends_at_the_best_score_with_nothing_above_it() -> None:
    for sweep, end in ((make_sweep(), -1), (boosting_sweep(), 0)):
        (group,) = comparable_runs([run_of(sweep)])
        told = edf.edf(group)
        assert isinstance(told, edf.Edf)
        (line,) = edf.draw(told).data
        best = sweep.best()
        assert best is not None
        assert (line.x[end], line.y[end]) == (best.score, 0.0)


def test_repeats_count_for_nothing() -> None:
    trials = [make_trial(0, score=0.9), make_trial(1, score=0.95)]
    again = sweep_of([*trials, make_repeat(2, trials[1]), make_trial(3, score=0.97)])
    traced = trace(run_of(again))
    assert [(each.number, each.trials) for each in traced.incumbents] == [(0, 1), (1, 2), (3, 3)]
    made = edf.distribution(run_of(again))
    assert made is not None and made.trials == 3


def test_trials_are_taken_in_the_order_in_which_they_were_over() -> None:
    slow = make_trial(0, score=0.97, ended=START + timedelta(seconds=100))
    traced = trace(run_of(sweep_of([slow, make_trial(1, score=0.95)])))
    assert [(each.number, each.trials, each.seconds) for each in traced.incumbents] == [
        (1, 1, 19.0),
        (0, 2, 100.0),
    ]


def paused(zone: timedelta = timedelta()) -> Sweep:
    """Two starts of 100 s each, an hour apart; a trial ended 40 s into each."""
    hour = timedelta(hours=1)
    ends = [START + zone + timedelta(seconds=40), START + zone + hour + timedelta(seconds=40)]
    trials = [make_trial(k, score=0.9 + k / 100, ended=end, session=k) for k, end in enumerate(ends)]
    sessions = (Session(0, START, 100.0, "interrupted"), Session(1, START + hour, 100.0, "budget"))
    return sweep_of(trials, sessions=sessions)


@pytest.mark.parametrize("hours", [0, 2, -5, 5.5])
def test_a_pause_between_starts_does_not_count_whatever_the_clocks_zone(hours: float) -> None:
    told = search_seconds(paused(timedelta(hours=hours)))
    assert told is not None
    assert told[0] == pytest.approx(told[1] - 100)
    assert trace(run_of(paused())).seconds == 200.0
    if not hours:
        assert told == {0: 40.0, 1: 140.0}


def test_times_that_fit_no_start_are_not_told_and_the_run_is_left_out_by_name() -> None:
    odd = paused()
    lost = replace(odd.trials[1], ended=START + timedelta(hours=30, minutes=7))
    odd = named(replace(odd, trials=(odd.trials[0], lost)), "odd")
    assert search_seconds(odd) is None
    (group,) = comparable_runs(compared_runs([odd, named(make_sweep(), "plain")]))
    told = incumbents.incumbents(group, "seconds")
    assert isinstance(told, incumbents.Incumbents)
    assert [each.run.label for each in told.traces] == ["plain"]
    assert told.untimed == ("odd",)


def test_the_sentence_tells_how_soon_the_weakest_best_was_reached() -> None:
    slow = sweep_of([make_trial(k, score=0.9 + k / 100) for k in range(5)])
    quick = sweep_of([make_trial(0, score=0.95), make_trial(1, score=0.96)])
    (group,) = comparable_runs(compared_runs([named(slow, "slow"), named(quick, "quick")]))
    told = incumbents.incumbents(group, "trials")
    assert isinstance(told, incumbents.Incumbents)
    assert incumbents.sentence(told) == (
        "94.00 %, the best of slow, was reached by quick after 1 trial and slow after 5 trials."
    )
    said = RunComparison.of([named(slow, "slow"), named(quick, "quick")]).sentences
    assert (
        "To reach 94.00 %, slow's best, quick needed 1 trial (2 epochs, 9.0 s) and slow needed 5 trials"
        in said[2]
    )


def test_a_known_difference_is_found_image_by_image_and_from_the_better_side() -> None:
    worse, better = looked_at("worse", 260), looked_at("better", 160, first=50)
    (pair,) = pairs(compared_runs([worse, better]))
    bits = [correct_bits([look.evaluation for look in sweep.openings[0].looks]) for sweep in (worse, better)]
    assert bits[0] is not None and bits[1] is not None
    expected = compare(bits[0], bits[1], 0.05)
    assert (pair.method, pair.on, pair.standing) == ("images", "test set", "worse")
    assert pair.comparison == expected
    assert pair.p == expected.p < 0.001
    made = RunComparison.of([worse, better])
    assert made.figure == "1.00 points"
    assert "better's winner better than worse's (95 % interval +" in made.caption
    assert "better's winner (trial" in made.sentences[0]
    assert "1.00 points better than worse's" in made.sentences[0]


def test_equal_winners_do_not_differ_significantly() -> None:
    made = RunComparison.of([looked_at("one", 160), looked_at("other", 160)])
    assert made.pairs[0].standing == "tied"
    assert "not significant" in made.caption
    assert "not significant" in made.sentences[0]


def test_one_model_each_is_mcnemars_test() -> None:
    one, other = looked_at("one", 200, seeds=1), looked_at("other", 160, seeds=1, first=9)
    (pair,) = pairs(compared_runs([one, other]))
    bits = [sweep.openings[0].looks[0].evaluation.correct for sweep in (one, other)]
    assert bits[0] is not None and bits[1] is not None
    assert pair.method == "models"
    assert pair.p == mcnemar(bits[0], bits[1]).p
    numbers = differences.differences([pair])
    assert [group.pairs for group in numbers.groups] == [(pair,)]
    assert "for these two models" in differences.sentence(numbers)


def test_p_and_interval_hold_for_all_pairs_together_and_never_disagree() -> None:
    sweeps = [looked_at(f"run{k}", 160 + 12 * k, first=10 * k) for k in range(4)]
    told = pairs(compared_runs(sweeps))
    alone = {(a.name, b.name): pairs(compared_runs([a, b]))[0] for a in sweeps for b in sweeps if a is not b}
    assert len(told) == 6
    assert {pair.standing for pair in told} == {"better", "tied"}
    for pair in told:
        assert pair.comparison is not None and pair.p is not None
        single = alone[pair.one.label, pair.other.label]
        assert single.comparison is not None and single.p is not None
        assert pair.p == pytest.approx(min(1.0, 6 * single.p))
        assert pair.comparison.low < single.comparison.low < single.comparison.high < pair.comparison.high
        outside = not pair.comparison.low <= 0 <= pair.comparison.high
        assert outside == (pair.p <= 0.05)


def test_without_bits_the_seeds_are_compared_and_without_seeds_nothing() -> None:
    def bare(name: str, scores: Sequence[float]) -> Sweep:
        looks = [make_look(2, k, Evaluation({"accuracy": score}, 10_000)) for k, score in enumerate(scores)]
        return named(make_sweep(openings=()), name, openings=(make_opening(*looks),))

    many = pairs(compared_runs([bare("one", [0.98, 0.981, 0.982]), bare("other", [0.96, 0.961, 0.962])]))[0]
    assert (many.method, many.standing) == ("seeds", "better")
    single = pairs(compared_runs([bare("one", [0.98]), bare("other", [0.96])]))[0]
    assert single.comparison is None
    assert "one seed each says nothing about the variance between seeds" in single.why


def confirmed_at(name: str, mean: float) -> Sweep:
    """A confirmation of two candidates, the test set sealed."""
    random = np.random.default_rng(3)
    searched = make_sweep(openings=())
    best = searched.ranked()[0].number
    scores: dict[int | None, list[float]] = {
        best: [float(each) for each in random.normal(mean, 5e-4, 10)],
        None: [float(each) for each in random.normal(mean - 0.02, 5e-4, 10)],
    }
    return named(searched, name, confirmation=make_confirmation(scores, {best: 0.983}))


def test_where_the_test_set_is_sealed_fresh_seeds_on_validation_are_compared() -> None:
    (pair,) = pairs(compared_runs([confirmed_at("one", 0.982), confirmed_at("other", 0.977)]))
    assert (pair.method, pair.on, pair.standing) == ("seeds", "validation", "better")
    assert pair.comparison is not None
    assert pair.comparison.difference == pytest.approx(0.005, abs=1e-9)


def test_scores_of_the_search_alone_are_never_tested() -> None:
    one, other = named(make_sweep(openings=()), "one"), named(make_sweep(60, seed=4, openings=()), "other")
    made = RunComparison.of([one, other])
    assert made.figure == "–"
    assert made.pairs[0].comparison is None
    assert "the test set of one and other is still sealed" in made.sentences[0]
    assert "(`benchsweep confirm /runs/" in made.sentences[0]


def test_runs_on_different_data_are_not_compared_and_are_drawn_apart() -> None:
    runs = [
        looked_at(name, wrong, environment={**ENVIRONMENT, "data_sha256": digit * 64})
        for name, wrong, digit in (("a", 260, "1"), ("b", 160, "2"), ("c", 160, "1"))
    ]
    made = RunComparison.of(runs)
    assert [[run.label for run in group.runs] for group in made.groups] == [["a", "c"], ["b"]]
    words = {(pair.one.label, pair.other.label): pair.standing for pair in made.pairs}
    assert words == {("a", "b"): None, ("a", "c"): "worse", ("b", "c"): None}
    assert "saw different data" in made.pairs[0].why
    assert any("not known to have seen the same data" in said for said in made.cautions)
    drawn = {section.key: len(section.drawings) for section in made.sections}
    assert (drawn["best-by-trials"], drawn["edf"], drawn["winners"]) == (2, 2, 1)


def test_a_run_whose_own_starts_saw_different_data_is_compared_with_none() -> None:
    known = {**ENVIRONMENT, "data_sha256": "1" * 64}
    other = {**ENVIRONMENT, "data_sha256": "2" * 64}
    mixed = looked_at("mixed", 160, sessions=(Session(0, START, 812.0, "budget", other),), environment=known)
    (pair,) = pairs(compared_runs([mixed, looked_at("plain", 160, environment=known)]))
    assert pair.standing is None
    assert "not known to have seen the same data" in pair.why


def test_other_metrics_are_told_and_every_run_is_still_shown() -> None:
    made = RunComparison.of([named(make_sweep(), "digits"), named(boosting_sweep(), "boosting")])
    assert len(made.groups) == 2
    assert any("judged by different metrics" in said for said in made.cautions)
    assert made.pairs[0].standing is None
    assert any("Best log loss of a single training: boosting" in said for said in made.sentences)
    assert list(made.overview["run"]) == ["digits", "boosting"]


def test_other_metrics_on_the_same_data_are_compared_by_the_test_sets_accuracy() -> None:
    known = {**ENVIRONMENT, "data_sha256": "1" * 64}
    metric = Metric("validation_loss", "minimize", "nats")
    by_loss = replace(looked_at("loss", 260, environment=known), metric=metric)
    (pair,) = pairs(compared_runs([by_loss, looked_at("accuracy", 160, environment=known)]))
    assert pair.by is not None
    assert (pair.by.name, pair.standing) == ("accuracy", "worse")


STATES = {
    "empty": sweep_of(()),
    "running": make_sweep(6, openings=(), alive=True),
    "interrupted": sweep_of([make_trial(0), make_trial(1, state=State.INTERRUPTED, ended=None)]),
    "all failed": sweep_of(
        [make_trial(k, state=State.FAILED, score=None, epochs=(), error="ValueError") for k in range(3)]
    ),
    "one": make_sweep(1),
    "confirmed": confirmed_sweep(),
    "no plan": sweep_of([make_trial(0, sampled={})], plan={}, environment={}, sessions=()),
    "odd plan": make_sweep(9, plan={"space": [1], "data": "x", "limit": float("nan"), "when": START}),
}


@pytest.mark.slow
@pytest.mark.parametrize("one", STATES)
def test_a_run_in_any_state_is_compared_with_one_in_any_other(one: str) -> None:
    for name, sweep in STATES.items():
        made = RunComparison.of([named(STATES[one], "one"), named(sweep, "other")])
        assert made.sentences and len(made.overview) == 2, name
        json.dumps(plain_json(comparison_json(made)), allow_nan=False)
        for section in made.sections:
            assert section.sentence.endswith("."), section
            assert bool(section.drawings) <= (section.table is not None)


def test_an_empty_run_and_a_running_one_are_called_so() -> None:
    made = RunComparison.of([named(STATES["empty"], "none"), named(STATES["running"], "now")])
    assert "now is running: these are its results so far." in made.cautions
    assert "none is empty." in made.cautions
    assert any("none has none yet" in said for said in made.sentences)
    nothing = RunComparison.of([named(STATES["empty"], "a"), named(STATES["all failed"], "b")])
    assert "No trial of a and b is complete yet." in nothing.sentences


def test_two_runs_of_one_name_are_told_apart_by_their_folders() -> None:
    folders = [Path("/x/y/runs/laptop"), Path("/x/z/runs/laptop"), Path("/x/z/runs/gpu")]
    made = compared_runs([replace(make_sweep(2), folder=each, name=each.name) for each in folders])
    assert [run.label for run in made] == ["y/runs/laptop", "z/runs/laptop", "gpu"]


def test_long_names_are_cut_in_their_middle_and_stay_apart() -> None:
    names = ["experiment-" + "x" * 40 + end for end in ("-a", "-b")] + [
        "y" * 60 + "z" * 60,
        "y" * 61 + "z" * 60,
    ]
    made = compared_runs([named(make_sweep(2), name) for name in names])
    shorts = [run.short for run in made]
    assert len(set(shorts)) == 4
    assert all(len(short) <= 33 for short in shorts)
    assert shorts[0].endswith("-a")


def test_a_folder_named_twice_and_a_wrong_number_of_runs_are_refused() -> None:
    one = named(make_sweep(2), "one")
    with pytest.raises(ValueError, match="each run must be given once"):
        RunComparison.of([one, one])
    for count in (1, MOST + 1):
        with pytest.raises(ValueError, match=f"2 to {MOST} runs"):
            RunComparison.of([named(one, f"run{k}") for k in range(count)])


def test_no_two_of_the_most_runs_look_alike() -> None:
    strokes = [stroke(index) for index in range(MOST)]
    assert len({each.symbol for each in strokes}) == MOST
    assert len({(each.colour, each.dash) for each in strokes}) == MOST


def test_only_what_differs_in_plans_spaces_and_environments_is_listed() -> None:
    space = {name: spec for name, spec in PLAN["space"].items() if name != "weight_decay"}
    plan = {
        **PLAN,
        "name": "other",
        "seed": 8,
        "recipe": {**PLAN["recipe"], "weight_decay": 1e-5},
        "sampler": {"name": "gp"},
        "space": {**space, "dropout": {"low": 0.0, "high": 0.5}},
    }
    sweeps = [make_sweep(3), make_sweep(3, plan=plan, environment={**ENVIRONMENT, "cpus": 16, "gpu": "H100"})]
    assert {row.key: row.values for row in plan_contrasts(sweeps)} == {
        "seed": ("7", "8"),
        "recipe.weight_decay": ("–", "1e-05"),
        "sampler.name": ("tpe", "gp"),
        "sampler.multivariate": ("true", "–"),
        "sampler.n_startup_trials": ("10", "–"),
    }
    assert {row.key: row.values for row in space_contrasts(sweeps)} == {
        "weight_decay": ("1e-07 to 0.001, log", "not searched: 1e-05"),
        "dropout": ("0.0 to 0.4", "0.0 to 0.5"),
    }
    assert {row.key: row.values for row in environment_contrasts(sweeps)} == {
        "cpus": ("2", "16"),
        "gpu": ("–", "H100"),
    }
    assert not plan_contrasts([sweeps[0]] * 3)


def test_values_that_differ_in_the_fifth_digit_or_in_kind_are_not_shown_alike() -> None:
    plans = [{"x": 0.00030001, "flag": True}, {"x": 0.0003, "flag": 1}]
    told = {row.key: row.values for row in plan_contrasts([make_sweep(2, plan=plan) for plan in plans])}
    assert told == {"x": ("0.00030001", "0.0003"), "flag": ("true", "1")}
