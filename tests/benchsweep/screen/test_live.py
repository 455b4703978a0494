"""The progress of a search, its plain lines and its live display."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from sweeps import make_sweep

from benchsweep.progress.search import Limits, Progress
from benchsweep.screen.lines import as_json, hyperparameters, line_for
from benchsweep.screen.live import picture
from benchsweep.terminal import json_line
from search.engine.events import Ended, EpochReported, Event, Started, TrialEnded, TrialPaused, TrialStarted
from search.plan.plan import Plan
from search.records.sweep import State
from trainable.contract import Metric
from trainable.epoch import Epoch

ACCURACY = Metric("validation_accuracy", "maximize", "share")
LOSS = Metric("log_loss", "minimize", "nats")


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def search(clock: Clock, limits: Limits, metric: Metric = ACCURACY, workers: int = 2) -> Progress:
    """A search of trials of 4 epochs whose workers are up."""
    progress = Progress("try", metric, limits, epochs=4, clock=clock)
    progress.update(Started(workers, 1, "cpu", session=0, finished=0, epochs=0))
    return progress


def begin(progress: Progress, number: int, **sampled: Any) -> None:
    progress.update(TrialStarted(number, sampled or {"dropout": 0.1}, epochs=4, resumed_from=0))


def train(progress: Progress, clock: Clock, number: int, epochs: range, score: float = 0.9) -> None:
    """Report epochs that take 2 seconds each, one after the other."""
    for epoch in epochs:
        clock.now += 2
        metrics = {progress.metric.name: score}
        progress.update(EpochReported(number, Epoch(epoch, metrics, seconds=2.0), score))


def end(progress: Progress, number: int, state: State, epochs: int, score: float | None) -> None:
    progress.update(TrialEnded(number, state, epochs, score, None))


def test_nothing_is_promised_before_an_epoch_was_measured() -> None:
    progress = search(Clock(), Limits(trials=4, wall_time=900))
    begin(progress, 0)
    assert progress.remaining is None
    assert progress.trials_per_hour is None


def test_time_left_is_what_the_epochs_left_will_take() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=3), workers=1)
    begin(progress, 0)
    train(progress, clock, 0, range(1, 5))
    end(progress, 0, State.COMPLETE, 4, 0.9)
    assert progress.remaining == pytest.approx(2 * 4 * 2.0)
    begin(progress, 1)
    train(progress, clock, 1, range(1, 4))
    assert progress.remaining == pytest.approx((1 + 4) * 2.0)


def test_workers_beside_each_other_halve_the_time_left() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=10), workers=2)
    for number in (0, 1):
        begin(progress, number)
    for epoch in range(1, 5):
        clock.now += 2
        for number in (0, 1):
            progress.update(EpochReported(number, Epoch(epoch, {ACCURACY.name: 0.9}, 2.0), 0.9))
    for number in (0, 1):
        end(progress, number, State.COMPLETE, 4, 0.9)
    assert progress.remaining == pytest.approx(8 * 4 * 2.0 / 2)


def test_pruned_trials_shorten_the_time_left() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=4), workers=1)
    for number, epochs in ((0, 4), (1, 2)):
        begin(progress, number)
        train(progress, clock, number, range(1, epochs + 1))
        end(progress, number, State.COMPLETE if epochs == 4 else State.PRUNED, epochs, 0.9)
    assert progress.remaining == pytest.approx(2 * 3 * 2.0)


def test_the_limit_that_is_nearest_gives_share_and_time_left() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=100, wall_time=16, epochs=1000), workers=1)
    begin(progress, 0)
    train(progress, clock, 0, range(1, 5))
    assert progress.share_spent == pytest.approx(8 / 16)
    assert progress.remaining == pytest.approx(8)
    epochs = search(clock, Limits(epochs=8), workers=1)
    begin(epochs, 0)
    train(epochs, clock, 0, range(1, 5))
    assert epochs.share_spent == pytest.approx(0.5)
    assert epochs.remaining == pytest.approx(8)


def test_saved_epochs_are_those_that_pruned_trials_did_not_train() -> None:
    progress = search(Clock(), Limits(trials=5))
    for number, (state, epochs) in enumerate(
        [(State.COMPLETE, 4), (State.PRUNED, 1), (State.PRUNED, 3), (State.DIVERGED, 1), (State.FAILED, 0)]
    ):
        begin(progress, number)
        end(progress, number, state, epochs, 0.5 if epochs else None)
    assert progress.epochs_saved == 3 + 1


def test_a_pruned_trial_saves_no_epochs_that_no_trial_trains() -> None:
    """As where the recipe's epochs are a limit, and the trainable itself ends each training after two."""
    progress = search(Clock(), Limits(trials=2))
    for number, (state, epochs) in enumerate([(State.COMPLETE, 2), (State.PRUNED, 1)]):
        begin(progress, number)
        end(progress, number, state, epochs, 0.5)
    assert progress.epochs_saved == 1
    assert (progress.trials[0].length, progress.trials[1].length) == (2, 4)


@pytest.mark.parametrize(("metric", "best"), [(ACCURACY, 1), (LOSS, 2)])
def test_best_follows_the_metrics_direction_and_the_earliest_wins_a_tie(metric: Metric, best: int) -> None:
    progress = search(Clock(), Limits(trials=9), metric)
    for number, score in ((3, 0.9), (1, 0.9), (2, 0.4), (4, 0.4)):
        begin(progress, number)
        end(progress, number, State.COMPLETE, 4, score)
    for number, score in ((5, 0.99), (6, 0.01)):  # stopped early: no candidates
        begin(progress, number)
        end(progress, number, State.PRUNED, 1, score)
    assert progress.best is not None
    assert progress.best.number == best


def test_trials_an_hour_are_counted_since_the_workers_are_up() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=9))
    begin(progress, 0)
    clock.now += 60
    end(progress, 0, State.COMPLETE, 4, 0.9)
    assert progress.trials_per_hour == pytest.approx(60)


def test_a_resumed_search_knows_what_earlier_starts_left() -> None:
    sweep = make_sweep(12)
    progress = Progress("laptop", sweep.metric, Limits(trials=40, wall_time=9000), epochs=10)
    progress.add_earlier(sweep)
    best = sweep.best()
    assert best is not None and progress.best is not None
    assert progress.best.number == best.number
    assert progress.best.sampled == best.sampled
    assert len(progress.finished) == 12
    assert progress.spent >= sweep.seconds
    assert progress.epochs_saved == sum(
        trial.recipe["epochs"] - len(trial.epochs) for trial in sweep.trials if trial.state is State.PRUNED
    )


def test_a_grid_smaller_than_the_budget_is_the_limit() -> None:
    table = {
        "name": "grid",
        "budget": {"trials": 50},
        "data": {"dataset": "digits"},
        "space": {"optimizer": {"choices": ["adam", "sgd"]}},
        "sampler": {"name": "grid"},
    }
    assert Limits.of(Plan.parse(table, "test")).trials == 2


def test_plain_lines_tell_the_start_and_every_trials_end() -> None:
    clock = Clock()
    progress = Progress("try", ACCURACY, Limits(trials=2, wall_time=900), 4, clock)
    events: list[Event] = [
        Started(2, 1, "cpu", session=0, finished=0, epochs=0),
        TrialStarted(0, {"learning_rate": 0.004123, "schedule": "step"}, 4, 0),
        EpochReported(0, Epoch(1, {ACCURACY.name: 0.9742}, 2.0), 0.9742),
        TrialEnded(0, State.COMPLETE, 4, 0.9742, None),
        TrialStarted(1, {"learning_rate": 1.0}, 4, 0),
        TrialEnded(1, State.FAILED, 0, None, "ValueError: two\nlines"),
    ]
    lines = []
    for event in events:
        progress.update(event)
        if (line := line_for(event, progress)) is not None:
            lines.append(line)
    assert len(lines) == 3
    assert lines[0] == "try: up to 2 trials or 15 min 00 s, 2 at once on cpu"
    assert "trial 0 complete  4/4 epochs  97.42 %  best so far" in lines[1]
    assert "learning_rate 0.004123, schedule step" in lines[1]
    assert "1/2 trials" in lines[1]
    assert "trial 1 failed" in lines[2] and "ValueError: two lines" in lines[2]
    assert all(line.isprintable() for line in lines)


def test_every_event_is_a_line_of_json_without_nan() -> None:
    events: list[Event] = [
        Started(2, 1, "cpu", 0, 0, 0),
        TrialStarted(0, {"dropout": float("nan")}, 4, 0),
        EpochReported(0, Epoch(1, {"a": 0.5}, 1.0), 0.5),
        TrialEnded(0, State.DIVERGED, 1, None, "it left"),
        Ended("interrupted", "asked to", 3.0),
    ]
    lines = [json_line(as_json(event)) for event in events]
    result = [json.loads(line, parse_constant=pytest.fail) for line in lines]
    assert [event["event"] for event in result] == [
        "started",
        "trial_started",
        "epoch_reported",
        "trial_ended",
        "ended",
    ]
    assert result[3]["state"] == "DIVERGED"
    assert all(line.count("\n") == 1 for line in lines)


def test_hyperparameters_are_named_in_the_plans_order() -> None:
    assert hyperparameters({"b": 0.123456, "a": "x"}, ["a", "b"]) == "a x, b 0.1235"


@pytest.mark.parametrize("height", [6, 12, 24, 50])
@pytest.mark.parametrize("notice", ["", "stopping: trials keep their last finished epoch; " * 2])
def test_the_picture_fits_its_terminal(height: int, notice: str) -> None:
    progress = search(Clock(), Limits(trials=100, wall_time=9e5), workers=16)
    progress.notice = notice
    for number in range(60):
        begin(progress, number, **{f"a_setting_with_a_long_name_{k}": 0.123456789 for k in range(9)})
        if number < 44:
            end(progress, number, State.COMPLETE, 4, 0.9)
    screen = Console(file=io.StringIO(), width=80, height=height, markup=False)
    lines = screen.render_lines(picture(progress, height))
    text = ["".join(segment.text for segment in line) for line in lines]
    assert len(text) <= height
    assert all(len(line) <= 80 for line in text)
    assert "44/100 trials" in "".join(text)
    if height > 12:
        assert any("running" in line for line in text)


def test_a_paused_trial_counts_as_done_until_it_goes_on() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=4))
    begin(progress, 0)
    train(progress, clock, 0, range(1, 2), score=0.5)
    event = TrialPaused(0, 1, 0.5)
    progress.update(event)
    assert (progress.done, progress.running, progress.finished) == (1, [], [])
    line = str(line_for(event, progress))
    assert "[1/4 trials" in line and "trial 0 paused  1/4" in line
    rate = progress.trials_per_hour
    assert rate is not None and progress.epochs_saved == 0
    progress.update(TrialStarted(0, {"dropout": 0.1}, epochs=4, resumed_from=1))
    assert progress.done == 0 and [trial.number for trial in progress.running] == [0]
    assert progress.trials_per_hour is None
    train(progress, clock, 0, range(2, 5))
    end(progress, 0, State.COMPLETE, 4, 0.9)
    assert progress.done == len(progress.finished) == 1


def test_a_trial_that_is_paused_until_the_end_is_pruned_and_counted_once() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=4))
    begin(progress, 0)
    train(progress, clock, 0, range(1, 2))
    progress.update(TrialPaused(0, 1, 0.9))
    end(progress, 0, State.PRUNED, 1, 0.9)
    assert progress.done == 1 and progress.epochs_saved == 3
    assert "3 saved by pruning" in screen_of(progress)


def test_nothing_is_said_of_pruning_where_it_saved_nothing() -> None:
    progress = search(Clock(), Limits(trials=4))
    begin(progress, 0)
    assert "0 epochs trained" in screen_of(progress) and "pruning" not in screen_of(progress)


def screen_of(progress: Progress) -> str:
    screen = Console(file=io.StringIO(), width=80, height=24, markup=False)
    lines = screen.render_lines(picture(progress, 24))
    return "\n".join("".join(segment.text for segment in line) for line in lines)


def test_the_bar_keeps_its_width_while_the_figures_grow() -> None:
    clock = Clock()
    progress = search(clock, Limits(trials=100, wall_time=36000))
    widths = {bar_width(progress)}
    for number in range(12):
        begin(progress, number)
        train(progress, clock, number, range(1, 5))
        clock.now += 40 * number
        end(progress, number, State.COMPLETE, 4, 0.9)
        widths.add(bar_width(progress))
    assert len(widths) == 1


def bar_width(progress: Progress) -> int:
    """Columns of the search's own bar on a terminal with colours, where its rest is drawn too."""
    screen = Console(file=io.StringIO(), width=80, force_terminal=True, color_system="standard")
    line = screen.render_lines(picture(progress, 24))[1]
    return sum(
        segment.text.count("━") + segment.text.count("╸") + segment.text.count("╺") for segment in line
    )


def test_settings_are_columns_in_the_plans_order() -> None:
    progress = Progress("try", ACCURACY, Limits(trials=4), epochs=4, order=["zeta", "alpha"])
    progress.update(Started(2, 1, "cpu", session=0, finished=0, epochs=0))
    begin(progress, 0, alpha=0.25, zeta=0.5)
    begin(progress, 1, alpha=0.125)
    lines = screen_of(progress).splitlines()
    (header,) = [line for line in lines if "alpha" in line]
    assert header.index("zeta") < header.index("alpha")
    (first,) = [line for line in lines if "0.25" in line]
    (second,) = [line for line in lines if "0.125" in line]
    assert first.index("0.5") == header.index("zeta")
    assert first.index("0.25") == second.index("0.125") == header.index("alpha")
    assert "best   no trial" in lines[2]


def test_the_error_of_a_trial_has_a_line_of_its_own() -> None:
    progress = search(Clock(), Limits(trials=4))
    begin(progress, 0)
    progress.update(TrialEnded(0, State.FAILED, 0, None, "ValueError: two\nlines"))
    assert "trial 0: ValueError: two lines" in screen_of(progress)
