"""What an evaluation tells beyond its figures: mistakes with their images, and calibration."""

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

from trainable.evaluation.calibration import BINS, Calibration, calibration_of
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
    made = classification(probabilities, labels, names, images, loss=0.5)
    read = Evaluation.from_json(json.loads(json.dumps(made.to_json(), allow_nan=False)))
    assert read.to_json() == made.to_json()
    assert read.mistakes == made.mistakes
    assert read.calibration == made.calibration
    assert made.mistakes is not None
    assert [each.image.tolist() for each in read.mistakes or ()] == [
        images[each.index].tolist() for each in made.mistakes
    ]


@given(splits(), st.integers(0, 30))
def test_the_worst_mistakes_are_wrong_and_none_that_is_left_out_is_surer(
    split: tuple[Any, Any, Any], most: int
) -> None:
    probabilities, labels, images = split
    found = worst_mistakes(probabilities, labels, images, most)
    wrong = [k for k in range(len(labels)) if probabilities[k].argmax() != labels[k]]
    assert len(found) == min(most, len(wrong))
    order = sorted(wrong, key=lambda k: (-probabilities[k].max(), k))
    assert [each.index for each in found] == order[:most]
    for each in found:
        assert (each.true, each.predicted) == (labels[each.index], probabilities[each.index].argmax())
        assert each.probability == probabilities[each.index].max()
        assert each.true_probability == probabilities[each.index, each.true] <= each.probability


@given(st.lists(st.tuples(SHARES, st.booleans()), min_size=1), st.integers(1, 20))
def test_calibration_counts_every_example_in_the_bin_of_its_confidence(
    told: list[tuple[float, bool]], bins: int
) -> None:
    confidence, correct = (np.array(each) for each in zip(*told, strict=True))
    found = calibration_of(confidence, correct.astype(bool), bins)
    assert sum(found.counts) == len(told)
    assert sum(found.correct) == correct.sum()
    assert found.mean_confidence == pytest.approx(confidence.mean(), abs=1e-12)
    gap = 0.0
    for place in range(bins):
        if found.counts[place]:
            assert place / bins - 1e-9 <= found.confidence[place] <= (place + 1) / bins + 1e-9
            gap += abs(found.correct[place] - found.counts[place] * found.confidence[place])
    assert found.error == pytest.approx(gap / len(told), abs=1e-12)
    assert abs(found.mean_confidence - correct.mean()) <= found.error + 1e-12


def test_a_bin_holds_its_upper_bound_and_the_first_one_0_too() -> None:
    confidence = np.array([0.0, 0.25, 0.26, 0.5, 0.75, 1.0])
    assert calibration_of(confidence, np.ones(6, dtype=bool), 4).counts == (2, 2, 1, 1)


def test_who_is_right_as_often_as_sure_has_no_calibration_error_and_who_is_not_has_the_gap() -> None:
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


def test_probabilities_that_are_no_numbers_are_not_kept() -> None:
    bad = np.array([[np.nan, np.nan], [0.5, 0.5]])
    made = classification(bad, np.array([1, 1]), ("a", "b"), np.zeros((2, 3, 3), dtype=np.uint8))
    assert (made.mistakes, made.calibration) == (None, None)


def test_images_that_are_no_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images must be uint8 \[2, height, width\], but are float64"):
        worst_mistakes(np.eye(2), np.array([1, 0]), np.zeros((2, 3, 3)))  # type: ignore[arg-type]


@given(IMAGES)
def test_an_image_survives_its_png_and_is_the_same_file_each_time(image: NDArray[np.uint8]) -> None:
    found = [
        worst_mistakes(np.array([[0.0, 1.0]]), np.array([0]), image[None])[0].to_json() for _ in range(2)
    ]
    assert found[0] == found[1]
    assert np.array_equal(Mistake.from_json(found[0]).image, image)


@pytest.fixture(scope="module")
def unsure(digits: Dataset) -> Training:
    """A linear model of the small digits that was trained for a moment, and so errs often."""
    training = Training(Recipe.model_validate({"model": "linear", "epochs": 1}), digits, "cpu", 1)
    list(training)
    return training


def test_the_mistakes_are_the_test_sets_own_images_as_the_model_sees_them(
    unsure: Training, tmp_path: Path
) -> None:
    test = Source(dataset="digits").load_test(tmp_path)
    evaluation = unsure.evaluate(test)
    unsure.save(tmp_path)
    probabilities = SavedModel.read(tmp_path).probabilities(test.images)
    assert evaluation.correct is not None
    assert evaluation.mistakes is not None
    assert len(evaluation.mistakes) == min(24, int((~evaluation.correct).sum())) > 0
    for each in evaluation.mistakes:
        assert np.array_equal(each.image, test.images[each.index])
        assert each.true == test.labels[each.index]
        assert each.predicted == probabilities[each.index].argmax() != each.true
        assert not evaluation.correct[each.index]
        assert each.probability == pytest.approx(probabilities[each.index].max(), abs=1e-6)
        assert each.true_probability == pytest.approx(probabilities[each.index, each.true], abs=1e-6)
    left = np.flatnonzero(~evaluation.correct)
    left = left[~np.isin(left, [each.index for each in evaluation.mistakes])]
    assert probabilities[left].max(initial=0) <= evaluation.mistakes[-1].probability + 1e-6
    assert isinstance(evaluation.calibration, Calibration)
    assert sum(evaluation.calibration.counts) == len(test)
    assert evaluation.calibration.mean_confidence == pytest.approx(probabilities.max(axis=1).mean(), abs=1e-6)


def test_the_same_model_tells_the_same_bytes(unsure: Training, tmp_path: Path) -> None:
    test = Source(dataset="digits").load_test(tmp_path)
    assert json.dumps(unsure.evaluate(test).to_json()) == json.dumps(unsure.evaluate(test).to_json())


def test_mistakes_are_read_without_torch_and_where_none_is_shown_without_pillow() -> None:
    code = (
        "import sys; import search.records.sweep, trainable.evaluation.evaluation\n"
        "print({'torch', 'ray', 'PIL'} & {name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
