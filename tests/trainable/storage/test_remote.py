"""Checkpoints on object storage: a real S3 server, killed and restarted; claims; a search that moves."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from s3 import KEYS, Server
from searches import LOCAL, NOWHERE, plan, search

from search.doctor.finding import CheckStatus
from search.doctor.run_files import inspect
from search.engine.events import EpochReported
from search.plan.plan import Plan, PlanError
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.reproduce import Reproduction, recorded_trial, reproduce
from search.start import plan_of, starting
from search.test_set import open_test_set
from trainable.epoch import Epoch
from trainable.storage.checkpoint import Checkpoint, latest, remove
from trainable.storage.claim import Claim, Superseded
from trainable.storage.remote import RemoteFolder, url_error


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    server = Server(tmp_path / "s3")
    yield server
    server.kill()


def checkpoint(epochs: int) -> Checkpoint:
    trained = tuple(Epoch(number, {"loss": 1 / number}, 0.1) for number in range(1, epochs + 1))
    return Checkpoint({"epoch": epochs, "weights": np.full(500, epochs, np.float32)}, trained, "{}")


def test_what_is_written_is_read_replaced_and_removed(server: Server) -> None:
    RemoteFolder(server.url).check()
    folder = RemoteFolder(server.url) / "a"
    with pytest.raises(FileNotFoundError):
        folder.read("one")
    folder.write("one", b"1" * 10**6)
    folder.write("one", b"2")
    assert folder.read("one") == b"2"
    folder.write("two", b"3")
    assert server.objects == ["runs/a/one", "runs/a/two", "runs/benchsweep-check"]
    folder.remove("one")
    folder.remove("one")
    assert server.objects == ["runs/a/two", "runs/benchsweep-check"]


def test_a_store_that_does_not_answer_is_retried(server: Server) -> None:
    folder = RemoteFolder(server.url)
    server.kill()
    threading.Timer(2.0, server.start).start()
    before = RemoteFolder.seconds_waited
    folder.write("one", b"1")
    assert 1 <= RemoteFolder.seconds_waited - before < 30
    assert folder.read("one") == b"1"


def test_a_worker_that_waits_for_a_store_checks_its_claim_before_each_retry(server: Server) -> None:
    folder, claim = RemoteFolder(server.url), Claim(RemoteFolder(f"file://{server.folder}/claim"), 5, 1)
    claim.acquire()
    server.kill()
    Claim(claim.folder, 5, 2).acquire()
    with pytest.raises(Superseded):
        checkpoint(1).save(folder, claim.check)
    server.start()
    assert latest(folder) == (None, [])


def test_any_exception_of_an_fsspec_file_system_is_retried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fsspec
    from fsspec.implementations.memory import MemoryFileSystem

    class Odd(MemoryFileSystem):  # type: ignore[misc]
        protocol = "odd"
        faults = 2

        def _open(self, *args: object, **named: object) -> object:
            if Odd.faults:
                Odd.faults -= 1
                raise LookupError("busy")
            return super()._open(*args, **named)

    fsspec.register_implementation("odd", Odd, clobber=True)
    folder = RemoteFolder("odd://bucket/runs")
    folder.write("one", b"1")
    assert (Odd.faults, folder.read("one")) == (0, b"1")
    Odd.faults = 1
    with pytest.raises(OSError, match="LookupError: busy"):
        folder.with_timeout(0.0).write("two", b"2")


@pytest.mark.parametrize("wrong", ["no server", "no bucket", "another key"])
def test_the_check_of_an_unusable_store_fails_at_once(
    server: Server, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url
    if wrong == "no server":
        server.kill()
    elif wrong == "no bucket":
        url = url.replace(server.bucket, "another")
    else:
        url += "&region=elsewhere"  # a file system of its own, so that the key is read again
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    started = time.monotonic()
    with pytest.raises(OSError, match="cannot store checkpoints at s3://") as raised:
        RemoteFolder(url).check()
    assert "AWS_ACCESS_KEY_ID" in str(raised.value)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "url, rule",
    [
        ("runs", "must be a URL"),
        ("s3://", "must be a URL"),
        ("s3://me:secret@bucket/a", "must not contain credentials"),
        ("s3://bucket/a?secret_key=x", "must not contain credentials"),
    ],
)
def test_a_url_that_is_invalid_or_contains_a_secret_is_refused_without_showing_the_secret(
    url: str, rule: str
) -> None:
    with pytest.raises(PlanError, match=rule) as raised:
        plan(storage=url)
    assert "me:secret" not in str(raised.value)
    assert url_error("s3://bucket/a?endpoint_override=host:9&scheme=http") is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["save", "torn", "again"]), min_size=1, max_size=8))
def test_the_latest_complete_checkpoint_is_found_even_if_the_last_write_was_torn(steps: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        folder = RemoteFolder(f"file://{scratch}/trial")
        complete: dict[int, int] = {}
        epochs = 0
        for step in steps:
            epochs += step != "again" or not epochs
            checkpoint(epochs).save(folder)
            complete[epochs % 2] = epochs
            if step == "torn":
                name = f"checkpoint.{epochs % 2}.safetensors"
                folder.write(name, folder.read(name)[:-7])
                del complete[epochs % 2]
                epochs -= 1
        found, errors = latest(folder, "{}")
        assert (len(found.epochs) if found else 0) == max(complete.values(), default=0)
        assert len(errors) <= 2 - len(complete)
        remove(folder)
        assert latest(folder) == (None, [])


@pytest.mark.parametrize("remote", [False, True])
def test_a_worker_cannot_store_anything_once_another_one_has_claimed_its_trial(
    tmp_path: Path, remote: bool
) -> None:
    folder = RemoteFolder(f"file://{tmp_path}") if remote else tmp_path
    first, second = Claim(folder, 5, 1), Claim(folder, 5, 2)
    first.acquire()
    first.check()
    second.acquire()
    with pytest.raises(Superseded, match="another worker has claimed the trial"):
        first.check()
    with pytest.raises(Superseded):
        first.acquire()  # it was slow to start
    second.check()
    resumed = Claim(folder, 3, 1)  # by another process, whatever its number
    resumed.acquire()
    with pytest.raises(Superseded, match="a copy of the run is being searched elsewhere"):
        second.check()
    resumed.check()


@pytest.mark.slow
def test_a_search_with_checkpoints_on_s3_survives_a_killed_server_and_a_move_to_another_folder(
    server: Server, tmp_path: Path
) -> None:
    plan_ = plan(
        budget={"trials": 3},
        recipe={"batch_size": 50, "epochs": 30},
        pruner={"name": "none"},
        confirmation={"candidates": 0},
        storage=server.url,
    )
    here = RunFolder.named("small", tmp_path / "here")
    killed = False
    with starting(here, plan_, NOWHERE, LOCAL) as started:
        for event in started:
            if isinstance(event, EpochReported) and event.epoch.number == 5 and not killed:
                server.kill()
                threading.Timer(3.0, server.start).start()
                killed = True
            if isinstance(event, EpochReported) and event.number == 2 and event.epoch.number == 10:
                started.stop()
    assert killed
    cut = Sweep.read(here.path)
    assert cut.count(State.INTERRUPTED) >= 1
    assert any("storage did not answer for" in note for trial in cut.trials for note in trial.notes)
    assert not list(here.path.rglob("*checkpoint*"))
    stored = [name for name in server.objects if "checkpoint" in name]
    assert all(name.startswith("runs/small-") for name in stored)
    # Each trial has two, but the one that was being written when its worker was ended may be missing.
    assert {Path(name).parent.name for name in stored} == {"00000", "00001", "00002"}

    there = RunFolder.named("small", tmp_path / "there")  # as on another host
    shutil.copytree(here.path, there.path)
    shutil.rmtree(here.path)
    search(there, plan_of(cut))
    sweep = Sweep.read(there.path)
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3
    for before, after in zip(cut.trials, sweep.trials, strict=True):
        assert after.epochs[: len(before.epochs)] == before.epochs
        assert [epoch.number for epoch in after.epochs] == list(range(1, 31))
    local_run = RunFolder.named("local", tmp_path)
    local = {key: value for key, value in plan_.to_table().items() if key != "storage"}
    search(local_run, Plan.parse({**local, "name": "local", "budget": {"trials": 2}}, "test"))
    undisturbed = {json.dumps(trial.recipe): trial for trial in Sweep.read(local_run.path).trials}
    assert sweep.trials[0].weights_sha256 == undisturbed[json.dumps(sweep.trials[0].recipe)].weights_sha256

    opening = open_test_set(there, NOWHERE)
    assert opening is not None and opening.looks
    assert (there.path / "model.safetensors").is_file()
    *_, again = reproduce(plan_of(sweep), recorded_trial(sweep, 1), NOWHERE)
    assert isinstance(again, Reproduction) and again.outcome == "exact"
    checks = {finding.name: finding for finding in inspect(there)}
    assert checks["checkpoints"].verdict is CheckStatus.PASS


def test_the_driver_writes_the_traceback_of_a_failed_trial(server: Server, tmp_path: Path) -> None:
    plan_ = Plan.parse(
        {
            "name": "failing",
            "trainable": "boosting",
            "budget": {"trials": 1},
            "recipe": {"epochs": 2, "fault": "raise"},
            "space": {"shrinkage": {"low": 0.05, "high": 0.5}},
            "confirmation": {"candidates": 0},
            "storage": server.url,
        },
        "test",
    )
    run = RunFolder.named("failing", tmp_path)
    search(run, plan_)
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.FAILED
    assert "Traceback" in run.trial(0).error.read_text()
