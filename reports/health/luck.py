"""Whether what was found is more than luck."""

from __future__ import annotations

import numpy as np

from reports.analysis.confirmed import confirmed
from reports.analysis.ranking import trained
from reports.analysis.reference import FEWEST, outcomes, random_trials, sampler_ignores_scores
from reports.analysis.verdict import run_argument
from reports.figures.importances import importances
from reports.formatting.estimates import difference, p_text
from reports.formatting.wording import whole_percent
from search.doctor.finding import Finding, passed, unknown, warned
from search.records.sweep import State, Sweep

CHANCE = 0.05


def beyond_noise(sweep: Sweep) -> Finding:
    """Whether the gain over the default recipe is larger than what seeds alone make of it."""
    name = "Gain beyond the seeds' noise"
    told = confirmed(sweep)
    if told is None or not told.decided:
        return unknown(
            name,
            "The best trial's lead may be the luck of its seed: nothing was trained again with fresh ones.",
            f"Confirm it: benchsweep confirm {run_argument(sweep)}",
        )
    first = told.rows[0] if told.rows else None
    default = next((row for row in told.rows if row.trial is None), None)
    if first is None or first.mean is None or default is None or default.mean is None:
        return unknown(name, "The default recipe was not trained beside the winner.")
    if first.trial is None:
        return warned(
            name,
            "The default recipe itself is among the best: the search found nothing better.",
            "Widen the space, or take the default.",
        )
    gain = difference(sweep.metric, first.mean - default.mean)
    noise = max(first.deviation or 0.0, default.deviation or 0.0)
    side = "above" if first.mean >= default.mean else "below"
    seen = f"The winner is {gain} {side} the default recipe on validation, where a seed is worth "
    seen += f"{difference(sweep.metric, noise)} (standard deviation)"
    if default.state == "behind":
        return passed(name, f"{seen}.")
    return warned(
        name,
        f"{seen}; they are not told apart.",
        f"More seeds may tell: benchsweep confirm {run_argument(sweep)} --seeds 20",
    )


def better_than_random(sweep: Sweep) -> Finding:
    """Whether the sampler drew better than at random: the complete trials that it chose against those of the
    same search that it drew blindly (Mann and Whitney's test, one-sided)."""
    name = "Better than random search"
    if sampler_ignores_scores(sweep):
        return unknown(name, "The sampler never looks at a score, so there is nothing to compare.")
    blind = {trial.number for trial in random_trials(sweep)}
    complete = [trial for trial in trained(sweep) if trial.state is State.COMPLETE]
    chosen, drawn = (
        outcomes(sweep, [trial for trial in complete if (trial.number in blind) is random])
        for random in (False, True)
    )
    if min(len(chosen), len(drawn)) < FEWEST:
        return unknown(
            name,
            f"{len(drawn)} random and {len(chosen)} chosen trials are complete; it takes {FEWEST} of each.",
        )
    from scipy.stats import mannwhitneyu  # a second that a page without trials saves

    p = float(mannwhitneyu(chosen, drawn, alternative="greater").pvalue)
    share = float(
        np.mean(chosen[:, None] > drawn[None, :]) + 0.5 * np.mean(chosen[:, None] == drawn[None, :])
    )
    told = (
        f"A trial that the sampler chose beats a random one of this search {whole_percent(share)} of the "
        f"time ({len(chosen)} against {len(drawn)} complete ones, {p_text(p)})"
    )
    if p <= CHANCE:
        return passed(name, f"{told}.")
    return warned(
        name,
        f"{told}: no better than chance.",
        "Scores may be too noisy to learn from, or the space too flat: give it more trials, or fewer "
        "settings.",
    )


def stable_importances(sweep: Sweep) -> Finding:
    """Whether the leading setting would lead again."""
    name = "Importances that hold"
    told = importances(sweep)
    if isinstance(told, str):
        return unknown(name, told)
    if len(told.names) < 2:
        return unknown(name, f"{told.names[0]} is the only setting that moved.")
    seen = f"{told.names[0]} is the most important setting in {whole_percent(told.leading)} of resamples."
    if told.stable:
        return passed(name, seen)
    return warned(name, seen, "Do not fix or drop settings by their order yet; more trials tell.")


def sealed_test_set(sweep: Sweep) -> Finding:
    """How often the test set was looked at."""
    name = "One look at the test set"
    count = len(sweep.openings)
    if count <= 1:
        told = "It was opened once." if count else "It is still sealed."
        return passed(name, told)
    return warned(
        name,
        f"It was opened {count} times.",
        "Each look after the first makes its figures a little too kind; choose nothing by them.",
    )
