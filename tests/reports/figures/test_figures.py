"""What the figures are drawn from: numbers, never pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sweeps import (
    ACCURACY,
    LOG_LOSS,
    SPACE,
    boosting_sweep,
    make_evaluation,
    make_repeat,
    make_sweep,
    make_trial,
    sweep_of,
)

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.ranking import leaderboard
from reports.analysis.scale import Scale, scales
from reports.figures import (
    calibration,
    classes,
    confusion,
    curves,
    history,
    importances,
    parallel,
    schedules,
    slices,
)
from reports.figures.all import FIGURES
from reports.figures.bars import bars
from reports.figures.figure import sections
from reports.figures.style import plain, window
from reports.statistics.intervals import wilson
from search.records.sweep import State, Sweep
from trainable.epoch import Epoch
from trainable.evaluation.calibration import Calibration
from trainable.evaluation.evaluation import Evaluation


def scored(scores: list[float | None], **changes: object) -> Sweep:
    """A sweep whose trials have these scores."""
    return sweep_of([make_trial(k, score=score, **changes) for k, score in enumerate(scores)])


def test_the_best_so_far_rises_only_by_complete_trials() -> None:
    trials = [
        make_trial(0, score=0.90),
        make_trial(1, score=0.99, state=State.PRUNED),
        make_trial(2, score=None, state=State.FAILED, epochs=()),
        make_trial(3, score=0.95),
        make_trial(4, score=0.93),
    ]
    told = history.history(sweep_of(trials))
    assert isinstance(told, history.History)
    assert told.numbers == (0, 1, 3, 4)
    assert (told.best_numbers, told.best_scores) == ((0, 3), (0.90, 0.95))
    assert "95.00 %, came with trial 3; the 1 trial after it" in history.sentence(told)


def repeating_sweep() -> Sweep:
    """Nine trials that were trained, four that repeat the best or a stopped one."""
    learnt = [
        make_trial(k, sampled={"x": k / 10, "y": k % 3}, recipe={"k": k}, score=0.9 + k / 100)
        for k in range(8)
    ]
    stopped = make_trial(9, sampled={"x": 0.9, "y": 0}, state=State.PRUNED, score=0.85)
    again = [make_repeat(8, learnt[7]), make_repeat(10, stopped), make_repeat(11, learnt[7])]
    return sweep_of([*learnt, again[0], stopped, *again[1:], make_repeat(12, learnt[0])])


def test_repeated_recipes_stand_apart_in_the_history_and_improve_nothing() -> None:
    told = history.history(repeating_sweep())
    assert isinstance(told, history.History)
    assert told.numbers == (*range(8), 9)
    assert told.repeats == ((8, 0.97, 7), (10, 0.85, 9), (11, 0.97, 7), (12, 0.9, 0))
    assert told.best_numbers == tuple(range(8))
    assert history.sentence(told) == (
        "The best score of 9 trials, 97.00 %, came with trial 7; the 1 trial after it did not improve on "
        "it. 4 further trials only repeat a recipe."
    )
    drawn = {trace.name: trace for trace in history.draw(told).data}
    assert tuple(drawn["repeat"].x) == (8, 10, 11, 12)
    assert max(drawn["best so far"].x) == 12
    none = history.history(make_sweep())
    assert isinstance(none, history.History)
    assert "repeat" not in {trace.name for trace in history.draw(none).data}


def test_repeated_recipes_count_once_in_every_other_figure() -> None:
    sweep = repeating_sweep()
    single = sweep_of([trial for trial in sweep.trials if trial.same_as is None])
    assert len(single.trials) == len(sweep.trials) - 4
    for figure in (curves.curves, importances.importances, parallel.parallel, slices.slices):
        assert not isinstance(figure(sweep), str)
        assert figure(sweep) == figure(single)


def test_a_minimised_metric_falls_to_its_best() -> None:
    told = history.history(boosting_sweep())
    assert isinstance(told, history.History)
    assert list(told.best_scores) == sorted(told.best_scores, reverse=True)
    assert told.best_scores[-1] == min(told.scores)
    assert "nats" in history.sentence(told)


def test_a_window_hides_only_the_worse_side_and_counts_what_it_hides() -> None:
    good = [0.95, 0.96, 0.97, 0.98]
    shown = window([*good, 0.1, 0.2], ACCURACY, good, reach=3.0)
    assert shown.outside == 2
    assert shown.low < 0.95 < 0.98 < shown.high
    losses = [0.2, 0.21, 0.22, 0.23]
    shown = window([*losses, 9.0], LOG_LOSS, losses, reach=3.0)
    assert (shown.outside, shown.high < 1) == (1, True)


def test_a_window_of_one_value_or_of_equal_ones_has_room_around_it() -> None:
    for values in ([0.5], [0.5] * 5, [0.0]):
        shown = window(values, ACCURACY, values, reach=3.0)
        assert shown.low < values[0] < shown.high
        assert shown.outside == 0


def test_curves_hold_every_epoch_and_name_the_best() -> None:
    sweep = make_sweep()
    told = curves.curves(sweep)
    best = sweep.best()
    assert isinstance(told, curves.Curves)
    assert best is not None
    assert told.best == best.number
    assert sum(len(curve.values) for curve in told.curves) == sum(len(t.epochs) for t in sweep.trials)
    assert "29 trials ran to the end (10 epochs); 9 trials were stopped early" in curves.sentence(told)


def test_an_epoch_without_the_metric_is_passed_over() -> None:
    epochs = (Epoch(1, {"loss": 1.0}, 1.0), Epoch(2, {"validation_accuracy": 0.5}, 1.0))
    told = curves.curves(sweep_of([make_trial(0, epochs=epochs)]))
    assert isinstance(told, curves.Curves)
    assert told.curves[0].epochs == (2,)


def test_importances_find_the_setting_that_decides() -> None:
    random = np.random.default_rng(0)
    trials = []
    for number in range(60):
        sampled = {"learning_rate": float(10 ** random.uniform(-4, -1)), "dropout": float(random.uniform())}
        score = 1 - abs(math.log10(sampled["learning_rate"]) + 2.5) / 10
        trials.append(make_trial(number, sampled=sampled, score=score))
    told = importances.importances(sweep_of(trials))
    assert isinstance(told, importances.Importances)
    assert told.names[0] == "learning_rate"
    assert sum(told.shares) == pytest.approx(1.0)
    assert (told.trials, told.top) == (60, 6)
    assert importances.importances(sweep_of(trials)) == told


def test_importances_know_conditional_settings_and_few_trials() -> None:
    told = importances.importances(make_sweep(14))
    assert isinstance(told, importances.Importances)
    assert set(told.names) == set(SPACE)


@pytest.mark.parametrize("choices", [[[128, 64], [256]], [True, False], [64, 128], ["a", None]])
def test_importances_take_any_kind_of_choice(choices: list[object]) -> None:
    trials = [make_trial(k, sampled={"x": choices[k % 2]}, score=0.9 + k % 2 / 10) for k in range(10)]
    told = importances.importances(sweep_of(trials, plan={"space": {"x": {"choices": choices}}}))
    assert isinstance(told, importances.Importances)
    assert told.names == ("x",)


def test_importances_that_cannot_be_told_say_why() -> None:
    assert "at least 8 complete trials" in str(importances.importances(make_sweep(3)))
    assert "same score" in str(importances.importances(scored([0.9] * 9)))
    assert "more than one value" in str(importances.importances(scored([0.9 + k / 100 for k in range(9)])))


def test_a_scale_follows_the_plan_and_widens_for_what_lies_outside_it() -> None:
    plan = {"space": {"x": {"low": 0.1, "high": 1.0, "log": True}, "c": {"choices": ["a", "b"]}, "n": 3}}
    trials = [
        make_trial(0, sampled={"n": 4, "x": 0.01, "c": "b"}),
        make_trial(1, sampled={"n": 7, "x": 1.0, "c": "old"}),
    ]
    x, c, n = scales(sweep_of(trials, plan=plan))
    assert x == Scale("x", 0.01, 1.0, True, False, ())
    assert x.share(0.1) == pytest.approx(0.5)
    assert c.choices == ("a", "b", "old")
    assert c.position("old") == 2.0
    assert n == Scale("n", 4.0, 7.0, False, True, ())


def test_a_log_scale_that_holds_zero_is_drawn_linear() -> None:
    plan = {"space": {"x": {"low": 0.1, "high": 1.0, "log": True}}}
    (scale,) = scales(sweep_of([make_trial(0, sampled={"x": 0.0})], plan=plan))
    assert not scale.log


def test_parallel_coordinates_hold_complete_trials_best_first_and_leave_gaps_unasked() -> None:
    sweep = make_sweep()
    told = parallel.parallel(sweep)
    assert isinstance(told, parallel.Parallel)
    complete = [trial for trial in sweep.ranked() if trial.state is State.COMPLETE]
    assert told.numbers == tuple(trial.number for trial in complete)
    assert [axis.name for axis in told.axes] == [*SPACE, "validation_accuracy"]
    assert (told.heights[0][-1], told.heights[-1][-1]) == (1.0, 0.0)
    for trial, heights in zip(complete, told.heights, strict=True):
        assert (heights[4] is None) == ("gamma" not in trial.sampled)
        assert all(height is None or 0 <= height <= 1 for height in heights)


def test_a_minimised_score_has_its_best_at_the_top_too() -> None:
    told = parallel.parallel(boosting_sweep())
    assert isinstance(told, parallel.Parallel)
    assert told.heights[0][-1] == 1.0
    assert [label for _, label in told.axes[0].ticks] == ["2", "4", "6", "8"]


def test_log_axes_are_ticked_at_powers_of_ten() -> None:
    told = parallel.parallel(make_sweep())
    assert isinstance(told, parallel.Parallel)
    ticks = {label: place for place, label in told.axes[1].ticks}
    assert list(ticks) == ["1e-07", "1e-06", "1e-05", "0.0001", "0.001"]
    assert ticks["1e-05"] == pytest.approx(0.5)


def test_slices_hold_a_point_per_complete_trial_that_was_asked() -> None:
    sweep = make_sweep()
    told = slices.slices(sweep)
    assert isinstance(told, slices.Slices)
    gamma = told.slices[4]
    asked = [t for t in sweep.trials if t.state is State.COMPLETE and "gamma" in t.sampled]
    assert gamma.positions == tuple(t.sampled["gamma"] for t in asked)
    assert set(slices.draw(told)) == set(SPACE)


def test_a_best_value_at_the_end_of_its_range_asks_for_a_wider_one() -> None:
    plan = {"space": {"x": {"low": 0.0, "high": 1.0}}}
    trials = [make_trial(0, sampled={"x": 0.99}, score=0.9), make_trial(1, sampled={"x": 0.5}, score=0.8)]
    told = slices.slices(sweep_of(trials, plan=plan))
    assert isinstance(told, slices.Slices)
    assert told.slices[0].best_at_edge
    assert "x lies at an end of its range" in slices.sentence(told)


@pytest.mark.parametrize(("low", "asks"), [(0.0, False), (0.1, True)])
def test_a_best_value_at_the_foot_of_its_range_asks_for_a_wider_one_unless_that_is_zero(
    low: float, asks: bool
) -> None:
    plan = {"space": {"x": {"low": low, "high": 1.0}}}
    trials = [
        make_trial(0, sampled={"x": low + 0.01}, score=0.9),
        make_trial(1, sampled={"x": 0.5}, score=0.8),
    ]
    told = slices.slices(sweep_of(trials, plan=plan))
    assert isinstance(told, slices.Slices)
    assert told.slices[0].best_at_edge is asks


def test_class_accuracies_carry_the_interval_of_their_own_examples() -> None:
    evaluation = make_evaluation()
    told = classes.classes(evaluation)
    assert isinstance(told, classes.Classes)
    assert evaluation.class_accuracy is not None
    assert told.accuracies == pytest.approx(tuple(evaluation.class_accuracy))
    assert told.intervals[3] == wilson(told.correct[3], told.examples[3])
    assert sum(told.examples) == 10_000


def test_a_class_without_examples_is_left_out() -> None:
    counts = np.array([[3, 1], [0, 0]])
    told = classes.classes(Evaluation({"accuracy": 0.75}, 4, counts))
    assert isinstance(told, classes.Classes)
    assert told.names == ("0",)


def calibrated(counts: tuple[int, ...], correct: tuple[int, ...], sure: tuple[float, ...]) -> Evaluation:
    share = sum(correct) / sum(counts)
    return Evaluation({"accuracy": share}, sum(counts), calibration=Calibration(counts, correct, sure))


def test_calibration_shows_the_bins_that_hold_examples_with_their_intervals() -> None:
    told = calibration.calibration(calibrated((0, 40, 0, 60), (0, 20, 0, 57), (0.0, 0.45, 0.0, 0.99)))
    assert isinstance(told, calibration.Calibration)
    assert (told.bins, told.lows, told.highs) == (4, (0.25, 0.75), (0.5, 1.0))
    assert told.accuracies == (0.5, 0.95)
    assert told.intervals == (wilson(20, 40), wilson(57, 60))
    assert told.error == pytest.approx(0.4 * 0.05 + 0.6 * 0.04)
    assert told.mean == pytest.approx(0.4 * 0.45 + 0.6 * 0.99)
    drawn = calibration.draw(told).data[1]
    assert (tuple(drawn.x), tuple(drawn.y)) == ((0.45, 0.99), (0.5, 0.95))


@pytest.mark.parametrize(
    ("sure", "meaning"),
    [(0.97, "overconfident"), (0.8, "underconfident"), (0.89, "well calibrated")],
)
def test_calibration_says_in_which_direction_a_model_errs_beyond_chance(sure: float, meaning: str) -> None:
    told = calibration.calibration(calibrated((0, 1000), (0, 900), (0.0, sure)))
    assert isinstance(told, calibration.Calibration)
    sentence = calibration.sentence(told)
    assert f"mean confidence is {100 * sure:.2f} % and its accuracy 90.00 %: {meaning}" in sentence
    assert f"error is {100 * abs(sure - 0.9):.2f} points" in sentence


def test_without_probabilities_calibration_says_so() -> None:
    for evaluation in (None, Evaluation({"accuracy": 0.5}, 2)):
        assert isinstance(calibration.calibration(evaluation), str)


def test_confusions_are_listed_most_frequent_first() -> None:
    counts = np.array([[50, 3, 0], [7, 40, 1], [0, 0, 9]])
    told = confusion.confusion(Evaluation({"accuracy": 0.9}, 110, counts, class_names=("a", "b", "c")))
    assert isinstance(told, confusion.Confusion)
    assert told.pairs == (("b", "a", 7), ("a", "b", 3), ("b", "c", 1))
    sentence = confusion.sentence(told)
    assert sentence.startswith("11 of 110 examples went wrong, most often b predicted as a (7)")


def test_a_model_without_mistakes_is_drawn_and_told() -> None:
    told = confusion.confusion(Evaluation({"accuracy": 1.0}, 5, np.array([[2, 0], [0, 3]])))
    assert isinstance(told, confusion.Confusion)
    assert confusion.sentence(told) == "None of 5 examples was predicted as another class."
    confusion.draw(told)


@pytest.mark.parametrize(
    "sweep",
    [
        sweep_of(()),
        make_sweep(1),
        make_sweep(2),
        scored([None] * 3, state=State.FAILED, epochs=()),
        scored([0.5] * 12),
        boosting_sweep(),
        make_sweep(200),
        repeating_sweep(),
    ],
    ids=["empty", "one", "two", "failed", "equal", "boosting", "many", "repeating"],
)
def test_every_sweep_has_a_sentence_in_every_section(sweep: Sweep) -> None:
    made = sections(FIGURES, sweep)
    assert all(section.sentence.endswith(".") and "nan" not in section.sentence for section in made)
    assert not any(section.drawings for section in made if section.numbers is None)
    names = [name for section in made for name in (section.key, *(name for name, _ in section.drawings))]
    assert len(names) == len(set(names))


def test_plotly_reads_no_marks_in_our_text() -> None:
    assert plain("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"
    assert len(plain("x" * 500)) == 60


def test_halving_the_error_is_the_same_step_everywhere_on_a_bar() -> None:
    benchmarks = read_benchmarks().iloc[:4].assign(test_accuracy_percent=[88.0, 94.0, 99.8, 99.9])
    rows = bars(leaderboard(make_sweep(openings=()), benchmarks)).rows
    assert rows[0].at - rows[1].at == pytest.approx(rows[2].at - rows[3].at, abs=0.02)
    assert all(0 <= bar.at <= 100 and bar.low is None for bar in rows)


def schedule_sweep(scores: dict[str, list[float]], **changes: object) -> Sweep:
    """Complete trials that drew these schedules; their rates fall from 0.01 by a tenth an epoch."""
    drawn = [(name, score) for name, held in scores.items() for score in held]
    trials = []
    for number, (name, score) in enumerate(drawn):
        metrics = [{"learning_rate": 0.01 * 0.9**k, "validation_accuracy": score} for k in range(3)]
        epochs = tuple(Epoch(k, held, 1.0) for k, held in enumerate(metrics, 1))
        trials.append(make_trial(number, sampled={"schedule": name}, score=score, epochs=epochs))
    return sweep_of(trials, **changes)


def test_schedules_are_told_apart_only_by_more_than_their_trials_scatter() -> None:
    random = np.random.default_rng(0)
    held = {
        name: [float(score) for score in random.normal(mean, 0.001, 12)]
        for name, mean in (("constant", 0.970), ("cosine", 0.9802), ("one_cycle", 0.980), ("step", 0.960))
    }
    told = schedules.schedules(schedule_sweep(held))
    assert isinstance(told, schedules.Schedules)
    assert [choice.group for choice in told.choices] == [1, 1, 2, 3]
    assert {choice.name for choice in told.choices[:2]} == {"cosine", "one_cycle"}
    first = told.choices[0]
    assert first.low is not None and first.high is not None
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(float(np.mean(held[first.name])))
    assert (told.pairs, len(told.apart)) == (6, 5)
    assert told.choices[1].name not in {pair.worse for pair in told.apart if pair.better == first.name}
    said = schedules.sentence(told)
    assert (
        f"{first.name} did better than constant and step; {told.choices[1].name} is not significantly worse"
        in said
    )
    assert "differ in their other settings too" in said
    strips = schedules.draw(told)["scores"]
    assert len(strips.data[0].x) == 48
    assert all(-0.25 < x - round(x) < 0.25 for x in strips.data[0].x)


def test_a_schedule_of_one_trial_or_of_equal_scores_is_not_taken_for_certain() -> None:
    sweep = schedule_sweep({"constant": [0.97, 0.97, 0.97], "cosine": [0.98], "step": [0.96, 0.98, 0.97]})
    told = schedules.schedules(sweep)
    assert isinstance(told, schedules.Schedules)
    constant = next(choice for choice in told.choices if choice.name == "constant")
    single = next(choice for choice in told.choices if choice.name == "cosine")
    assert constant.low is not None and constant.low < 0.97
    assert single.low is None
    assert told.apart == ()
    assert "not significantly worse than the best, cosine" in schedules.sentence(told)


def test_the_rates_of_a_schedule_are_those_of_its_best_trial() -> None:
    told = schedules.schedules(schedule_sweep({"constant": [0.9, 0.95], "cosine": [0.97, 0.96]}))
    assert isinstance(told, schedules.Schedules)
    assert [(choice.name, choice.best) for choice in told.choices] == [("cosine", 2), ("constant", 1)]
    assert told.choices[0].rates == pytest.approx((0.01, 0.009, 0.0081))
    assert list(schedules.draw(told)) == ["scores", "rates"]


def test_schedules_without_rates_are_compared_by_their_scores_alone() -> None:
    trials = [make_trial(k, sampled={"schedule": "ab"[k % 2]}, score=0.9 + k / 100) for k in range(4)]
    told = schedules.schedules(sweep_of(trials))
    assert isinstance(told, schedules.Schedules)
    assert list(schedules.draw(told)) == ["scores"]


def test_where_no_schedule_was_chosen_there_is_none_to_compare() -> None:
    assert schedules.schedules(boosting_sweep()) is None
    assert schedules.schedules(schedule_sweep({"cosine": [0.9, 0.95]})) is None
    numeric = [make_trial(k, sampled={"schedule": k / 2}, score=0.9) for k in range(4)]
    assert schedules.schedules(sweep_of(numeric, plan={})) is None


def test_the_table_of_schedules_says_which_ones_are_worse_than_which() -> None:
    held = {"constant": [0.90, 0.901, 0.902, 0.9], "cosine": [0.98, 0.981, 0.982, 0.98]}
    told = schedules.schedules(schedule_sweep(held))
    assert isinstance(told, schedules.Schedules)
    rows = schedules.table(told)
    assert list(rows["schedule"]) == ["cosine", "constant"]
    assert list(rows["worse than"]) == ["", "cosine (p < 0.001)"]


def test_curves_show_the_rungs_that_any_of_them_reaches() -> None:
    told = curves.curves(make_sweep())
    assert isinstance(told, curves.Curves)
    assert told.rungs == (1, 3, 9)
    assert [line.x0 for line in curves.draw(told).layout.shapes] == [1, 3, 9]
    assert "the pruner decides after epochs 1, 3 and 9" in curves.sentence(told)
    short = curves.curves(sweep_of([make_trial(0)]))
    assert isinstance(short, curves.Curves)
    assert short.rungs == (1,)
    other = curves.curves(make_sweep(plan={"pruner": {"name": "median"}}))
    assert isinstance(other, curves.Curves)
    assert other.rungs == ()
    assert "the pruner decides" not in curves.sentence(other)
