"""The timeline: which worker trained which trial, and for how much of their time the workers trained."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sweeps import ENVIRONMENT, START, make_repeat, make_sweep, make_trial, placed_sweep, sweep_of

from reports.figures.timeline import draw, sentence, table
from reports.figures.timeline_numbers import Gap, Timeline, timeline
from search.records.sweep import Placement, Session, State, Sweep, as_long_as_seen
from trainable.epoch import Epoch


def timeline_of(sweep: Sweep) -> Timeline:
    numbers = timeline(sweep)
    assert isinstance(numbers, Timeline)
    return numbers


def session(number: int, begin: float, seconds: float, workers: int = 2, ended: str = "budget") -> Session:
    """A start that many seconds after START."""
    began = START + timedelta(seconds=begin)
    return Session(number, began, seconds, ended, {**ENVIRONMENT, "workers": workers})


def placed(number: int, worker: str, begin: float, end: float, **changes: object) -> object:
    """A trial of two epochs that fill its time, in seconds after START."""
    epochs = tuple(Epoch(k, {"validation_accuracy": 0.9}, (end - begin) / 2) for k in (1, 2))
    known = {
        "epochs": epochs,
        "worker": worker,
        "placements": (Placement(worker, 0, 0, START + timedelta(seconds=begin)),),
        "started": START + timedelta(seconds=max(0, begin - 1)),
        "ended": START + timedelta(seconds=end),
    }
    return make_trial(number, **{**known, **changes})


TWO = sweep_of(
    [placed(0, "a:1", 10, 40), placed(1, "a:2", 10, 20), placed(2, "a:2", 25, 30)],  # type: ignore[list-item]
    sessions=(session(0, 0, 50),),
)


@pytest.mark.parametrize("name", ["finished", "interrupted", "extended"])
def test_the_search_time_is_the_same_in_the_record_and_on_the_timeline(name: str) -> None:
    sweep = Sweep.read(Path(__file__).parents[2] / "earlier" / name)
    last = max(trial.ended for trial in sweep.trials if trial.ended is not None)
    assert sweep.sessions[-1].started + timedelta(seconds=sweep.sessions[-1].seconds) >= last
    assert timeline_of(sweep).seconds == pytest.approx(sweep.seconds)


def test_a_killed_start_lasted_until_its_last_sign_of_life() -> None:
    trials = [placed(0, "a:1", 10, 40), placed(1, "a:2", 110, 120)]
    starts = (session(0, 0, 25, ended=""), session(1, 100, 50))
    assert [start.seconds for start in as_long_as_seen(starts, trials)] == [40, 50]  # type: ignore[arg-type]


def test_utilisation_is_the_share_of_the_workers_time_that_they_trained() -> None:
    numbers = timeline_of(TWO)
    assert (numbers.workers, numbers.seconds, numbers.trained) == (2, 50, 45)
    assert numbers.utilisation == pytest.approx(45 / 100)
    assert numbers.startup == 10
    assert numbers.idle == pytest.approx((10 + 5 + 20) / 50)
    assert numbers.tail == 50 - 30
    assert numbers.gap == Gap(5, 20, "a:2", 1, 2)
    assert sentence(numbers) == (
        "2 workers trained for 45 % of the 50 s of search; 10 s passed before the first epoch, and for the "
        "last 20 s a worker had run out of trials. At least one worker had no trial for 70 % of the time; "
        "the longest gap between two trials of a worker was 5.0 s."
    )


def test_a_pause_between_two_starts_counts_neither_as_search_time_nor_as_a_gap() -> None:
    paused = replace(
        TWO,
        sessions=(session(0, 0, 50, ended="interrupted"), session(1, 3650, 20)),
        trials=(
            *TWO.trials,
            placed(
                3,
                "a:3",
                3655,
                3670,
                placements=(Placement("a:3", 1, 0, START + timedelta(seconds=3655)),),
            ),
        ),
    )
    numbers = timeline_of(paused)
    assert numbers.seconds == 70
    assert [(start.at, start.pause, start.startup) for start in numbers.starts] == [(0, 0, 10), (50, 3600, 5)]
    assert (numbers.bars[-1].begin, numbers.bars[-1].end) == (55, 70)
    assert numbers.gap is not None and numbers.gap.seconds == 5
    assert numbers.lanes == ("a 1", "a 2")
    assert "without the pauses between its 2 starts" in sentence(numbers)
    drawn = {trace.name: trace for trace in draw(numbers).data}
    assert list(drawn["pause"].x) == [50, 50, None]


def test_a_resumed_trial_has_a_bar_on_every_worker_that_trained_it() -> None:
    epochs = tuple(Epoch(k, {"validation_accuracy": 0.9}, 2.0) for k in range(1, 6))
    trial = make_trial(
        0,
        epochs=epochs,
        worker="a:2",
        placements=(
            Placement("a:1", 0, 0, START + timedelta(seconds=10)),
            Placement("a:2", 1, 3, START + timedelta(seconds=105)),
        ),
        resumed_from=(3,),
        ended=START + timedelta(seconds=110),
    )
    numbers = timeline_of(sweep_of([trial], sessions=(session(0, 0, 12, 1, ""), session(1, 100, 15, 1))))
    assert [
        (bar.worker, bar.start, bar.begin, bar.end, bar.first_epoch, bar.last_epoch) for bar in numbers.bars
    ] == [
        ("a:1", 0, 10, 16, 1, 3),  # the killed start lived as long as its epochs show
        ("a:2", 1, 21, 26, 4, 5),
    ]
    assert numbers.lanes == ("a 1",)
    assert numbers.utilisation == pytest.approx(10 / (16 + 15))


def test_workers_are_grouped_by_host_and_one_without_a_trial_has_a_lane() -> None:
    sweep = sweep_of(
        [placed(0, "b.lan:9", 1, 5), placed(1, "a.lan:8", 1, 5), placed(2, "10.0.0.7:1", 1, 5)],  # type: ignore[list-item]
        sessions=(session(0, 0, 5, workers=4),),
    )
    numbers = timeline_of(sweep)
    assert numbers.lanes == ("10.0.0.7 1", "a 1", "b 1", "unused")
    assert [bar.lane for bar in numbers.bars] == [2, 1, 0]
    assert numbers.idle == 1
    assert list(table(numbers)["trials"]) == [1, 1, 1, 0]


@pytest.mark.parametrize(("workers", "starts"), [(1, 1), (3, 1), (4, 3), (32, 4)])
def test_bars_of_a_lane_do_not_overlap_and_hold_every_epoch_once(workers: int, starts: int) -> None:
    sweep = placed_sweep(120, workers=workers, starts=starts)
    numbers = timeline_of(sweep)
    for lane in range(len(numbers.lanes)):
        bars = sorted((bar for bar in numbers.bars if bar.lane == lane), key=lambda bar: bar.begin)
        assert all(one.end <= other.begin + 1e-6 for one, other in itertools.pairwise(bars))
    assert len(numbers.lanes) == numbers.workers == workers
    assert numbers.occupied == pytest.approx(numbers.trained)
    assert numbers.trained == pytest.approx(sum(trial.seconds for trial in sweep.trials))
    assert numbers.startup == pytest.approx(6 * starts)
    assert numbers.gap is not None and numbers.gap.seconds == pytest.approx(0.5)
    for trial in sweep.trials:
        own = [bar for bar in numbers.bars if bar.number == trial.number]
        assert [k for bar in own for k in range(bar.first_epoch, bar.last_epoch + 1)] == [
            e.number for e in trial.epochs
        ]
    assert timeline(sweep) == numbers


@settings(deadline=None)
@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 25), st.integers(0, 5))
def test_shares_lie_between_0_and_1_for_any_search(workers: int, starts: int, trials: int, seed: int) -> None:
    numbers = timeline_of(placed_sweep(trials, workers=workers, starts=starts, seed=seed))
    assert 0 < numbers.utilisation <= 1
    assert 0 <= numbers.idle <= 1
    assert 0 <= numbers.tail <= numbers.starts[-1].seconds + 1e-6
    assert all(0 <= bar.begin <= bar.end <= numbers.seconds + 1e-6 for bar in numbers.bars)


def test_a_record_without_placements_is_drawn_from_ends_and_seconds_and_called_estimated() -> None:
    numbers = timeline_of(make_sweep())
    assert not any(bar.exact for bar in numbers.bars)
    assert numbers.workers == 1
    assert "The beginning of 40 bars is estimated." in sentence(numbers)
    first = numbers.bars[0]
    assert (first.begin, first.end) == (0, 9)  # its epochs took longer than the time since its start


def test_a_trial_of_which_only_the_end_is_recorded_begins_after_the_one_before_it() -> None:
    failed = placed(
        3,
        "a:2",
        44,
        44,
        state=State.FAILED,
        epochs=(),
        score=None,
        started=START + timedelta(seconds=26),
        ended=START + timedelta(seconds=44),
    )
    numbers = timeline_of(replace(TWO, trials=(*TWO.trials, failed)))
    bar = numbers.bars[-1]
    assert (bar.begin, bar.end, bar.first_epoch, bar.exact) == (30, 44, 0, False)


def test_repeats_and_refused_recipes_have_no_bar() -> None:
    refused = make_trial(3, state=State.FAILED, epochs=(), score=None, worker=None)
    numbers = timeline_of(replace(TWO, trials=(*TWO.trials, refused, make_repeat(4, TWO.trials[0]))))
    assert {bar.number for bar in numbers.bars} == {0, 1, 2}
    assert numbers.unplaced == 1
    assert "1 trial has no worker on record" in sentence(numbers)


def test_a_running_trial_reaches_to_the_last_recorded_time_of_the_search() -> None:
    running = placed(3, "a:1", 41, 45, state=State.RUNNING, ended=None)
    sweep = replace(TWO, trials=(*TWO.trials, running), sessions=(session(0, 0, 60, ended=""),), alive=True)
    assert timeline_of(sweep).bars[-1].end == 60


def test_a_search_that_trained_nothing_has_no_timeline() -> None:
    assert "not been started" in str(timeline(sweep_of(())))
    unborn = make_trial(0, state=State.RUNNING, epochs=(), score=None, worker=None, ended=None)
    assert "No worker" in str(timeline(sweep_of([unborn])))


def test_two_thousand_trials_are_one_trace_per_state() -> None:
    drawn = draw(timeline_of(placed_sweep(2000, workers=32, hosts=4)))
    assert len(drawn.data) <= len(State) + 2
    assert list(drawn.layout.yaxis.ticktext) == ["node-0", "node-1", "node-2", "node-3"]
    assert sum(len(trace.x) for trace in drawn.data if trace.type == "bar") >= 2000
