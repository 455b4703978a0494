"""`benchsweep doctor`: its findings on a machine, and on complete, damaged and live runs."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest
from searches import LOCAL, NOWHERE, plan, search

from benchsweep.__main__ import main
from search.doctor import machine, probe
from search.doctor.finding import CheckStatus, Finding, checked, failed, merged, warned
from search.doctor.run_files import inspect
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import State, Sweep
from search.start import starting
from search.test_set import open_test_set
from trainable.errors import BenchsweepError
from trainable.mnist.data import Source
from trainable.storage.checkpoint import previous


class Disk(NamedTuple):
    """The result of shutil.disk_usage."""

    total: int
    used: int
    free: int


def by_name(run: RunFolder) -> dict[str, Finding]:
    return {finding.name: finding for finding in inspect(run)}


# A sound machine.


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A finished search on the digits, with one opening of the test set."""
    run = RunFolder.named("small", tmp_path_factory.mktemp("runs"))
    search(run, plan(budget={"trials": 6}))
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    return run


@pytest.mark.slow
def test_a_sound_machine_and_an_intact_run_pass(
    finished: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    """The whole command, Ray and all."""
    with pytest.raises(SystemExit) as ended:
        main(["doctor", str(finished.path), "--json"])
    output = json.loads(capsys.readouterr().out)
    verdicts = {finding["name"]: finding["verdict"] for finding in output["findings"]}
    assert ended.value.code in (None, 0), output
    assert output["fail"] == 0
    assert output["pass"] + output["warn"] == len(output["findings"])
    assert all(finding.keys() == {"name", "verdict", "message", "advice"} for finding in output["findings"])
    for name in (
        "python",
        "packages",
        "torch",
        "device",
        "precision",
        "ray",
        "locks",
        "writing",
        "loopback",
        "data",
    ):
        assert verdicts[name] == "PASS", name
    for name in ("owner", "plan", "journal", "trials", "epochs", "checkpoints", "openings", "folder"):
        assert verdicts[name] == "PASS", name
    assert all(finding["advice"] for finding in output["findings"] if finding["verdict"] != "PASS")
    assert [path.name for path in finished.path.parent.iterdir()] == ["small"]  # temporary files are removed
    assert not [path for path in finished.path.iterdir() if path.name.startswith(".")]


def test_a_run_that_does_not_exist_is_a_usage_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", "zebra", "--runs", str(tmp_path)])
    assert ended.value.code == 2
    assert "there is no run in" in capsys.readouterr().err


# What may be wrong with a machine.


def test_a_check_that_raises_is_a_finding() -> None:
    finding = checked("memory", lambda: 1 // 0)  # type: ignore[arg-type, return-value]
    assert finding.verdict is CheckStatus.FAIL
    assert "ZeroDivisionError" in finding.message


def test_an_error_with_advice_is_a_finding_with_advice(tmp_path: Path) -> None:
    """Neither message nor advice is cut out of a sentence: the folder's name has both separators in it."""

    def broken() -> Finding:
        raise BenchsweepError(f"{tmp_path}/my. data; x is damaged", "restore it")

    finding = checked("data", broken)
    assert finding == failed("data", f"{tmp_path}/my. data; x is damaged", "restore it")


def test_many_findings_are_merged_into_the_first_few_and_a_count() -> None:
    findings = [warned("", f"trial {number}", "resume") for number in range(5)]
    finding = merged("epochs", "all agree", findings)
    assert finding.message == "trial 0; trial 1; trial 2; and 2 more"
    assert finding.advice == "resume"
    assert finding.verdict is CheckStatus.WARN


@pytest.mark.parametrize(
    ("free", "verdict"), [(10**8, CheckStatus.FAIL), (10**9, CheckStatus.WARN), (10**10, CheckStatus.PASS)]
)
def test_a_disk_that_is_nearly_full_is_reported(
    monkeypatch: pytest.MonkeyPatch, free: int, verdict: CheckStatus
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**11, 0, free))
    finding = machine._disk(["runs"], Path("/"))
    assert finding.verdict is verdict
    assert f"{free / 10**9:.1f} GB free" in finding.message


def test_a_low_limit_of_open_files_is_reported_with_the_command_that_raises_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 2048))
    finding = machine._open_files()
    assert finding.verdict is CheckStatus.WARN
    assert "ulimit -n 2048" in finding.advice


def test_a_file_system_without_working_locks_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert machine._locks(tmp_path).verdict is CheckStatus.PASS
    monkeypatch.setattr(machine, "_LOCK_SCRIPT", "")  # as where flock does nothing
    finding = machine._locks(tmp_path)
    assert finding.verdict is CheckStatus.FAIL
    assert "two processes can hold the same lock" in finding.message


def test_a_folder_that_cannot_be_written_to_fails() -> None:
    finding = machine._writing(Path("/proc"))
    assert finding.verdict is CheckStatus.FAIL
    assert "files cannot be written in /proc" in finding.message


def test_folders_on_one_disk_share_a_finding(tmp_path: Path) -> None:
    ((names, folder),) = machine._disks({"runs": tmp_path, "data": tmp_path.parent})
    assert names == ["runs", "data"]
    assert folder == tmp_path


def test_packages_that_are_too_old_or_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "requires", lambda _: ["numpy>=99", "nowhere-at-all>=1", "rich>=1"])
    finding = machine._packages()
    assert finding.verdict is CheckStatus.FAIL
    assert "numpy must be >=99, but is " in finding.message
    assert "nowhere-at-all is missing" in finding.message
    assert "rich" not in finding.message


def test_missing_data_warns_and_damaged_data_fails(tmp_path: Path) -> None:
    folder = tmp_path / "my. data; x"
    source = Source(dataset="mnist")
    missing = machine.data_set(source, "mnist", folder)
    assert missing.verdict is CheckStatus.WARN
    assert missing.message == f"mnist is not in {folder}"
    assert "--data-dir" in missing.advice
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"cut short")
    damaged = checked("data", lambda: machine.data_set(source, "mnist", folder))
    assert damaged.verdict is CheckStatus.FAIL
    assert str(raw) in damaged.message
    assert "its size must be 47,040,016 bytes, but is 9" in damaged.message
    assert damaged.advice.startswith("connect to the network")
    assert machine.data_set(Source(dataset="digits"), "digits", tmp_path).verdict is CheckStatus.PASS


def test_damaged_records_keep_message_and_advice_apart(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "my. runs; x" / "small")
    run.path.mkdir(parents=True)
    run.plan.write_text(plan().to_toml())
    run.journal.write_text("garbage\ngarbage\n")
    run.warm_start.write_text("{")
    findings = by_name(run)
    for name, path in (("journal", run.journal), ("warm start", run.warm_start)):
        assert findings[name].verdict is CheckStatus.FAIL
        assert str(path) in findings[name].message
        assert findings[name].advice.startswith("restore ")


HANGING = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, file=open(sys.argv[1] if sys.argv[1:] else {path!r}, "w"), flush=True)
time.sleep(600)
"""


def test_a_script_that_hangs_is_killed_with_its_children(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(probe, "_TIMEOUT", 2.0)
    began = time.monotonic()
    with probe._Script(HANGING.format(path=str(tmp_path / "pid"))) as script:
        answer = script.answer()
    assert time.monotonic() - began < 10
    assert answer.values is None
    assert "it hung" in answer.error
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)


def test_a_script_that_nobody_waits_for_is_killed_with_its_children(tmp_path: Path) -> None:
    with probe._Script(HANGING.format(path=str(tmp_path / "pid"))):
        deadline = time.monotonic() + 20
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 5
    while runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(child)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("raise RuntimeError('operator torchvision::nms does not exist')", "torchvision::nms does not exist"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "it was killed by SIGSEGV"),
    ],
    ids=["an import that fails", "a crash"],
)
def test_a_torch_that_does_not_load_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, script: str, reason: str
) -> None:
    monkeypatch.setattr(probe, "_TORCH", script)
    monkeypatch.setattr(probe, "_RAY", "raise NotImplementedError")
    with probe.started() as probes:
        (finding,) = probes.torch()
    assert finding.verdict is CheckStatus.FAIL
    assert reason in finding.message


def test_a_ray_that_does_not_start_is_a_finding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(probe, "_RAY", "raise TimeoutError('the head node did not start')")
    monkeypatch.setattr(probe, "_TORCH", "raise NotImplementedError")
    with probe.started() as probes:
        finding = probes.ray(tmp_path)
    assert finding.verdict is CheckStatus.FAIL
    assert "the head node did not start" in finding.message


def test_a_gpu_that_torch_was_not_built_for_fails() -> None:
    values = {"torch": "2", "built": "13", "mps": False, "gpus": [["H200", 10**11]]}
    finding = probe._device(probe._Answer({**values, "fault": "no kernel image"}))
    assert finding.verdict is CheckStatus.FAIL
    assert "no kernel image" in finding.message


# What may be wrong with a run.


@pytest.fixture
def copy(finished: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy of the finished run, to be damaged."""
    run = RunFolder(tmp_path / finished.name)
    shutil.copytree(finished.path, run.path)
    return run


def best_of(run: RunFolder) -> int:
    best = Sweep.read(run.path).best()
    assert best is not None
    return best.number


def other_than_best(run: RunFolder) -> int:
    best = best_of(run)
    return next(
        trial.number
        for trial in Sweep.read(run.path).trials
        if trial.state is State.COMPLETE and trial.number != best
    )


def flip(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut_journal(run: RunFolder) -> None:
    with run.journal.open("a") as file:
        file.write('{"op_code":8,"trial')


def garble_journal(run: RunFolder) -> None:
    lines = run.journal.read_text().splitlines(keepends=True)
    run.journal.write_text("".join([*lines[:9], "garbage\n", *lines[9:]]))


def change_epoch(run: RunFolder) -> None:
    path = run.trial(best_of(run)).epochs
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[1]["metrics"]["validation_accuracy"] -= 0.01
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def drop_epoch(run: RunFolder) -> None:
    path = run.trial(best_of(run)).epochs
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def skip_epoch(run: RunFolder) -> None:
    path = run.trial(best_of(run)).epochs
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([lines[0], *lines[2:]]))


def lose_others_model(run: RunFolder) -> None:
    run.trial(other_than_best(run)).drop_checkpoint()


def damage_best_model(run: RunFolder) -> None:
    flip(run.trial(best_of(run)).checkpoint)


def open_for_an_unknown_trial(run: RunFolder) -> None:
    (opening,) = json.loads(run.openings.read_text())
    run.openings.write_text(
        json.dumps([opening, {**opening, "looks": [{**opening["looks"][0], "trial": 99}]}])
    )


def leave_temporary_files(run: RunFolder) -> None:
    with (run.trial(0).path / ".checkpoint.safetensors.1234.tmp").open("wb") as file:
        file.truncate(200 * 10**6)


DAMAGES: list[tuple[Callable[[RunFolder], Any], str, CheckStatus, str]] = [
    (cut_journal, "journal", CheckStatus.WARN, "incomplete line of 19 bytes"),
    (garble_journal, "journal", CheckStatus.FAIL, "line 10 of"),
    (
        lambda run: run.journal.unlink(),
        "journal",
        CheckStatus.FAIL,
        "is missing, but there are trial folders",
    ),
    (lambda run: run.plan.write_text("= nonsense"), "plan", CheckStatus.FAIL, "must be valid TOML"),
    (lambda run: run.warm_start.write_text("{"), "warm start", CheckStatus.FAIL, "cannot be read"),
    (
        lambda run: run.trial(99).path.mkdir(),
        "trials",
        CheckStatus.WARN,
        "the first of them 99, have a folder but are not in the journal",
    ),
    (change_epoch, "epochs", CheckStatus.FAIL, "differs between its file and the journal, first"),
    (drop_epoch, "epochs", CheckStatus.WARN, "has 2 epochs in its file and 3 in the journal"),
    (skip_epoch, "epochs", CheckStatus.FAIL, "must hold epochs 1 to 2, but holds 1, 3"),
    (lambda run: run.trial(0).epochs.write_text("[]"), "epochs", CheckStatus.FAIL, "cannot be read"),
    (lambda run: run.trial(0).epochs.unlink(), "epochs", CheckStatus.WARN, "epochs.jsonl is missing"),
    (lose_others_model, "checkpoints", CheckStatus.WARN, "is complete, but its model is lost"),
    (damage_best_model, "checkpoints", CheckStatus.FAIL, "is the best, but its model is lost"),
    (lambda run: run.openings.write_text("["), "openings", CheckStatus.FAIL, "cannot be read"),
    (open_for_an_unknown_trial, "openings", CheckStatus.FAIL, "trial 99, which is not a complete trial"),
    (leave_temporary_files, "folder", CheckStatus.WARN, "not needed: temporary files (200.0 MB)"),
    (lambda run: run.stop_request.write_text("{}"), "owner", CheckStatus.WARN, "asks it to stop"),
]


DAMAGE_IDS = [f"{name}: {words}" for _, name, _, words in DAMAGES]


@pytest.mark.parametrize(("damage", "name", "verdict", "words"), DAMAGES, ids=DAMAGE_IDS)
def test_each_damage_is_found_and_reported_with_advice(
    copy: RunFolder, damage: Callable[[RunFolder], Any], name: str, verdict: CheckStatus, words: str
) -> None:
    damage(copy)
    findings = by_name(copy)
    assert findings[name].verdict is verdict, findings
    assert words in findings[name].message
    assert findings[name].advice
    others = {finding.name: finding for finding in findings.values() if finding.name != name}
    assert all(finding.verdict is CheckStatus.PASS for finding in others.values()), others


def test_a_run_that_was_never_started_passes(tmp_path: Path) -> None:
    run = RunFolder.named("fresh", tmp_path)
    run.path.mkdir()
    run.plan.write_text(plan(name="fresh").to_toml())
    assert {each.verdict for each in inspect(run)} == {CheckStatus.PASS}
    assert not run.journal.exists()


def test_a_plan_that_was_edited_since_is_reported(copy: RunFolder) -> None:
    copy.plan.write_text(copy.plan.read_text().replace("trials = 6", "trials = 60"))
    finding = by_name(copy)["plan"]
    assert finding.verdict is CheckStatus.PASS
    assert "budget.trials: 6 -> 60" in finding.message


# A live run, and a stopped one.


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, list[list[Finding]]]:
    """A search that was stopped half-way, and the findings on its folder while it ran."""
    run = RunFolder.named("stopped", tmp_path_factory.mktemp("runs"))
    given = plan(budget={"trials": 4}, recipe={"batch_size": 20, "epochs": 60}, pruner={"name": "none"})
    found, reported = [], 0
    with starting(run, given, NOWHERE, LOCAL) as started:
        for event in started:
            reported += "Epoch" in type(event).__name__
            if reported in (4, 30):
                found.append(list(inspect(run)))
            if reported >= 70:
                started.stop()
    return run, found


@pytest.mark.slow
def test_a_live_run_passes(stopped: Any) -> None:
    _, found = stopped
    assert len(found) >= 2
    for findings in found:
        assert all(finding.verdict is CheckStatus.PASS for finding in findings), findings
        (owner,) = [finding for finding in findings if finding.name == "owner"]
        assert f"process {os.getpid()} " in owner.message


def interrupted_copy(stopped: Any, tmp_path: Path) -> tuple[RunFolder, int]:
    run = RunFolder(tmp_path / "stopped")
    shutil.copytree(stopped[0].path, run.path)
    trials = Sweep.read(run.path).trials
    return run, next(
        trial.number for trial in trials if trial.state is State.INTERRUPTED and len(trial.epochs) > 2
    )


def test_a_damaged_checkpoint_of_an_interrupted_trial_costs_an_epoch(stopped: Any, tmp_path: Path) -> None:
    run, number = interrupted_copy(stopped, tmp_path)
    assert by_name(run)["checkpoints"].verdict is CheckStatus.PASS
    trained = len(Sweep.read(run.path).trials[number].epochs)
    stored = len((run.trial(number).epochs).read_text().splitlines())
    flip(run.trial(number).checkpoint)
    finding = by_name(run)["checkpoints"]
    assert finding.verdict is CheckStatus.WARN
    lost = "no epoch is lost" if stored > trained else "1 epoch will be trained again"
    assert lost in finding.message
    flip(previous(run.trial(number).checkpoint))
    assert "it starts again from epoch 1" in by_name(run)["checkpoints"].message


def test_a_lock_held_by_another_process_than_it_names_is_reported(copy: RunFolder) -> None:
    with owning(copy.lock):
        held = json.loads(copy.lock.read_text())
        copy.lock.write_text(json.dumps({**held, "pid": 2**22 + 1}) + "\n")
        finding = by_name(copy)["owner"]
    assert finding.verdict is CheckStatus.WARN
    assert "which it names, no longer exists" in finding.message


def test_memory_is_the_available_memory() -> None:
    finding = machine._memory()
    assert " GB available of " in finding.message
