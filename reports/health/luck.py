"""Whether the result is more than luck."""

from __future__ import annotations

import numpy as np

from reports.analysis.confirmation import confirmation_summary
from reports.analysis.ranking import trained
from reports.analysis.reference import FEWEST, outcomes, random_trials, sampler_ignores_scores
from reports.analysis.verdict import run_argument
from reports.figures.importances import importances
from reports.formatting.estimates import better_or_worse, difference, p_text
from reports.formatting.wording import whole_percent
from reports.statistics.intervals import equal_values
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep

LEVEL = 0.05
"""Significance level of the test against random trials."""


def beyond_noise(sweep: Sweep) -> Finding:
    """Whether the gain over the default recipe is larger than the seeds' noise."""
    name = "Gain beyond seed noise"
    summary = confirmation_summary(sweep)
    if sweep.top() is None:
        return unknown(name, "No trial was trained to its end, so none can be trained with fresh seeds.")
    if summary is None or not summary.decided:
        return unknown(
            name,
            "The best trial's lead may be due to its seed: no trial was trained again with fresh seeds.",
            f"Confirm it: benchsweep confirm {run_argument(sweep)}",
        )
    first = summary.rows[0] if summary.rows else None
    default = next((row for row in summary.rows if row.trial is None), None)
    if first is None or first.mean is None or default is None or default.mean is None:
        return unknown(name, "The default recipe was not trained for comparison.")
    if first.trial is None:
        return warned(
            name,
            "The default recipe itself is among the best: the search found nothing better.",
            "Widen the search space, or keep the default.",
        )
    if first.constant and default.constant:
        return unknown(
            name,
            "The scores of the winner and of the default recipe do not vary with the seed, so seeds say "
            "nothing about chance.",
        )
    gain = difference(sweep.metric, first.mean - default.mean)
    side = better_or_worse(sweep.metric, first.mean - default.mean)
    noise = difference(sweep.metric, max(first.deviation or 0.0, default.deviation or 0.0))
    message = (
        f"The winner is {gain} {side} than the default recipe on validation; the seed-to-seed standard "
        f"deviation is {noise}"
    )
    if default.state == "behind":
        return passed(name, f"{message}.")
    return warned(
        name,
        f"{message}, so the two are statistically indistinguishable.",
        f"More seeds may separate them: benchsweep confirm {run_argument(sweep)} --seeds 20",
    )


def better_than_random(sweep: Sweep) -> Finding:
    """Whether the sampler's suggestions are better than random ones: the complete trials that it suggested
    from scores against the random trials of the same search (one-sided Mann-Whitney test)."""
    name = "Better than random search"
    if sampler_ignores_scores(sweep):
        return unknown(name, "The sampler ignores scores, so there is nothing to compare.")
    random = {trial.number for trial in random_trials(sweep)}
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    suggested, drawn = (
        outcomes(sweep, [trial for trial in complete if (trial.number in random) is at_random])
        for at_random in (False, True)
    )
    if min(len(suggested), len(drawn)) < FEWEST:
        return unknown(
            name,
            f"{len(drawn)} random and {len(suggested)} suggested trials are complete; the comparison needs "
            f"{FEWEST} of each.",
        )
    if equal_values([*suggested, *drawn]):
        return unknown(name, "All trials have the same score, so none is better than another.")
    from scipy.stats import mannwhitneyu  # takes a second, which a page without trials need not spend

    p = float(mannwhitneyu(suggested, drawn, alternative="greater").pvalue)
    share = float(
        np.mean(suggested[:, None] > drawn[None, :]) + 0.5 * np.mean(suggested[:, None] == drawn[None, :])
    )
    message = (
        f"A trial suggested by the sampler beats a random one of this search {whole_percent(share)} of the "
        f"time ({len(suggested)} against {len(drawn)} complete trials, {p_text(p)})"
    )
    if p <= LEVEL:
        return passed(name, f"{message}.")
    return warned(
        name,
        f"{message}: no better than chance.",
        "Scores may be too noisy to learn from, or the search space too flat: run more trials, or search "
        "fewer hyperparameters.",
    )


def stable_importances(sweep: Sweep) -> Finding:
    """Whether the most important hyperparameter would be the most important one again."""
    name = "Stable importances"
    numbers = importances(sweep)
    if isinstance(numbers, str):
        return unknown(name, numbers)
    first = numbers.names[0]
    if len(numbers.names) < 2:
        return unknown(name, f"{first} is the only hyperparameter that varied.")
    message = (
        f"{first} is the most important hyperparameter in {whole_percent(numbers.leading)} of resamples."
    )
    if numbers.stable:
        return passed(name, message)
    return warned(
        name, message, "Do not fix or drop hyperparameters by their rank yet; run more trials first."
    )


def sealed_test_set(sweep: Sweep) -> Finding:
    """How often the test set was opened."""
    name = "Test set opened once"
    count = len(sweep.openings)
    if not sweep.plan.has_test_split:
        return passed(name, "There is no test split.")
    if count <= 1:
        return passed(name, "It was opened once." if count else "It is still sealed.")
    return warned(
        name,
        f"It was opened {count} times.",
        "Each opening after the first makes its scores slightly too optimistic; choose nothing by them.",
    )
