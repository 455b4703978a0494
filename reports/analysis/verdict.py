"""The result of a search: one number and a few sentences."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from reports.analysis.confirmation import ConfirmationSummary, confirmation_summary
from reports.analysis.ranking import benchmark_applies, published_comparison, trained
from reports.analysis.trials_frame import sampled_settings, states_sentence
from reports.analysis.verdict_lines import verdict_lines
from reports.analysis.winner import Winner, chosen_trial, test_figure, unopened, winner_of
from reports.formatting.estimates import recipe_name
from reports.formatting.wording import capitalized, duration, percent, plural, setting
from search.records.sweep import State, Sweep, Trial


@dataclass(frozen=True)
class Verdict:
    """The top of the report. All values are text as it is shown."""

    figure: str
    """The most important number; "–" if there is none yet."""
    caption: str
    """Whose number that is, and what it measures, with its 95 % interval."""
    lines: tuple[str, ...]
    """At most two: the gain over the default recipe, and what the best recipe is tied with."""
    sentences: tuple[str, ...]
    """The details, in reading order."""
    facts: tuple[tuple[str, str], ...]
    """(name, value) of scores, sizes and times."""
    settings: tuple[tuple[str, str], ...]
    """(name, value) of the winner's sampled hyperparameters; if the default recipe won, its values of those
    that the search sampled."""
    settings_title: str
    """What they are."""
    recipe: tuple[tuple[str, str], ...]
    """(name, value) of the winner's complete recipe."""
    command: str
    """The command that trains the winner again; "" if there is none yet."""


def reproduce_command(sweep: Sweep) -> str:
    """The command that trains the winner again and compares the results; the trial with the top score if
    there is no winner yet."""
    winner, top = winner_of(sweep), sweep.top()
    chosen = (winner.trial,) if winner else chosen_trial(sweep)
    number = chosen[0] if chosen else top.number if top else "best"
    if number is None:
        number = "default"
    return f"benchsweep reproduce {run_argument(sweep)} {number}"


def run_argument(sweep: Sweep) -> str:
    """The run as a quoted command-line argument: its name if it is in ./runs, where commands find it by name,
    otherwise its path, which they find from every folder."""
    named = sweep.folder.parent == Path("runs").absolute()
    return shlex.quote(sweep.name if named else str(sweep.folder))


def verdict(sweep: Sweep, leaderboard: pd.DataFrame, command: str) -> Verdict:
    """The verdict on a sweep.

    leaderboard: the sweep's, as `reports.analysis.ranking.leaderboard` returns it. command: as
    `reproduce_command` returns it.
    """
    top, winner, confirmation = sweep.top(), winner_of(sweep), confirmation_summary(sweep)
    figure, caption = _figure(sweep, top, winner)
    chosen = (winner.trial,) if winner else chosen_trial(sweep)
    sampled, recipe = _recipe(sweep, chosen, winner)
    return Verdict(
        figure=figure,
        caption=caption,
        lines=tuple(_lines(top, winner, confirmation)),
        sentences=tuple(_sentences(sweep, top, winner, confirmation, leaderboard)),
        facts=tuple(_facts(sweep, top, winner, confirmation)),
        settings=tuple((name, setting(value)) for name, value in sampled.items()),
        settings_title=(
            "The default recipe won; of the searched hyperparameters it has"
            if chosen == (None,)
            else "The winner's recipe, as sampled"
        ),
        recipe=tuple((name, setting(value)) for name, value in recipe.items()),
        command=command if top or winner else "",
    )


def _recipe(
    sweep: Sweep, chosen: tuple[int | None] | None, winner: Winner | None
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The chosen trial's sampled hyperparameters and its complete recipe. Nothing was sampled for the default
    recipe: of it, the values of those that the search sampled. chosen: as `chosen_trial` returns it."""
    if chosen is None:
        return {}, {}
    for trial in sweep.trials:
        if trial.number == chosen[0]:
            return trial.sampled, winner.recipe if winner else trial.recipe
    recipe = winner.recipe if winner else sweep.plan.recipe
    return {name: recipe[name] for name in sampled_settings(sweep) if name in recipe}, recipe


def _figure(sweep: Sweep, top: Trial | None, winner: Winner | None) -> tuple[str, str]:
    ours = winner.test_accuracy if winner else None
    if winner is not None and ours is not None:
        accuracy = f"test accuracy{_over(ours.seeds)} (95 % interval {percent(ours.interval)})"
        return f"{100 * ours.share:.2f} %", f"{_whose(sweep, winner)}{accuracy}"
    if winner is not None and winner.metrics:
        name, value = next(iter(winner.metrics.items()))
        count = winner.evaluation.count
        on = f"{_words(name)} on {plural(count, 'test example') if count else 'the test split'}"
        return test_figure(sweep, name, value), f"{_whose(sweep, winner)}{on}{_over(len(winner.looks))}"
    if top is not None:
        name = _words(sweep.metric.name)
        best = "Best recipe so far" if sweep.confirmation is None else "Top score in the search"
        return sweep.metric.format(top.score), f"{best}: trial {top.number}, {name}; {unopened(sweep)}"
    return sweep.metric.format(None), "no trial is complete yet"


def _whose(sweep: Sweep, winner: Winner) -> str:
    """ "Best recipe: trial 2, ", unless another recipe is the best by now."""
    best = "Best recipe: " if chosen_trial(sweep) in (None, (winner.trial,)) else ""
    return f"{best or 'Evaluated: '}{recipe_name(winner.trial)}, "


def _over(seeds: int) -> str:
    return "" if seeds == 1 else f", mean of {seeds} seeds"


def _lines(top: Trial | None, winner: Winner | None, confirmation: ConfirmationSummary | None) -> list[str]:
    return [] if top is None and winner is None else verdict_lines(confirmation)


def _sentences(
    sweep: Sweep,
    top: Trial | None,
    winner: Winner | None,
    confirmation: ConfirmationSummary | None,
    leaderboard: pd.DataFrame,
) -> list[str]:
    if top is None and winner is None:
        return [_without_best(sweep)]
    sentences = list(confirmation.sentences) if confirmation else []
    if top is not None:
        score = f"{sweep.metric.format(top.score)} after {plural(len(top.epochs), 'epoch')}"
        trials = states_sentence(sweep, brackets=True)
        by = _words(sweep.metric.name)
        sentences.append(
            f"Trial {top.number} was chosen by its {by} only: {score}, the best of {trials}."
            if confirmation is None
            else f"Trial {top.number} had the top score in the search, of {trials}: {by} {score}."
        )
        if equal := sum(
            trial.state is State.COMPLETE and trial.score == top.score and trial is not top
            for trial in trained(sweep)
        ):
            sentences.append(f"{capitalized(plural(equal, 'other trial'))} scored the same.")
    chosen = chosen_trial(sweep)
    if winner is not None and chosen is not None and winner.trial != chosen[0]:
        sentences.append(
            f"The test accuracy is that of {recipe_name(winner.trial)}; the current winner, "
            f"{recipe_name(chosen[0])}, has not been evaluated on the test set."
        )
    candidates = None if confirmation is None else [row.trial for row in confirmation.rows]
    if top is not None and candidates is not None and top.number not in candidates:
        sentences.append(f"Trial {top.number} is not a candidate of the confirmation, which came before it.")
    if winner is not None and winner.test_accuracy is not None:
        sentences += _against_published(leaderboard)
    applies, why = benchmark_applies(sweep)
    if not applies and why:
        sentences.append(why)
    return sentences


def _without_best(sweep: Sweep) -> str:
    if not sweep.trials:
        return "No trial has started yet."
    if sweep.count(State.FAILED, State.DIVERGED) == sweep.count():
        return f"Every trial failed: {states_sentence(sweep)}. The failures are listed by cause below."
    return f"No trial is complete yet: {states_sentence(sweep)}."


def _against_published(leaderboard: pd.DataFrame) -> list[str]:
    against = published_comparison(leaderboard)
    if not against:
        return []
    sentences = [f"On the test set it is {against}."]
    beaten = leaderboard[leaderboard["against"] == "better"]
    if not beaten.empty:
        row = beaten.sort_values("rank", kind="stable").iloc[0]
        sentences.append(
            f"The strongest result it beats: {row['model']}, {row['test_accuracy_percent']:.2f} %."
        )
    return sentences


def _facts(
    sweep: Sweep, top: Trial | None, winner: Winner | None, confirmation: ConfirmationSummary | None
) -> list[tuple[str, str]]:
    facts = []
    if confirmation is not None and confirmation.rows and confirmation.rows[0].mean is not None:
        facts.append(
            (f"{_words(sweep.metric.name)}, fresh seeds", sweep.metric.format(confirmation.rows[0].mean))
        )
    elif top is not None:
        facts.append((_words(sweep.metric.name), sweep.metric.format(top.score)))
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
