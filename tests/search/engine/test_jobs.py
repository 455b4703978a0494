"""A search submitted as a job: `ray job submit`, to two hosts with token authentication."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from pathlib import Path

import pytest
import tomli_w
from lan import PROGRAMS, listens, ray_on
from network import Network

from search.records.sweep import State, Sweep

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_submitted_job_searches_on_all_hosts_with_the_code_that_it_brings_and_none_is_taken_without_token(
    network: Network,
) -> None:
    (alpha, beta), shared = network("alpha", "beta")
    token = shared / "token"
    token.write_text(secrets.token_hex(32))
    given = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    environment = {"PATH": f"{PROGRAMS}:{os.environ['PATH']}", "HOME": str(shared)}
    with (shared / "ray.out").open("w") as out:
        ray_on([alpha, beta], environment | given, out, "--dashboard-host=127.0.0.1")
    listens(alpha, "127.0.0.1", 8265)
    job = shared / "job"  # its trainable is installed nowhere
    job.mkdir()
    shutil.copy(ROOT / "benchmarks" / "noop.py", job / "brought.py")
    plan = {
        "trainable": "brought",
        "budget": {"trials": 12},
        "recipe": {"epochs": 5, "seconds": 0.3},
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "pruner": {"name": "none"},
        "confirmation": {"candidates": 0},
    }
    (job / "small.toml").write_text(tomli_w.dumps(plan))
    submit = ["ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--working-dir", str(job), "--"]
    search = ["benchsweep", "run", "small.toml", "--json", "--runs", str(shared / "runs")]

    refused = alpha.run([*submit, *search], environment)
    assert refused.returncode != 0 and "token authentication is enabled" in refused.stderr.lower()
    assert not (shared / "runs").exists()

    done = alpha.run([*submit, *search], environment | given)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    events = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"event"')]
    hosts = [event["hosts"] for event in events if event["event"] in ("started", "resized")]
    assert hosts[-1] == 2
    sweep = Sweep.read(shared / "runs" / "small")
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 12
    assert {(trial.worker or "").split(":")[0] for trial in sweep.trials} == {"alpha", "beta"}
