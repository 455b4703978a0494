"""What the search found, in a figure and a few sentences."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

import pandas as pd

from reports.ranking import (
    benchmark_applies,
    comparison,
    measured,
    states_sentence,
    trained,
    winning_opening,
)
from reports.wording import duration, percent, plural, setting
from search.records import Opening, State, Sweep, Trial


@dataclass(frozen=True)
class Verdict:
    """The top of the report.

    figure, caption: the one number to remember and what it is; "–" while there is none.
    sentences: what it means, in reading order.
    facts: (name, value) of what went into it.
    settings: (name, value) of what the sampler chose for the best trial. recipe: its whole recipe.
    command: what trains the best trial again; "" while there is none.
    """

    figure: str
    caption: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    recipe: tuple[tuple[str, str], ...]
    command: str


def reproduce_command(sweep: Sweep) -> str:
    """The command that trains the best trial of this sweep again and compares."""
    best = sweep.best()
    # A run in a folder called runs is found by its name from beside it, which is how runs are kept.
    run = sweep.name if sweep.folder.parent.name == "runs" else str(sweep.folder)
    return shlex.join(["benchsweep", "reproduce", run, str(best.number) if best else "best"])


def verdict(sweep: Sweep, leaderboard: pd.DataFrame, command: str) -> Verdict:
    """The verdict. leaderboard: of this sweep, as `reports.ranking.leaderboard` makes it."""
    best, opening = sweep.best(), winning_opening(sweep)
    figure, caption = _figure(sweep, best, opening)
    return Verdict(
        figure=figure,
        caption=caption,
        sentences=tuple(_sentences(sweep, best, opening, leaderboard)),
        facts=tuple(_facts(sweep, best, opening)),
        settings=tuple((name, setting(value)) for name, value in best.sampled.items()) if best else (),
        recipe=tuple((name, setting(value)) for name, value in best.recipe.items()) if best else (),
        command=command if best else "",
    )


def _figure(sweep: Sweep, best: Trial | None, opening: Opening | None) -> tuple[str, str]:
    ours = measured(opening.evaluation if opening else None)
    if ours is not None:
        return f"{100 * ours.share:.2f} %", (
            f"test accuracy on {plural(ours.count, 'example')}, 95 % interval {percent(ours.interval)}"
        )
    if opening is not None and opening.evaluation is not None and opening.evaluation.metrics:
        name, value = next(iter(opening.evaluation.metrics.items()))
        shown = sweep.metric.format(value) if name == sweep.metric.name else f"{value:.4g}"
        return shown, f"{_words(name)} on {plural(opening.evaluation.count, 'test example')}"
    if best is not None:
        return sweep.metric.format(best.score), f"{_words(sweep.metric.name)}; the test set is still sealed"
    return sweep.metric.format(None), "no trial has trained to its end yet"


def _sentences(
    sweep: Sweep, best: Trial | None, opening: Opening | None, leaderboard: pd.DataFrame
) -> list[str]:
    if best is None:
        return [_without_best(sweep)]
    told = [
        f"Trial {best.number} was chosen by its {_words(sweep.metric.name)} alone: "
        f"{sweep.metric.format(best.score)} after {plural(len(best.epochs), 'epoch')}, the best of "
        f"{states_sentence(sweep, brackets=True)}."
    ]
    if opening is not None and opening.trial != best.number:
        told.append(
            f"The test figure is trial {opening.trial}'s: trial {best.number}, the best by now, has not "
            f"been tried on the test set."
        )
    if measured(opening.evaluation if opening else None) is not None:
        told += _against_published(leaderboard)
    applies, why = benchmark_applies(sweep)
    if not applies:
        told.append(why)
    return told


def _without_best(sweep: Sweep) -> str:
    if not sweep.trials:
        return "No trial has started yet."
    if sweep.count(State.FAILED, State.DIVERGED) == sweep.count():
        return f"Every trial failed: {states_sentence(sweep)}. The failures are listed below, by cause."
    return f"No trial has trained to its end yet: {states_sentence(sweep)}."


def _against_published(leaderboard: pd.DataFrame) -> list[str]:
    against = comparison(leaderboard)
    if not against:
        return []
    told = [f"On the test set it stands {against}."]
    beaten = leaderboard[leaderboard["against"] == "above"]
    if not beaten.empty:
        row = beaten.iloc[0]
        told.append(f"The strongest result it beats: {row['model']}, {row['test_accuracy_percent']:.2f} %.")
    return told


def _facts(sweep: Sweep, best: Trial | None, opening: Opening | None) -> list[tuple[str, str]]:
    facts = []
    if best is not None:
        facts.append((_words(sweep.metric.name), sweep.metric.format(best.score)))
    if opening is not None and opening.parameters is not None:
        facts.append(("parameters", f"{opening.parameters:,}"))
    facts.append(("trials", f"{len(sweep.trials):,}"))
    stopped = sum(trial.state is State.PRUNED for trial in trained(sweep))
    facts.append(("stopped early", f"{stopped:,}"))
    facts.append(("search time", duration(sweep.seconds)))
    facts.append(("training time", duration(sum(trial.seconds for trial in sweep.trials))))
    return facts


def _words(name: str) -> str:
    return name.replace("_", " ")
