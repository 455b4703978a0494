"""The verdict of a comparison in words: whose winner is better, which search found more, and how soon."""

from __future__ import annotations

from collections.abc import Sequence

from reports.analysis.runs import ComparableRuns, ComparedRun
from reports.analysis.winner_pairs import LEVEL, WinnerPair
from reports.figures import differences
from reports.figures.incumbents import FEW
from reports.figures.trace import Trace, cost, trace
from reports.formatting.estimates import difference, mean_with_deviation, p_text
from reports.formatting.wording import NOTHING, duration, listing, plural
from trainable.contract import Metric


def main_figure(pairs: Sequence[WinnerPair]) -> tuple[str, str]:
    """The most important number and its caption: the lead of the best winner over the closest other one; "–"
    if no two winners can be compared."""
    lead = leader(pairs)
    if lead is None:
        return NOTHING, "not enough data to say whose winner is better"
    run, against = lead
    pair = min(against, key=lambda pair: abs(pair.comparison.difference) if pair.comparison else 0.0)
    comparison, by = pair.comparison, pair.by
    assert comparison is not None and by is not None
    other = _other(pair, run)
    on = f"{by.name.replace('_', ' ')} on {_split_words(pair)}"
    size, test = difference(by, comparison.difference), _test_words(pair, run)
    if pair.standing == "tied":
        return size, f"{on}, between the winners of {run.short} and {other.short}: not significant ({test})"
    return size, f"{on}: {run.short}'s winner better than {other.short}'s ({test})"


def leader(pairs: Sequence[WinnerPair]) -> tuple[ComparedRun, list[WinnerPair]] | None:
    """The run with the best mean of those compared by the same metric on the same split, and its pairs with
    the others; None if no two winners can be compared. The test set takes precedence over validation."""
    known = [pair for pair in pairs if pair.comparison is not None]
    if not known:
        return None
    basis = max(((pair.on == "test set", pair.by) for pair in known), key=lambda basis: basis[0])
    same = [pair for pair in known if (pair.on == "test set", pair.by) == basis]
    beaten = {(pair.other if _first_leads(pair) else pair.one).position for pair in same}
    runs = {run.position: run for pair in same for run in (pair.one, pair.other)}
    run = next(run for position, run in runs.items() if position not in beaten)
    return run, [pair for pair in same if run in (pair.one, pair.other)]


def _first_leads(pair: WinnerPair) -> bool:
    """Whether the first run's mean is at least as good."""
    assert pair.comparison is not None and pair.by is not None
    return pair.by.sign * pair.comparison.difference >= 0


def _other(pair: WinnerPair, run: ComparedRun) -> ComparedRun:
    return pair.other if pair.one is run else pair.one


def _split_words(pair: WinnerPair) -> str:
    return "the test set" if pair.on == "test set" else "validation, with fresh seeds"


def _test_words(pair: WinnerPair, run: ComparedRun) -> str:
    """ "95 % interval +0.10 to +0.32, p = 0.002", of `run`'s winner minus the other's."""
    comparison, by = pair.comparison, pair.by
    assert comparison is not None and by is not None and pair.p is not None
    ends = (comparison.low, comparison.high)
    if run is not pair.one:
        ends = (-comparison.high, -comparison.low)
    return f"95 % interval {differences.ends_words(by, *ends)}, {p_text(pair.p)}"


def pair_sentences(pairs: Sequence[WinnerPair]) -> list[str]:
    """Whose winner is the best, and which of the others are significantly worse."""
    lead = leader(pairs)
    if lead is None:
        reasons = list(dict.fromkeys(pair.why for pair in pairs))
        more = "" if len(reasons) == 1 else f", and {len(reasons) - 1} more reasons below"
        return [f"Not enough data to say whose winner is better: {reasons[0]}{more}."]
    run, against = lead
    if len(pairs) == 1:
        return [_single_pair_sentence(run, against[0])]
    names: dict[bool, list[str]] = {True: [], False: []}
    for pair in against:
        names[pair.standing == "tied"].append(_other(pair, run).short)
    on = "the test set" if against[0].on == "test set" else "validation"
    parts = [f"it is better than that of {listing(names[False])}"] if names[False] else []
    if names[True]:
        parts.append(f"it does not differ significantly from that of {listing(names[True])}")
    sentences = [
        f"{run.short}'s winner has the best mean on {on}: {', '.join(parts)} (for all pairs together, at "
        f"{100 * LEVEL:g} %)."
    ]
    if unknown := sum(pair.comparison is None for pair in pairs):
        sentences.append(
            f"{plural(unknown, 'pair')} of {len(pairs)} cannot be compared; the table of winners says why."
        )
    return sentences


def _single_pair_sentence(run: ComparedRun, pair: WinnerPair) -> str:
    """ "gpu's winner (trial 12) reaches 98.6 % on the test set, 0.21 points better than laptop's …".
    run: the one with the better mean."""
    assert pair.comparison is not None and pair.by is not None and pair.sides is not None
    by, sides = pair.by, {pair.one.position: pair.sides[0], pair.other.position: pair.sides[1]}
    other = _other(pair, run)
    ours, theirs = sides[run.position], sides[other.position]
    test = f"{_test_words(pair, run)}; {differences.METHODS[pair.method or 'seeds']}"
    size = difference(by, pair.comparison.difference)
    reached = mean_with_deviation(by, ours.mean, ours.deviation)
    head = f"{run.short}'s winner ({ours.name}) reaches {reached} on {_split_words(pair)}"
    tail = f"{other.short}'s ({theirs.name}), {mean_with_deviation(by, theirs.mean, theirs.deviation)}"
    if pair.standing == "tied":
        return f"{head}, and {tail}: the difference is not significant ({size}, {test})."
    return f"{head}, {size} better than {tail}: the difference is significant ({test})."


def group_sentences(group: ComparableRuns) -> list[str]:
    """The best score of each search, and how soon each reached the weakest of them."""
    metric = group.metric
    traces = [known for known in map(trace, group.runs) if known.best is not None]
    if not traces:
        return [f"No trial of {listing([run.short for run in group.runs])} is complete yet."]
    ranked = sorted(traces, key=lambda known: -metric.sign * (known.best.score if known.best else 0.0))
    best = [f"{known.run.short} {metric.format(known.best.score)}" for known in ranked if known.best]
    if len(best) > FEW:
        best = [*best[: FEW - 1], f"… {best[-1]}"]
    text = f"Best {metric.name.replace('_', ' ')} of a single training: {', '.join(best)}"
    missing = [run.short for run in group.runs if run not in [known.run for known in ranked]]
    if missing:
        text += f"; {listing(missing)} {'has' if len(missing) == 1 else 'have'} none yet"
    return [f"{text}.", *_speed_sentences(ranked, metric)]


def _speed_sentences(ranked: Sequence[Trace], metric: Metric) -> list[str]:
    """How soon each run reached the weakest of the best scores."""
    weakest = ranked[-1]
    if len(ranked) < 2 or weakest.best is None:
        return []
    target = weakest.best
    equal = [known for known in ranked if known.best is not None and known.best.score == target.score]
    reached = sorted(
        (
            (first, known.run)
            for known in ranked
            if (first := known.reached(metric, target.score)) is not None
        ),
        key=lambda pair: pair[0].trials,
    )
    parts = []
    for first, run in reached if len(reached) <= FEW else (reached[0], reached[-1]):
        time = "" if first.seconds is None else f", {duration(first.seconds)}"
        needed = f"{cost('trials', first.trials)} ({cost('epochs', first.epochs)}{time})"
        parts.append(f"{run.short} needed {needed}")
    whose = f"{weakest.run.short}'s best" if len(equal) == 1 else "the weakest best"
    if len(reached) > FEW:
        parts = [f"the fastest, {parts[0]}", f"the slowest, {parts[1]}"]
    return [f"To reach {metric.format(target.score)}, {whose}, {listing(parts)}."]
