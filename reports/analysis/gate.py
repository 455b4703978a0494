"""Whether what was measured is worse than it should be: a gate for continuous integration."""

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
    """One of the two has no figure that could be compared; says which and why."""


@dataclass(frozen=True)
class Measurement:
    """A recipe's models on the test set, one evaluation a seed. name: what it is called."""

    name: str
    evaluations: tuple[Evaluation, ...]

    @classmethod
    def of_sweep(cls, sweep: Sweep) -> Measurement:
        """The winner of a run. Raises NotComparable before its test set was opened."""
        winner = winner_of(sweep)
        if winner is None:
            raise NotComparable(
                f"a run is compared by its test figures, but {sweep.name} has none yet; "
                f"`benchsweep resume` and `benchsweep confirm` do it at their end"
            )
        return cls(f"{sweep.name}, {winner.name}", tuple(look.evaluation for look in winner.looks))

    @classmethod
    def of_training(cls, path: Path) -> Measurement:
        """The train.json that `benchsweep train` saved. Raises NotComparable where it is none."""
        try:
            told = json.loads(path.read_text())
            found = tuple(Evaluation.from_json(seed["evaluation"]) for seed in told["seeds"])
            return cls(str(told["name"]), found)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NotComparable(
                f"{path} must be the train.json of `benchsweep train`, but is not ({type(error).__name__}: "
                f"{error})"
            ) from error

    @property
    def accuracy(self) -> float:
        """The mean over the seeds, 0..1. Raises NotComparable."""
        told = [each.metrics.get("accuracy") for each in self.evaluations]
        shares = [share for share in told if share is not None]
        if not shares or len(shares) < len(told):
            raise NotComparable(f"the gate compares accuracies, but {self.name} has none on the test set")
        return sum(shares) / len(shares)

    @property
    def interval(self) -> Interval:
        """Of the accuracy, 95 %: over seeds and examples."""
        bits = correct_bits(self.evaluations)
        if bits is not None:
            return mean_interval(bits)
        count = self.evaluations[0].count
        return wilson(round(self.accuracy * count), count)


@dataclass(frozen=True)
class Gate:
    """What the comparison came to. comparison: None against a published figure, which has no bits."""

    ours: str
    theirs: str
    standing: Standing
    accuracy: float
    interval: Interval
    other: float
    comparison: Comparison | None

    @property
    def passed(self) -> bool:
        """Whether ours is not significantly below."""
        return self.standing != "worse"

    @property
    def sentence(self) -> str:
        """The verdict, in words."""
        low, high = (100 * end for end in self.interval)
        ours = f"{self.ours} reaches {100 * self.accuracy:.2f} % (95 % interval {low:.2f} to {high:.2f})"
        told = f"{ours}: {self.standing} {'with' if self.standing == 'tied' else 'than'}"
        told += f" {self.theirs}, {100 * self.other:.2f} %"
        if self.comparison is None:
            return told
        difference, low, high, p, level = self.comparison
        return (
            f"{told}; the difference is {100 * difference:+.2f} points ({100 * (1 - level):g} % interval "
            f"{100 * low:+.2f} to {100 * high:+.2f}, p = {p:.2g})"
        )


def against_row(ours: Measurement, key: str, benchmarks: pd.DataFrame) -> Gate:
    """Against the published row `key`: "worse" if its accuracy lies above our 95 % interval. Raises
    NotComparable for an unknown key."""
    row = benchmarks[benchmarks["key"] == key]
    if row.empty:
        raise NotComparable(
            f"--against {key} is no published row, and no run; rows: {', '.join(benchmarks['key'])}"
        )
    published = float(row.iloc[0]["test_accuracy_percent"])
    interval = ours.interval
    where = standing(interval, published)
    return Gate(ours.name, str(row.iloc[0]["model"]), where, ours.accuracy, interval, published / 100, None)


def against(ours: Measurement, theirs: Measurement, level: float = 0.05) -> Gate:
    """Against another measurement on the same examples: by the paired test of
    `reports.statistics.comparison.compare`. Raises NotComparable where the examples are not the same number,
    or no bits are on record."""
    bits, other = correct_bits(ours.evaluations), correct_bits(theirs.evaluations)
    if bits is None or other is None or bits.shape[1] != other.shape[1]:
        raise NotComparable(
            f"two measurements are compared example by example, but {ours.name} and {theirs.name} were not "
            f"measured on the same ones, or do not tell which they got right"
        )
    told = compare(bits, other, level)
    where: Standing = "tied" if told.p > level else ("better" if told.difference > 0 else "worse")
    return Gate(ours.name, theirs.name, where, ours.accuracy, ours.interval, theirs.accuracy, told)
