"""A search on three hosts with addresses of their own, of which two are lost; and who is let in."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from lan import PROGRAMS, ray_on
from network import Network
from searches import NOWHERE, plan

from search.engine.events import EpochReported
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep
from search.start import starting

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_of_three_hosts_one_is_cut_off_and_one_is_killed_and_nothing_is_lost_or_repeated() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "hosts.py"), "--short", "--json"],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=280,
    )
    if "NoNamespaces" in done.stderr:
        pytest.skip(f"no hosts can be made here: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout)
    assert (told["trials"], told["lost"], told["epochs"]) == (8, 0, 8 * 60)
    # Of a trial that lost its host the epoch in flight alone may be trained twice.
    assert told["repeated"] <= 2
    assert told["trained"].keys() == told["received_mb"].keys() == {"head", "second", "third"}
    assert len(told["notes"]) == 2
    assert all("was lost or out of reach after epoch" in note for note in told["notes"])
    assert [size[1:] for size in told["cluster"][-3:]] == [[3, 3], [2, 2], [1, 1]]
    assert told["refused"].keys() == {"without a token", "with another token"}
    for sentence in told["refused"].values():
        assert "refuses this process" in sentence or "requires a token" in sentence
        assert "RAY_AUTH_TOKEN_PATH" in sentence
        assert "Traceback" not in sentence


@pytest.fixture
def listening() -> Iterator[set[str]]:
    """Filled while it is used: every address that a process of this test's listens on."""
    found: set[str] = set()
    over = threading.Event()

    def look() -> None:
        from search.engine.processes import descendants

        while not over.wait(0.3):
            own = {str(pid) for pid in (os.getpid(), *descendants(os.getpid()))}
            told = subprocess.run(["ss", "-H", "-l", "-n", "-t", "-u", "-p"], capture_output=True, text=True)
            for line in told.stdout.splitlines():
                if any(f"pid={pid}," in line for pid in own):
                    found.add(line.split()[4].rpartition(":")[0])

    thread = threading.Thread(target=look)
    thread.start()
    yield found
    over.set()
    thread.join()


@pytest.mark.slow
def test_no_port_of_a_search_on_one_machine_listens_beyond_loopback(
    tmp_path: Path, listening: set[str]
) -> None:
    if subprocess.run(["ss", "-V"], capture_output=True).returncode:
        pytest.skip("ss (iproute2) is not installed")
    given = plan(budget={"trials": 2}, recipe={"batch_size": 20, "epochs": 8}, pruner={"name": "none"})
    with starting(RunFolder.named("small", tmp_path), given, NOWHERE) as search_:
        epochs = sum(isinstance(event, EpochReported) for event in search_)
    assert epochs == 16
    assert listening
    assert listening <= {"127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"}


@pytest.mark.slow
def test_a_driver_that_dies_with_its_host_is_resumed_from_another_one(network: Network) -> None:
    (head, second), shared = network("head", "second")
    token, log = shared / "token", shared / "epochs.log"
    token.write_text(secrets.token_hex(32))
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}",
        "CHAOS_LOG": str(log),
        "CHAOS_PACE": "0.1",
        "CHAOS_UNTIL": str(shared / "killed"),
    }
    with (shared / "ray.out").open("w") as out:
        address = ray_on([head, second], environment, out, "--include-dashboard=false")
    given = plan(
        name="moved",
        trainable="logged_mlp",
        budget={"trials": 4},
        recipe={"batch_size": 100, "epochs": 40},
        pruner={"name": "none"},
        confirmation={"candidates": 0},
    )
    (shared / "moved.toml").write_text(given.to_toml())
    program, runs = str(PROGRAMS / "benchsweep"), str(shared / "runs")
    search = [program, "run", str(shared / "moved.toml"), "--address", address, "--json", "--runs", runs]
    driver = second.start(search, environment, subprocess.PIPE)
    assert driver.stdout is not None
    far = set()
    for line in driver.stdout:
        event = json.loads(line) if line.startswith('{"event"') else {}
        if event.get("event") == "epoch_reported" and event["epoch"]["number"] >= 5:
            far.add(event["number"])
        if len(far) == 2:
            second.kill()
            (shared / "killed").touch()
            break
    driver.communicate()
    cut = Sweep.read(shared / "runs" / "moved")
    assert cut.count(State.INTERRUPTED) == 2
    resumed = head.run([program, "resume", "moved", "--address", address, "--runs", runs], environment)
    assert resumed.returncode == 0, resumed.stdout[-2000:] + resumed.stderr[-2000:]
    sweep = Sweep.read(shared / "runs" / "moved")
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 4
    for before, after in zip(cut.trials, sweep.trials, strict=False):
        assert after.epochs[: len(before.epochs)] == before.epochs
    trained = Counter(log.read_text().splitlines())
    assert len(trained) == 4 * 40
    assert sum(trained.values()) - len(trained) <= 2  # what was in flight
