"""What a confirmation told, candidate by candidate: how lucky the search was, and who is better than whom."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.analysis.once import once_per_sweep
from reports.analysis.winner import correct_bits, winner_of
from reports.formatting.estimates import difference, interval_text, mean_with_deviation, p_text, recipe_name
from reports.formatting.wording import listing, plural
from reports.statistics.bootstrap import best_shares, bootstrap
from reports.statistics.comparison import Comparison, compare, compare_scores
from reports.statistics.intervals import Standing, mean_interval, spread
from reports.statistics.multiplicity import selected
from search.records.confirmation import Candidate, Confirmation
from search.records.opening import TestLook
from search.records.sweep import Sweep
from search.records.trial import State
from trainable.contract import Metric
from trainable.evaluation.evaluation import Evaluation

CandidateStatus = Literal["winner", "tied", "behind", "failed", "racing"]


class Tested(NamedTuple):
    """A finalist on the test set, in the figure's own unit.

    mean, deviation: over the seeds; deviation is None for one. low, high: the mean's 95 % interval,
    over seeds and examples; None where no example is right or wrong. best: the share of resamples,
    0..1, in which it is the best finalist; None there too. gain: the winner's figure less this one's,
    with the interval at the confirmation's level; p: of no difference, adjusted for all pairs of
    candidates, any of whom might have won; standing: whether the winner is better than it. These three are
    None in the winner's own row.
    """

    seeds: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    best: float | None
    gain: Comparison | None
    p: float | None
    standing: Standing | None


class CandidateRow(NamedTuple):
    """A candidate.

    trial: None for the plan's default recipe. seeds: fresh ones that came to their end. selected_on: its
    score in the search, None for the default recipe; mean, deviation: with the fresh seeds. luck: how much
    better it looked in the search, in the metric's unit; below 0 where it looked worse. why: it is out, a
    clause; "" for those that are not. tested: None where the test set has not seen it.
    """

    name: str
    trial: int | None
    state: CandidateStatus
    seeds: int
    selected_on: float | None
    mean: float | None
    deviation: float | None
    luck: float | None
    parameters: int | None
    why: str
    tested: Tested | None


@dataclass(frozen=True)
class ConfirmationSummary:
    """A confirmation in figures.

    metric: what the candidates were raced by; figure: what the test set tells them by, None before it was
    opened. rows: the winner first, then those tied with it, then those that fell behind. level: the share of
    false alarms allowed to the race, and the same again to the test set. compared: seeds at the race's last
    comparison. sentences: what it means, in reading order.
    """

    metric: Metric
    figure: Metric | None
    decided: bool
    level: float
    compared: int
    rows: tuple[CandidateRow, ...]
    sentences: tuple[str, ...]


@once_per_sweep
def confirmed(sweep: Sweep) -> ConfirmationSummary | None:
    """The sweep's confirmation in figures; None where it has none."""
    told = sweep.confirmation
    if told is None:
        return None
    looks = _looks(sweep, told)
    figure = test_metric(sweep, next(iter(looks.values()))[0].evaluation) if looks else None
    tested = {} if figure is None else _tested(looks, figure, told.level, len(told.candidates))
    rows = tuple(_row(each, told, sweep.metric, tested.get(each.name)) for each in told.candidates)
    return ConfirmationSummary(
        metric=sweep.metric,
        figure=figure,
        decided=told.decided,
        level=told.level,
        compared=told.compared,
        rows=rows,
        sentences=tuple(_sentences(told, rows, sweep.metric, figure)),
    )


def test_metric(sweep: Sweep, evaluation: Evaluation) -> Metric:
    """What the test set tells finalists by: the accuracy, else the metric that the search is judged by,
    else the first of the evaluation's, in the search's direction."""
    names = list(evaluation.metrics)
    if "accuracy" in names or not names:
        return Metric("accuracy", "maximize", "share")
    if sweep.metric.name in names:
        return sweep.metric
    return Metric(names[0], sweep.metric.direction)


def _looks(sweep: Sweep, told: Confirmation) -> dict[str, list[TestLook]]:
    """The finalists' looks by name, the winner's first, in the opening that speaks for the winner; none
    where that is not this confirmation's."""
    winner = winner_of(sweep)
    if winner is None or told.winner is None or told.winner.trial != winner.trial:
        return {}
    held = {
        each.name: [
            look
            for look in winner.opening.looks
            if look.trial == each.trial and look.seed in {rerun.recipe["seed"] for rerun in each.complete}
        ]
        for each in told.finalists
    }
    return {name: looks for name, looks in held.items() if looks} if held.get(winner.name) else {}


def _tested(
    looks: Mapping[str, list[TestLook]], figure: Metric, level: float, candidates: int
) -> dict[str, Tested]:
    names = list(looks)
    scores = {
        name: [
            look.evaluation.metrics[figure.name] for look in held if figure.name in look.evaluation.metrics
        ]
        for name, held in looks.items()
    }
    names = [name for name in names if scores[name]]
    if not names or names[0] != next(iter(looks)):
        return {}
    bits = _bits([looks[name] for name in names], figure)
    shares = None if bits is None else best_shares(bootstrap(bits))
    gains = [
        compare_scores(scores[names[0]], scores[name], level)
        if bits is None
        else compare(bits[0], bits[place], level)
        for place, name in enumerate(names)
    ][1:]
    adjusted = selected([gain.p for gain in gains], candidates)
    made = {}
    for place, name in enumerate(names):
        told = spread(scores[name])
        interval = None if bits is None else mean_interval(bits[place])
        gain, p = (gains[place - 1], adjusted[place - 1]) if place else (None, None)
        made[name] = Tested(
            seeds=told.runs,
            mean=told.mean,
            deviation=told.deviation,
            low=None if interval is None else interval.low,
            high=None if interval is None else interval.high,
            best=None if shares is None else float(shares[place]),
            gain=gain,
            p=p,
            standing=None if gain is None or p is None else _standing(gain, p, figure),
        )
    return made


def _bits(looks: Sequence[list[TestLook]], figure: Metric) -> list[NDArray[np.bool_]] | None:
    """Each finalist's bits, bool [seeds, N], on the same examples; None where one has none."""
    if figure.name != "accuracy":
        return None
    found = [correct_bits([look.evaluation for look in held]) for held in looks]
    known = [bits for bits in found if bits is not None]
    return known if len(known) == len(found) and len({bits.shape[1] for bits in known}) == 1 else None


def _standing(gain: Comparison, p: float, figure: Metric) -> Standing:
    if p > gain.level or gain.difference == 0:
        return "tied"
    return "better" if figure.sign * gain.difference > 0 else "worse"


def _row(candidate: Candidate, told: Confirmation, metric: Metric, tested: Tested | None) -> CandidateRow:
    seen = spread(candidate.scores) if candidate.scores else None
    known = candidate.selected_on is not None and seen is not None
    elimination = candidate.elimination
    state: CandidateStatus = "racing"
    if elimination is not None:
        state = "failed" if elimination.failure is not None else "behind"
    elif told.decided:
        state = "winner" if candidate is told.winner else "tied"
    return CandidateRow(
        name=candidate.name,
        trial=candidate.trial,
        state=state,
        seeds=sum(rerun.state is State.COMPLETE for rerun in candidate.reruns),
        selected_on=candidate.selected_on,
        mean=None if seen is None else seen.mean,
        deviation=None if seen is None else seen.deviation,
        luck=metric.gain(candidate.selected_on, seen.mean)
        if known and candidate.selected_on is not None and seen is not None
        else None,
        parameters=candidate.parameters,
        why=_why(candidate),
        tested=tested,
    )


def _why(candidate: Candidate) -> str:
    elimination = candidate.elimination
    if elimination is None:
        return ""
    if candidate.beaten_by is None:
        return elimination.failure or "it came to no end"
    chance = "" if elimination.p is None else f", {p_text(elimination.p)}"
    return f"{candidate.beaten_by} is better over {plural(elimination.seeds, 'seed')}{chance}"


def _sentences(
    told: Confirmation, rows: Sequence[CandidateRow], metric: Metric, figure: Metric | None
) -> list[str]:
    if not told.decided:
        return [f"The confirmation is not over: {told.sentence}."]
    if told.winner is None or rows[0].mean is None:
        return [f"The confirmation found no winner: {told.sentence}."]
    first = rows[0]
    return [
        *_confirmed_words(told, rows, metric, figure),
        *_luck_words(first, metric),
        *_tie_words(told, rows),
    ]


def _confirmed_words(
    told: Confirmation, rows: Sequence[CandidateRow], metric: Metric, figure: Metric | None
) -> list[str]:
    first = rows[0]
    assert first.mean is not None
    name = recipe_name(first.trial)
    head = f"{name[0].upper()}{name[1:]} was confirmed with {plural(first.seeds, 'fresh seed')}: "
    if first.tested is None or figure is None:
        shown = mean_with_deviation(metric, first.mean, first.deviation)
        return [f"{head}{shown} on validation. The test set is still sealed."]
    seen = first.tested
    interval = interval_text(figure, seen.low, seen.high)
    words = f"{head}{mean_with_deviation(figure, seen.mean, seen.deviation)} on the test set"
    words += f" (95 % interval {interval})" if interval else ""
    reference = next((row for row in rows[1:] if row.trial is None), None)
    if reference is None or reference.tested is None or reference.tested.gain is None:
        return [f"{words}."]
    gain, chance = _gain_words(reference.tested, figure), _chance(reference.tested, figure)
    return [f"{words}, {gain} the default recipe{chance}."]


def _gain_words(tested: Tested, figure: Metric) -> str:
    """ "0.62 points above", or that it cannot be told from."""
    assert tested.gain is not None
    if tested.standing == "tied":
        return "not told apart from"
    side = "above" if tested.gain.difference > 0 else "below"
    return f"{difference(figure, tested.gain.difference)} {side}"


def _chance(tested: Tested, figure: Metric) -> str:
    """ " (97.5 % interval 0.50 to 0.74 points, p < 0.001)"."""
    gain = tested.gain
    assert gain is not None and tested.p is not None
    ends = [gain.low, gain.high]
    if math.isinf(gain.low) or math.isinf(gain.high):
        return f" ({p_text(tested.p)})"
    if tested.standing == "tied":
        shown = [f"{100 * end:+.2f}" if figure.unit == "share" else f"{end:+.3g}" for end in ends]
        told = (
            f"difference {100 * gain.difference:+.2f}"
            if figure.unit == "share"
            else (f"difference {gain.difference:+.3g}")
        )
        return f" ({told}, {100 * (1 - gain.level):g} % interval {' to '.join(shown)}, {p_text(tested.p)})"
    sizes = sorted(abs(end) for end in ends)
    shown = [f"{100 * end:.2f}" if figure.unit == "share" else f"{end:.3g}" for end in sizes]
    return f" ({100 * (1 - gain.level):g} % interval {' to '.join(shown)}, {p_text(tested.p)})"


def _luck_words(first: CandidateRow, metric: Metric) -> list[str]:
    if first.selected_on is None or first.mean is None or first.luck is None:
        return []
    before, after = metric.format(first.selected_on), metric.format(first.mean)
    words = f"In the search it scored {before} on validation, with fresh seeds {after}: "
    if first.luck > 0:
        return [f"{words}{difference(metric, first.luck)} of it were luck."]
    return [f"{words}the search did not flatter it."]


def _tie_words(told: Confirmation, rows: Sequence[CandidateRow]) -> list[str]:
    tied = [row for row in rows if row.state in ("winner", "tied")]
    if len(tied) == 1:
        others = len(rows) - 1
        return [f"It is better than all {plural(others, 'other candidate')}."] if others else []
    names = listing([recipe_name(row.trial) for row in tied])
    sizes = {row.parameters for row in tied}
    reason = "for its best mean" if len(sizes) == 1 else "for its fewest parameters"
    first = recipe_name(tied[0].trial)
    return [
        f"{names[0].upper()}{names[1:]} are tied: {plural(max(told.compared, 1), 'seed')} do not tell them "
        f"apart on validation. {first[0].upper()}{first[1:]} was taken {reason}."
    ]
