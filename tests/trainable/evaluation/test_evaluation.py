"""Evaluations: metrics, the worst mistakes with their images, and calibration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from trainable.evaluation.calibration import BINS, CalibrationBins, calibration_of
from trainable.evaluation.evaluation import Evaluation, classification
from trainable.evaluation.mistakes import Mistake, worst_mistakes
from trainable.mnist.data import Dataset, Source
from trainable.mnist.recipe import Recipe
from trainable.mnist.saved import SavedModel
from trainable.mnist.training import Training

SHARES = st.floats(0, 1)
IMAGES = hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9)))


@st.composite
def splits(draw: st.DrawFn) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Probabilities [N, classes], labels [N] and images [N, height, width]."""
    count, classes = draw(st.integers(1, 40)), draw(st.integers(2, 5))
    seen = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    # Rounded, so that some are equal.
    raw = np.round(seen.dirichlet(np.ones(classes), count), draw(st.integers(1, 9)))
    return raw, seen.integers(0, classes, count), seen.integers(0, 256, (count, 3, 4), dtype=np.uint8)


@given(splits())
def test_an_evaluation_is_read_as_it_was_written(split: tuple[Any, Any, Any]) -> None:
    probabilities, labels, images = split
    names = tuple(f"class {k}" for k in range(probabilities.shape[1]))
    evaluation = classification(probabilities, labels, names, images, loss=0.5)
    read = Evaluation.from_json(json.loads(json.dumps(evaluation.to_json(), allow_nan=False)))
    assert read.to_json() == evaluation.to_json()
    assert read.mistakes == evaluation.mistakes
    assert read.calibration == evaluation.calibration
    assert evaluation.mistakes is not None
    assert [mistake.image.tolist() for mistake in read.mistakes or ()] == [
        images[mistake.index].tolist() for mistake in evaluation.mistakes
    ]


@given(splits(), st.integers(0, 30))
def test_the_worst_mistakes_are_those_with_the_highest_confidence(
    split: tuple[Any, Any, Any], most: int
) -> None:
    probabilities, labels, images = split
    mistakes = worst_mistakes(probabilities, labels, images, most)
    wrong = [k for k in range(len(labels)) if probabilities[k].argmax() != labels[k]]
    assert len(mistakes) == min(most, len(wrong))
    order = sorted(wrong, key=lambda k: (-probabilities[k].max(), k))
    assert [mistake.index for mistake in mistakes] == order[:most]
    for mistake in mistakes:
        row = probabilities[mistake.index]
        assert (mistake.true, mistake.predicted) == (labels[mistake.index], row.argmax())
        assert mistake.probability == row.max()
        assert mistake.true_probability == row[mistake.true] <= mistake.probability


@given(st.lists(st.tuples(SHARES, st.booleans()), min_size=1), st.integers(1, 20))
def test_calibration_counts_every_example_in_the_bin_of_its_confidence(
    predictions: list[tuple[float, bool]], bins: int
) -> None:
    confidence, correct = (np.array(values) for values in zip(*predictions, strict=True))
    calibration = calibration_of(confidence, correct.astype(bool), bins)
    assert sum(calibration.counts) == len(predictions)
    assert sum(calibration.correct) == correct.sum()
    assert calibration.mean_confidence == pytest.approx(confidence.mean(), abs=1e-12)
    gap = 0.0
    for place in range(bins):
        if calibration.counts[place]:
            assert place / bins - 1e-9 <= calibration.confidence[place] <= (place + 1) / bins + 1e-9
            gap += abs(calibration.correct[place] - calibration.counts[place] * calibration.confidence[place])
    assert calibration.error == pytest.approx(gap / len(predictions), abs=1e-12)
    assert abs(calibration.mean_confidence - correct.mean()) <= calibration.error + 1e-12


def test_a_bin_includes_its_upper_bound_and_the_first_one_includes_0() -> None:
    confidence = np.array([0.0, 0.25, 0.26, 0.5, 0.75, 1.0])
    assert calibration_of(confidence, np.ones(6, dtype=bool), 4).counts == (2, 2, 1, 1)


def test_the_calibration_error_is_the_gap_between_confidence_and_accuracy() -> None:
    confidence = np.full(100, 0.75)
    assert calibration_of(confidence, np.arange(100) < 75).error == pytest.approx(0)
    assert calibration_of(confidence, np.arange(100) < 25).error == pytest.approx(0.5)
    assert len(calibration_of(confidence, np.arange(100) < 25).counts) == BINS == 15


def test_an_evaluation_that_an_earlier_version_wrote_is_read() -> None:
    stored = Evaluation({"accuracy": 0.5}, 2, np.eye(2, dtype=np.int64), np.array([True, False])).to_json()
    del stored["mistakes"], stored["calibration"]
    read = Evaluation.from_json(stored)
    assert (read.mistakes, read.calibration) == (None, None)
    assert read.metrics == {"accuracy": 0.5}


def test_probabilities_that_are_nan_are_not_stored() -> None:
    bad = np.array([[np.nan, np.nan], [0.5, 0.5]])
    evaluation = classification(bad, np.array([1, 1]), ("a", "b"), np.zeros((2, 3, 3), dtype=np.uint8))
    assert (evaluation.mistakes, evaluation.calibration) == (None, None)


def test_images_that_are_not_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 \[2, height, width\], but are float64"):
        worst_mistakes(np.eye(2), np.array([1, 0]), np.zeros((2, 3, 3)))  # type: ignore[arg-type]


@given(IMAGES)
def test_an_image_survives_its_png_and_is_the_same_file_each_time(image: NDArray[np.uint8]) -> None:
    stored = [
        worst_mistakes(np.array([[0.0, 1.0]]), np.array([0]), image[None])[0].to_json() for _ in range(2)
    ]
    assert stored[0] == stored[1]
    assert np.array_equal(Mistake.from_json(stored[0]).image, image)


@pytest.fixture(scope="module")
def weak(digits: Dataset) -> Training:
    """A linear model trained for one epoch, which makes many mistakes."""
    training = Training(Recipe.model_validate({"model": "linear", "epochs": 1}), digits, "cpu", 1)
    list(training)
    return training


def test_the_mistakes_show_the_images_of_the_test_set(weak: Training, tmp_path: Path) -> None:
    test = Source(dataset="digits").load_test(tmp_path)
    evaluation = weak.evaluate(test)
    weak.save(tmp_path)
    probabilities = SavedModel.read(tmp_path).probabilities(test.images)
    assert evaluation.correct is not None
    assert evaluation.mistakes is not None
    assert len(evaluation.mistakes) == min(24, int((~evaluation.correct).sum())) > 0
    for mistake in evaluation.mistakes:
        row = probabilities[mistake.index]
        assert np.array_equal(mistake.image, test.images[mistake.index])
        assert mistake.true == test.labels[mistake.index]
        assert mistake.predicted == row.argmax() != mistake.true
        assert not evaluation.correct[mistake.index]
        assert mistake.probability == pytest.approx(row.max(), abs=1e-6)
        assert mistake.true_probability == pytest.approx(row[mistake.true], abs=1e-6)
    others = np.flatnonzero(~evaluation.correct)
    others = others[~np.isin(others, [mistake.index for mistake in evaluation.mistakes])]
    assert probabilities[others].max(initial=0) <= evaluation.mistakes[-1].probability + 1e-6
    assert isinstance(evaluation.calibration, CalibrationBins)
    assert sum(evaluation.calibration.counts) == len(test)
    assert evaluation.calibration.mean_confidence == pytest.approx(probabilities.max(axis=1).mean(), abs=1e-6)


def test_the_same_model_gives_the_same_evaluation_to_the_byte(weak: Training, tmp_path: Path) -> None:
    test = Source(dataset="digits").load_test(tmp_path)
    assert json.dumps(weak.evaluate(test).to_json()) == json.dumps(weak.evaluate(test).to_json())


def test_records_are_read_without_importing_torch_ray_or_pillow() -> None:
    code = (
        "import sys; import search.records.sweep, trainable.evaluation.evaluation\n"
        "print({'torch', 'ray', 'PIL'} & {name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
