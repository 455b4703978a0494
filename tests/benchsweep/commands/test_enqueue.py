"""`benchsweep enqueue`: what it checks, writes and says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from searches import TABLE
from studies import carry_on, folder

from benchsweep.actions.enqueue import enqueue_recipe
from search.plan.plan import Plan, PlanError
from search.records.enqueued import enqueued


def test_a_recipe_for_a_finished_run_waits_for_an_extension(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = folder("small", tmp_path)
    carry_on(run, Plan.parse({**TABLE, "budget": {"trials": 2}}, "test"))
    enqueue_recipe("small", ["learning_rate=0.01", "schedule=constant"], tmp_path, json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["sampled"] == {"learning_rate": 0.01, "schedule": "constant"}
    assert told["position"] == 1
    assert "benchsweep extend " in told["next"]
    enqueue_recipe("small", ["learning_rate=0.02"], tmp_path, json=False)
    assert "learning_rate 0.02" in capsys.readouterr().out
    assert [values for _, values in enqueued(run)] == [
        {"learning_rate": 0.01, "schedule": "constant"},
        {"learning_rate": 0.02},
    ]


def test_all_faults_of_a_recipe_are_told_and_nothing_is_written(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    carry_on(run, Plan.parse({**TABLE, "budget": {"trials": 2}}, "test"))
    with pytest.raises(PlanError) as raised:
        enqueue_recipe("small", ["learning_rate=0.01", "dropuot=0.1", "width"], tmp_path, json=False)
    assert len(raised.value.faults) == 2
    assert not run.enqueued.exists()
