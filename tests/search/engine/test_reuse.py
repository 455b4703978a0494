"""Which idle worker is kept, for how long, and which trial gets it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from ray.tune import PlacementGroupFactory

from search.engine.ray_tune.reuse import _IdleWorkers
from search.records.sweep import State
from tests.search.engine.test_cluster_run import ROOT, noop, on_nodes

ONE_OF_FOUR = """
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "include_dashboard": False})
try:
    watch(cluster, lambda event: None)
finally:
    cluster.shutdown()
"""


@pytest.mark.slow
def test_trials_shorter_than_a_workers_start_end_no_worker_that_is_starting(tmp_path: Path) -> None:
    sweep, _ = on_nodes(tmp_path, noop(trials=24), ONE_OF_FOUR, PYTHONPATH=f"{ROOT}:{ROOT / 'benchmarks'}")
    assert [trial.state for trial in sweep.trials] == [State.COMPLETE] * 24
    assert len({trial.worker for trial in sweep.trials}) == 4


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds, which pass when the test says so."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_idle_workers_are_kept_for_each_place_until_they_were_idle_for_long(clock: list[float]) -> None:
    idle = _IdleWorkers()
    for at, (place, worker) in enumerate([("a", 1), ("b", 2), ("a", 3)]):
        clock[0] = 10.0 * at
        assert idle.cache_object(place, worker)
        assert list(idle.flush_cached_objects()) == []
    clock[0] = 35.0
    assert list(idle.flush_cached_objects()) == [1]
    assert idle.num_cached_objects == 2
    assert idle.pop_cached_object("a") == 3
    assert list(idle.flush_cached_objects(force_all=True)) == [2]
    assert not idle.num_cached_objects


def test_an_idle_worker_serves_its_own_place_whichever_machines_are_closed_meanwhile() -> None:
    def request(host: str, closed: str | None, cpus: float = 1.0) -> PlacementGroupFactory:
        labels = None if closed is None else [{"ray.io/node-id": f"!in({closed})"}]
        return PlacementGroupFactory(
            [{"CPU": cpus}], "STRICT_PACK", _soft_target_node_id=host, bundle_label_selector=labels
        )

    here, there = "a" * 56, "b" * 56
    idle = _IdleWorkers()
    idle.cache_object(request(here, None), 1)
    assert not idle.has_cached_object(request(there, None))
    assert not idle.has_cached_object(request(here, None, cpus=2.0))
    assert idle.pop_cached_object(request(here, "c" * 56)) == 1
    assert idle.pop_cached_object(request(here, None)) is None


def test_idle_workers_are_in_the_way_once_a_trial_has_waited_for_room_for_long_and_not_again_at_once(
    clock: list[float],
) -> None:
    idle = _IdleWorkers()
    for at, waiting, told in [
        (0.0, ["one"], False),
        (1.5, ["one", "other"], False),
        (3.0, ["other"], False),
        (3.0, ["one", "other"], False),
        (4.0, ["one", "other"], True),
        (4.5, ["one", "other"], False),  # its own time has not come, and the other one's was heeded
        (5.5, ["one", "other"], True),
        (20.0, ["one", "other"], False),
        (35.0, ["one", "other"], True),
        (40.0, [], False),
    ]:
        clock[0] = at
        assert idle.room_needed(waiting) == told, at
