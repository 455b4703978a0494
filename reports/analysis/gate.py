"""Whether a test accuracy is significantly worse than a reference: a gate for continuous integration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from reports.analysis.winner import correct_bits, winner_of
from reports.statistics.comparison import Comparison, compare
from reports.statistics.intervals import Interval, Standing, mean_interval, standing, wilson
from search.records.sweep import Sweep
from trainable.errors import InputError
from trainable.evaluation.evaluation import Evaluation


class NotComparable(InputError):
    """One of the two has no result to compare; the message says which one and why."""


@dataclass(frozen=True)
class Measurement:
    """A recipe's models on the test set."""

    name: str
    """As it is called in sentences: "laptop, trial 12"."""
    evaluations: tuple[Evaluation, ...]
    """One per seed, at least one."""

    @classmethod
    def of_sweep(cls, sweep: Sweep) -> Measurement:
        """The winner of a run. Raises NotComparable if the test set was not opened yet."""
        winner = winner_of(sweep)
        if winner is None and not sweep.plan.has_test_split:
            raise NotComparable(f"a run is compared by its test accuracy, but {sweep.name} has no test split")
        if winner is None:
            raise NotComparable(
                f"a run is compared by its test accuracy, but {sweep.name} was not evaluated on the test set "
                f"yet; `benchsweep confirm {sweep.run.reference}` does that at its end"
            )
        return cls(f"{sweep.name}, {winner.name}", tuple(look.evaluation for look in winner.looks))

    @classmethod
    def of_training(cls, path: Path) -> Measurement:
        """The train.json that `benchsweep train` saved. Raises NotComparable if it is not one."""
        try:
            record = json.loads(path.read_text())
            evaluations = tuple(Evaluation.from_json(seed["evaluation"]) for seed in record["seeds"])
            return cls(str(record["name"]), evaluations)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotComparable(
                f"{path} must be the train.json of `benchsweep train`, but is not ({type(error).__name__}: "
                f"{error})"
            ) from error

    @property
    def accuracy(self) -> float:
        """The mean over the seeds, 0..1. Raises NotComparable if an evaluation has no accuracy."""
        recorded = [evaluation.metrics.get("accuracy") for evaluation in self.evaluations]
        shares = [share for share in recorded if share is not None]
        if not shares or len(shares) < len(recorded):
            raise NotComparable(f"the gate compares accuracies, but {self.name} has none on the test set")
        return sum(shares) / len(shares)

    @property
    def interval(self) -> Interval:
        """The 95 % interval of the accuracy, over seeds and examples; Wilson's if it is not recorded which
        examples were right."""
        bits = correct_bits(self.evaluations)
        if bits is not None:
            return mean_interval(bits)
        count = self.evaluations[0].count
        return wilson(round(self.accuracy * count), count)


@dataclass(frozen=True)
class Gate:
    """The result of a comparison. Its fields are keys of `benchsweep check --json`."""

    ours: str
    """Name of the measurement that is checked."""
    theirs: str
    """Name of the reference: a published model or another measurement."""
    standing: Standing
    """How ours compares with the reference."""
    accuracy: float
    """Ours, 0..1."""
    interval: Interval
    """Its 95 % interval."""
    other: float
    """Accuracy of the reference, 0..1."""
    comparison: Comparison | None
    """The paired test; None for a published accuracy, whose single answers are unknown."""

    @property
    def passed(self) -> bool:
        """Whether ours is not significantly worse."""
        return self.standing != "worse"

    @property
    def sentence(self) -> str:
        """The result in words."""
        low, high = (100 * end for end in self.interval)
        ours = f"{self.ours} reaches {100 * self.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f})"
        sentence = f"{ours}: {self.standing} {'with' if self.standing == 'tied' else 'than'}"
        sentence += f" {self.theirs}, {100 * self.other:.2f} %"
        if self.comparison is None:
            return sentence
        difference, low, high, p, level = self.comparison
        return (
            f"{sentence}; the difference is {100 * difference:+.2f} points ({100 * (1 - level):g} % interval "
            f"{100 * low:+.2f} to {100 * high:+.2f}, p = {p:.2g})"
        )


def compare_with_published(ours: Measurement, key: str, benchmarks: pd.DataFrame) -> Gate:
    """Compare with the published row `key`: "worse" if its accuracy lies above our 95 % interval.

    benchmarks: as `reports.analysis.benchmarks.read_benchmarks` returns them. Raises NotComparable for an
    unknown key.
    """
    row = benchmarks[benchmarks["key"] == key]
    if row.empty:
        raise NotComparable(
            f"--against must name a published row or a run, but got {key}; "
            f"published rows: {', '.join(benchmarks['key'])}"
        )
    published = float(row.iloc[0]["test_accuracy_percent"])
    return Gate(
        ours=ours.name,
        theirs=str(row.iloc[0]["model"]),
        standing=standing(ours.interval, published),
        accuracy=ours.accuracy,
        interval=ours.interval,
        other=published / 100,
        comparison=None,
    )


def compare_measurements(ours: Measurement, theirs: Measurement, level: float = 0.05) -> Gate:
    """Compare with another measurement on the same examples, by the paired test of
    `reports.statistics.comparison.compare`.

    level: significance level, 0..1. Raises NotComparable if the numbers of examples differ, or if it is not
    recorded which ones were right.
    """
    bits, their_bits = correct_bits(ours.evaluations), correct_bits(theirs.evaluations)
    if bits is None or their_bits is None or bits.shape[1] != their_bits.shape[1]:
        raise NotComparable(
            f"two measurements are compared example by example, but {ours.name} and {theirs.name} were not "
            f"evaluated on the same ones, or do not record which they got right"
        )
    comparison = compare(bits, their_bits, level)
    better_or_worse: Standing = "better" if comparison.difference > 0 else "worse"
    return Gate(
        ours=ours.name,
        theirs=theirs.name,
        standing="tied" if comparison.p > level else better_or_worse,
        accuracy=ours.accuracy,
        interval=ours.interval,
        other=theirs.accuracy,
        comparison=comparison,
    )
