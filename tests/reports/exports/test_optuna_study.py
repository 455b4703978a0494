"""Optuna's tools open a run: its journal as it is, and the copy in SQLite that is exported."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from searches import TABLE
from servers import serving
from studies import carry_on, folder
from unfinished import DIVERGED, all_failed, confirmed, empty, every_state

from reports.exports import optuna_study as study_copy
from reports.exports.optuna_study import CopyDiffers, copy_study
from search.extend import BudgetIncrease, extended_plan
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.journal import StudyStorage
from search.records.lock import owning
from search.records.sweep import Sweep
from search.start import plan_of
from trainable.contract import Metric

METRIC = Metric("log_loss", "minimize", "nats")


def copied(run: RunFolder, folder: Path, name: str = "copy") -> optuna.Study:
    """The study as Optuna's documented way gives it."""
    path = folder / "copy.db"
    path.write_bytes(copy_study(run, name, METRIC))
    return optuna.load_study(study_name=None, storage=f"sqlite:///{path}")


def original(run: RunFolder) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=StudyStorage(run.journal))


def test_the_copy_has_everything_the_journal_has_and_our_states(tmp_path: Path) -> None:
    run = every_state(tmp_path)
    journal, copy = original(run), copied(run, tmp_path, "mixed")
    assert copy.study_name == "mixed"
    assert copy.direction is journal.direction
    assert copy.user_attrs == journal.user_attrs
    assert copy.metric_names == ["validation_accuracy"]
    states = [trial.state for trial in Sweep.read(run.path).trials]
    assert len(copy.trials) == len(journal.trials) == len(states) == 7
    for one, other, state in zip(copy.trials, journal.trials, states, strict=True):
        assert one.user_attrs == {**other.user_attrs, "state": str(state)}
        for part in ("number", "state", "values", "params", "distributions", "intermediate_values"):
            assert getattr(one, part) == getattr(other, part)
        assert one.system_attrs == other.system_attrs
        assert one.datetime_start == other.datetime_start
        assert one.datetime_complete == other.datetime_complete
    assert [trial.state.name for trial in copy.trials] == [
        *("COMPLETE", "PRUNED", "FAIL", "PRUNED", "COMPLETE", "RUNNING", "RUNNING")
    ]
    assert [str(state) for state in states] == [
        *("COMPLETE", "DIVERGED", "FAILED", "PRUNED", "COMPLETE", "INTERRUPTED", "PAUSED")
    ]
    assert copy.trials[1].user_attrs["diverged"] == DIVERGED
    assert copy.best_trial.number == journal.best_trial.number


def test_a_trial_of_a_run_that_is_owned_is_running(tmp_path: Path) -> None:
    run = every_state(tmp_path)
    with owning(run.lock):
        assert copied(run, tmp_path).trials[5].user_attrs["state"] == "RUNNING"


def test_a_confirmations_register_is_copied_too_while_its_run_is_owned(tmp_path: Path) -> None:
    run = confirmed(tmp_path)
    with owning(run.lock):
        copy = copied(run.confirmation, tmp_path)
    assert [trial.user_attrs["state"] for trial in copy.trials] == ["COMPLETE"] * 4


def test_a_space_whose_choices_were_changed_is_copied_as_it_was_drawn(tmp_path: Path) -> None:
    run = folder("small", tmp_path)
    carry_on(run, Plan.parse({**TABLE, "budget": {"trials": 4}}, "test"))
    sweep = Sweep.read(run.path)
    sets = ['space.schedule.choices=["constant", "cosine", "step"]']
    carry_on(run, extended_plan(plan_of(sweep), sweep, BudgetIncrease(trials=6), sets))
    copy = copied(run, tmp_path)
    drawn = {trial.distributions["schedule"].choices for trial in copy.trials}  # type: ignore[attr-defined]
    assert drawn == {("constant", "step"), ("constant", "cosine", "step")}
    assert len(copy.trials) == 10


def test_a_run_without_trials_gives_a_study_without_trials(tmp_path: Path) -> None:
    copy = copied(empty(tmp_path), tmp_path)
    assert copy.trials == []
    assert copy.direction.name == "MINIMIZE"
    assert len(copied(all_failed(tmp_path), tmp_path).trials) == 3


def test_the_copy_can_be_searched_on_with_optuna(tmp_path: Path) -> None:
    copy = copied(every_state(tmp_path), tmp_path)
    copy.optimize(lambda trial: trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True), n_trials=2)
    assert [trial.number for trial in copy.trials] == [*range(9)]


def test_a_copy_that_optuna_would_read_otherwise_is_not_given_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = every_state(tmp_path)
    write = study_copy._trial
    monkeypatch.setattr(
        study_copy, "_trial", lambda trial, study: {**write(trial, study), "datetime_complete": None}
    )
    with pytest.raises(CopyDiffers, match="datetime_complete of trial 0"):
        copy_study(run, "copy", METRIC)


@pytest.mark.slow
def test_the_dashboard_opens_a_journal_and_its_copy_alike(tmp_path: Path) -> None:
    run = every_state(tmp_path)
    copied(run, tmp_path, "mixed")
    seen = {}
    for storage in (str(run.journal), f"sqlite:///{tmp_path / 'copy.db'}"):
        dashboard = (
            "-c",
            "from optuna_dashboard._cli import main; main()",
            storage,
            "--host",
            "127.0.0.1",
            "--port",
            "PORT",
        )
        with serving(tmp_path, "/api/studies", *dashboard) as server:
            (study,) = server.get("/api/studies")["study_summaries"]
            told = server.get(f"/api/studies/{study['study_id']}")
        seen[study["study_name"]] = [
            (
                trial["number"],
                trial["state"],
                trial.get("values"),
                sorted((each["name"], each["param_external_value"]) for each in trial["params"]),
                sorted((each["step"], each["value"]) for each in trial["intermediate_values"]),
            )
            for trial in told["trials"]
        ]
    assert list(seen) == ["benchsweep", "mixed"]
    assert seen["benchsweep"] == seen["mixed"]
    assert [state for _, state, *_ in seen["mixed"]] == [
        *("Complete", "Pruned", "Fail", "Pruned", "Complete", "Running", "Running")
    ]
