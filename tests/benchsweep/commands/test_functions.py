"""A function of a user's, from its file to the report: nothing has a test split, and everything says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE

from search.engine.events import TrialEnded
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.start import starting

pytestmark = pytest.mark.slow

CODE = """\
def f(recipe):
    return (recipe["x"] - 0.3) ** 2 + 0.001 * recipe["seed"]
"""
PLAN = """\
trainable = "formula:f"
metric = { name = "loss", direction = "minimize" }
space.x = { low = 0.0, high = 1.0 }
budget.trials = 5
"""


def test_six_lines_are_searched_interrupted_resumed_confirmed_and_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Any
) -> None:
    assert len((CODE + PLAN).splitlines()) == 6
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "formula.py").write_text(CODE)
    (tmp_path / "plan.toml").write_text(PLAN)
    given = Plan.read("plan.toml", ["name=five"])
    with starting(RunFolder.named("five", tmp_path / "runs"), given, NOWHERE, LOCAL) as started:
        for ended, event in enumerate(event for event in started if isinstance(event, TrialEnded)):
            if ended == 1:
                started.stop()
            assert event.state == "COMPLETE"
    assert len(json.loads(here("show", "five", "--json").out)["trials"]) == 2
    done = here("run", "plan.toml", "--name", "five", "--local")
    assert done.code == 0, done.err
    assert "5 trials, all complete" in done.out
    assert "on validation. There is no test split." in done.out
    assert "sealed" not in done.out and "test set" not in done.out
    run = tmp_path / "runs" / "five"
    page = (run / "report.html").read_text()
    report = (run / "report.md").read_text()
    for text in (page, report):
        assert "There is no test split: the winner is chosen and reported on validation data." in text
        assert "not been opened" not in text and "sealed" not in text
    told = json.loads(here("show", "five", "--json").out)
    assert told["plan"]["trainable"] == "formula:f"
    assert told["test"] is None
    assert told["openings"] == []
    assert here("export", "five", "--format", "csv").code == 0
    assert "reproduced to the bit" in here("reproduce", "five").out
    assert "no test split" in here("train", "plan.toml", "--output", "once").out
    assert "no test split" in here("compare", "five", "five").out + (run / "report.md").read_text()
    for words in (
        ("evaluate", "five"),
        ("export", "five", "--format", "card"),
        ("check", "five", "--against", "five"),
    ):
        refused = here(*words)
        assert refused.code in (1, 2)
        assert "no test split" in refused.err
