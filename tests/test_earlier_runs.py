"""Runs and models that an earlier version wrote are read, resumed, reported and reproduced by this one.

tests/earlier/ holds them as version 0.1.0 left them, beside what that version said of them (expected.json).
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from probes import ask_once

from benchsweep.__main__ import main
from search.records import Sweep

pytestmark = pytest.mark.slow

EARLIER = Path(__file__).with_name("earlier")
EXPECTED: Mapping[str, Any] = json.loads((EARLIER / "expected.json").read_text())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A copy of one of the runs; the user's own trainable lies in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    shutil.copy(EARLIER / "perceptron.py", tmp_path)

    def copy(name: str) -> Path:
        return Path(shutil.copytree(EARLIER / name, tmp_path / "runs" / name))

    return copy


def benchsweep(*words: str | Path) -> int:
    """The exit code of the command."""
    with pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    return int(ended.value.code or 0)


def facts(sweep: Sweep) -> dict[str, Any]:
    """What expected.json states of every run."""
    top = sweep.top()
    return {
        "states": {
            state: sweep.count(state) for state in dict.fromkeys(trial.state for trial in sweep.trials)
        },
        "best": None if top is None else top.number,
        "scores": [trial.score for trial in sweep.trials],
        "by_trial": [
            {
                "number": trial.number,
                "state": str(trial.state),
                "score": trial.score,
                "epochs": len(trial.epochs),
                "sampled": dict(trial.sampled),
                "same_as": trial.same_as,
                "session": trial.session,
                "resumed_from": list(trial.resumed_from),
                "weights_sha256": trial.weights_sha256,
            }
            for trial in sweep.trials
        ],
        "ends": [session.ended for session in sweep.sessions],
        "plans": [version.trials for version in sweep.plans],
        "looks": [[look.weights_sha256 for look in opening.looks] for opening in sweep.openings],
    }


def stated(name: str) -> dict[str, Any]:
    expected = EXPECTED[name]
    return {
        **{key: expected[key] for key in ("states", "best", "scores", "by_trial")},
        "ends": list(expected["sessions"]),
        "plans": [version["trials"] for version in expected["plans"]],
        "looks": [
            [look.get("weights_sha256") for look in opening["looks"]] for opening in expected["openings"]
        ],
    }


@pytest.mark.parametrize("name", ["finished", "interrupted", "unconfirmed", "extended", "own"])
def test_a_run_is_read_as_the_version_that_wrote_it_read_it(name: str) -> None:
    sweep = Sweep.read(EARLIER / name)
    assert facts(sweep) == stated(name)
    confirmation = EXPECTED[name]["confirmation"]
    assert (sweep.confirmation is None) == (confirmation is None)
    if sweep.confirmation is not None:
        assert [candidate.name for candidate in sweep.confirmation.candidates] == [
            candidate["name"] for candidate in confirmation["candidates"]
        ]


@pytest.mark.parametrize("name", ["finished", "interrupted", "unconfirmed", "extended", "own"])
def test_it_is_shown_checked_reported_and_exported(
    name: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask_once(monkeypatch)
    folder = run(name)
    for words in (("show", folder), ("show", folder, "0", "--json"), ("status", folder), ("doctor", folder)):
        assert benchsweep(*words) == 0, words
    assert benchsweep("report", folder) == 0
    results = json.loads((folder / "results.json").read_text())
    assert [trial["score"] for trial in results["trials"]] == EXPECTED[name]["scores"]
    for kind in ("csv", "json", "optuna-sqlite"):
        assert benchsweep("export", folder, "--format", kind, "--output", tmp_path / f"out.{kind}") == 0, kind


@pytest.mark.parametrize(("name", "trial"), [("finished", "3"), ("unconfirmed", "best"), ("own", "5")])
def test_its_trials_are_reproduced(name: str, trial: str, run: Any) -> None:
    assert benchsweep("reproduce", run(name), trial) == 0


def test_a_reproduction_says_that_another_version_of_the_training_made_the_record(
    run: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchsweep("reproduce", run("finished"), "3") == 0
    assert "trainable_sha256 was" in " ".join(capsys.readouterr().out.split())


def test_its_results_file_is_reproduced_without_the_run(run: Any) -> None:
    assert benchsweep("reproduce", "--from", run("finished") / "results.json") == 0


def test_its_saved_model_is_evaluated_and_exported(run: Any, tmp_path: Path) -> None:
    folder = run("finished")
    assert benchsweep("evaluate", folder, "--json") == 0
    for kind in ("safetensors", "pth"):
        assert benchsweep("export", folder, "--format", kind, "--output", tmp_path / f"model.{kind}") == 0


def test_it_is_resumed_to_the_end_that_the_version_that_wrote_it_came_to(run: Any) -> None:
    folder = run("interrupted")
    before = EXPECTED["interrupted"]
    assert benchsweep("resume", folder, "--local", "--quiet") == 0
    sweep = Sweep.read(folder)
    assert len(sweep.trials) == before["resumed"]["trials"]
    kept = [number for number, trial in enumerate(before["by_trial"]) if trial["state"] != "INTERRUPTED"]
    assert [sweep.trials[number].score for number in kept] == [before["scores"][number] for number in kept]
    for trial, stated in zip(sweep.trials, before["by_trial"], strict=False):
        assert dict(trial.sampled) == stated["sampled"]
    assert sweep.trials[3].resumed_from == (3,)
    # Other random numbers decide on dropout since, so the rest of a curve is only alike.
    assert [trial.score for trial in sweep.trials] == pytest.approx(before["resumed"]["scores"], abs=0.1)


def test_a_users_own_module_is_resumed_with_the_names_it_imports(run: Any) -> None:
    folder = run("own")
    assert benchsweep("extend", folder, "--trials", "2", "--local", "--quiet") == 0
    sweep = Sweep.read(folder)
    assert len(sweep.trials) == 12
    assert facts(sweep)["by_trial"][:10] == EXPECTED["own"]["by_trial"]
