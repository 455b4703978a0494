"""One owner of a run, also where locks do not reach: two machines, played by processes that see the same
folder but each a lock file and a kernel of its own, which mounts inside a namespace give them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from search.records import lease
from search.records.folder import RunFolder
from search.records.journal import JournalFile
from search.records.lease import Lease, LeaseLost, Owner, current_lease, write_guard
from search.records.lock import RunOwned, owner_of, owning

ROOT = Path(__file__).parents[3]

HOLD = """
import sys, time
from pathlib import Path
from search.records.journal import JournalFile
from search.records.lease import write_guard, LeaseLost
from search.records.lock import RunOwned, owning
run = Path(sys.argv[1])
try:
    with owning(run / "lock", lambda sentence: print("WAIT", sentence, flush=True)):
        print("HELD", flush=True)
        journal = JournalFile(run / "study.journal", write_guard(run))
        while True:
            journal.append_logs([{"by": sys.argv[2]}])
            time.sleep(0.05)
except RunOwned as error:
    print("OWNED", error, flush=True)
except LeaseLost as error:
    print("SUPERSEDED", error, flush=True)
"""


class Machine:
    """A process on another machine, as far as locks and kernels go."""

    def __init__(self, run: Path, name: str, scratch: Path) -> None:
        own = scratch / name
        own.mkdir()
        (own / "lock").touch()
        (own / "boot_id").write_text(f"kernel of {name}\n")
        script = (
            f"mount --bind {own}/lock {run}/lock && "
            f"mount --bind {own}/boot_id /proc/sys/kernel/random/boot_id && hostname {name} && "
            f'exec {sys.executable} -c "$CODE" {run} {name}'
        )
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--uts", "sh", "-c", script],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "CODE": HOLD, "PYTHONPATH": str(ROOT)},
        )

    def line(self) -> str:
        """The next that it tells."""
        assert self.process.stdout is not None and self.process.stderr is not None
        return self.process.stdout.readline().strip() or self.process.stderr.read()

    def signal(self, signum: int) -> None:
        self.process.send_signal(signum)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "shared"
    folder.mkdir()
    (folder / "lock").touch()
    return folder


@pytest.fixture
def machines(run: Path, tmp_path: Path) -> Iterator[dict[str, Machine]]:
    """Those that a test starts, by name; ended after it."""
    probe = subprocess.run(["unshare", "--mount", "--uts", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip(f"no namespace can be made here: {probe.stderr.decode().strip()}")
    started: dict[str, Machine] = {}
    yield started
    for each in started.values():
        each.end()


def written(run: Path) -> list[str]:
    journal = run / "study.journal"  # none yet, where whoever holds it has written nothing
    lines = journal.read_text().splitlines() if journal.exists() else []
    return [json.loads(line)["by"] for line in lines]


def test_a_living_owner_on_another_machine_is_named_and_keeps_its_run(
    run: Path, tmp_path: Path, machines: dict[str, Machine]
) -> None:
    machines["first"] = Machine(run, "first", tmp_path)
    assert machines["first"].line() == "HELD"
    machines["second"] = Machine(run, "second", tmp_path)
    assert machines["second"].line().startswith("WAIT shared was last owned by process")
    told = machines["second"].line()
    assert told.startswith("OWNED") and "on first" in told
    assert set(written(run)) == {"first"}
    seen = owner_of(run / "lock")
    assert seen is not None and seen.host == "first"


@pytest.mark.slow
def test_a_machine_that_died_loses_its_run_and_one_that_only_slept_writes_nothing_more(
    run: Path, tmp_path: Path, machines: dict[str, Machine]
) -> None:
    machines["first"] = Machine(run, "first", tmp_path)
    assert machines["first"].line() == "HELD"
    machines["first"].signal(signal.SIGSTOP)  # a closed laptop
    began = time.monotonic()
    machines["second"] = Machine(run, "second", tmp_path)
    assert machines["second"].line().startswith("WAIT")
    assert machines["second"].line() == "HELD"
    assert time.monotonic() - began > lease.PATIENCE
    before = written(run).count("first")
    machines["first"].signal(signal.SIGCONT)
    told = machines["first"].line()
    assert told.startswith("SUPERSEDED") and "on second" in told
    assert written(run).count("first") == before
    machines["second"].signal(signal.SIGKILL)
    assert [path.name for path in run.glob("lease*")] == ["lease.000002.json"]


def test_on_one_machine_a_killed_owner_is_followed_at_once(run: Path) -> None:
    code = f"{HOLD}"
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(run), "killed"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None and process.stdout.readline() == "HELD\n"
    with pytest.raises(RunOwned, match=f"process {process.pid} on"), owning(run / "lock"):
        pass
    process.kill()
    process.communicate()
    began = time.monotonic()
    with owning(run / "lock"):
        assert time.monotonic() - began < lease.PATIENCE / 2
    assert current_lease(run) is None
    assert owner_of(run / "lock") is None


def test_of_two_that_come_at_the_same_moment_one_is_given_the_number(run: Path) -> None:
    owner = Owner.of_this_process()
    made = [lease._create(run, 1, owner) for _ in range(5)]
    assert [path is not None for path in made] == [True, False, False, False, False]
    assert sorted(path.name for path in run.iterdir()) == ["lease.000001.json", "lock"]


def test_a_write_after_the_run_was_taken_is_refused_and_the_journal_is_as_it_was(run: Path) -> None:
    folder = RunFolder(run)
    with owning(folder.lock):
        journal = JournalFile(folder.journal, write_guard(run))
        journal.append_logs([{"by": "me"}])
        lease._create(run, 2, Owner("far", 7, "just now", "another kernel"))
        with pytest.raises(LeaseLost, match="is owned by process 7 on far"):
            journal.append_logs([{"by": "me"}])
    assert written(run) == ["me"]
    found = current_lease(run)
    assert found is not None and found[1].host == "far"


def test_an_owner_that_was_not_heard_of_looks_again_before_it_writes(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "_SETTLING", 0.0)
    with owning(run / "lock"):
        held = Lease.active[run.resolve()]
        os.utime(run / "lease.000001.json", (0, 0))
        held._renewed -= lease.TRUST + 1
        held.check()
        assert (run / "lease.000001.json").stat().st_mtime > time.time() - 60
