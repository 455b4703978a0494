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
from search.reproduce import Reproduction, original, reproduce
from search.start import plan_of, starting
from search.test_set import open_test_set
from trainable.epoch import Epoch
from trainable.storage.checkpoint import Checkpoint, latest, remove
from trainable.storage.claim import Claim, Superseded
from trainable.storage.remote import RemoteFolder, fault_of


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    made = Server(tmp_path / "s3")
    yield made
    made.kill()


def checkpoint(epochs: int) -> Checkpoint:
    told = tuple(Epoch(number, {"loss": 1 / number}, 0.1) for number in range(1, epochs + 1))
    return Checkpoint({"epoch": epochs, "weights": np.full(500, epochs, np.float32)}, told, "{}")


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


def test_a_store_that_is_away_is_waited_for(server: Server) -> None:
    folder = RemoteFolder(server.url)
    server.kill()
    threading.Timer(2.0, server.start).start()
    before = RemoteFolder.waited
    folder.write("one", b"1")
    assert 1 <= RemoteFolder.waited - before < 30
    assert folder.read("one") == b"1"


def test_a_worker_that_waits_for_a_store_looks_whether_the_trial_is_still_its_own(server: Server) -> None:
    folder, claimed = RemoteFolder(server.url), Claim(RemoteFolder(f"file://{server.folder}/claim"), 5, 1)
    claimed.make()
    server.kill()
    Claim(claimed.folder, 5, 2).make()
    with pytest.raises(Superseded):
        checkpoint(1).keep(folder, claimed.check)
    server.start()
    assert latest(folder) == (None, [])


def test_a_store_of_another_kind_that_fails_in_its_own_way_is_tried_again(
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
        folder.within(0.0).write("two", b"2")


@pytest.mark.parametrize("wrong", ["no server", "no bucket", "another key"])
def test_a_store_that_cannot_be_used_is_told_at_once(
    server: Server, wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.url
    if wrong == "no server":
        server.kill()
    elif wrong == "no bucket":
        url = url.replace(server.bucket, "another")
    else:
        url += "&region=elsewhere"  # a file system of its own, so that the key is read anew
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    began = time.monotonic()
    with pytest.raises(OSError, match="checkpoints are to be kept at s3://") as raised:
        RemoteFolder(url).check()
    assert "AWS_ACCESS_KEY_ID" in str(raised.value)
    assert time.monotonic() - began < 60


@pytest.mark.parametrize(
    "url, told",
    [
        ("runs", "must be an address"),
        ("s3://", "must be an address"),
        ("s3://me:secret@bucket/a", "must not hold credentials"),
        ("s3://bucket/a?secret_key=x", "must not hold credentials"),
    ],
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused_and_not_repeated(url: str, told: str) -> None:
    with pytest.raises(PlanError, match=told) as raised:
        plan(storage=url)
    assert "me:secret" not in str(raised.value)
    assert fault_of("s3://bucket/a?endpoint_override=host:9&scheme=http") is None


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(["keep", "torn", "again"]), min_size=1, max_size=8))
def test_the_newest_whole_checkpoint_is_found_whatever_became_of_the_last_write(steps: list[str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        place = RemoteFolder(f"file://{scratch}/trial")
        whole: dict[int, int] = {}
        epochs = 0
        for step in steps:
            epochs += step != "again" or not epochs
            checkpoint(epochs).keep(place)
            whole[epochs % 2] = epochs
            if step == "torn":
                name = f"checkpoint.{epochs % 2}.safetensors"
                place.write(name, place.read(name)[:-7])
                del whole[epochs % 2]
                epochs -= 1
        found, faults = latest(place, "{}")
        assert (len(found.epochs) if found else 0) == max(whole.values(), default=0)
        assert len(faults) <= 2 - len(whole)
        remove(place)
        assert latest(place) == (None, [])


@pytest.mark.parametrize("remote", [False, True])
def test_a_worker_that_was_cut_off_stores_nothing_once_another_was_sent(tmp_path: Path, remote: bool) -> None:
    folder = RemoteFolder(f"file://{tmp_path}") if remote else tmp_path
    first, second = Claim(folder, 5, 1), Claim(folder, 5, 2)
    first.make()
    first.check()
    second.make()
    with pytest.raises(Superseded, match="another worker's now"):
        first.check()
    with pytest.raises(Superseded):
        first.make()  # it was cut off before it came so far
    second.check()
    resumed = Claim(folder, 3, 1)  # by another process, whatever its number
    resumed.make()
    with pytest.raises(Superseded, match="a copy of the run is searched elsewhere"):
        second.check()
    resumed.check()


def test_a_search_keeps_its_checkpoints_on_s3_through_a_killed_server_and_moves_to_another_folder(
    server: Server, tmp_path: Path
) -> None:
    given_ = plan(
        budget={"trials": 3},
        recipe={"batch_size": 50, "epochs": 30},
        pruner={"name": "none"},
        confirmation={"candidates": 0},
        storage=server.url,
    )
    here = RunFolder.named("small", tmp_path / "here")
    killed = False
    with starting(here, given_, NOWHERE, LOCAL) as started:
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
    assert any("its storage did not answer for" in note for trial in cut.trials for note in trial.notes)
    assert not list(here.path.rglob("*checkpoint*"))
    stored = [name for name in server.objects if "checkpoint" in name]
    assert all(name.startswith("runs/small-") for name in stored)
    # Of a trial's two the one that was being written when its worker was ended may be missing.
    assert {Path(name).parent.name for name in stored} == {"00000", "00001", "00002"}

    there = RunFolder.named("small", tmp_path / "there")  # another host, which sees the storage
    shutil.copytree(here.path, there.path)
    shutil.rmtree(here.path)
    search(there, plan_of(cut))
    sweep = Sweep.read(there.path)
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 3
    for before, after in zip(cut.trials, sweep.trials, strict=True):
        assert after.epochs[: len(before.epochs)] == before.epochs
        assert [epoch.number for epoch in after.epochs] == list(range(1, 31))
    whole = RunFolder.named("whole", tmp_path)
    local = {key: value for key, value in given_.to_table().items() if key != "storage"}
    search(whole, Plan.parse({**local, "name": "whole", "budget": {"trials": 2}}, "test"))
    undisturbed = {json.dumps(trial.recipe): trial for trial in Sweep.read(whole.path).trials}
    assert sweep.trials[0].weights_sha256 == undisturbed[json.dumps(sweep.trials[0].recipe)].weights_sha256

    opening = open_test_set(there, NOWHERE)
    assert opening is not None and opening.looks
    assert (there.path / "model.safetensors").is_file()
    *_, again = reproduce(plan_of(sweep), original(sweep, 1), NOWHERE)
    assert isinstance(again, Reproduction) and again.outcome == "exact"
    checks = {finding.name: finding for finding in inspect(there)}
    assert checks["checkpoints"].verdict is CheckStatus.PASS


def test_a_trial_that_fails_leaves_its_traceback_with_the_driver(server: Server, tmp_path: Path) -> None:
    given_ = Plan.parse(
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
    search(run, given_)
    (trial,) = Sweep.read(run.path).trials
    assert trial.state is State.FAILED
    assert "Traceback" in run.trial(0).error.read_text()
