"""The gate fails on a significant loss, and on nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.gate import Measurement, NotComparable, compare_measurements, compare_with_published
from trainable.evaluation.evaluation import Evaluation


def measurement(name: str, wrong: int, seeds: int = 3, count: int = 10_000) -> Measurement:
    """Models that get all but about `wrong` images right, mostly the same ones."""
    made = []
    for seed in range(seeds):
        random = np.random.default_rng(seed)
        correct = np.ones(count, dtype=bool)
        correct[:wrong] = False
        correct[random.choice(count, 20, replace=False)] = False
        made.append(Evaluation({"accuracy": float(correct.mean())}, count, correct=correct))
    return Measurement(name, tuple(made))


def test_a_clear_loss_fails_and_a_clear_gain_passes() -> None:
    good, bad = measurement("good", 150), measurement("bad", 250)
    assert not compare_measurements(bad, good).passed
    assert compare_measurements(bad, good).standing == "worse"
    assert compare_measurements(good, bad).standing == "better"
    assert "points" in compare_measurements(bad, good).sentence


def test_the_same_model_is_tied_with_itself() -> None:
    gate = compare_measurements(measurement("one", 150), measurement("other", 150))
    assert gate.standing == "tied"
    assert gate.passed


def test_a_published_row_is_compared_with_our_interval() -> None:
    rows = read_benchmarks()
    ours = measurement("ours", 150)
    assert compare_with_published(ours, "origin-improved", rows).standing == "better"
    assert not compare_with_published(ours, "ciresan2011-cnn", rows).passed
    with pytest.raises(NotComparable, match="must name a published row"):
        compare_with_published(ours, "nobody", rows)


def test_other_examples_are_not_compared() -> None:
    with pytest.raises(NotComparable, match="example by example"):
        compare_measurements(measurement("one", 15, count=1000), measurement("other", 150))


def test_a_training_is_read_from_what_train_saved(tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    seeds = [{"evaluation": evaluation.to_json()} for evaluation in measurement("x", 150).evaluations]
    path.write_text(json.dumps({"name": "x", "seeds": seeds}))
    assert Measurement.of_training(path).accuracy == pytest.approx(measurement("x", 150).accuracy)
    path.write_text("{}")
    with pytest.raises(NotComparable, match=r"train\.json"):
        Measurement.of_training(path)
