"""The result of a confirmation in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reports.analysis.candidates import CandidateRow
from reports.analysis.finalists import FinalistResult
from reports.formatting.estimates import (
    better_or_worse,
    difference,
    interval_text,
    mean_with_deviation,
    p_text,
    recipe_name,
)
from reports.formatting.wording import capitalized, listing, plural
from reports.statistics.intervals import equal_values
from search.records.confirmation import Confirmation
from trainable.contract import Metric


def confirmation_sentences(
    confirmation: Confirmation,
    rows: Sequence[CandidateRow],
    metric: Metric,
    test_metric: Metric | None,
    unopened: str,
) -> list[str]:
    """The result, in reading order.

    rows: the winner first. metric: of the search. test_metric: None before the test set was opened.
    unopened: why it was not opened, in words.
    """
    if not confirmation.decided:
        return [f"The confirmation is not finished: {confirmation.sentence}."]
    if confirmation.winner is None or rows[0].mean is None:
        return [f"The confirmation found no winner: {confirmation.sentence}."]
    return [
        _winner(rows, metric, test_metric, unopened),
        *_selection_bias(rows[0], metric),
        *_ties(confirmation, rows, metric),
    ]


def _winner(rows: Sequence[CandidateRow], metric: Metric, test_metric: Metric | None, unopened: str) -> str:
    winner = rows[0]
    name, seeds = capitalized(recipe_name(winner.trial)), plural(winner.seeds, "fresh seed")
    if winner.tested is None or test_metric is None:
        assert winner.mean is not None
        score = mean_with_deviation(metric, winner.mean, winner.deviation)
        return f"{name} was confirmed with {seeds}: {score} on validation. {capitalized(unopened)}."
    tested = winner.tested
    score = mean_with_deviation(test_metric, tested.mean, tested.deviation)
    sentence = f"{name} was confirmed with {seeds}: {score} on the test set"
    if interval := interval_text(test_metric, tested.low, tested.high):
        sentence += f" (95 % interval {interval})"
    default = next((row.tested for row in rows[1:] if row.trial is None), None)
    if default is None or default.gain is None:
        return f"{sentence}."
    if default.standing is None:
        return f"{sentence}, {_uncertain_gain(default, test_metric)}"
    return f"{sentence}, {_gain(default, test_metric)} the default recipe{_evidence(default, test_metric)}."


def _uncertain_gain(tested: FinalistResult, metric: Metric) -> str:
    """ "0.62 points better than the default recipe. …": without a test, as chance cannot be estimated."""
    assert tested.gain is not None
    gain = tested.gain.difference
    seeds = "One seed each says" if tested.deviation is None else "Scores that are equal for all seeds say"
    if equal_values((tested.mean, tested.mean + gain)):
        return f"the same as the default recipe. {seeds} nothing about chance."
    return (
        f"{difference(metric, gain)} {better_or_worse(metric, gain)} than the default recipe. {seeds} "
        f"nothing about chance, so whether this difference is more than chance is not known."
    )


def _gain(tested: FinalistResult, metric: Metric) -> str:
    """ "0.62 points better than", or "statistically indistinguishable from"."""
    assert tested.gain is not None
    if tested.standing == "tied":
        return "statistically indistinguishable from"
    gain = tested.gain.difference
    return f"{difference(metric, gain)} {better_or_worse(metric, gain)} than"


def _evidence(tested: FinalistResult, metric: Metric) -> str:
    """ " (97.5 % interval 0.50 to 0.74 points, p < 0.001)"."""
    gain = tested.gain
    assert gain is not None and tested.p is not None
    if math.isinf(gain.low) or math.isinf(gain.high):
        return f" ({p_text(tested.p)})"
    confidence = f"{100 * (1 - gain.level):g} % interval"
    if tested.standing == "tied":
        low, high = _signed(metric, gain.low), _signed(metric, gain.high)
        estimate = f"difference {_signed(metric, gain.difference)}"
        return f" ({estimate}, {confidence} {low} to {high}, {p_text(tested.p)})"
    least, most = sorted(abs(end) for end in (gain.low, gain.high))
    if metric.unit == "share":
        return f" ({confidence} {100 * least:.2f} to {100 * most:.2f} points, {p_text(tested.p)})"
    return f" ({confidence} {least:.3g} to {most:.3g}, {p_text(tested.p)})"


def _signed(metric: Metric, value: float) -> str:
    """ "+0.12" points of a share, otherwise in the metric's unit."""
    return f"{100 * value:+.2f}" if metric.unit == "share" else f"{value:+.3g}"


def _selection_bias(winner: CandidateRow, metric: Metric) -> list[str]:
    if winner.selected_on is None or winner.mean is None or winner.selection_bias is None:
        return []
    before, after = metric.format(winner.selected_on), metric.format(winner.mean)
    if winner.constant:
        return [
            f"It scored {before} in the search and {after} with every fresh seed, both on validation: the "
            f"score does not vary with the seed, so selection bias cannot be measured."
        ]
    scores = f"It scored {before} in the search and {after} with fresh seeds, both on validation"
    if winner.selection_bias != 0 and before == after:
        return [f"{scores}: the selection bias is too small for these digits."]
    if winner.selection_bias > 0:
        return [f"{scores}: {difference(metric, winner.selection_bias)} of that was selection bias."]
    return [f"{scores}: no selection bias."]


def _ties(confirmation: Confirmation, rows: Sequence[CandidateRow], metric: Metric) -> list[str]:
    tied = [row for row in rows if row.state in ("winner", "tied")]
    if len(tied) == 1:
        return _alone(rows, metric)
    names, chosen = listing([recipe_name(row.trial) for row in tied]), recipe_name(tied[0].trial)
    means = [row.mean for row in tied if row.mean is not None]
    if len({row.parameters for row in tied}) > 1:
        reason = "it has the fewest parameters"
    else:
        reason = "it came first in the search" if equal_values(means) else "it has the best mean"
    seeds = plural(max(confirmation.compared, 1), "seed")
    why = f"they are statistically indistinguishable over {seeds} on validation"
    if all(row.constant for row in tied):
        scored = f"scored {metric.format(means[0])}" if equal_values(means) else "scored the same"
        why = f"each {scored} with every seed on validation, which says nothing about chance"
    elif all(row.deviation is None for row in tied):
        why = "one seed each on validation says nothing about chance"
    return [f"{capitalized(names)} are tied: {why}. {capitalized(chosen)} was chosen because {reason}."]


def _alone(rows: Sequence[CandidateRow], metric: Metric) -> list[str]:
    """What is known about the other candidates, if none is tied with the winner."""
    behind = [row for row in rows if row.state == "behind"]
    failed = sum(row.state == "failed" for row in rows)
    sentences = []
    if behind:
        others = f"{'' if failed else 'all '}{plural(len(behind), 'other candidate')}"
        if len(rows) == 2:
            others = "the other candidate"
        sentences.append(
            f"It scored better than {others} with every seed. Their scores do not vary with the seed, so "
            f"this holds for these validation examples; whether it holds for others is not known."
            if all(row.constant for row in (rows[0], *behind))
            else f"It is better than {others}."
        )
    if failed:
        sentences.append(f"{capitalized(plural(failed, 'candidate'))} failed when trained again.")
    return sentences
