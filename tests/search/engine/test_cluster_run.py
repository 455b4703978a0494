"""A search on several machines: raylets of their own here, each in its own process, as Ray's tests have them.

Each in a process of its own, whose Ray is connected to them.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from searches import noop_plan, plan, search

from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import State, Sweep

ROOT = Path(__file__).parents[3]
sys.path.append(str(ROOT / "benchmarks"))  # where logged_mlp is imported from

FRAME = """
import json, sys
from pathlib import Path
import search.engine.ray_tune  # sets Ray's environment
from ray.cluster_utils import Cluster
from search.engine.events import EpochReported, Ended, Note, ClusterResized, Started, TrialEnded
from search.records.folder import RunFolder
from search.plan.plan import Plan
from search.cluster.access import Site
from search.start import starting

folder = Path(sys.argv[1])
run = RunFolder.named("nodes", folder)
told = []

def watch(cluster, react, **site):
    plan = Plan.read(folder / "plan.toml")
    with starting(run, plan, Path("."), Site(cluster.address, **site)) as search:
        for event in search:
            if isinstance(event, (Started, ClusterResized)):
                told.append([type(event).__name__, event.workers, event.hosts])
            elif isinstance(event, Note):
                told.append(event.sentence)
            react(event)
    print("TOLD", json.dumps(told))
"""


def on_nodes(
    folder: Path, given: Plan | None, code: str, cwd: Path = ROOT, **environment: str
) -> tuple[Sweep, list[Any]]:
    """The run that `code` made, and what its driver was told: sizes of the cluster, and sentences. given: the
    plan, where its file is not there already. environment: of the machines."""
    if given is not None:
        (folder / "plan.toml").write_text(given.to_toml())
    done = subprocess.run(
        [sys.executable, "-c", FRAME + code, str(folder)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=cwd,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    return Sweep.read(folder / "nodes"), json.loads(line.removeprefix("TOLD "))


def noop(**given: Any) -> Plan:
    """A search on nodes that trains nothing."""
    return noop_plan("nodes", **given)


COME_AND_GO = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
second = cluster.add_node(num_cpus=1)
cluster.wait_for_nodes()
reported, lost, joined = set(), False, False

def react(event):
    global lost, joined
    if isinstance(event, EpochReported) and event.epoch.number >= 5:
        reported.add(event.number)
    if len(reported) == 2 and not lost:
        cluster.remove_node(second, allow_graceful=False)
        lost = True
    if isinstance(event, ClusterResized) and event.hosts == 1 and not joined:
        cluster.add_node(num_cpus=1)
        joined = True

try:
    watch(cluster, react)
    assert lost and joined
finally:
    cluster.shutdown()
"""


@pytest.mark.slow
def test_a_machine_is_lost_in_the_middle_of_a_trial_another_joins_and_nothing_is_lost(tmp_path: Path) -> None:
    log = tmp_path / "epochs.log"
    given = plan(
        name="nodes",
        trainable="logged_mlp",
        budget={"trials": 5},
        recipe={"batch_size": 100, "epochs": 60},
        pruner={"name": "none"},
    )
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'benchmarks'}", "CHAOS_LOG": str(log), "CHAOS_PACE": "0.1"}
    sweep, told = on_nodes(tmp_path, given, COME_AND_GO, **environment)
    assert told == [["Started", 2, 2], ["ClusterResized", 1, 1], ["ClusterResized", 2, 2]]
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 5
    for trial in sweep.trials:
        assert [epoch.number for epoch in trial.epochs] == list(range(1, 61))
    # Of the trial that lost its machine the epoch in flight alone may be trained twice.
    assert 300 <= len(log.read_text().splitlines()) <= 301
    (note,) = [note for trial in sweep.trials for note in trial.notes]
    assert note.startswith("its machine was lost or out of reach after epoch")
    (session,) = sweep.sessions
    assert [workers for _, workers in session.sizes] == [1, 2]
    whole, undisturbed = RunFolder.named("whole", tmp_path), {"trainable": "trainable.mlp", "name": "whole"}
    search(whole, Plan.parse({**given.to_table(), **undisturbed, "budget": {"trials": 2}}, "test"))
    scores = {json.dumps(trial.recipe): trial.score for trial in Sweep.read(whole.path).trials}
    assert sweep.trials[0].score == scores[json.dumps(sweep.trials[0].recipe)]


KINDS = """
from search.engine.ray_tune import hosts
hosts._RETRY_INTERVAL = 1.0
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
other = cluster.add_node(num_cpus=4, resources={"disk": 4}, env_vars={"PYTHONPATH": str(folder / "other")})
cluster.wait_for_nodes()
asked, ended = False, 0

def react(event):
    global asked, ended
    if isinstance(event, Note) and "waiting up to" in event.sentence and not asked:
        cluster.add_node(num_cpus=4, num_gpus=1, resources={"disk": 4})
        asked = True
    ended += isinstance(event, TrialEnded)
    if ended == 4:
        path = folder / "other" / "trainable" / "epoch.py"
        path.write_text(path.read_text().removesuffix("# another version\\n"))

try:
    watch(cluster, react)
finally:
    cluster.shutdown()
"""


@pytest.mark.slow
def test_a_search_waits_for_a_fit_machine_refuses_another_until_it_is_mended_and_trains_on_gpu_and_cpu(
    tmp_path: Path,
) -> None:
    """The trainable needs no torch, and none of the devices is used: what is told apart is the placement."""
    shutil.copytree(ROOT / "trainable", tmp_path / "other" / "trainable")
    with (tmp_path / "other" / "trainable" / "epoch.py").open("a") as file:
        file.write("# another version\n")
    shutil.copy(ROOT / "benchmarks" / "noop.py", tmp_path)
    shutil.copy(ROOT / "benchmarks" / "noop.py", tmp_path / "other")
    resources = {"device": "any", "gpus": 0.5, "cpus": 1, "custom": {"disk": 1}}
    given = Plan.parse({**noop(trials=60, seconds=0.3).to_table(), "resources": resources}, "test")
    sweep, told = on_nodes(tmp_path, given, KINDS, cwd=tmp_path)
    refused = [each for each in told if "has benchsweep" in each]
    assert len(refused) == 1 and "source" in refused[0]
    (mended,) = [each for each in told if "may train now" in each]
    sizes = [each for each in told if each[0] in ("Started", "ClusterResized")]
    assert sizes[0] == ["Started", 4, 1] and sizes[-1][2] == 2
    assert told.index(refused[0]) < told.index(sizes[0]) < told.index(mended) < told.index(sizes[-1])
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 60
    assert {trial.device for trial in sweep.trials[:4]} == {"cuda", "cpu"}
    assert sweep.environment["device"] == "any"


SHIPPED = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": str(folder.parent / "other")})
cluster.wait_for_nodes()
try:
    watch(cluster, lambda event: None, ship_code=True)
finally:
    cluster.shutdown()
"""


@pytest.mark.slow
def test_a_machine_with_another_version_trains_with_the_code_that_is_sent_along(tmp_path: Path) -> None:
    other = tmp_path / "other" / "trainable"
    shutil.copytree(ROOT / "trainable", other)
    (other / "worker.py").write_text("raise ImportError('this is another version')\n")
    (tmp_path / "mine").mkdir()
    shutil.copy(ROOT / "tests" / "helpers" / "boosting.py", tmp_path / "mine" / "here.py")
    given = {
        "name": "nodes",
        "trainable": "here",
        "budget": {"trials": 2},
        "recipe": {"epochs": 2},
        "space": {"shrinkage": {"low": 0.05, "high": 0.5}},
        "confirmation": {"candidates": 0},
    }
    (tmp_path / "mine" / "plan.toml").write_text(tomli_w.dumps(given))
    sweep, told = on_nodes(tmp_path / "mine", None, SHIPPED, cwd=tmp_path / "mine")
    assert told == [["Started", 1, 1]]
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 2


HEADLESS = """
import os, time
from search.engine.ray_tune import connection as engine
from search.engine.ray_tune.connection import EngineLost
engine._MAX_SILENCE = 8.0  # a test need not wait for as long as a user's network may be away
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
unwanted, ends, killed = RunFolder.named("unwanted", folder), [], None
plan = Plan.read(folder / "plan.toml").model_copy(update={"name": unwanted.name})
with starting(unwanted, plan, Path("."), Site(cluster.address)) as search:
    for event in search:
        if isinstance(event, Note) and "waiting up to" in event.sentence:
            unwanted.stop_request.write_text(json.dumps({"pid": 7, "host": "far"}))
        if isinstance(event, Ended):
            ends = [event.reason, event.detail]

def react(event):
    global killed
    if isinstance(event, EpochReported) and event.epoch.number == 5 and killed is None:
        cluster.head_node.kill_gcs_server()
        killed = time.monotonic()

cluster.add_node(num_cpus=1)
try:
    watch(cluster, react)
except EngineLost as error:
    print("TOLD", json.dumps([*ends, str(error), time.monotonic() - killed]), flush=True)
os._exit(0)  # Ray would wait for its dead
"""


@pytest.fixture(scope="module")
def headless(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """The folder of two searches on one cluster, and how they ended: `unwanted`, which is stopped while no
    machine can train, and `nodes`, whose cluster loses its head."""
    folder = tmp_path_factory.mktemp("headless")
    given = noop(trials=2, seconds=0.1, epochs=400)
    _, told = on_nodes(folder, given, HEADLESS, PYTHONPATH=f"{ROOT}:{ROOT / 'benchmarks'}")
    return folder, told


@pytest.mark.slow
def test_a_search_that_waits_for_a_machine_is_stopped_from_outside(
    headless: tuple[Path, list[Any]],
) -> None:
    folder, (reason, detail, *_) = headless
    assert reason == "interrupted" and "by process 7 on far, with `benchsweep stop`" in detail
    assert not Sweep.read(folder / "unwanted").trials
    assert not (folder / "unwanted" / "stop.json").exists()


@pytest.mark.slow
def test_a_cluster_whose_head_dies_ends_the_search_with_a_sentence_before_ray_ends_the_process(
    headless: tuple[Path, list[Any]],
) -> None:
    folder, (*_, sentence, seconds) = headless
    sweep = Sweep.read(folder / "nodes")
    assert "the head of the Ray cluster must answer" in sentence
    assert 7 <= seconds < 50  # from its last answer on it is 8; at 60 Ray would have ended it
    assert sweep.status == "interrupted"
    assert len(sweep.trials[0].epochs) >= 5
