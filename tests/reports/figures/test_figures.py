"""The numbers that the figures are drawn from."""

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
from reports.figures.figure import sections
from reports.figures.leaderboard_bars import leaderboard_bars
from reports.figures.style import plain, window
from reports.health.health import health
from reports.statistics.intervals import wilson
from search.records.sweep import State, Sweep
from trainable.epoch import Epoch
from trainable.evaluation.calibration import CalibrationBins
from trainable.evaluation.evaluation import Evaluation


def scored(scores: list[float | None], **changes: object) -> Sweep:
    """A sweep whose trials have these scores."""
    return sweep_of([make_trial(k, score=score, **changes) for k, score in enumerate(scores)])


def test_only_complete_trials_raise_the_best_so_far() -> None:
    trials = [
        make_trial(0, score=0.90),
        make_trial(1, score=0.99, state=State.PRUNED),
        make_trial(2, score=None, state=State.FAILED, epochs=()),
        make_trial(3, score=0.95),
        make_trial(4, score=0.93),
    ]
    numbers = history.history(sweep_of(trials))
    assert isinstance(numbers, history.ScoreHistory)
    assert numbers.numbers == (0, 1, 3, 4)
    assert (numbers.best_numbers, numbers.best_scores) == ((0, 3), (0.90, 0.95))
    assert "95.00 %, came with trial 3; the 1 trial after it" in history.sentence(numbers)


def repeating_sweep() -> Sweep:
    """Nine trained trials, and four that repeat the best or a pruned one."""
    learnt = [
        make_trial(k, sampled={"x": k / 10, "y": k % 3}, recipe={"k": k}, score=0.9 + k / 100)
        for k in range(8)
    ]
    stopped = make_trial(9, sampled={"x": 0.9, "y": 0}, state=State.PRUNED, score=0.85)
    again = [make_repeat(8, learnt[7]), make_repeat(10, stopped), make_repeat(11, learnt[7])]
    return sweep_of([*learnt, again[0], stopped, *again[1:], make_repeat(12, learnt[0])])


def test_repeated_recipes_are_separate_in_the_history_and_improve_nothing() -> None:
    numbers = history.history(repeating_sweep())
    assert isinstance(numbers, history.ScoreHistory)
    assert numbers.numbers == (*range(8), 9)
    assert numbers.repeats == ((8, 0.97, 7), (10, 0.85, 9), (11, 0.97, 7), (12, 0.9, 0))
    assert numbers.best_numbers == tuple(range(8))
    assert history.sentence(numbers) == (
        "The top score of 9 trials, 97.00 %, came with trial 7; the 1 trial after it did not improve on "
        "it. 4 further trials only repeat a recipe."
    )
    drawn = {trace.name: trace for trace in history.draw(numbers).data}
    assert tuple(drawn["repeat"].x) == (8, 10, 11, 12)
    assert max(drawn["best so far"].x) == 12
    none = history.history(make_sweep())
    assert isinstance(none, history.ScoreHistory)
    assert "repeat" not in {trace.name for trace in history.draw(none).data}


def test_repeated_recipes_count_once_in_every_other_figure() -> None:
    sweep = repeating_sweep()
    single = sweep_of([trial for trial in sweep.trials if trial.same_as is None])
    assert len(single.trials) == len(sweep.trials) - 4
    for figure in (curves.curves, importances.importances, parallel.parallel, slices.slices):
        assert not isinstance(figure(sweep), str)
        assert figure(sweep) == figure(single)


def test_a_minimised_metric_falls_to_its_best() -> None:
    numbers = history.history(boosting_sweep())
    assert isinstance(numbers, history.ScoreHistory)
    assert list(numbers.best_scores) == sorted(numbers.best_scores, reverse=True)
    assert numbers.best_scores[-1] == min(numbers.scores)
    assert "nats" in history.sentence(numbers)


def test_a_window_hides_only_the_worse_side_and_counts_what_it_hides() -> None:
    good = [0.95, 0.96, 0.97, 0.98]
    shown = window([*good, 0.1, 0.2], ACCURACY, good, reach=3.0)
    assert shown.outside == 2
    assert shown.low < 0.95 < 0.98 < shown.high
    losses = [0.2, 0.21, 0.22, 0.23]
    shown = window([*losses, 9.0], LOG_LOSS, losses, reach=3.0)
    assert (shown.outside, shown.high < 1) == (1, True)


def test_a_window_of_one_value_or_of_equal_ones_has_a_margin() -> None:
    for values in ([0.5], [0.5] * 5, [0.0]):
        shown = window(values, ACCURACY, values, reach=3.0)
        assert shown.low < values[0] < shown.high
        assert shown.outside == 0


def test_curves_have_every_epoch_and_the_best_trial() -> None:
    sweep = make_sweep()
    numbers = curves.curves(sweep)
    best = sweep.best()
    assert isinstance(numbers, curves.Curves)
    assert best is not None
    assert numbers.best == best.number
    assert sum(len(curve.values) for curve in numbers.curves) == sum(len(t.epochs) for t in sweep.trials)
    assert "29 trials are complete (10 epochs); 9 trials were pruned" in curves.sentence(numbers)


def test_an_epoch_without_the_metric_is_skipped() -> None:
    epochs = (Epoch(1, {"loss": 1.0}, 1.0), Epoch(2, {"validation_accuracy": 0.5}, 1.0))
    numbers = curves.curves(sweep_of([make_trial(0, epochs=epochs)]))
    assert isinstance(numbers, curves.Curves)
    assert numbers.curves[0].epochs == (2,)


def test_importances_find_the_hyperparameter_that_determines_the_score() -> None:
    random = np.random.default_rng(0)
    trials = []
    for number in range(60):
        sampled = {"learning_rate": float(10 ** random.uniform(-4, -1)), "dropout": float(random.uniform())}
        score = 1 - abs(math.log10(sampled["learning_rate"]) + 2.5) / 10
        trials.append(make_trial(number, sampled=sampled, score=score))
    numbers = importances.importances(sweep_of(trials))
    assert isinstance(numbers, importances.Importances)
    assert numbers.names[0] == "learning_rate"
    assert sum(numbers.shares) == pytest.approx(1.0)
    assert (numbers.trials, numbers.top) == (60, 6)
    assert importances.importances(sweep_of(trials)) == numbers


def test_importances_include_conditional_hyperparameters_and_need_few_trials() -> None:
    numbers = importances.importances(make_sweep(14))
    assert isinstance(numbers, importances.Importances)
    assert set(numbers.names) == set(SPACE)


@pytest.mark.parametrize("choices", [[[128, 64], [256]], [True, False], [64, 128], ["a", None]])
def test_importances_take_any_kind_of_choice(choices: list[object]) -> None:
    trials = [make_trial(k, sampled={"x": choices[k % 2]}, score=0.9 + k % 2 / 10) for k in range(10)]
    numbers = importances.importances(sweep_of(trials, plan={"space": {"x": {"choices": choices}}}))
    assert isinstance(numbers, importances.Importances)
    assert numbers.names == ("x",)


def test_without_importances_the_reason_is_given() -> None:
    assert "at least 8 complete trials" in str(importances.importances(make_sweep(3)))
    assert "same score" in str(importances.importances(scored([0.9] * 9)))
    assert "more than one value" in str(importances.importances(scored([0.9 + k / 100 for k in range(9)])))


def test_a_scale_follows_the_plan_and_widens_for_values_outside_it() -> None:
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


def test_parallel_coordinates_have_complete_trials_best_first_and_no_height_for_values_not_sampled() -> None:
    sweep = make_sweep()
    numbers = parallel.parallel(sweep)
    assert isinstance(numbers, parallel.Parallel)
    complete = [trial for trial in sweep.ranked() if trial.state is State.COMPLETE]
    assert numbers.numbers == tuple(trial.number for trial in complete)
    assert [axis.name for axis in numbers.axes] == [*SPACE, "validation_accuracy"]
    assert (numbers.heights[0][-1], numbers.heights[-1][-1]) == (1.0, 0.0)
    for trial, heights in zip(complete, numbers.heights, strict=True):
        assert (heights[4] is None) == ("gamma" not in trial.sampled)
        assert all(height is None or 0 <= height <= 1 for height in heights)


def test_a_minimised_score_has_its_best_at_the_top_too() -> None:
    numbers = parallel.parallel(boosting_sweep())
    assert isinstance(numbers, parallel.Parallel)
    assert numbers.heights[0][-1] == 1.0
    assert [label for _, label in numbers.axes[0].ticks] == ["2", "4", "6", "8"]


def test_log_axes_are_ticked_at_powers_of_ten() -> None:
    numbers = parallel.parallel(make_sweep())
    assert isinstance(numbers, parallel.Parallel)
    ticks = {label: height for height, label in numbers.axes[1].ticks}
    assert list(ticks) == ["1e-07", "1e-06", "1e-05", "0.0001", "0.001"]
    assert ticks["1e-05"] == pytest.approx(0.5)


def test_slices_have_a_point_per_complete_trial_that_sampled_the_hyperparameter() -> None:
    sweep = make_sweep()
    numbers = slices.slices(sweep)
    assert isinstance(numbers, slices.Slices)
    gamma = numbers.slices[4]
    sampled = [t for t in sweep.trials if t.state is State.COMPLETE and "gamma" in t.sampled]
    assert gamma.positions == tuple(t.sampled["gamma"] for t in sampled)
    assert set(slices.draw(numbers)) == set(SPACE)


@pytest.mark.parametrize("near", [2, 3])
@pytest.mark.parametrize("low", [0.0, 0.1])
def test_slices_and_the_health_check_say_the_same_of_narrow_ranges(near: int, low: float) -> None:
    plan = {"space": {"x": {"low": low, "high": 1.0}, "c": {"choices": ["a", "b"]}}}
    for end in (low + 0.02, 0.98):
        values = [end] * near + [0.5] * (6 - near)
        trials = [
            make_trial(k, sampled={"x": value, "c": "ab"[k % 2]}, score=0.9 - k / 100)
            for k, value in enumerate(values)
        ]
        sweep = sweep_of(trials, plan=plan)
        numbers = slices.slices(sweep)
        assert isinstance(numbers, slices.Slices)
        narrow = near == 3 and (end > 0.5 or low > 0)
        assert (health(sweep)["edges"].verdict == "WARN") == narrow
        assert ("a wider range may hold better values" in slices.sentence(numbers)) == narrow
        assert ("No search range looks too narrow" in slices.sentence(numbers)) == (not narrow)


def test_class_accuracies_have_the_interval_of_their_own_examples() -> None:
    evaluation = make_evaluation()
    numbers = classes.classes(evaluation)
    assert isinstance(numbers, classes.Classes)
    assert evaluation.class_accuracy is not None
    assert numbers.accuracies == pytest.approx(tuple(evaluation.class_accuracy))
    assert numbers.intervals[3] == wilson(numbers.correct[3], numbers.examples[3])
    assert sum(numbers.examples) == 10_000


def test_a_class_without_examples_is_left_out() -> None:
    counts = np.array([[3, 1], [0, 0]])
    numbers = classes.classes(Evaluation({"accuracy": 0.75}, 4, counts))
    assert isinstance(numbers, classes.Classes)
    assert numbers.names == ("0",)


def calibrated(counts: tuple[int, ...], correct: tuple[int, ...], sure: tuple[float, ...]) -> Evaluation:
    share = sum(correct) / sum(counts)
    return Evaluation({"accuracy": share}, sum(counts), calibration=CalibrationBins(counts, correct, sure))


def test_calibration_shows_the_bins_that_have_examples_with_their_intervals() -> None:
    numbers = calibration.calibration(calibrated((0, 40, 0, 60), (0, 20, 0, 57), (0.0, 0.45, 0.0, 0.99)))
    assert isinstance(numbers, calibration.Reliability)
    assert (numbers.bins, numbers.lows, numbers.highs) == (4, (0.25, 0.75), (0.5, 1.0))
    assert numbers.accuracies == (0.5, 0.95)
    assert numbers.intervals == (wilson(20, 40), wilson(57, 60))
    assert numbers.error == pytest.approx(0.4 * 0.05 + 0.6 * 0.04)
    assert numbers.mean == pytest.approx(0.4 * 0.45 + 0.6 * 0.99)
    drawn = calibration.draw(numbers).data[1]
    assert (tuple(drawn.x), tuple(drawn.y)) == ((0.45, 0.99), (0.5, 0.95))


@pytest.mark.parametrize(
    ("sure", "meaning"),
    [(0.97, "overconfident"), (0.8, "underconfident"), (0.89, "well calibrated")],
)
def test_calibration_says_in_which_direction_a_model_is_significantly_miscalibrated(
    sure: float, meaning: str
) -> None:
    numbers = calibration.calibration(calibrated((0, 1000), (0, 900), (0.0, sure)))
    assert isinstance(numbers, calibration.Reliability)
    sentence = calibration.sentence(numbers)
    assert f"mean confidence is {100 * sure:.2f} % and its accuracy 90.00 %: {meaning}" in sentence
    assert f"error is {100 * abs(sure - 0.9):.2f} points" in sentence


def test_without_probabilities_calibration_says_so() -> None:
    for evaluation in (None, Evaluation({"accuracy": 0.5}, 2)):
        assert isinstance(calibration.calibration(evaluation), str)


def test_confusions_are_listed_most_frequent_first() -> None:
    counts = np.array([[50, 3, 0], [7, 40, 1], [0, 0, 9]])
    numbers = confusion.confusion(Evaluation({"accuracy": 0.9}, 110, counts, class_names=("a", "b", "c")))
    assert isinstance(numbers, confusion.Confusion)
    assert numbers.pairs == (("b", "a", 7), ("a", "b", 3), ("b", "c", 1))
    sentence = confusion.sentence(numbers)
    assert sentence.startswith("11 of 110 examples were misclassified, most often b predicted as a (7)")


def test_a_model_without_mistakes_has_a_drawing_and_a_sentence() -> None:
    numbers = confusion.confusion(Evaluation({"accuracy": 1.0}, 5, np.array([[2, 0], [0, 3]])))
    assert isinstance(numbers, confusion.Confusion)
    assert confusion.sentence(numbers) == "None of 5 examples was misclassified."
    confusion.draw(numbers)


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


def test_markup_in_text_is_escaped_for_plotly() -> None:
    assert plain("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"
    assert len(plain("x" * 500)) == 60


def test_halving_the_error_is_the_same_step_everywhere_on_a_bar() -> None:
    benchmarks = read_benchmarks().iloc[:4].assign(test_accuracy_percent=[88.0, 94.0, 99.8, 99.9])
    rows = leaderboard_bars(leaderboard(make_sweep(openings=()), benchmarks)).rows
    assert rows[0].at - rows[1].at == pytest.approx(rows[2].at - rows[3].at, abs=0.02)
    assert all(0 <= bar.at <= 100 and bar.low is None for bar in rows)


def schedule_sweep(scores: dict[str, list[float]], **changes: object) -> Sweep:
    """Complete trials with these schedules, whose learning rates fall from 0.01 by a tenth per epoch."""
    drawn = [(name, score) for name, own in scores.items() for score in own]
    trials = []
    for number, (name, score) in enumerate(drawn):
        metrics = [{"learning_rate": 0.01 * 0.9**k, "validation_accuracy": score} for k in range(3)]
        epochs = tuple(Epoch(k, values, 1.0) for k, values in enumerate(metrics, 1))
        trials.append(make_trial(number, sampled={"schedule": name}, score=score, epochs=epochs))
    return sweep_of(trials, **changes)


def test_schedules_differ_significantly_only_beyond_the_spread_of_their_trials() -> None:
    random = np.random.default_rng(0)
    scores = {
        name: [float(score) for score in random.normal(mean, 0.001, 12)]
        for name, mean in (("constant", 0.970), ("cosine", 0.9802), ("one_cycle", 0.980), ("step", 0.960))
    }
    numbers = schedules.schedules(schedule_sweep(scores))
    assert isinstance(numbers, schedules.Schedules)
    assert [schedule.group for schedule in numbers.schedules] == [1, 1, 2, 3]
    assert {schedule.name for schedule in numbers.schedules[:2]} == {"cosine", "one_cycle"}
    first = numbers.schedules[0]
    assert first.low is not None and first.high is not None
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(float(np.mean(scores[first.name])))
    assert (numbers.pairs, len(numbers.significant)) == (6, 5)
    assert numbers.schedules[1].name not in {
        pair.worse for pair in numbers.significant if pair.better == first.name
    }
    sentence = schedules.sentence(numbers)
    second = numbers.schedules[1].name
    assert f"{first.name} did better than constant and step; {second} is not significantly worse" in sentence
    assert "also differ in the other hyperparameters" in sentence
    strips = schedules.draw(numbers)["scores"]
    assert len(strips.data[0].x) == 48
    assert all(-0.25 < x - round(x) < 0.25 for x in strips.data[0].x)


def test_a_schedule_with_one_trial_or_with_equal_scores_is_not_treated_as_certain() -> None:
    sweep = schedule_sweep({"constant": [0.97, 0.97, 0.97], "cosine": [0.98], "step": [0.96, 0.98, 0.97]})
    numbers = schedules.schedules(sweep)
    assert isinstance(numbers, schedules.Schedules)
    constant = next(schedule for schedule in numbers.schedules if schedule.name == "constant")
    single = next(schedule for schedule in numbers.schedules if schedule.name == "cosine")
    assert constant.low is not None and constant.low < 0.97
    assert single.low is None
    assert numbers.significant == ()
    assert "not significantly worse than the best, cosine" in schedules.sentence(numbers)


def test_the_rates_of_a_schedule_are_those_of_its_best_trial() -> None:
    numbers = schedules.schedules(schedule_sweep({"constant": [0.9, 0.95], "cosine": [0.97, 0.96]}))
    assert isinstance(numbers, schedules.Schedules)
    assert [(schedule.name, schedule.best) for schedule in numbers.schedules] == [
        ("cosine", 2),
        ("constant", 1),
    ]
    assert numbers.schedules[0].rates == pytest.approx((0.01, 0.009, 0.0081))
    assert list(schedules.draw(numbers)) == ["scores", "rates"]


def test_schedules_without_rates_are_compared_by_their_scores_alone() -> None:
    trials = [make_trial(k, sampled={"schedule": "ab"[k % 2]}, score=0.9 + k / 100) for k in range(4)]
    numbers = schedules.schedules(sweep_of(trials))
    assert isinstance(numbers, schedules.Schedules)
    assert list(schedules.draw(numbers)) == ["scores"]


def test_a_search_over_fewer_than_two_schedules_has_no_comparison() -> None:
    assert schedules.schedules(boosting_sweep()) is None
    assert schedules.schedules(schedule_sweep({"cosine": [0.9, 0.95]})) is None
    numeric = [make_trial(k, sampled={"schedule": k / 2}, score=0.9) for k in range(4)]
    assert schedules.schedules(sweep_of(numeric, plan={})) is None


def test_the_table_of_schedules_says_which_ones_are_worse_than_which() -> None:
    scores = {"constant": [0.90, 0.901, 0.902, 0.9], "cosine": [0.98, 0.981, 0.982, 0.98]}
    numbers = schedules.schedules(schedule_sweep(scores))
    assert isinstance(numbers, schedules.Schedules)
    rows = schedules.table(numbers)
    assert list(rows["schedule"]) == ["cosine", "constant"]
    assert list(rows["worse than"]) == ["", "cosine (p < 0.001)"]


def test_curves_show_the_rungs_that_any_curve_reaches() -> None:
    numbers = curves.curves(make_sweep())
    assert isinstance(numbers, curves.Curves)
    assert numbers.rungs == (1, 3, 9)
    assert [line.x0 for line in curves.draw(numbers).layout.shapes] == [1, 3, 9]
    assert "the pruner decides after epochs 1, 3 and 9" in curves.sentence(numbers)
    short = curves.curves(sweep_of([make_trial(0)]))
    assert isinstance(short, curves.Curves)
    assert short.rungs == (1,)
    other = curves.curves(make_sweep(plan={"pruner": {"name": "median"}}))
    assert isinstance(other, curves.Curves)
    assert other.rungs == ()
    assert "the pruner decides" not in curves.sentence(other)
