"""A search that asks for more than this machine has is refused before Ray starts, and leaves nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from searches import LOCAL, NOWHERE, formula_plan, search

from search.cluster.access import THIS_MACHINE, Site
from search.cluster.capacity import InsufficientResources
from search.cluster.this_machine import check_room
from search.plan.budget import Resources
from search.records.folder import RunFolder
from search.start import starting

CPUS = os.cpu_count() or 1
AUTO = {"device": "auto", "cpus": 1}


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def resources(**changes: Any) -> Resources:
    return formula_plan(resources={**AUTO, **changes}).resources


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ({"cpus": CPUS + 1}, rf"cpus = {CPUS + 1} .* this machine has {CPUS} CPUs? and no GPU"),
        ({"gpus": 1}, "gpus = 1 .* no GPU"),
        ({"device": "cuda"}, 'device is "cuda", but this machine has no GPU'),
    ],
)
def test_what_a_machine_lacks_is_told_before_anything_is_written(
    tmp_path: Path, asked: dict[str, Any], answer: str
) -> None:
    run = RunFolder.named("small", tmp_path)
    given = formula_plan(resources={**AUTO, **asked})
    with pytest.raises(InsufficientResources, match=answer), starting(run, given, NOWHERE, THIS_MACHINE):
        pass
    assert not run.path.exists()


def test_what_fits_or_is_not_this_machines_to_tell_is_not_refused() -> None:
    for asked in ({"cpus": CPUS}, {"device": "cpu"}, {"gpus": 0.5, "device": "any"}, {"custom": {"disk": 9}}):
        check_room(resources(**asked), THIS_MACHINE)
    check_room(resources(cpus=CPUS + 1), LOCAL)  # where a trial has the CPUs that it asks for
    check_room(resources(cpus=CPUS + 1, gpus=8, device="cuda"), Site("cluster:6379"))


def test_visible_gpus_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    check_room(resources(gpus=2), THIS_MACHINE)
    with pytest.raises(InsufficientResources, match="2 GPUs"):
        check_room(resources(gpus=3), THIS_MACHINE)


def test_a_finished_run_is_shown_again_on_any_machine(tmp_path: Path) -> None:
    run = RunFolder.named("small", tmp_path)
    search(run, formula_plan(resources=AUTO))
    larger = formula_plan(resources={**AUTO, "cpus": CPUS + 1})
    with starting(run, larger, NOWHERE, THIS_MACHINE) as started:
        assert started.data is None
