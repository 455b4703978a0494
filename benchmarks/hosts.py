"""A search on three hosts, of which one is disconnected and one is killed during their trials.

    python benchmarks/hosts.py            # on MNIST
    python benchmarks/hosts.py --short    # on the embedded digits

The hosts are network namespaces of this machine (`lan.py`), each with its own address. The first runs `ray
start --head`, the others `ray start --address`, all with token authentication. The search is started on the
first with `benchsweep run --address`. Once every host trains, the second one is disconnected. Once its trial
continues elsewhere, the third one is killed. The head finishes the search alone.

lost: trials that are not COMPLETE at the end, or lack an epoch. repeated: epochs that were trained twice, by
the trainable's own log: at most those in progress when a host was lost. Meanwhile two other clients, one
without the token and one with another token, try to start a search and must be refused.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.append(str(HERE))

from lan import PROGRAMS, Host, network, ray_on

from search.plan.plan import Plan
from search.records.sweep import State, Sweep

ROOT = HERE.parent


@dataclass(frozen=True)
class Outcome:
    """The result of the scenario."""

    trials: int
    """Number of trials on record."""
    lost: int
    """Trials that are not COMPLETE or lack an epoch."""
    epochs: int
    """Number of different epochs trained."""
    repeated: int
    """Epochs trained a second time."""
    trained: dict[str, int]
    """Number of workers that each host had for trials."""
    notes: list[str]
    """Notes of the trials that lost a host."""
    cluster: list[tuple[str, int, int]]
    """Sizes of the cluster as (event, workers, hosts)."""
    best: float | None
    """The best score; None without a COMPLETE trial."""
    seconds: float
    """Duration of the search."""
    refused: dict[str, str]
    """The error messages of the clients without the right token."""
    received_mb: dict[str, float]
    """Megabytes that each host received: the data set is sent once per host, not once per trial."""


def plan(short: bool) -> dict[str, Any]:
    """The search: some minutes on MNIST, or a short one."""
    data = {"dataset": "digits"} if short else {"dataset": "mnist"}
    recipe = {"batch_size": 50, "epochs": 60} if short else {"batch_size": 128, "epochs": 20}
    return {
        "name": "hosts",
        "trainable": "logged_mlp",
        "budget": {"trials": 8 if short else 30},
        "data": data,
        "recipe": recipe,
        "space": {"learning_rate": {"low": 1e-4, "high": 1e-2, "log": True}},
        "sampler": {"name": "tpe"},
        "pruner": {"name": "none"},
        "confirmation": {"candidates": 0},
    }


def scenario(short: bool, say: Any = print) -> Outcome:
    """Carry it out. Raises lan.NoNamespaces."""
    with network("head", "second", "third") as (hosts, shared):
        return _carried_out(hosts, shared, short, say)


def _carried_out(hosts: list[Host], shared: Path, short: bool, say: Any) -> Outcome:
    head, second, third = hosts
    token = shared / "token"
    token.write_text(secrets.token_hex(32))
    token.chmod(0o600)
    log = shared / "epochs.log"
    environment = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "CHAOS_LOG": str(log),
        "PYTHONPATH": f"{ROOT}:{HERE}",
    }
    if short:  # Ray would take a minute to miss a host that was cut off, which digits do not last for
        environment |= {
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_timeout_ms": "1000",
            "RAY_health_check_failure_threshold": "3",
            "CHAOS_PACE": "0.1",
            "CHAOS_UNTIL": str(shared / "disturbed"),
        }
    began = time.monotonic()
    with (shared / "ray.out").open("w") as out:
        address = ray_on(hosts, environment, out, "--include-dashboard=false")
    say(f"Ray's head is up after {time.monotonic() - began:.0f} s")
    config = shared / "hosts.toml"
    config.write_text(Plan.parse(plan(short), "hosts").to_toml())
    command = [
        str(PROGRAMS / "benchsweep"), "run", str(config), "--address", address, "--json",
        "--runs", str(shared / "runs"),
    ]  # fmt: skip
    strangers = _strangers(head, address, config, shared, environment)
    driver = head.start(command, environment, subprocess.PIPE)
    began = time.monotonic()
    cluster, disturbed = _disturbed(driver, second, third, shared / "runs" / "hosts", say)
    _, errors = driver.communicate()
    seconds = time.monotonic() - began
    if driver.returncode or not disturbed:
        raise RuntimeError(f"the search ended with {driver.returncode}, both lost: {disturbed}: {errors}")
    sweep = Sweep.read(shared / "runs" / "hosts")
    table = plan(short)
    numbers = list(range(1, table["recipe"]["epochs"] + 1))
    complete = [
        trial.state is State.COMPLETE and [epoch.number for epoch in trial.epochs] == numbers
        for trial in sweep.trials
    ]
    logged = Counter(log.read_text().splitlines())
    best = sweep.best()
    return Outcome(
        trials=len(sweep.trials),
        lost=table["budget"]["trials"] - sum(complete),
        epochs=len(logged),
        repeated=sum(logged.values()) - len(logged),
        trained=dict(
            Counter(
                placement.worker.split(":")[0] for trial in sweep.trials for placement in trial.placements
            )
        ),
        notes=[note for trial in sweep.trials for note in trial.notes],
        cluster=cluster,
        best=None if best is None else best.score,
        seconds=seconds,
        refused=_refused(strangers),
        received_mb={host.name: host.received / 1e6 for host in hosts},
    )


def _disturbed(
    driver: subprocess.Popen[str], second: Host, third: Host, run: Path, say: Any
) -> tuple[list[tuple[str, int, int]], bool]:
    """Follow the search to its end, and remove two hosts, each while it trains. Returns the cluster's sizes,
    and whether both hosts were removed."""
    assert driver.stdout is not None
    cluster: list[tuple[str, int, int]] = []
    cut = killed = False
    began = time.monotonic()
    for line in driver.stdout:
        if not line.startswith("{"):
            continue
        event = json.loads(line)
        if event["event"] in ("started", "resized"):
            cluster.append((event["event"], event["workers"], event["hosts"]))
            if killed and event["hosts"] == 1:
                (run.parents[1] / "disturbed").touch()
            say(f"{time.monotonic() - began:5.1f} s  {event['workers']} at once on {event['hosts']} hosts")
        elif event["event"] == "noted":
            say(f"{time.monotonic() - began:5.1f} s  {event['sentence']}")
        if event["event"] != "epoch_reported" or (cut and killed):
            continue
        placed = Sweep.read(run)
        running = [trial.worker for trial in placed.trials if trial.state is State.RUNNING]
        training = {worker.split(":")[0] for worker in running if worker}
        if not cut and cluster[-1][2] == 3 and {"head", "second", "third"} <= training:
            second.cut_off()
            cut = True
            say(f"{time.monotonic() - began:5.1f} s  host second is disconnected")
        elif cut and not killed and cluster[-1][2] == 2 and "third" in training:
            third.kill()
            killed = True
            say(f"{time.monotonic() - began:5.1f} s  host third is killed")
    return cluster, cut and killed


def _strangers(
    host: Host, address: str, config: Path, shared: Path, environment: dict[str, str]
) -> dict[str, subprocess.Popen[str]]:
    """Start clients without the right token, which must be refused."""
    wrong_token = shared / "another"
    wrong_token.write_text(secrets.token_hex(32))
    without = {name: value for name, value in environment.items() if not name.startswith("RAY_AUTH")}
    started = {}
    for who, given in {
        "without a token": without,
        "with another token": {**environment, "RAY_AUTH_TOKEN_PATH": str(wrong_token)},
    }.items():
        command = [str(PROGRAMS / "benchsweep"), "run", str(config), "--address", address]
        command += ["--runs", str(shared / who.replace(" ", "-"))]
        started[who] = host.start(command, {**given, "HOME": str(shared)}, subprocess.PIPE)
    return started


def _refused(strangers: dict[str, subprocess.Popen[str]]) -> dict[str, str]:
    """The error messages of these clients. Raises RuntimeError if one was admitted."""
    messages = {}
    for who, process in strangers.items():
        out, errors = process.communicate(timeout=120)
        if process.returncode == 0:
            raise RuntimeError(f"a client {who} was admitted: {out}")
        messages[who] = errors.strip()
    return messages


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--short", action="store_true", help="on the embedded digits")
    parser.add_argument("--json", action="store_true", help="print the outcome as JSON alone")
    given = parser.parse_args()
    os.environ.setdefault("BENCHSWEEP_DATA", str(ROOT / "data"))
    outcome = scenario(given.short, (lambda _: None) if given.json else print)
    print(json.dumps(asdict(outcome), indent=None if given.json else 2))


if __name__ == "__main__":
    main()
