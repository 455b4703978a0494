"""Several runs side by side: which found more, how soon, whether the difference is real, what differed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports.analysis.confirmation import confirmation_summary
from reports.analysis.contrast import Contrast, environment_contrasts, plan_contrasts, space_contrasts
from reports.analysis.finalists import test_metric
from reports.analysis.ranking import trained
from reports.analysis.runs import ComparableRuns, ComparedRun, comparable_runs, compared_runs, data_identity
from reports.analysis.trials_frame import states_sentence
from reports.analysis.winner import correct_bits, winner_of
from reports.analysis.winner_pairs import LEVEL, WinnerPair, pairs, plain_pair
from reports.exports.results import best_result
from reports.figures import differences, edf
from reports.figures.all import GROUP_FIGURES
from reports.figures.figure import Section
from reports.figures.incumbents import FEW
from reports.figures.trace import Trace, cost, trace
from reports.formatting.estimates import difference, interval_text, mean_with_deviation, p_text
from reports.formatting.wording import NOTHING, duration, listing, plural
from reports.statistics.intervals import mean_interval, spread
from search.records.confirmation import candidate_name
from search.records.sweep import Sweep
from trainable.contract import Metric

MOST = 12
"""Runs that are compared at once: as many as there are marks to tell lines apart by."""
SCHEMA = 2
"""Raised when a key of the JSON changes its meaning or goes; a new key does not raise it."""


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Everything that terminal, page and JSON show of several runs, computed once.

    runs: in the order in which they were named. groups: those with the same metric and data, whose scores
    may be held side by side. pairs: every two winners. figure, caption: the one number to remember and what
    it is; "–" where there is none. sentences: the verdict, in reading order. cautions: what keeps the runs
    from being compared as they are, and which of them are not over. facts: (name, value). overview: one row
    a run. sections: the figures. plan, space, environment: what differs.
    """

    runs: tuple[ComparedRun, ...]
    groups: tuple[ComparableRuns, ...]
    pairs: tuple[WinnerPair, ...]
    figure: str
    caption: str
    sentences: tuple[str, ...]
    cautions: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    overview: pd.DataFrame
    sections: tuple[Section, ...]
    plan: tuple[Contrast, ...]
    space: tuple[Contrast, ...]
    environment: tuple[Contrast, ...]

    @classmethod
    def of(cls, sweeps: Sequence[Sweep]) -> RunComparison:
        """The comparison of 2 to MOST runs in any state. Raises ValueError for fewer, for more, and where a
        folder is named twice."""
        if not 2 <= len(sweeps) <= MOST:
            raise ValueError(f"2 to {MOST} runs are compared at once, but got {len(sweeps)}")
        runs = compared_runs(sweeps)
        held, told = comparable_runs(runs), pairs(runs)
        plan, space, environment = (
            made(sweeps) for made in (plan_contrasts, space_contrasts, environment_contrasts)
        )
        figure, caption = _figure(told)
        return cls(
            runs=runs,
            groups=held,
            pairs=told,
            figure=figure,
            caption=caption,
            sentences=(*_sentences(runs, held, told), _differing(plan, space, environment)),
            cautions=tuple(_cautions(runs, held)),
            facts=tuple(_facts(runs)),
            overview=_overview(runs),
            sections=(differences.FIGURE.joined([told]), *(figure.joined(held) for figure in GROUP_FIGURES)),
            plan=plan,
            space=space,
            environment=environment,
        )

    @property
    def title(self) -> str:
        """The runs' names, the first three of many."""
        names = [run.short for run in self.runs]
        return listing(names if len(names) <= 3 else [*names[:3], f"{len(names) - 3} more"])

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(key, title) of every part of the page, in order."""
        return [
            ("verdict", "Verdict"),
            ("runs", "Runs"),
            *((section.key, section.title) for section in self.sections),
            *((key, title) for key, title, _, _ in self.contrasts),
        ]

    @property
    def contrasts(self) -> list[tuple[str, str, str, pd.DataFrame]]:
        """What differs: key, title, a sentence, and one row a key."""
        parts = (
            ("plan", "Plans", "plans", "key", self.plan),
            ("space", "Search spaces", "search spaces", "setting", self.space),
            ("environment", "Environments", "environments of their last starts", "key", self.environment),
        )
        return [
            (
                key,
                title,
                f"The {words} differ in {plural(len(rows), row)}." if rows else f"The {words} do not differ.",
                contrast_table(self.runs, rows),
            )
            for key, title, words, row, rows in parts
        ]


def contrast_table(runs: Sequence[ComparedRun], rows: Sequence[Contrast]) -> pd.DataFrame:
    """One row a key, one column a run."""
    names = ["", *(run.label for run in runs)]
    return pd.DataFrame([[row.key, *row.values] for row in rows], columns=names)


def _figure(told: Sequence[WinnerPair]) -> tuple[str, str]:
    """The lead of the best winner over the one next to it."""
    lead = leader(told)
    if lead is None:
        return NOTHING, "not enough data to say whose winner is better"
    run, against = lead
    pair = min(against, key=lambda each: abs(each.comparison.difference) if each.comparison else 0.0)
    comparison, by = pair.comparison, pair.by
    assert comparison is not None and by is not None
    other = pair.other if run is pair.one else pair.one
    on = f"{by.name.replace('_', ' ')} on {_split(pair)}"
    size, chance = difference(by, comparison.difference), _chance(pair, run)
    if pair.standing == "tied":
        return size, f"{on}, between the winners of {run.short} and {other.short}: not told apart ({chance})"
    return size, f"{on}: {run.short}'s winner {_side(by)} {other.short}'s ({chance})"


def _split(pair: WinnerPair) -> str:
    return "the test set" if pair.on == "test set" else "validation, with fresh seeds"


def _side(metric: Metric) -> str:
    """Where the better one lies."""
    return "above" if metric.higher_is_better else "below"


def _chance(pair: WinnerPair, run: ComparedRun) -> str:
    """ "95 % interval +0.10 to +0.32, p = 0.002", of `run`'s winner less the other's."""
    comparison, by = pair.comparison, pair.by
    assert comparison is not None and by is not None and pair.p is not None
    ends = (comparison.low, comparison.high)
    if run is not pair.one:
        ends = (-comparison.high, -comparison.low)
    return f"95 % interval {differences.ends_words(by, *ends)}, {p_text(pair.p)}"


def leader(told: Sequence[WinnerPair]) -> tuple[ComparedRun, list[WinnerPair]] | None:
    """The run whose winner has the best mean of those compared by the same figure, and its pairs with the
    others; None where no two winners are compared."""
    known = [pair for pair in told if pair.comparison is not None]
    if not known:
        return None
    first = max(((pair.on == "test set", pair.by) for pair in known), key=lambda basis: basis[0])
    same = [pair for pair in known if (pair.on == "test set", pair.by) == first]
    beaten = {(pair.other if _leads(pair) else pair.one).position for pair in same}
    runs = {run.position: run for pair in same for run in (pair.one, pair.other)}
    free = [place for place in runs if place not in beaten]
    run = runs[free[0]]
    return run, [pair for pair in same if run in (pair.one, pair.other)]


def _leads(pair: WinnerPair) -> bool:
    """Whether the first's mean is at least as good."""
    assert pair.comparison is not None and pair.by is not None
    return pair.by.sign * pair.comparison.difference >= 0


def _sentences(
    runs: Sequence[ComparedRun], held: Sequence[ComparableRuns], told: Sequence[WinnerPair]
) -> list[str]:
    said = _pair_sentences(told)
    for group in held:
        said += _group_sentences(group)
    return said


def _pair_sentences(told: Sequence[WinnerPair]) -> list[str]:
    lead = leader(told)
    if lead is None:
        reasons = list(dict.fromkeys(pair.why for pair in told))
        shown = (
            reasons[0] if len(reasons) == 1 else f"{reasons[0]}, and {len(reasons) - 1} more reasons below"
        )
        return [f"Not enough data to say whose winner is better: {shown}."]
    run, against = lead
    if len(told) == 1:
        return [_pair_sentence(run, against[0])]
    words: dict[str, list[str]] = {"better": [], "tied": []}
    for pair in against:
        other = pair.other if pair.one is run else pair.one
        words["tied" if pair.standing == "tied" else "better"].append(other.short)
    on = "the test set" if against[0].on == "test set" else "validation"
    head = f"{run.short}'s winner has the best mean on {on}"
    parts = [f"it is better than that of {listing(words['better'])}"] if words["better"] else []
    parts += [f"it is not told apart from that of {listing(words['tied'])}"] if words["tied"] else []
    said = [f"{head}: {', '.join(parts)} (for all pairs together, at {100 * LEVEL:g} %)."]
    left = sum(pair.comparison is None for pair in told)
    if left:
        said.append(
            f"{plural(left, 'pair')} of {len(told)} cannot be compared; the table of winners says why."
        )
    return said


def _pair_sentence(run: ComparedRun, pair: WinnerPair) -> str:
    """ "gpu's winner (trial 12) reaches 98.6 % on the test set, 0.21 points above laptop's (trial 3) …". run:
    the one whose mean is better."""
    assert pair.comparison is not None and pair.by is not None and pair.sides is not None
    by, sides = pair.by, {pair.one.position: pair.sides[0], pair.other.position: pair.sides[1]}
    other = pair.other if run is pair.one else pair.one
    ours, theirs = sides[run.position], sides[other.position]
    chance = f"{_chance(pair, run)}; {differences.METHODS[pair.method or 'seeds']}"
    size = difference(by, pair.comparison.difference)
    reached = mean_with_deviation(by, ours.mean, ours.deviation)
    head = f"{run.short}'s winner ({ours.name}) reaches {reached} on {_split(pair)}"
    tail = f"{other.short}'s ({theirs.name}), {mean_with_deviation(by, theirs.mean, theirs.deviation)}"
    if pair.standing == "tied":
        return f"{head}, and {tail}: they are not told apart ({size}, {chance})."
    return f"{head}, {size} {_side(by)} {tail}: more than chance explains ({chance})."


def _group_sentences(group: ComparableRuns) -> list[str]:
    """Which found more in the search, and how soon."""
    traces = [told for told in map(trace, group.runs) if told.best is not None]
    metric = group.metric
    name = metric.name.replace("_", " ")
    if not traces:
        return [f"No trial of {listing([run.short for run in group.runs])} has trained to its end yet."]
    ranked = _ranked(traces, metric)
    best = [f"{told.run.short} {metric.format(told.best.score)}" for told in ranked if told.best is not None]
    if len(best) > FEW:
        best = [*best[: FEW - 1], f"… {best[-1]}"]
    missing = [run.short for run in group.runs if run not in [told.run for told in ranked]]
    said = f"Best {name} of a single training: {', '.join(best)}"
    said += f"; {listing(missing)} {'has' if len(missing) == 1 else 'have'} none yet." if missing else "."
    return [said, *_speed_sentences(ranked, metric)]


def _ranked(traces: Sequence[Trace], metric: Metric) -> list[Trace]:
    return sorted(traces, key=lambda told: -metric.sign * (told.best.score if told.best is not None else 0.0))


def _speed_sentences(ranked: Sequence[Trace], metric: Metric) -> list[str]:
    """How soon each run reached the weakest of the best scores."""
    weakest = ranked[-1]
    if len(ranked) < 2 or weakest.best is None:
        return []
    target = weakest.best
    equal = [told for told in ranked if told.best is not None and told.best.score == target.score]
    reached = sorted(
        ((first, told.run) for told in ranked if (first := told.reached(metric, target.score)) is not None),
        key=lambda pair: pair[0].trials,
    )
    parts = []
    for first, run in reached if len(reached) <= FEW else (reached[0], reached[-1]):
        time = "" if first.seconds is None else f", {duration(first.seconds)}"
        needed = f"{cost('trials', first.trials)} ({cost('epochs', first.epochs)}{time})"
        parts.append(f"{run.short} needed {needed}")
    whose = f"{weakest.run.short}'s best" if len(equal) == 1 else "the weakest best"
    if len(reached) > FEW:
        parts = [f"the quickest, {parts[0]}", f"the slowest, {parts[1]}"]
    return [f"To reach {metric.format(target.score)}, {whose}, {listing(parts)}."]


def _differing(*contrasts: Sequence[Contrast]) -> str:
    """How much else differs, for a difference in the result may be one of these."""
    plan, space, environment = contrasts
    parts = []
    if plan:
        keys = [row.key for row in plan]
        shown = listing(keys) if len(keys) <= 4 else f"{', '.join(keys[:3])} and {len(keys) - 3} more keys"
        parts.append(f"their plans in {shown}")
    if space:
        parts.append(f"their search spaces in {listing([row.key for row in space][:6])}")
    if environment:
        parts.append(f"their environments in {plural(len(environment), 'row')}")
    return (
        f"They differ otherwise: {'; '.join(parts)}." if parts else "Their plans and environments are alike."
    )


def _cautions(runs: Sequence[ComparedRun], held: Sequence[ComparableRuns]) -> list[str]:
    said = []
    metrics = dict.fromkeys(run.sweep.metric for run in runs)
    if len(metrics) > 1:
        parts = [
            f"{metric.name} ({_direction(metric)}{_unit(metric)}): "
            f"{', '.join(run.short for run in runs if run.sweep.metric == metric)}"
            for metric in metrics
        ]
        said.append(
            f"The runs are judged by different metrics, so their scores are never held against each other; "
            f"each metric has a drawing of its own. {'; '.join(parts)}."
        )
    data = dict.fromkeys(data_identity(run.sweep) for run in runs)
    if len(data) > 1:
        parts = [
            f"{', '.join(run.short for run in runs if data_identity(run.sweep) == each)}"
            + (f" (data_sha256 {each[1][:12]}…)" if each[0] == "sha256" else "")
            for each in data
        ]
        said.append(
            f"The runs are not known to have seen the same data, so scores and winners are compared only "
            f"among those that have: {'; '.join(parts)}."
        )
    for status in ("running", "interrupted", "empty"):
        names = [run.short for run in runs if run.sweep.status == status]
        if names:
            verb = "is" if len(names) == 1 else "are"
            meaning = {
                "running": ": the figures are those of now",
                "interrupted": " before the budget was spent",
            }
            said.append(f"{listing(names)} {verb} {status}{meaning.get(status, '')}.")
    for run in runs:
        winner = winner_of(run.sweep)
        if winner is not None and winner.opening.overlap:
            said.append(
                f"{plural(winner.opening.overlap, 'test example')} of {run.short} "
                f"{'is' if winner.opening.overlap == 1 else 'are'} among its training data too: its test "
                f"figures are too kind."
            )
    return said


def _direction(metric: Metric) -> str:
    return "more is better" if metric.higher_is_better else "less is better"


def _unit(metric: Metric) -> str:
    return "" if metric.unit in ("", "share") else f", in {metric.unit}"


def _facts(runs: Sequence[ComparedRun]) -> list[tuple[str, str]]:
    return [
        ("runs", str(len(runs))),
        ("trials", f"{sum(len(run.sweep.trials) for run in runs):,}"),
        ("epochs trained", f"{sum(len(t.epochs) for run in runs for t in trained(run.sweep)):,}"),
        ("search time", duration(sum(run.sweep.seconds for run in runs))),
    ]


def _overview(runs: Sequence[ComparedRun]) -> pd.DataFrame:
    """One row a run, in words."""
    rows = []
    for run in runs:
        sweep = run.sweep
        best = sweep.best()
        rows.append(
            {
                "run": run.label,
                "state": sweep.status,
                "best of the search": NOTHING
                if best is None
                else f"{sweep.metric.format(best.score)}, trial {best.number}",
                "winner with fresh seeds": fresh_words(sweep, named=True),
                "winner on the test set": test_words(sweep, interval=True),
                "trials": states_sentence(sweep),
                "judged by": f"{sweep.metric.name.replace('_', ' ')}, {_direction(sweep.metric)}",
                "search time": f"{duration(sweep.seconds)} in {plural(len(sweep.sessions), 'start')}",
                "epochs": sum(len(trial.epochs) for trial in trained(sweep)),
            }
        )
    return pd.DataFrame(rows)


def fresh_words(sweep: Sweep, named: bool = False) -> str:
    """The score of the confirmation's winner with fresh seeds; "–" without a winner. named: with its name."""
    told = confirmation_summary(sweep)
    if told is None or not told.decided or not told.rows or told.rows[0].mean is None:
        return NOTHING
    first = told.rows[0]
    assert first.mean is not None
    score = mean_with_deviation(told.metric, first.mean, first.deviation)
    return f"{score}, {candidate_name(first.trial)}" if named else score


def test_words(sweep: Sweep, interval: bool = False) -> str:
    """What the winner did on the test set, over its seeds; "–" while that is sealed. interval: with the
    mean's own 95 % interval, where it is known which examples were right."""
    winner = winner_of(sweep)
    if winner is None:
        return NOTHING
    held = [look.evaluation for look in winner.looks]
    by = test_metric(sweep, held[0])
    scores = [each.metrics[by.name] for each in held if by.name in each.metrics]
    if not scores:
        return NOTHING
    told = spread(scores)
    words = mean_with_deviation(by, told.mean, told.deviation)
    bits = correct_bits(held) if interval and by.name == "accuracy" else None
    return words if bits is None else f"{words} (95 % {interval_text(by, *mean_interval(bits))})"


def plain(comparison: RunComparison) -> dict[str, Any]:
    """The comparison as plain values; `benchsweep.commands.compare` documents the keys."""
    return {
        "schema": SCHEMA,
        "runs": [_plain_run(comparison, run) for run in comparison.runs],
        "groups": [[run.label for run in group.runs] for group in comparison.groups],
        "sentences": list(comparison.sentences),
        "cautions": list(comparison.cautions),
        "pairs": [plain_pair(pair) for pair in comparison.pairs],
        "differences": {
            name: {
                row.key: dict(zip([run.label for run in comparison.runs], row.values, strict=True))
                for row in rows
            }
            for name, rows in (
                ("plan", comparison.plan),
                ("space", comparison.space),
                ("environment", comparison.environment),
            )
        },
    }


def _plain_run(comparison: RunComparison, run: ComparedRun) -> dict[str, Any]:
    sweep, told, spread_out = run.sweep, trace(run), edf.distribution(run)
    best, winner = sweep.best(), winner_of(sweep)
    metric, (known_by, data) = sweep.metric, data_identity(sweep)
    return {
        "name": run.label,
        "folder": str(sweep.folder),
        "state": sweep.status,
        "metric": {"name": metric.name, "direction": metric.direction, "unit": metric.unit},
        "data_sha256": data if known_by == "sha256" else None,
        "group": next(place for place, group in enumerate(comparison.groups) if run in group.runs),
        "trials": told.trials,
        "epochs": told.epochs,
        "seconds": sweep.seconds,
        "best": None if best is None else best_result(best),
        "winner": None
        if winner is None
        else {"name": winner.name, "metrics": winner.metrics, "seeds": len(winner.looks)},
        "incumbents": [each._asdict() for each in told.incumbents],
        "edf": None
        if spread_out is None
        else {
            "scores": list(spread_out.scores),
            "shares": list(spread_out.shares),
            "count": spread_out.trials,
        },
    }
