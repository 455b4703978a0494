"""`benchsweep check`: what it says where nothing has the name that --against gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sweeps import make_evaluation

from benchsweep.actions.check import check_accuracy
from benchsweep.errors import UsageError


def test_an_unknown_name_is_answered_with_the_published_results_the_nearest_first(tmp_path: Path) -> None:
    trained = tmp_path / "mine"
    trained.mkdir()
    seeds = [{"evaluation": make_evaluation().to_json()}]
    (trained / "train.json").write_text(json.dumps({"name": "mine", "seeds": seeds}))
    with pytest.raises(UsageError) as raised:
        check_accuracy(str(trained), "lenet", 0.05, tmp_path / "runs", json=False)
    assert raised.value.message == "--against must name a published result or a run, but got lenet"
    advice = raised.value.advice or ""
    assert advice.startswith("published: lecun1998-lenet1, deep-compression-lenet300-100, lecun1998-lenet5,")
    assert "origin-improved" in advice and "there is no run" in advice
