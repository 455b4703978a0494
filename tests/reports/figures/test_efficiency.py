"""The best score so far against trials, epochs and time, compared with random search."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sweeps import PLAN, START, boosting_sweep, make_sweep, make_trial, sweep_of

from reports.figures import efficiency
from search.records.sweep import Session, State, Sweep
from trainable.epoch import Epoch


def guided(random: list[float], chosen: list[float], **plan: object) -> Sweep:
    """Trials one after the other, each of two epochs of 3 s in 10 s; the first of them drawn at random."""
    epochs = tuple(Epoch(k, {"validation_accuracy": 0.9}, 3.0) for k in (1, 2))
    made = [
        make_trial(
            k,
            score=score,
            epochs=epochs,
            session=0,
            started=START + timedelta(seconds=10 * k),
            ended=START + timedelta(seconds=10 * k + 10),
        )
        for k, score in enumerate([*random, *chosen])
    ]
    changed = {**PLAN, "sampler": {"name": "tpe", "n_startup_trials": len(random)}, **plan}
    return sweep_of(made, plan=changed, sessions=(Session(0, START, 10.0 * len(made), "budget"),))


def test_random_search_is_estimated_from_the_trials_that_were_drawn_at_random() -> None:
    numbers = efficiency.efficiency(guided([0.90, 0.91, 0.92, 0.93, 0.94], [0.95] * 15))
    assert not isinstance(numbers, str)
    assert numbers.reference is not None
    assert numbers.reference.drawn == 5
    assert numbers.reference.best[0] == pytest.approx(0.92)
    assert numbers.reference.best[-1] == pytest.approx(0.94, abs=1e-3)
    assert (numbers.trials[0], numbers.trials[-1]) == (1, 20)
    assert numbers.reference.epochs == 2
    assert numbers.workers == pytest.approx(0.6)
    text = efficiency.sentence(numbers)
    assert text.startswith("95.00 % was found after 6 trials, 12 epochs, 1 min 00 s of search.")
    assert "worse than this search's best" in text


def test_scores_that_round_to_the_same_text_are_not_called_better_or_worse() -> None:
    numbers = efficiency.efficiency(guided([0.90, 0.91, 0.92, 0.93, 0.98361], [0.98362] * 3))
    assert not isinstance(numbers, str)
    assert numbers.reference is not None
    close = numbers._replace(reference=numbers.reference._replace(best=(0.98361,)))
    text = efficiency.sentence(close)
    assert "is 98.36 %, equal to this search's best in all digits shown." in text
    assert "worse" not in text


def test_a_random_trial_costs_the_search_time_that_it_took() -> None:
    numbers = efficiency.efficiency(guided([0.90, 0.91, 0.92, 0.93, 0.94], [0.95] * 15))
    assert not isinstance(numbers, str)
    drawn = efficiency.draw(numbers)
    assert list(drawn) == ["trials", "epochs", "seconds"]
    random, search = drawn["seconds"].data
    assert random.x[0] * 60 == pytest.approx(10)
    assert search.x[-1] * 60 == pytest.approx(200)
    assert max(random.x) <= search.x[-1]


def test_without_enough_random_trials_the_sentence_says_so() -> None:
    few = efficiency.efficiency(guided([0.9, 0.91], [0.95] * 9))
    assert not isinstance(few, str)
    assert few.reference is None
    assert "too few trials were drawn at random" in efficiency.sentence(few)
    blind = efficiency.efficiency(guided([0.9] * 6, [0.95] * 9, sampler={"name": "random"}))
    assert not isinstance(blind, str)
    assert "random search itself" in efficiency.sentence(blind)
    assert efficiency.efficiency(sweep_of([make_trial(0, state=State.FAILED)])) == (
        "No trial is complete yet, so there is no best score."
    )


@pytest.mark.parametrize("sweep", [make_sweep(), boosting_sweep(), guided([0.9] * 6, [0.95] * 9)])
def test_the_table_has_a_row_per_incumbent(sweep: Sweep) -> None:
    numbers = efficiency.efficiency(sweep)
    assert not isinstance(numbers, str)
    table = efficiency.table(numbers)
    assert list(table["trial"]) == [incumbent.number for incumbent in numbers.trace.incumbents]
    best = sweep.best()
    assert best is not None
    assert table["best so far"].iloc[-1] == sweep.metric.format(best.score)
