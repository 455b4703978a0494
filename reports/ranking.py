"""Who is best: a sweep's trials among themselves, its winner among published results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from reports import markdown
from reports.statistics import Interval, against_published, wilson
from reports.wording import listing, percent, plural
from search.records import Opening, State, Sweep, Trial
from trainable.evaluation import Evaluation

COLUMNS = {
    "rank": "Int64",
    "model": "str",
    "kind": "str",
    "test_accuracy_percent": "float64",
    "low": "float64",
    "high": "float64",
    "parameters": "Int64",
    "augmentation": "str",
    "ensemble": "Int64",
    "year": "Int64",
    "source": "str",
    "note": "str",
    "ours": "bool",
    "against": "str",
}


@dataclass(frozen=True, slots=True)
class Measured:
    """An accuracy on the test set: `correct` of `count` examples, and the share's 95 % interval."""

    correct: int
    count: int
    interval: Interval

    @property
    def share(self) -> float:
        """The accuracy, 0..1."""
        return self.correct / self.count


def benchmark_applies(sweep: Sweep) -> tuple[bool, str]:
    """Whether the published results measure what this sweep measures, and a sentence that says so.

    They are accuracies on MNIST's 10,000 test images, so they apply to `trainable.mlp` on the data
    set "mnist" and to nothing else.
    """
    trainable = sweep.plan.get("trainable", "trainable.mlp")
    if trainable != "trainable.mlp":
        return False, (
            f"The published results are accuracies on MNIST; this search trains {trainable}, "
            f"so they are left out."
        )
    data = sweep.plan.get("data")
    dataset = data.get("dataset") if isinstance(data, Mapping) else None
    if dataset != "mnist":
        return False, (
            f"The published results are accuracies on MNIST; this search is on "
            f"{dataset or 'other data'}, so they are left out."
        )
    return True, "The published results are accuracies on the same 10,000 MNIST test images."


def winning_opening(sweep: Sweep) -> Opening | None:
    """The look at the test set that speaks for this sweep: the best trial's latest finished one,
    else the latest finished one at all; None while nothing was seen. Never chosen by its figure,
    because choosing among test results is what the test set is sealed against."""
    seen = [opening for opening in sweep.openings if opening.evaluation is not None]
    best = sweep.best()
    of_best = [opening for opening in seen if best is not None and opening.trial == best.number]
    speaking = of_best or seen
    return speaking[-1] if speaking else None


def measured(evaluation: Evaluation | None) -> Measured | None:
    """The accuracy in an evaluation; None where there is none (yet), or its metrics have no
    "accuracy" that is a share of its examples."""
    if evaluation is None or evaluation.count < 1 or "accuracy" not in evaluation.metrics:
        return None
    correct = round(evaluation.metrics["accuracy"] * evaluation.count)
    if not 0 <= correct <= evaluation.count:
        return None
    return Measured(correct, evaluation.count, wilson(correct, evaluation.count))


def leaderboard(sweep: Sweep, benchmarks: pd.DataFrame) -> pd.DataFrame:
    """Our winner among the published results, highest accuracy first.

    benchmarks: as `reports.benchmarks.read_benchmarks` returns them. They are listed only where
    `benchmark_applies`; our row is there once the test set was opened and an accuracy was seen.

    Columns:
        rank                    Int64: 1 + the number of rows with a higher accuracy
        model, kind             str
        test_accuracy_percent   float64, 0..100
        low, high               float64, percent: ends of the 95 % Wilson interval of our row;
                                NaN in published rows, which seldom come with one
        parameters              Int64; NA where unknown
        augmentation            str
        ensemble                Int64: networks that vote; NA where unknown
        year                    Int64; NA where unknown
        source, note            str
        ours                    bool
        against                 str: where our model stands against this row, "above", "tied" or
                                "below" by the rule of `reports.statistics.against_published`;
                                "" in our own row, and everywhere while there is none
    """
    applies, _ = benchmark_applies(sweep)
    rows = benchmarks if applies else benchmarks.iloc[:0]
    frame = rows.drop(columns="key").assign(low=float("nan"), high=float("nan"), ours=False, against="")
    opening = winning_opening(sweep)
    ours = measured(opening.evaluation if opening else None)
    if opening is not None and ours is not None:
        standings = [against_published(ours.correct, ours.count, p) for p in frame["test_accuracy_percent"]]
        row = pd.DataFrame([_our_row(sweep, opening, ours, applies)])
        frame = pd.concat([frame.assign(against=standings).astype(object), row.astype(object)])
    ranks = frame["test_accuracy_percent"].astype("float64").rank(method="min", ascending=False)
    frame = frame.assign(rank=ranks).sort_values("rank", kind="stable", ignore_index=True)
    return frame[list(COLUMNS)].astype(COLUMNS)


def _our_row(sweep: Sweep, opening: Opening, ours: Measured, applies: bool) -> dict[str, Any]:
    recipe: Mapping[str, Any] = next((t.recipe for t in sweep.trials if t.number == opening.trial), {})
    return {
        "model": _our_model(recipe) if applies else f"{sweep.plan.get('trainable', 'this search')}",
        "kind": str(recipe.get("model", "")),
        "test_accuracy_percent": 100 * ours.share,
        "low": 100 * ours.interval.low,
        "high": 100 * ours.interval.high,
        "parameters": opening.parameters,
        "augmentation": str(recipe.get("augmentation") or "none"),
        "ensemble": 1,
        "year": opening.time.year,
        "source": f"{sweep.name}, trial {opening.trial}",
        "note": f"{ours.count - ours.correct} of {ours.count:,} wrong; chosen on validation alone",
        "ours": True,
        "against": "",
    }


def _our_model(recipe: Mapping[str, Any]) -> str:
    """The network as the published rows write theirs: "784-128-64-10 MLP"."""
    if recipe.get("model", "mlp") != "mlp":
        return f"{recipe['model']}, 784 inputs, 10 classes"
    sizes = recipe.get("hidden_sizes") or ()
    return "-".join(str(units) for units in (784, *sizes, 10)) + " MLP"


def standing(frame: pd.DataFrame) -> str:
    """One sentence on a `leaderboard`: our winner's accuracy and interval, and how many published
    results it beats, ties with and does not reach."""
    if frame.empty:
        return "There is nothing to rank yet: no test accuracy was measured."
    if not frame["ours"].any():
        return "The test set has not been opened yet, so only published results are listed."
    ours = frame[frame["ours"]].iloc[0]
    interval = Interval(ours["low"] / 100, ours["high"] / 100)
    figure = f"{ours['test_accuracy_percent']:.2f} % on the test set (95 % interval {percent(interval)})"
    against = comparison(frame)
    return f"Our winner reaches {figure}: {against}." if against else f"Our winner reaches {figure}."


def comparison(frame: pd.DataFrame) -> str:
    """ "above 8 of 27 published results, tied with 5 and below 14"; "" where nothing is compared."""
    counts = frame.loc[frame["against"] != "", "against"].value_counts()
    beaten, tied, ahead = (int(counts.get(word, 0)) for word in ("above", "tied", "below"))
    published = beaten + tied + ahead
    if not published:
        return ""
    return f"above {beaten} of {plural(published, 'published result')}, tied with {tied} and below {ahead}"


def trials_table(sweep: Sweep) -> pd.DataFrame:
    """One row a trial, by number.

    Columns:
        number      int64
        rank        Int64: 1 for the best; NA for trials that are not ranked (`Sweep.ranked`)
        state       str, a `search.records.State`
        same_as     Int64: the trial that trained the same recipe before; NA for those that were trained
        score       float64, in the metric's own unit; NaN before the first epoch
        epochs      int64: epochs trained
        seconds     float64: training time
        sampled.X   object: the value that the sampler chose for the setting X; NA where X was not asked
        error       str; "" where there is none
    """
    ranks = {trial.number: rank for rank, trial in enumerate(sweep.ranked(), 1)}
    rows = [_trial_row(trial, ranks.get(trial.number)) for trial in sweep.trials]
    kinds = {
        "number": "int64",
        "rank": "Int64",
        "state": "str",
        "same_as": "Int64",
        "score": "float64",
        "epochs": "int64",
        "seconds": "float64",
        **{f"sampled.{name}": "object" for name in sampled_settings(sweep)},
        "error": "str",
    }
    frame = pd.DataFrame([{name: row.get(name, pd.NA) for name in kinds} for row in rows], columns=[*kinds])
    return frame.astype(object).astype(kinds)


def _trial_row(trial: Trial, rank: int | None) -> dict[str, Any]:
    return {
        "number": trial.number,
        "rank": pd.NA if rank is None else rank,
        "state": str(trial.state),
        "same_as": pd.NA if trial.same_as is None else trial.same_as,
        "score": float("nan") if trial.score is None else trial.score,
        "epochs": len(trial.epochs),
        "seconds": trial.seconds,
        **{f"sampled.{name}": value for name, value in trial.sampled.items()},
        # Half a character, as in a file name that is not UTF-8, is more than a frame's text can hold.
        "error": (trial.error or "").encode("utf-8", "backslashreplace").decode(),
    }


def sampled_settings(sweep: Sweep) -> list[str]:
    """The names of all settings that any trial sampled: in the plan's order, then as they came."""
    space = sweep.plan.get("space")
    asked = {name: None for trial in sweep.trials for name in trial.sampled}
    ordered = [name for name in space if name in asked] if isinstance(space, Mapping) else []
    return list(dict.fromkeys([*ordered, *asked]))


def trained(sweep: Sweep) -> list[Trial]:
    """The trials by number, without those that only repeat another one's recipe: these were given its
    end and trained nothing, so counting them would count its training twice."""
    return [trial for trial in sweep.trials if trial.same_as is None]


def states_sentence(sweep: Sweep, brackets: bool = False) -> str:
    """ "40 trials: 29 complete, 9 pruned and 2 that repeat a recipe"; the parts in brackets if asked."""
    states = Counter(trial.state for trial in trained(sweep))
    order = sorted(State, key=lambda state: -states[state])
    parts = [f"{states[state]} {state.lower()}" for state in order if states[state]]
    if not sweep.trials:
        return "no trials"
    total = plural(sweep.count(), "trial")
    if again := sweep.count() - states.total():
        parts.append(f"{again} that {'repeats' if again == 1 else 'repeat'} a recipe")
    elif len(parts) == 1 and sweep.count() > 1:
        return f"{total}, all {parts[0].split()[1]}"
    return f"{total} ({listing(parts)})" if brackets else f"{total}: {listing(parts)}"


def leaderboard_markdown(frame: pd.DataFrame) -> str:
    """A `leaderboard` as a Markdown table; our row is marked with an arrow."""
    interval = [
        f"{low:.2f} to {high:.2f}" if low == low else ""
        for low, high in zip(frame["low"], frame["high"], strict=True)
    ]
    shown = pd.DataFrame(
        {
            "Rank": frame["rank"],
            "Model": [f"→ {m}" if own else m for m, own in zip(frame["model"], frame["ours"], strict=True)],
            "Test accuracy, %": frame["test_accuracy_percent"].map("{:.2f}".format),
            "95 % interval": interval,
            "Parameters": frame["parameters"],
            "Augmentation": frame["augmentation"],
            "Networks": frame["ensemble"],
            "Year": frame["year"],
            "Ours against it": frame["against"],
            "Source": frame["source"],
        }
    )
    return markdown.table(shown)


def to_csv(frame: pd.DataFrame) -> str:
    """A `leaderboard` or `trials_table` as CSV with a header, UTF-8 and "\\n" ends; missing is empty."""
    return frame.to_csv(index=False, lineterminator="\n")
