"""Which mistakes are shown, and in which words."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image
from sweeps import make_evaluation, make_mistake

from reports.figures.gallery import Gallery, gallery, percent, sentence
from trainable.evaluation.evaluation import Evaluation
from trainable.evaluation.mistakes import Mistake, to_png


def evaluation(*mistakes: Mistake, others: int = 0) -> Evaluation:
    """Of ten classes and 100 examples, with these mistakes and others that are not kept."""
    counts = np.diag(np.full(10, 10))
    counts[0, 0] -= others
    counts[0, 1] += others
    for mistake in mistakes:
        counts[mistake.true, mistake.true] -= 1
        counts[mistake.true, mistake.predicted] += 1
    return Evaluation({"accuracy": 0.9}, 100, counts, class_names=tuple("0123456789"), mistakes=mistakes)


def shown(*mistakes: Mistake, others: int = 0) -> Gallery:
    told = gallery(evaluation(*mistakes, others=others))
    assert isinstance(told, Gallery)
    return told


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (None, "has not been opened yet"),
        (Evaluation({"log_loss": 0.2}, 9), "has no images of mistakes"),
        (evaluation(), "All 100 examples were predicted correctly"),
    ],
    ids=["sealed", "no images", "no mistakes"],
)
def test_where_there_is_nothing_to_show_it_says_why(seen: Evaluation | None, words: str) -> None:
    told = gallery(seen)
    assert isinstance(told, str)
    assert words in told


def test_the_sentence_counts_what_is_shown_what_was_sure_and_what_was_mixed_up_most() -> None:
    mistakes = [
        make_mistake(7, 4, 9, probability=0.999),
        make_mistake(3, 7, 2, probability=0.995),
        make_mistake(5, 4, 9, probability=0.99),
    ]
    assert sentence(shown(*mistakes, others=5)) == (
        "The 3 most confident of 8 mistakes: in 2 the wrong class had a probability above 99 %; most often "
        "4 was predicted as 9 (2 times)."
    )
    assert sentence(shown(*mistakes[1:])) == (
        "All 2 mistakes, the most confident first: in 1 the wrong class had a probability above 99 %."
    )
    assert sentence(shown(mistakes[2], others=1)) == (
        "The most confident of 2 mistakes: the wrong class never had a probability above 99.0 %."
    )
    assert sentence(shown(mistakes[0])) == "The only mistake: 4 predicted as 9, probability 99.9 %."


def test_pairs_that_are_equally_frequent_are_all_named() -> None:
    mistakes = [make_mistake(k, *pair) for k, pair in enumerate([(4, 9), (7, 2), (7, 2), (4, 9)])]
    assert "most often 4 was predicted as 9 and 7 was predicted as 2 (2 times each)." in sentence(
        shown(*mistakes)
    )
    more = [make_mistake(k, *pair) for k, pair in enumerate([(3, 5), (5, 3), (5, 3), (3, 5)])]
    assert "most often" not in sentence(shown(*mistakes, *more))


def test_a_picture_is_the_stored_file_itself() -> None:
    mistake = make_mistake(1, 4, 9)
    (picture,) = shown(mistake).pictures
    head, _, data = picture.source.partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (picture.width, picture.height) == (28, 28)
        assert np.array_equal(np.asarray(image), mistake.image)


def test_ink_is_told_from_paper_by_the_border() -> None:
    dark = make_mistake(1, 4, 9)
    light = make_mistake(1, 4, 9, png=to_png(255 - dark.image))
    assert shown(dark).light_on_dark
    assert not shown(light).light_on_dark


@pytest.mark.parametrize(
    ("probability", "words"),
    [
        (1.0, "100.0 %"),
        (0.99997, "over 99.9 %"),
        (0.9994, "99.9 %"),
        (0.5, "50.0 %"),
        (0.0, "0.0 %"),
        (1e-9, "under 0.1 %"),
    ],
)
def test_what_is_not_quite_certain_is_not_called_certain(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_the_synthetic_evaluation_shows_the_surest_of_its_mistakes() -> None:
    told = gallery(make_evaluation())
    assert isinstance(told, Gallery)
    assert (len(told.pictures), told.mistakes) == (24, 162)
    order = [picture.probability for picture in told.pictures]
    assert order == sorted(order, reverse=True)
