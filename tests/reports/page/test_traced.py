"""Every number of the verdict and of the leaderboard, traced to the records that it came from.

The numbers are worked out here again, from looks, reruns, epochs and the benchmarks' file alone. A figure in
the report that is not among them fails, whatever made it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sweeps import boosting_sweep, confirmed_sweep, make_sweep

from reports.analysis.benchmarks import read_benchmarks
from reports.page.report import Report, as_markdown
from reports.statistics.comparison import compare
from reports.statistics.intervals import mean_interval, wilson
from search.records.sweep import State, Sweep, TestLook, Trial

NUMBER = re.compile(r"(?<![\w.-])[+-]?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")


def numbers(text: str) -> list[str]:
    return NUMBER.findall(text)


def percents(*values: float) -> Iterator[str]:
    """As they are shown: an accuracy, and the size of a difference, both with two digits."""
    yield from (f"{100 * value:.2f}" for value in values)


def length(seconds: float) -> list[str]:
    """The numbers in "13 min 32 s"."""
    whole = round(seconds)
    return [f"{seconds:.1f}"] if seconds < 10 else [str(whole)] if whole < 60 else minutes(whole)


def minutes(whole: int) -> list[str]:
    return (
        [str(whole // 60), f"{whole % 60:02d}"]
        if whole < 3600
        else [str(whole // 3600), f"{whole % 3600 // 60:02d}"]
    )


def looks_at(sweep: Sweep, trial: int | None) -> list[TestLook]:
    return [look for look in sweep.openings[0].looks if look.trial == trial]


def correct(looks: Iterable[TestLook]) -> np.ndarray[Any, Any]:
    return np.stack([look.evaluation.correct for look in looks if look.evaluation.correct is not None])


def best_of(sweep: Sweep) -> Trial:
    sign = sweep.metric.sign
    complete = [trial for trial in sweep.trials if trial.state is State.COMPLETE and trial.score is not None]
    return max(complete, key=lambda trial: (sign * (trial.score or 0.0), -trial.number))


def of_every_sweep(sweep: Sweep) -> set[str]:
    """Counts, times, and the best trial as the records have them."""
    best = best_of(sweep)
    states = [trial.state for trial in sweep.trials]
    known = {str(len(states)), str(best.number), str(len(best.epochs)), str(states.count(State.PRUNED))}
    known |= {str(states.count(state)) for state in set(states)}
    known |= {*length(sum(session.seconds for session in sweep.sessions))}
    known |= {*length(sum(epoch.seconds for trial in sweep.trials for epoch in trial.epochs))}
    shown = best.score or 0.0
    known |= {f"{100 * shown:.2f}" if sweep.metric.unit == "share" else f"{shown:.4g}"}
    known |= {f"{value:.4g}" for value in best.sampled.values() if isinstance(value, int | float)}
    return known


def published() -> list[dict[str, str]]:
    with (files("reports.analysis") / "benchmarks.csv").open() as file:
        return list(csv.DictReader(file))


def standings(low: float, high: float) -> dict[str, list[float]]:
    """Published accuracies, percent, that lie below, inside and above our interval of shares."""
    told: dict[str, list[float]] = {"better": [], "tied": [], "worse": []}
    for row in published():
        value = float(row["test_accuracy_percent"])
        word = "tied" if 100 * low <= value <= 100 * high else "better" if value < 100 * low else "worse"
        told[word].append(value)
    return told


def against(low: float, high: float) -> set[str]:
    """What the verdict says of the published rows."""
    found = standings(low, high)
    known = {str(len(found[word])) for word in found} | {str(sum(map(len, found.values())))}
    strongest = max(found["better"])
    names = {row["model"] for row in published() if float(row["test_accuracy_percent"]) == strongest}
    return known | {f"{strongest:.2f}"} | {each for name in names for each in numbers(name)}


def told_of(sweep: Sweep) -> str:
    told = Report.of(sweep, read_benchmarks()).verdict
    parts = [told.figure, told.caption, *told.sentences, *(f"{name}: {value}" for name, value in told.facts)]
    return "\n".join([*parts, *(f"{name} = {value}" for name, value in told.settings), told.command])


@pytest.mark.slow
def test_every_number_of_a_confirmed_verdict_is_in_the_records() -> None:
    sweep = confirmed_sweep()
    told = sweep.confirmation
    assert told is not None
    scores = {each.trial: [rerun.score or 0.0 for rerun in each.reruns] for each in told.candidates}
    tied = [trial for trial in scores if trial is not None]
    winner = max(tied, key=lambda trial: np.mean(scores[trial]))  # all networks have one size
    ours, default = looks_at(sweep, winner), looks_at(sweep, None)
    accuracies = [look.evaluation.metrics["accuracy"] for look in ours]
    interval = mean_interval(correct(ours))
    gain = compare(correct(ours), correct(default), told.level)
    searched = next(trial.score or 0.0 for trial in sweep.trials if trial.number == winner)
    known = of_every_sweep(sweep) | against(*interval)
    known |= {str(winner), *map(str, tied), str(len(ours)), "10,000", "95", f"{100 * (1 - told.level):g}"}
    known |= {*percents(np.mean(accuracies), np.std(accuracies, ddof=1), *interval)}
    known |= {*percents(gain.difference, gain.low, gain.high)}
    known |= {*percents(searched, np.mean(scores[winner]), searched - np.mean(scores[winner]))}
    known |= {f"{ours[0].parameters:,}", "0.001"}  # the p value's bound
    assert gain.p < 0.001
    assert np.isclose(
        gain.difference,
        np.mean(accuracies) - np.mean([look.evaluation.metrics["accuracy"] for look in default]),
    )
    assert [each for each in numbers(told_of(sweep)) if each not in known] == []


@pytest.mark.slow
@pytest.mark.parametrize("sweep", [make_sweep(), make_sweep(seed=4)], ids=["one", "other"])
def test_every_number_of_an_unconfirmed_verdict_is_in_the_records(sweep: Sweep) -> None:
    (look,) = sweep.openings[0].looks
    assert look.evaluation.correct is not None
    right = int(look.evaluation.correct.sum())
    interval = wilson(right, 10_000)
    known = of_every_sweep(sweep) | against(*interval) | {"10,000", "95", f"{look.parameters:,}"}
    known |= {*percents(right / 10_000, *interval)}
    assert [each for each in numbers(told_of(sweep)) if each not in known] == []


@pytest.mark.slow
def test_every_number_of_another_trainables_verdict_is_in_the_records() -> None:
    sweep = boosting_sweep()
    (look,) = sweep.openings[0].looks
    known = of_every_sweep(sweep) | {f"{look.evaluation.metrics['log_loss']:.4g}", str(look.evaluation.count)}
    assert [each for each in numbers(told_of(sweep)) if each not in known] == []


def test_a_number_that_came_from_nowhere_would_be_found() -> None:
    assert numbers("98.42 % ± 0.05, 10,000 of 1e-05, trial 2, 784-128-64-10 and +0.70") == [
        *("98.42", "0.05", "10,000", "1e-05", "2", "784", "+0.70")
    ]


def test_every_row_of_the_leaderboard_is_a_published_one_or_ours() -> None:
    sweep = confirmed_sweep()
    frame = Report.of(sweep, read_benchmarks()).leaderboard
    rows = {(row["model"], row["source"], row["augmentation"]): row for row in published()}
    low, high = frame.loc[frame["ours"], ["low", "high"]].iloc[0]
    assert len(frame) == len(rows) + 1
    for row in frame[~frame["ours"]].itertuples():
        known = rows[row.model, row.source, row.augmentation]
        assert row.test_accuracy_percent == float(known["test_accuracy_percent"])
        assert ("" if pd.isna(row.parameters) else str(row.parameters)) == known["parameters"]
        value = row.test_accuracy_percent
        assert row.against == ("tied" if low <= value <= high else "better" if value < low else "worse")
        assert row.rank == 1 + (frame["test_accuracy_percent"] > value).sum()
    (ours,) = frame[frame["ours"]].itertuples()
    looks = looks_at(sweep, sweep.openings[0].looks[0].trial)
    wrong = [
        10_000 - int(look.evaluation.correct.sum()) for look in looks if look.evaluation.correct is not None
    ]
    assert ours.test_accuracy_percent == pytest.approx(100 - np.mean(wrong) / 100)
    assert (ours.low, ours.high) == tuple(100 * end for end in mean_interval(correct(looks)))
    assert numbers(ours.note) == [f"{np.mean(wrong):.1f}", "10,000", str(len(looks))]


@pytest.mark.slow
def test_the_leaderboard_in_markdown_has_the_frames_figures() -> None:
    report = Report.of(confirmed_sweep(), read_benchmarks())
    lines = as_markdown(report).splitlines()
    start = next(place for place, line in enumerate(lines) if line.startswith("| Rank | Group |"))
    for row, line in zip(report.leaderboard.itertuples(), lines[start + 2 :], strict=False):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[:2] == [str(row.rank), str(row.group)]
        assert f"{row.test_accuracy_percent:.2f}" in cells
