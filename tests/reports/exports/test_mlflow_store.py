"""MLflow's own server lists an exported run's trials, asked over its REST API."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from servers import Server, serving
from sweeps import confirmed_sweep, make_repeat, make_trial, sweep_of
from unfinished import DIVERGED, every_state

from reports.exports.mlflow_store import mlflow_store
from search.records.sweep import State, Sweep
from trainable.epoch import Epoch

Asked = Callable[[str, dict[str, Any]], Any]


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sweep], list[dict[str, Any]]]:
    """The runs of an exported sweep as MLflow's client reads them: name, status, tags, params, metrics."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")

    def read(sweep: Sweep) -> list[dict[str, Any]]:
        from mlflow.tracking import MlflowClient

        path = tmp_path / f"{sweep.name}.db"
        path.write_bytes(mlflow_store(sweep).content)
        client = MlflowClient(f"sqlite:///{path}")
        experiment = client.get_experiment_by_name(sweep.name)
        assert experiment is not None
        return [
            {
                "id": run.info.run_id,
                "name": run.info.run_name,
                "status": run.info.status,
                "tags": run.data.tags,
                "params": run.data.params,
                "metrics": run.data.metrics,
                "history": {
                    key: [(each.step, each.value) for each in client.get_metric_history(run.info.run_id, key)]
                    for key in run.data.metrics
                },
            }
            for run in client.search_runs([experiment.experiment_id])
        ]

    return read


@pytest.mark.slow
def test_the_server_lists_the_search_and_a_run_for_each_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")  # starts twice as fast without
    sweep = Sweep.read(every_state(tmp_path).path)
    store = tmp_path / "store.db"
    store.write_bytes(mlflow_store(sweep).content)
    command = ("-m", "mlflow", "server", "--backend-store-uri", f"sqlite:///{store}", "--workers", "1")
    address = ("--host", "127.0.0.1", "--port", "PORT")
    experiments = "/api/2.0/mlflow/experiments/search?max_results=10"
    with serving(tmp_path, experiments, *command, *address) as server:
        known = {each["name"]: each["experiment_id"] for each in server.get(experiments)["experiments"]}
        runs = _runs(server, known["mixed"])
        best = next(run for run in runs if "benchsweep.top_score" in run["tags"])
        key = "run_id=" + best["id"] + "&metric_key=validation_accuracy"
        history = server.get(f"/api/2.0/mlflow/metrics/get-history?{key}")["metrics"]
    (parent,) = [run for run in runs if run["tags"]["benchsweep.kind"] == "search"]
    assert (parent["name"], parent["status"]) == ("mixed", "KILLED")
    trials = {int(run["tags"]["benchsweep.trial"]): run for run in runs if run is not parent}
    assert set(trials) == {trial.number for trial in sweep.trials}
    assert [trials[number]["status"] for number in sorted(trials)] == [
        *("FINISHED", "FAILED", "FAILED", "KILLED", "FINISHED", "KILLED", "SCHEDULED")
    ]
    assert trials[1]["tags"]["mlflow.note.content"] == DIVERGED
    for trial in sweep.trials:
        run = trials[trial.number]
        assert run["tags"]["mlflow.parentRunId"] == parent["id"]
        assert run["tags"]["benchsweep.state"] == str(trial.state)
        assert set(run["params"]) == set(trial.recipe)
        assert float(run["params"]["learning_rate"]) == trial.recipe["learning_rate"]
        assert run["metrics"].get("validation_accuracy") == trial.score
    found = sweep.best()
    assert found is not None
    assert best["tags"]["benchsweep.trial"] == str(found.number)
    assert [(int(each["step"]), each["value"]) for each in history] == [
        (epoch.number, epoch.metrics["validation_accuracy"]) for epoch in found.epochs
    ]
    assert found.started is not None
    first = round(found.started.timestamp() * 1000) + 500  # of an epoch of half a second
    assert abs(int(history[0]["timestamp"]) - first) <= 1


def _runs(server: Server, experiment: str) -> list[dict[str, Any]]:
    asked = {"experiment_ids": [experiment], "max_results": 1000}
    return [
        {
            "id": run["info"]["run_id"],
            "name": run["info"]["run_name"],
            "status": run["info"]["status"],
            **{
                part: {each["key"]: each["value"] for each in run["data"].get(part, [])}
                for part in ("tags", "params", "metrics")
            },
        }
        for run in server.post("/api/2.0/mlflow/runs/search", asked)["runs"]
    ]


@pytest.mark.slow
def test_a_confirmations_reruns_are_runs_and_the_winner_is_marked(shown: Any) -> None:
    sweep = confirmed_sweep()
    assert sweep.confirmation is not None
    runs = shown(sweep)
    parent = next(run for run in runs if run["tags"]["benchsweep.kind"] == "search")
    winner = parent["tags"]["benchsweep.winner"]
    assert winner == sweep.confirmation.candidates[0].name
    reruns = [run for run in runs if run["tags"]["benchsweep.kind"] == "rerun"]
    assert len(reruns) == 40
    assert {run["name"] for run in runs if run["tags"].get("benchsweep.winner") == "true"} == {
        winner,
        *(f"{winner}, seed {seed}" for seed in sweep.confirmation.seeds),
    }
    assert all(0.9 < run["metrics"]["test.accuracy"] < 1 for run in reruns)
    assert parent["metrics"]["test.accuracy"] == pytest.approx(
        sum(run["metrics"]["test.accuracy"] for run in reruns if run["name"].startswith(winner)) / 10
    )
    assert parent["params"]["space.dropout.high"] == "0.4"


@pytest.mark.slow
def test_what_mlflow_does_not_take_is_cut_or_renamed_and_said(shown: Any) -> None:
    names = ["x" * 10_000, "größe", "a?b", "a*b", "../up", "/root", "a//b", "."]
    trial = make_trial(
        0,
        recipe={"long": "v" * 10_000, "empty": "", "none": None, "lists": [1, [2]], "seed": 0, "\udcff": 1},
        epochs=(Epoch(1, {**dict.fromkeys(names, 1e300), "validation_accuracy": 0.5}, 1.0),),
        error="e" * 9000,
        notes=("\udcff",),
    )
    sweep = sweep_of([trial])
    _, run = sorted(shown(sweep), key=lambda run: str(run["tags"]["benchsweep.kind"]))
    assert len(run["metrics"]) == len(names) + 1
    assert run["metrics"]["größe"] == 1e300
    assert "a?b" not in run["metrics"]
    assert run["params"]["long"] == "v" * 5999 + "…"
    assert (run["params"]["empty"], run["params"]["none"]) == ("", "null")
    assert json.loads(run["params"]["lists"]) == [1, [2]]
    assert run["tags"]["mlflow.note.content"] == "e" * 7999 + "…"
    notes = " ".join(mlflow_store(sweep).notes)
    assert "1 value was cut to MLflow's limit of 6,000 characters" in notes
    assert "1 value was cut to MLflow's limit of 8,000 characters" in notes
    assert "8 names that MLflow does not accept" in notes


@pytest.mark.slow
def test_more_than_a_call_holds_arrives_whole(shown: Any) -> None:
    epochs = tuple(Epoch(at, {"validation_accuracy": at / 3000, "loss": 1.0}, 0.1) for at in range(1, 1201))
    recipe = {f"setting{at}": at for at in range(230)}
    runs = shown(sweep_of([make_trial(0, recipe={**recipe, "seed": 0}, epochs=epochs)]))
    (run,) = [run for run in runs if run["tags"]["benchsweep.kind"] == "trial"]
    assert run["history"]["validation_accuracy"] == [(at, at / 3000) for at in range(1, 1201)]
    assert {name: int(value) for name, value in run["params"].items()} == {**recipe, "seed": 0}


@pytest.mark.slow
def test_a_run_of_any_state_and_name_is_a_store(shown: Any, tmp_path: Path) -> None:
    (nothing,) = shown(sweep_of([]))
    assert nothing["status"] == "SCHEDULED"
    first = make_trial(0)
    sweep = sweep_of(
        [first, make_repeat(1, first), make_trial(2, state=State.RUNNING)], alive=True, name="Default"
    )
    runs = {run["name"]: run for run in shown(sweep)}
    assert {name: run["status"] for name, run in runs.items()} == {
        "Default": "RUNNING",
        "trial 0": "FINISHED",
        "trial 1": "FINISHED",
        "trial 2": "RUNNING",
    }
    assert runs["trial 1"]["metrics"] == {"validation_accuracy": first.score}
    assert sorted(each.name for each in tmp_path.iterdir()) == ["Default.db", "laptop.db"]
