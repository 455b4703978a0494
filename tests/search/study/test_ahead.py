"""Trials are drawn in another thread while others train."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from optuna.trial import TrialState, create_trial
from searches import TABLE
from studies import folder, opened, train_epoch

from search.plan.plan import Plan
from search.records.sweep import Sweep
from search.study.ahead import Continued, DrawAhead, Next, Snapshot
from search.study.base import Suggestion
from search.study.draw import Drawn


def _drawn(number: int) -> Drawn:
    return Drawn(create_trial(state=TrialState.RUNNING), {"number": number}, {"number": number})


def _known(number: int = 0, limit: int | None = None) -> Snapshot:
    return Snapshot((), number, frozenset(), limit)


def _until(condition: object) -> None:
    assert callable(condition)
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


class _Slow:
    """Draws numbers, each as soon as it is released."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int]] = []
        self.released = threading.Semaphore(0)

    def __call__(self, known: Snapshot, waiting: Sequence[Next]) -> Next:
        self.released.acquire()
        self.seen.append((known.number, len(waiting)))
        return _drawn(known.number + len(waiting))


def test_a_draw_that_is_ready_is_taken_without_waiting_for_the_next_one() -> None:
    slow = _Slow()
    ahead = DrawAhead(slow)
    ahead.update(_known(0))
    slow.released.release()
    _until(lambda: slow.seen)
    first = ahead.take()
    ahead.update(_known(1))  # whose draw is never released
    assert isinstance(first, Drawn) and first.sampled == {"number": 0}
    ahead.close()
    slow.released.release(2)


def test_where_trials_are_shorter_than_a_draw_several_wait_and_none_more_than_may_start() -> None:
    slow = _Slow()
    ahead = DrawAhead(slow)
    taken = []
    for number in range(4):
        ahead.update(_known(number, limit=8 - number))
        slow.released.release()
        taken.append(ahead.take())
    slow.released.release(100)
    ahead.update(_known(4, limit=4))
    _until(lambda: slow.seen[-1] == (4, 3))
    time.sleep(0.05)
    assert slow.seen[-1] == (4, 3)  # the fourth, and no fifth
    rest = [ahead.take() for _ in range(4)]
    numbers = [drawn.sampled["number"] for drawn in [*taken, *rest] if isinstance(drawn, Drawn)]
    assert numbers == list(range(8))
    ahead.close()


def test_what_waits_is_drawn_again_once_more_is_known() -> None:
    ahead = DrawAhead(lambda known, waiting: _drawn(known.number))
    ahead.update(_known(1))
    _until(lambda: ahead._ready)
    ahead.update(_known(2))
    _until(lambda: ahead._drawn_from is not None and ahead._drawn_from.number == 2)
    drawn = ahead.take()
    assert isinstance(drawn, Drawn) and drawn.sampled == {"number": 2}
    ahead.close()


def test_a_trial_that_starts_while_it_is_drawn_again_is_not_drawn_twice() -> None:
    slow = _Slow()
    ahead = DrawAhead(slow)
    ahead.update(_known(0))
    slow.released.release()
    _until(lambda: ahead._ready)
    ahead.update(_known(0))  # it is drawn again, from a newer record
    time.sleep(0.05)
    first = ahead.take()
    slow.released.release()
    _until(lambda: len(slow.seen) == 2)
    ahead.update(_known(1))
    slow.released.release()
    second = ahead.take()
    assert [one.sampled["number"] for one in (first, second) if isinstance(one, Drawn)] == [0, 1]
    ahead.close()
    slow.released.release(2)


def test_where_nothing_is_known_none_is_waited_for() -> None:
    ahead = DrawAhead(lambda known, waiting: _drawn(known.number))
    assert not ahead.has_next and ahead.take() is None
    ahead.close()


def test_an_error_in_the_thread_is_raised_where_the_trial_is_taken() -> None:
    def fails(known: Snapshot, waiting: Sequence[Next]) -> Next:
        raise ValueError("no memory")

    ahead = DrawAhead(fails)
    ahead.update(_known())
    with pytest.raises(ValueError, match="no memory"):
        ahead.take()
    ahead.close()


def test_its_thread_ends_when_it_is_closed() -> None:
    before = threading.active_count()
    ahead = DrawAhead(lambda known, waiting: Continued(3))
    assert threading.active_count() == before + 1
    ahead.close()
    _until(lambda: threading.active_count() == before)


@pytest.mark.parametrize("sampler", ["auto", "tpe", "gp"])
def test_a_search_that_draws_ahead_spends_its_budget(tmp_path: Path, sampler: str) -> None:
    settings = {"name": sampler, "n_startup_trials": 3}
    pruner = {"name": "forecast", "chance": 0.4, "n_startup_trials": 2}
    table = {**TABLE, "budget": {"trials": 12}, "recipe": {"epochs": 4}}
    plan = Plan.parse({**table, "sampler": settings, "pruner": pruner}, "test")
    run = folder("ahead", tmp_path)
    run.plan.write_text(plan.to_toml())
    study, training = opened(run, plan), dict[int, Suggestion]()
    study.draw_ahead()
    turn = 0
    while True:
        while len(training) < 3 and isinstance(asked := study.ask(), Suggestion):
            training[asked.number] = asked
        if asked is None and not training:
            break
        if not training:
            continue
        turn += 1
        number = sorted(training)[turn % len(training)]
        if train_epoch(study, training[number]):
            del training[number]
    study.stop_drawing()
    sweep = Sweep.read(run.path)
    assert [trial.number for trial in sweep.trials] == list(range(12))
    assert all(trial.state.name in ("COMPLETE", "PRUNED") for trial in sweep.trials)
    trained = [trial for trial in sweep.trials if trial.same_as is None]
    recipes = [tuple(sorted(trial.sampled.items())) for trial in trained]
    assert sampler == "gp" or len(set(recipes)) == 12
