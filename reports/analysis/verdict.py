"""What the search found, in a figure and a few sentences."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.analysis.confirmation import ConfirmationSummary, confirmation_summary
from reports.analysis.ranking import benchmark_applies, published_comparison, trained
from reports.analysis.trials_frame import states_sentence
from reports.analysis.winner import Winner, chosen_trial, winner_of
from reports.formatting.estimates import recipe_name
from reports.formatting.wording import duration, percent, plural, setting
from search.records.sweep import State, Sweep, Trial


@dataclass(frozen=True)
class Verdict:
    """The top of the report.

    figure, caption: the one number to remember and what it is; "–" while there is none.
    sentences: what it means, in reading order.
    facts: (name, value) of what went into it.
    settings: (name, value) of what the sampler chose for the winner. recipe: its whole recipe.
    command: what trains it again; "" while there is none.
    """

    figure: str
    caption: str
    sentences: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, str], ...]
    recipe: tuple[tuple[str, str], ...]
    command: str


def reproduce_command(sweep: Sweep) -> str:
    """The command that trains the winner's recipe again and compares, the best trial's before one is
    confirmed."""
    winner, best = winner_of(sweep), sweep.best()
    chosen = (winner.trial,) if winner else chosen_trial(sweep)
    number = chosen[0] if chosen else best.number if best else "best"
    if number is None:
        number = "default"
    return f"benchsweep reproduce {run_argument(sweep)} {number}"


def run_argument(sweep: Sweep) -> str:
    """How the run is named on a command line, quoted: a run in a folder called runs is found by its name from
    beside it, which is how runs are kept."""
    return shlex.quote(sweep.name if sweep.folder.parent.name == "runs" else str(sweep.folder))


def verdict(sweep: Sweep, leaderboard: pd.DataFrame, command: str) -> Verdict:
    """The verdict. leaderboard: of this sweep, as `reports.analysis.ranking.leaderboard` makes it."""
    best, winner, told = sweep.best(), winner_of(sweep), confirmation_summary(sweep)
    figure, caption = _figure(sweep, best, winner)
    sampled, recipe = _recipe(sweep, best, winner)
    return Verdict(
        figure=figure,
        caption=caption,
        sentences=tuple(_sentences(sweep, best, winner, told, leaderboard)),
        facts=tuple(_facts(sweep, best, winner, told)),
        settings=tuple((name, setting(value)) for name, value in sampled.items()),
        recipe=tuple((name, setting(value)) for name, value in recipe.items()),
        command=command if best or winner else "",
    )


def _recipe(
    sweep: Sweep, best: Trial | None, winner: Winner | None
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """What the sampler chose of the winner's recipe, and the whole; the best trial's before there is one."""
    if winner is None:
        return (best.sampled, best.recipe) if best else ({}, {})
    return next((each.sampled for each in sweep.trials if each.number == winner.trial), {}), winner.recipe


def _figure(sweep: Sweep, best: Trial | None, winner: Winner | None) -> tuple[str, str]:
    ours = winner.test_accuracy if winner else None
    if ours is not None:
        over = "" if ours.seeds == 1 else f", mean of {ours.seeds} seeds"
        return f"{100 * ours.share:.2f} %", (
            f"test accuracy on {plural(ours.count, 'example')}{over}, 95 % interval {percent(ours.interval)}"
        )
    if winner is not None and winner.metrics:
        name, value = next(iter(winner.metrics.items()))
        shown = sweep.metric.format(value) if name == sweep.metric.name else f"{value:.4g}"
        over = "" if len(winner.looks) == 1 else f", mean of {len(winner.looks)} seeds"
        return shown, f"{_words(name)} on {plural(winner.evaluation.count, 'test example')}{over}"
    if best is not None:
        return sweep.metric.format(best.score), f"{_words(sweep.metric.name)}; the test set is still sealed"
    return sweep.metric.format(None), "no trial has trained to its end yet"


def _sentences(
    sweep: Sweep,
    best: Trial | None,
    winner: Winner | None,
    told: ConfirmationSummary | None,
    leaderboard: pd.DataFrame,
) -> list[str]:
    if best is None and winner is None:
        return [_without_best(sweep)]
    sentences = list(told.sentences) if told else []
    if best is not None:
        score = f"{sweep.metric.format(best.score)} after {plural(len(best.epochs), 'epoch')}"
        trials = states_sentence(sweep, brackets=True)
        by = _words(sweep.metric.name)
        sentences.append(
            f"Trial {best.number} was chosen by its {by} alone: {score}, the best of {trials}."
            if told is None
            else f"Trial {best.number} had the best single-run {by} of {trials}: {score}."
        )
    chosen = chosen_trial(sweep)
    if winner is not None and chosen is not None and winner.trial != chosen[0]:
        sentences.append(
            f"The test accuracy is that of {recipe_name(winner.trial)}; the current winner, "
            f"{recipe_name(chosen[0])}, has not been evaluated on the test set."
        )
    if best is not None and told is not None and best.number not in [row.trial for row in told.rows]:
        sentences.append(f"Trial {best.number} came after the confirmation, which does not know it.")
    if winner is not None and winner.test_accuracy is not None:
        sentences += _against_published(leaderboard)
    applies, why = benchmark_applies(sweep)
    if not applies:
        sentences.append(why)
    return sentences


def _without_best(sweep: Sweep) -> str:
    if not sweep.trials:
        return "No trial has started yet."
    if sweep.count(State.FAILED, State.DIVERGED) == sweep.count():
        return f"Every trial failed: {states_sentence(sweep)}. The failures are listed below, by cause."
    return f"No trial has trained to its end yet: {states_sentence(sweep)}."


def _against_published(leaderboard: pd.DataFrame) -> list[str]:
    against = published_comparison(leaderboard)
    if not against:
        return []
    told = [f"On the test set it is {against}."]
    beaten = leaderboard[leaderboard["against"] == "better"]
    if not beaten.empty:
        row = beaten.sort_values("rank", kind="stable").iloc[0]
        told.append(f"The strongest result it beats: {row['model']}, {row['test_accuracy_percent']:.2f} %.")
    return told


def _facts(
    sweep: Sweep, best: Trial | None, winner: Winner | None, told: ConfirmationSummary | None
) -> list[tuple[str, str]]:
    facts = []
    if told is not None and told.rows and told.rows[0].mean is not None:
        facts.append((f"{_words(sweep.metric.name)}, fresh seeds", sweep.metric.format(told.rows[0].mean)))
    elif best is not None:
        facts.append((_words(sweep.metric.name), sweep.metric.format(best.score)))
    if winner is not None and winner.parameters is not None:
        facts.append(("parameters", f"{winner.parameters:,}"))
    facts.append(("trials", f"{len(sweep.trials):,}"))
    stopped = sum(trial.state is State.PRUNED for trial in trained(sweep))
    facts.append(("stopped early", f"{stopped:,}"))
    facts.append(("search time", duration(sweep.seconds)))
    facts.append(("training time", duration(sum(trial.seconds for trial in sweep.trials))))
    return facts


def _words(name: str) -> str:
    return name.replace("_", " ")
