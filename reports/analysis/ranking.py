"""The leaderboard: a search's winner among published results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.analysis.measured import measured_sentence, read_measured
from reports.analysis.winner import TestAccuracy, Winner, winner_of
from reports.formatting.wording import percent, plural, setting
from reports.statistics.comparison import two_proportions
from reports.statistics.intervals import Interval, standing
from reports.statistics.multiplicity import tie_groups
from search.records.sweep import Sweep, Trial

COLUMNS = {
    "group": "Int64",
    "rank": "Int64",
    "model": "str",
    "kind": "str",
    "test_accuracy_percent": "float64",
    "low": "float64",
    "high": "float64",
    "measured_here_percent": "float64",
    "measured_here": "str",
    "parameters": "Int64",
    "augmentation": "str",
    "ensemble": "Int64",
    "same_rules": "bool",
    "year": "Int64",
    "source": "str",
    "note": "str",
    "ours": "bool",
    "against": "str",
}

IMAGES = 10_000
"""Number of test images behind every published result."""

LEVEL = 0.05
"""Significance level of the test between two published results."""

DISTORTIONS = ("rotation", "scaling", "shear", "shift", "elastic_strength")
"""Fields of a recipe that augment the training images unless they are 0."""

TIES = (
    "Results are ordered by accuracy, and a line divides tie groups. Our group has the results that ours is "
    "tied with, whose accuracy lies inside our 95 % interval. The rows of any other group do not differ "
    "significantly from its best row: two published results are tied if their difference on 10,000 images "
    "each is not significant at 5 % (test of two proportions)."
)
"""What a tie group of the leaderboard is, as the page explains it."""


def benchmark_applies(sweep: Sweep) -> tuple[bool, str]:
    """Whether this search can be compared with the published results, and a sentence that says so; "" where
    nobody would expect it.

    They are accuracies on MNIST's 10,000 test images, so they apply only to `trainable.mlp` on the data set
    "mnist".
    """
    trainable = sweep.plan.trainable
    if trainable != "trainable.mlp":
        return False, ""
    dataset = sweep.plan.data.get("dataset")
    if dataset != "mnist":
        return False, (
            f"The published results are accuracies on MNIST; this search is on "
            f"{dataset or 'other data'}, so they are left out."
        )
    return True, "The published results are accuracies on the same 10,000 MNIST test images."


def leaderboard(
    sweep: Sweep,
    benchmarks: pd.DataFrame,
    same_rules: bool = False,
    repeated: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Our winner among the published results by accuracy, the highest first, in tie groups (see `TIES`).

    Of equal accuracies the fewest parameters come first, unknown numbers last.

    benchmarks: as `reports.analysis.benchmarks.read_benchmarks` returns them; listed only if
    `benchmark_applies`. Our row is listed if the winner has an accuracy on the test set.
    same_rules: list only single networks trained without augmentation. repeated: published results that were
    measured with benchsweep, as `reports.analysis.measured.read_measured` returns them; the shipped ones if
    None.

    Columns:
        group                   Int64: 1 for the best tie group of the rows listed; a published row is in
                                our row's group if and only if `against` is "tied"
        rank                    Int64: 1 + the number of rows listed with a higher accuracy
        model, kind             str
        test_accuracy_percent   float64, 0..100; in our row the mean over the winner's seeds
        low, high               float64, 0..100: ends of our row's 95 % interval
                                (`reports.analysis.winner.TestAccuracy`); NaN in published rows
        measured_here_percent   float64, 0..100: accuracy of a published recipe measured with benchsweep; NaN
                                if not measured
        measured_here           str: that result with seeds, interval and config; "" if not measured
        parameters              Int64; NA if unknown
        augmentation            str
        ensemble                Int64: number of networks that vote; NA if unknown
        same_rules              bool: a single network trained without augmentation
        year                    Int64; NA if unknown
        source, note            str
        ours                    bool
        against                 str: how our winner compares with this row: "better", "tied" or "worse" (see
                                `reports.statistics.intervals.standing`); "" in our own row and if there is
                                none
    """
    frame = _rows(sweep, benchmarks, read_measured() if repeated is None else repeated)
    frame["same_rules"] = [
        bool(networks == 1) and augmentation == "none"
        for networks, augmentation in zip(frame["ensemble"].fillna(0), frame["augmentation"], strict=True)
    ]
    if same_rules:
        frame = frame[frame["same_rules"].astype(bool)]
    return _in_groups(frame)[list(COLUMNS)].astype(COLUMNS).reset_index(drop=True)


def _rows(sweep: Sweep, benchmarks: pd.DataFrame, repeated: pd.DataFrame) -> pd.DataFrame:
    """The published rows that apply, and ours if there is one; without group, rank and same_rules."""
    applies, _ = benchmark_applies(sweep)
    rows = benchmarks if applies else benchmarks.iloc[:0]
    frame = rows.assign(
        low=float("nan"), high=float("nan"), ours=False, against="", **_measured_here(rows["key"], repeated)
    ).drop(columns="key")
    winner = winner_of(sweep)
    ours = winner.test_accuracy if winner else None
    if winner is None or ours is None:
        return frame
    standings = [standing(ours.interval, published) for published in frame["test_accuracy_percent"]]
    row = pd.DataFrame([_our_row(sweep, winner, ours, applies)])
    return pd.concat([frame.assign(against=standings).astype(object), row.astype(object)])


def _in_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows with their rank and tie group, in the leaderboard's order."""
    ranks = frame["test_accuracy_percent"].astype("float64").rank(method="min", ascending=False)
    sizes = frame["parameters"].astype("Int64").astype("float64").fillna(float("inf"))
    ordered = frame.assign(rank=ranks, size=sizes).sort_values(
        ["rank", "size"], kind="stable", ignore_index=True
    )
    return ordered.assign(group=_groups(ordered))


def _measured_here(keys: pd.Series[str], repeated: pd.DataFrame) -> dict[str, list[Any]]:
    """The columns measured_here_percent and measured_here for the published rows with these keys."""
    rows = [{str(name): value for name, value in row.items()} for row in repeated.to_dict("records")]
    by_key = {row["benchmark_key"]: row for row in rows if row["benchmark_key"]}
    return {
        "measured_here_percent": [
            by_key[key]["mean_percent"] if key in by_key else float("nan") for key in keys
        ],
        "measured_here": [measured_sentence(by_key[key]) if key in by_key else "" for key in keys],
    }


def _groups(frame: pd.DataFrame) -> list[int]:
    """The tie group of each row of a frame sorted by rank. Our row's group is the rows that it is tied with:
    they lie inside its interval, so they are neighbours."""
    shares = [float(accuracy) / 100 for accuracy in frame["test_accuracy_percent"]]
    with_ours = [
        bool(ours) or against == "tied" for ours, against in zip(frame["ours"], frame["against"], strict=True)
    ]

    def tied(one: int, other: int) -> bool:
        if with_ours[one] or with_ours[other]:
            return with_ours[one] and with_ours[other]
        return two_proportions(shares[one], IMAGES, shares[other], IMAGES) > LEVEL

    groups = tie_groups(range(len(shares)), tied)
    return [number for number, group in enumerate(groups, 1) for _ in group]


def _our_row(sweep: Sweep, winner: Winner, ours: TestAccuracy, applies: bool) -> dict[str, Any]:
    wrong = (1 - ours.share) * ours.count
    over = "" if ours.seeds == 1 else f", mean of {ours.seeds} seeds"
    return {
        "model": _our_model(winner.recipe) if applies else sweep.plan.trainable,
        "kind": str(winner.recipe.get("model", "")),
        "test_accuracy_percent": 100 * ours.share,
        "low": 100 * ours.interval.low,
        "high": 100 * ours.interval.high,
        "measured_here_percent": float("nan"),
        "measured_here": "",
        "parameters": winner.parameters,
        "augmentation": augmentation_of(winner.recipe),
        "ensemble": 1,
        "year": winner.opening.time.year,
        "source": f"{sweep.name}, {winner.name}",
        "note": f"{wrong:.{int(ours.seeds > 1)}f} of {ours.count:,} wrong{over}; chosen on validation alone",
        "ours": True,
        "against": "",
    }


def augmentation_of(recipe: Mapping[str, Any]) -> str:
    """The recipe's augmentation of training images: "rotation 10, shift 0.1", or "none"."""
    used = [(name, recipe.get(name)) for name in DISTORTIONS]
    return ", ".join(f"{name.split('_')[0]} {setting(value)}" for name, value in used if value) or "none"


def _our_model(recipe: Mapping[str, Any]) -> str:
    """The network in the style of the published rows: "784-128-64-10 MLP"."""
    if recipe.get("model", "mlp") != "mlp":
        return f"{recipe['model']}, 784 inputs, 10 classes"
    sizes = recipe.get("hidden_sizes") or ()
    return "-".join(str(units) for units in (784, *sizes, 10)) + " MLP"


def leaderboard_sentence(frame: pd.DataFrame) -> str:
    """A `leaderboard` in one sentence: our winner's accuracy and interval, and how many published results it
    is better than, tied with and worse than."""
    if frame.empty:
        return "There is nothing to rank yet: no test accuracy was measured."
    if not frame["ours"].any():
        return "The test set has not been opened yet, so only published results are listed."
    ours = frame[frame["ours"]].iloc[0]
    interval = Interval(ours["low"] / 100, ours["high"] / 100)
    figure = f"{ours['test_accuracy_percent']:.2f} % on the test set (95 % interval {percent(interval)})"
    against = published_comparison(frame)
    return f"Our winner reaches {figure}; it is {against}." if against else f"Our winner reaches {figure}."


def published_comparison(frame: pd.DataFrame) -> str:
    """ "better than 8 of 27 published results, tied with 5 and worse than 14"; "" if nothing is compared."""
    counts = frame.loc[frame["against"] != "", "against"].value_counts()
    beaten, tied, ahead = (int(counts.get(word, 0)) for word in ("better", "tied", "worse"))
    published = beaten + tied + ahead
    if not published:
        return ""
    listed = plural(published, "published result")
    return f"better than {beaten} of {listed}, tied with {tied} and worse than {ahead}"


def trained(sweep: Sweep) -> list[Trial]:
    """The trials that were trained, by number: all but those that reused the result of another trial with
    the same recipe."""
    return [trial for trial in sweep.trials if trial.same_as is None]


def to_csv(frame: pd.DataFrame) -> str:
    """A `leaderboard` or `trials_table` as CSV with a header and "\\n" line ends; missing is empty."""
    return frame.to_csv(index=False, lineterminator="\n")
