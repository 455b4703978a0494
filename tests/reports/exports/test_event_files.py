"""TensorBoard shows an exported run: its curves and the HPARAMS tab, asked over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from servers import serving
from sweeps import boosting_sweep, make_repeat, make_trial, sweep_of
from unfinished import every_state

from reports.exports.event_files import STATE, event_files
from search.records.sweep import State, Sweep
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.storage.durable import write_folder

STATUSES = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
STATUS = {State.FAILED: 2, State.DIVERGED: 2, State.INTERRUPTED: 0, State.PAUSED: 0}
"""The status that is not success, as its position in `STATUSES`."""


class Shown:
    """What TensorBoard answers on a run. hparams: of its columns, by name. groups: by trial's name."""

    def __init__(self, sweep: Sweep, folder: Path) -> None:
        write_folder(folder / "events", event_files(sweep).files)
        board = ("-m", "tensorboard.main", "--logdir", folder / "events", "--host", "127.0.0.1")
        scalars = "/data/plugin/scalars"
        with serving(folder, f"{scalars}/tags", *board, "--port", "PORT", "--reload_interval", "1") as server:
            self.tags: dict[str, Any] = {}
            while len(self.tags) < sum(bool(trial.epochs) for trial in sweep.trials):
                self.tags = server.get(f"{scalars}/tags")
            self.curves = {
                (run, tag): server.get(f"{scalars}/scalars?run={quote(run)}&tag={quote(tag, safe='')}")
                for run, tags in self.tags.items()
                for tag in tags
            }
            told = server.post(
                "/data/plugin/hparams/experiment", {"experimentName": "", "includeMetrics": True}
            )
            self.hparams = {each["name"]: each for each in told["hparamInfos"]}
            self.metrics = [each["name"]["tag"] for each in told["metricInfos"]]
            asked = {
                "experimentName": "",
                "allowedStatuses": STATUSES,
                "colParams": [{"metric": {"group": "", "tag": tag}} for tag in self.metrics]
                + [{"hparam": name} for name in self.hparams],
                "startIndex": 0,
                "sliceSize": 1000,
            }
            found = server.post("/data/plugin/hparams/session_groups", asked)
            self.groups = {each["name"]: each for each in found["sessionGroups"]}


def test_every_trial_has_its_curves_its_settings_its_state_and_its_score(tmp_path: Path) -> None:
    sweep = Sweep.read(every_state(tmp_path).path)
    shown = Shown(sweep, tmp_path)
    trained = [trial for trial in sweep.trials if trial.epochs]
    assert set(shown.tags) == {f"trial-{trial.number:05d}" for trial in trained}
    for trial in trained:
        for name in ("train_loss", "validation_accuracy"):
            curve = shown.curves[f"trial-{trial.number:05d}", name]
            assert [step for _, step, _ in curve] == [epoch.number for epoch in trial.epochs]
            expected = [epoch.metrics[name] for epoch in trial.epochs]
            assert [value for *_, value in curve] == pytest.approx(expected, rel=1e-6)
    assert shown.metrics == ["validation_accuracy"]
    assert list(shown.groups) == [f"trial {trial.number}" for trial in sweep.trials]
    for trial in sweep.trials:
        group = shown.groups[f"trial {trial.number}"]
        assert group["hparams"][STATE] == str(trial.state)
        assert {name for name in group["hparams"] if name != STATE} == set(trial.sampled)
        assert group["hparams"]["learning_rate"] == trial.sampled["learning_rate"]
        assert group["hparams"]["schedule"] == trial.sampled["schedule"]
        values = [each["value"] for each in group.get("metricValues", [])]
        assert values == ([] if trial.score is None else [pytest.approx(trial.score, rel=1e-6)])
        (session,) = group["sessions"]
        expected_status = STATUS.get(trial.state, 1)
        assert session.get("status", STATUSES[0]) == STATUSES[expected_status]
    assert shown.hparams["learning_rate"]["type"] == "DATA_TYPE_FLOAT64"
    assert shown.hparams["schedule"]["type"] == "DATA_TYPE_STRING"


def test_hostile_names_and_values_are_shown_as_they_are(tmp_path: Path) -> None:
    long, odd = "n" * 10_000, "größe/α β?&=#<b>"
    settings = {odd: ["[1, 2]", True], long: [1.5, 2.5], "mixed": [3, "auto"], "lists": [[1, 2], [3]]}
    trials = [
        make_trial(
            at,
            sampled={name: values[at] for name, values in settings.items()},
            epochs=(Epoch(1, {"validation_accuracy": 0.5, odd: 0.25, "huge": 1e300}, 1.0),),
            score=0.5,
        )
        for at in (0, 1)
    ]
    sweep = sweep_of([*trials, make_trial(2, sampled={}, epochs=(), score=None, state=State.RUNNING)])
    assert event_files(sweep).left_out == 2
    shown = Shown(sweep, tmp_path)
    assert set(shown.tags["trial-00000"]) == {"validation_accuracy", odd}
    first, second = shown.groups["trial 0"]["hparams"], shown.groups["trial 1"]["hparams"]
    assert (first[odd], second[odd]) == ('"[1, 2]"', "true")
    assert (first[long], second[long]) == (1.5, 2.5)
    assert (first["mixed"], second["mixed"]) == ("3", '"auto"')
    assert (first["lists"], second["lists"]) == ("[1, 2]", "[3]")
    assert shown.groups["trial 2"]["hparams"] == {STATE: "RUNNING"}


def test_a_repeated_recipe_has_the_score_it_was_given(tmp_path: Path) -> None:
    first = make_trial(0)
    shown = Shown(sweep_of([first, make_repeat(1, first)]), tmp_path)
    ((_, step, value),) = shown.curves["trial-00001", "validation_accuracy"]
    assert (step, value) == (2, pytest.approx(first.score, rel=1e-6))


def test_any_sweep_has_event_files_that_are_the_same_each_time() -> None:
    for sweep in (sweep_of([]), boosting_sweep(), sweep_of([], metric=Metric("x", "minimize", ""))):
        assert event_files(sweep).files == event_files(sweep).files
        assert len(event_files(sweep).files) == len(sweep.trials) + 1
