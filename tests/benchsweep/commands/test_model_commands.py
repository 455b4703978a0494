"""`evaluate`, `predict` and `export`, as users type them, with small real models."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import searches
import tomli_w
import torch
from PIL import Image, ImageDraw, ImageFont

from benchsweep.saved_model import find_model
from benchsweep.screen.evaluation import lines
from search.records.opening import TestLook, TestSetOpening
from trainable.mnist.data import Dataset, LabelledImages, Source
from trainable.mnist.picture import framed, ink_of
from trainable.mnist.recipe import Recipe
from trainable.mnist.saved import SavedModel
from trainable.mnist.training import Training
from trainable.storage.durable import write_json


def train(data: Dataset, folder: Path, **changes: Any) -> Training:
    """Two epochs, saved in `folder`."""
    given = {"epochs": 2, "batch_size": 100, "learning_rate": 5e-3, "normalisation": "dataset", **changes}
    training = Training(Recipe.model_validate(given), data, "cpu", 1)
    list(training)
    training.save(folder)
    return training


@pytest.fixture(scope="module")
def small(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of the small digits, and nothing beside it."""
    folder = tmp_path_factory.mktemp("models") / "small"
    folder.mkdir()
    train(digits, folder)
    return folder


@pytest.fixture(scope="module")
def run(digits: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder as its end leaves it: plan, model, and one look at the test set, as trial 3."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    folder.mkdir()
    training = train(digits, folder, seed=5)
    (folder / "plan.toml").write_text(tomli_w.dumps(searches.plan(name="mine").to_table()))
    seen = training.evaluate(Source.model_validate({"dataset": "digits"}).load_test(folder))
    look = TestLook(3, 5, seen, training.parameters, training.weights_sha256)
    opening = TestSetOpening(datetime(2026, 11, 20, tzinfo=UTC), "the search ended", 1, (look,))
    write_json(folder / "test_openings.json", [opening.to_json()])
    return folder


@pytest.fixture(scope="module")
def large(mnist_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of MNIST, trained for three epochs."""
    folder = tmp_path_factory.mktemp("mnist")
    train(Source.model_validate({}).load(mnist_folder), folder, epochs=3, batch_size=256)
    return folder


# evaluate


def test_evaluate_tells_what_the_model_does_on_the_images_held_out_of_its_training(
    here: Any, small: Path, digits: Dataset
) -> None:
    result = here("evaluate", small)
    accuracy = SavedModel.read(small).evaluate(digits.validation).metrics["accuracy"]
    assert result.code == 0, result.err
    assert f"accuracy  {100 * accuracy:.2f} %  95 % interval " in result.out
    assert "on the validation split, 297 examples: dataset digits" in result.out
    assert "these images were held out of its training" in result.out
    assert "mlp 64-128-64-10, 17,226 parameters" in result.out
    assert max(len(line) for line in result.out.splitlines() if ":" not in line) <= 80
    assert result.err == ""


def test_evaluate_as_json_tells_the_same_in_full(here: Any, small: Path, digits: Dataset) -> None:
    result = json.loads(here("evaluate", small / "digits_model.pth", "--json").out)
    evaluation = SavedModel.read(small).evaluate(digits.validation)
    assert result["metrics"] == dict(evaluation.metrics)
    assert evaluation.confusion is not None
    assert result["confusion"] == evaluation.confusion.tolist()
    assert result["low"] < result["metrics"]["accuracy"] < result["high"]
    assert np.trace(result["confusion"]) == round(result["metrics"]["accuracy"] * result["count"])
    assert (result["run"], result["trial"], result["data"]["dataset"]) == (None, None, "digits")
    assert result["data_from"] == "the size of its images"


def test_a_runs_model_is_known_by_its_weights_and_its_split_by_the_runs_plan(here: Any, run: Path) -> None:
    result = json.loads(here("evaluate", "mine", "--runs", run.parent, "--json").out)
    assert (result["trial"], result["seed"]) == (3, 5)
    assert result["data_from"] == "the plan of mine"
    assert "the search chose it by them" in result["notes"][0]
    assert json.loads(here("evaluate", run / "model.safetensors", "--json").out) == result


def test_the_test_set_is_opened_on_demand_alone_and_its_openings_are_shown(here: Any, run: Path) -> None:
    result = json.loads(here("evaluate", run, "--split", "test", "--json").out)
    assert (result["split"], result["count"]) == ("test", 360)
    recorded = json.loads((run / "test_openings.json").read_text())
    assert result["metrics"] == pytest.approx(recorded[0]["looks"][0]["evaluation"]["metrics"], abs=1e-6)
    assert any("of the test set recorded for mine" in note for note in result["notes"])


def test_another_split_than_the_one_it_was_trained_with_is_said_to_flatter(
    here: Any, small: Path, tmp_path: Path
) -> None:
    for name in ("model.safetensors", "digits_model.pth"):
        (tmp_path / name).write_bytes((small / name).read_bytes())
    write_json(tmp_path / "train.json", {"data": {"dataset": "digits", "split_seed": 1}})
    result = here("evaluate", tmp_path)
    assert result.code == 0
    assert "this is a different split from the one it was trained with" in result.out
    (tmp_path / "train.json").unlink()
    (tmp_path / "model.safetensors").unlink()
    result = here("evaluate", tmp_path)
    assert "it is not recorded which images the model was trained on" in result.out
    assert "mean 0.5 and std 0.5 are assumed" in result.out


def of_classes(names: Sequence[str], counts: Sequence[Sequence[int]]) -> list[str]:
    """What `lines` makes of a confusion."""
    shares = [row[index] / sum(row) if sum(row) else math.nan for index, row in enumerate(counts)]
    result = {
        "model": "model.safetensors",
        "title": "mlp",
        "parameters": None,
        "run": None,
        "split": "test",
        "count": 9,
        "data": {},
        "data_from": "",
        "metrics": {"loss": 1.0},
        "low": None,
        "calibration": None,
        "class_names": names,
        "class_accuracy": shares,
        "confusion": counts,
        "notes": [],
    }
    return [line.plain for line in lines(result)]


def test_a_confusion_of_long_names_and_large_counts_fits_into_80_columns() -> None:
    names = ("T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Boot")
    counts = [[1000 if row == column else 0 for column in range(10)] for row in range(10)]
    counts[0] = [0] * 10
    result = of_classes(names, counts)
    assert max(map(len, result)) <= 80
    assert any("9 Boot" in line and "100.00 %" in line for line in result)
    assert any(line.startswith("0 T-shirt") and "–" in line for line in result)


def test_more_classes_than_fit_are_shown_by_what_was_mixed_up_most() -> None:
    counts = [[50 if row == column else int(column == row + 1) for column in range(40)] for row in range(40)]
    counts[3][7] = 30
    result = of_classes([f"class {index}" for index in range(40)], counts)
    assert max(map(len, result)) <= 80
    mixed = [line for line in result if "predicted as" in line]
    assert mixed[0].strip() == "30x  class 3 predicted as class 7"
    assert len(mixed) == 20


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["evaluate", "nowhere/model.safetensors"], 2, "there is no nowhere/model.safetensors"),
        (["evaluate", "min", "--runs", "{runs}"], 2, "did you mean mine?"),
        (["evaluate", "{small}", "--dataset", "digitz"], 2, "--dataset digitz must describe data of"),
        (["evaluate", "{runs}"], 1, "has neither; a run saves its winner's model when it ends"),
        (["evaluate", "{run}/plan.toml"], 1, "must be a complete safetensors file"),
        (["evaluate", "{small}", "--split", "train"], 2, "Invalid value for '--split'"),
        (["export", "{small}", "--format", "tflite"], 2, "'tflite' is not one"),
        (["export", "{small}", "--format", "card"], 2, "is in no run's folder"),
        (
            ["export", "{small}", "--format", "pth", "--output", "{small}/digits_model.pth"],
            2,
            "is the model",
        ),
        (["predict", "{small}"], 2, "Missing argument"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_reported_in_a_sentence(
    here: Any, small: Path, run: Path, words: list[str], code: int, sentence: str
) -> None:
    result = here(*(word.format(small=small, run=run, runs=run.parent) for word in words))
    assert result.code == code
    assert sentence in " ".join(result.err.split())
    assert "Traceback" not in result.err


def test_a_model_of_8x8_images_is_not_tried_on_mnist(here: Any, small: Path, mnist_folder: Path) -> None:
    result = here("evaluate", small, "--dataset", "mnist", "--data-dir", mnist_folder)
    assert result.code == 2
    assert "images must be [N, 8, 8]" in result.err


PLAIN = """
from pathlib import Path
from tests_boosting import METRIC, Recipe, Source, Training
"""
OFFERING = (
    PLAIN
    + """
from trainable.evaluation.evaluation import Evaluation
class SavedModel:
    @classmethod
    def read(cls, path):
        return cls()
    def evaluate(self, split):
        return Evaluation({"log_loss": 0.25}, len(split.y))
"""
)


@pytest.mark.parametrize("word", ["evaluate", "predict", "export"])
def test_a_trainable_that_offers_no_saved_model_is_named(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    offered(tmp_path, monkeypatch, f"plain_{word}", PLAIN)
    more = {"evaluate": [], "predict": ["seven.png"], "export": ["--format", "onnx"]}[word]
    result = here(word, tmp_path / "run", *more)
    assert result.code == 2
    assert f"is a model of plain_{word}, whose module has no SavedModel" in result.err


def test_a_trainable_that_offers_one_is_evaluated(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered(tmp_path, monkeypatch, "offering", OFFERING)
    for split in ("validation", "test"):
        result = here("evaluate", tmp_path / "run", "--split", split)
        assert result.code == 0, result.err
        assert "log_loss  0.25" in result.out
    result = here("predict", tmp_path / "run", "seven.png")
    assert result.code == 2
    assert "this command needs a SavedModel with probabilities, but that of offering has none" in result.err


def offered(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> None:
    """A user's folder with a module of that name, and a run of it in run/."""
    (folder / "tests_boosting.py").write_text(
        (Path(__file__).parents[2] / "helpers" / "boosting.py").read_text()
    )
    (folder / f"{name}.py").write_text(source)
    (folder / "run").mkdir()
    table = {"name": "run", "trainable": name, "data": {"classes": 3}}
    (folder / "run" / "plan.toml").write_text(tomli_w.dumps(table))
    monkeypatch.syspath_prepend(str(folder))


# predict


def picture_of(image: np.ndarray, generator: np.random.Generator, ink: Any, paper: Any) -> Image.Image:
    """An image of MNIST's as someone may send it: coloured, 200x300, at a place and of a size by chance."""
    side = int(generator.integers(100, 190))
    large = np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.BICUBIC)) / 255
    share = np.zeros((300, 200, 1))
    top, left = generator.integers(0, 300 - side), generator.integers(0, 200 - side)
    share[top : top + side, left : left + side, 0] = large
    return Image.fromarray(np.rint(np.array(paper) * (1 - share) + np.array(ink) * share).astype(np.uint8))


@pytest.fixture(scope="module")
def held(mnist_folder: Path) -> LabelledImages:
    """400 images of MNIST that no model was trained on."""
    images: LabelledImages = Source.model_validate({}).load(mnist_folder).validation
    return replace(images, images=images.images[:400], labels=images.labels[:400])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ink", "paper", "suffix"),
    [
        ((255, 255, 255), (0, 0, 0), "png"),
        ((0, 0, 0), (255, 255, 255), "png"),
        ((30, 40, 160), (250, 240, 200), "jpg"),
    ],
    ids=["light on dark", "dark on light", "blue on paper, JPEG"],
)
def test_pictures_of_mnist_are_recognised_as_the_originals_are(
    large: Path, held: LabelledImages, tmp_path: Path, ink: Any, paper: Any, suffix: str
) -> None:
    model, generator = SavedModel.read(large), np.random.default_rng(0)
    seen = []
    for image in held.images:
        path = tmp_path / f"picture.{suffix}"
        picture_of(image, generator, ink, paper).save(path)
        with Image.open(path) as picture:
            seen.append(framed(ink_of(picture)))
    right = model.probabilities(np.stack(seen)).argmax(axis=1) == held.labels
    original = model.probabilities(held.images).argmax(axis=1) == held.labels
    assert original.mean() > 0.95
    assert right.mean() > original.mean() - 0.02


def test_predict_answers_what_it_can_and_says_of_each_other_picture_why_not(
    here: Any, large: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    seven = Image.new("L", (200, 300), 255)
    ImageDraw.Draw(seven).line([(40, 60), (140, 55), (80, 230)], fill=0, width=16, joint="curve")
    seven.save("seven.png")
    Image.new("L", (50, 50), 255).save("blank.png")
    result = here("predict", large, "nowhere.png", "seven.png", "blank.png")
    assert result.code == 1
    assert result.out.startswith("seven.png    7 ")
    assert len(result.out.splitlines()) == 1
    assert "error: nowhere.png: no such file" in result.err
    assert "blank.png: shows no digit" in " ".join(result.err.split())
    both = json.loads(here("predict", large, "seven.png", "blank.png", "--json").out)
    assert both[0]["class"] == "7"
    assert sum(both[0]["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert both[0]["probability"] == max(both[0]["probabilities"].values())
    assert set(both[1]) == {"image", "error"}
    assert here("predict", large, "seven.png").code == 0
    assert "light on dark" in here("predict", large, "seven.png", "--no-invert").err


def test_most_printed_digits_are_recognised_too(here: Any, large: Path, tmp_path: Path) -> None:
    font, paths = ImageFont.load_default(size=120), []
    for digit in range(10):
        picture = Image.new("RGB", (200, 300), "white")
        ImageDraw.Draw(picture).text((60, 70), str(digit), font=font, fill="navy", stroke_width=3)
        paths.append(tmp_path / f"{digit}.jpg")
        picture.save(paths[-1])
    answers = json.loads(here("predict", large, *paths, "--json").out)
    # Print is not what it was trained on, and each kind of processor trains it a little differently.
    assert sum(answer["class"] == str(digit) for digit, answer in enumerate(answers)) > 5


def test_a_model_of_other_images_than_mnists_says_what_that_means(
    here: Any, small: Path, tmp_path: Path, digits: Dataset
) -> None:
    path = tmp_path / "digit.png"
    Image.fromarray(255 - digits.validation.images[0]).resize((160, 160)).save(path)
    result = here("predict", small, path)
    assert result.code == 0
    assert result.out.split()[1] == str(digits.validation.labels[0])
    assert "the model takes 8x8 pixels" in result.err


# export


def test_export_writes_what_torch_and_we_read_again(
    here: Any, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = here("export", "mine", "--runs", run.parent, "--format", "safetensors")
    assert result.code == 0, result.err
    assert result.out.strip() == str(tmp_path / "mine.safetensors")
    model = SavedModel.read(run)
    assert SavedModel.read(tmp_path / "mine.safetensors").metadata() == model.metadata()
    made = json.loads(here("export", run, "--format", "pth", "--output", "new/net.pth", "--json").out)
    assert made["file"] == str(tmp_path / "new" / "net.pth")
    assert made["bytes"] == (tmp_path / "new" / "net.pth").stat().st_size
    assert f"use mean {model.mean:.6g}" in made["notes"][0]
    weights = torch.load(made["file"], weights_only=True)
    assert {name: tuple(tensor.shape) for name, tensor in weights.items()}["fc1.weight"] == (128, 64)


def test_a_state_dict_alone_is_not_exported_as_more_than_it_tells(
    here: Any, small: Path, tmp_path: Path
) -> None:
    alone = tmp_path / "alone.pth"
    alone.write_bytes((small / "digits_model.pth").read_bytes())
    result = here("export", alone, "--format", "safetensors", "--output", tmp_path / "made.safetensors")
    assert result.code == 1
    assert "does not record" in result.err
    assert not (tmp_path / "made.safetensors").exists()


def test_onnx_without_its_extra_is_one_sentence_with_the_command(
    here: Any, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # as it is where the package is not installed
    result = here("export", small, "--format", "onnx", "--output", tmp_path / "net.onnx")
    assert result.code == 1
    assert "needs the extra benchsweep[onnx]" in result.err
    assert "onnxruntime" in result.err
    assert "uv sync --extra onnx" in result.err
    assert not (tmp_path / "net.onnx").exists()


def test_find_model_names_what_it_found_after_run_folder_or_file(small: Path, run: Path) -> None:
    assert find_model("mine", run.parent).name == "mine"
    assert find_model(str(small), run.parent).name == "small"
    assert find_model(str(small / "model.safetensors"), run.parent).name == "small"
    assert find_model(str(run / "digits_model.pth"), Path("nowhere")).run is not None
