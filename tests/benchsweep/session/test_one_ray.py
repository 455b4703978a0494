"""A search and its confirmation share one Ray."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import ray
from searches import NOWHERE, formula_plan

from benchsweep.session.stages import search_stages
from search.cluster.access import THIS_MACHINE, Site
from search.engine.local import LocalEngine
from search.records.folder import RunFolder
from search.study.base import Study


@pytest.mark.slow
def test_ray_is_started_once_for_a_search_and_its_confirmation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[Any] = []
    init = ray.init
    monkeypatch.setattr(ray, "init", lambda *given, **named: starts.append(named) or init(*given, **named))
    run = RunFolder.named("one", tmp_path)
    stages = search_stages(run, formula_plan(), NOWHERE, THIS_MACHINE, print)
    up = []
    for stage in stages:
        for event in stage.search:
            stage.progress.update(event)
        assert stage.complete
        up.append(ray.is_initialized())
    assert up == [True, False]
    assert len(starts) == 1


@pytest.mark.parametrize("budget", [{"trials": 3}, {"wall_time": "4s"}], ids=str)
def test_the_engine_stays_up_for_the_confirmation_whatever_ended_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, budget: dict[str, Any]
) -> None:
    starts: list[Any] = []

    @contextmanager
    def counted(study: Study, run: RunFolder, site: Site) -> Iterator[LocalEngine]:
        starts.append(run)
        yield LocalEngine(study.plan.resources)

    monkeypatch.setattr("search.engine.ray_tune.loop.ray_engine", counted)
    run = RunFolder.named("one", tmp_path)
    for stage in search_stages(run, formula_plan(budget=budget), NOWHERE, THIS_MACHINE, print):
        for event in stage.search:
            stage.progress.update(event)
        assert stage.complete
    assert len(starts) == 1
