"""A model card tells of a run's winner what its record holds, and is Markdown whatever that is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from sweeps import boosting_sweep, make_sweep, sweep_of

from benchsweep.__main__ import main
from reports.exports.card import CardFigure, ModelCard, to_markdown
from reports.exports.model_card import NoWinner, card_of, model_card
from search.records.sweep import Sweep

CARD = ModelCard(
    name="mine",
    summary=("A model.", "Of a search."),
    facts=(("parameters", "10"),),
    recipe=(("epochs", "3"),),
    data=(("dataset", "digits"),),
    figures=(
        CardFigure("test accuracy", "98.44 %", "± 0.08", "98.1 to 98.7 %"),
        CardFigure("test loss", "0.05"),
    ),
    chosen=("By chance.",),
    openings=("It was opened once.",),
    provenance=(("commit", "abc"),),
    command="benchsweep reproduce mine 3",
    limits=("It is small.", "It is old."),
)


def test_a_card_is_made_of_plain_inputs_alone() -> None:
    lines = to_markdown(CARD).splitlines()
    assert lines[0] == "# Model card: mine"
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == [
        "## Figures",
        "## How it was chosen",
        "## The test set",
        "## Data",
        "## Recipe",
        "## Provenance",
        "## Limits",
    ]
    assert "| test accuracy | 98.44 % | ± 0.08 | 98.1 to 98.7 % |" in lines
    assert "| test loss | 0.05 |  |  |" in lines
    assert "To train it again and compare the weights bit by bit: `benchsweep reproduce mine 3`" in lines
    assert lines[-1] == "- It is old."


def test_without_a_command_none_is_promised() -> None:
    assert "To train it again" not in to_markdown(replace(CARD, command=""))


def test_what_a_record_holds_is_no_markup() -> None:
    hostile = "a | b `c` <script> [x](y) *z*"
    text = to_markdown(replace(CARD, name=hostile, data=((hostile, hostile),), limits=(hostile,)))
    assert "<script>" not in text
    assert "](y)" not in text.replace("\\](y)", "")
    assert all(line.count("|") - line.count("\\|") in (0, 5) for line in text.splitlines())


def test_a_sweeps_card_tells_figures_choice_openings_and_the_whole_recipe() -> None:
    sweep = make_sweep()
    best = sweep.best()
    assert best is not None
    card, text = card_of(sweep), model_card(sweep)
    assert card.figures[0].name.startswith("test accuracy")
    assert card.figures[0].interval != ""
    assert dict(card.recipe)["learning_rate"] == repr(best.recipe["learning_rate"])
    assert set(dict(card.recipe)) == {*best.recipe, "seed"}
    assert f"trial {best.number}" in card.name
    assert "opened once" in text
    assert f"reproduce laptop {best.number}" in card.command or str(best.number) in card.command
    assert "one seed" in " ".join(card.limits)


def test_a_card_of_another_trainable_says_nothing_of_digits() -> None:
    text = model_card(boosting_sweep())
    assert "tests.boosting" in text
    assert "test log loss" in text
    assert "MNIST" not in text
    assert "class" not in text.partition("## Limits")[2]


def test_a_run_without_a_winner_has_no_card() -> None:
    with pytest.raises(NoWinner, match="none yet \\(no trials\\)"):
        model_card(sweep_of(()))


PLAN = """
name = "small"
[budget]
trials = 2
[data]
dataset = "digits"
[recipe]
batch_size = 100
epochs = 1
[space]
learning_rate = { low = 1e-3, high = 1e-2, log = true }
[confirmation]
candidates = 1
seeds = 2
"""


@pytest.mark.slow
def test_the_card_of_a_real_search_lies_beside_its_model_and_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(PLAN)
    run, card = tmp_path / "runs" / "small", tmp_path / "card.md"
    for words in (
        ["run", "small.toml", "--quiet", "--local"],
        ["export", "small", "--format", "card", "--output", str(card)],
    ):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert not ended.value.code
    text, sweep = card.read_text(), Sweep.read(run)
    assert text == model_card(sweep) == (run / "MODEL_CARD.md").read_text()
    assert sweep.openings[-1].looks[0].weights_sha256 is not None
    assert sweep.environment["data_sha256"] in text
    assert sweep.environment["processor"] in text
    assert "fresh seed" in text
