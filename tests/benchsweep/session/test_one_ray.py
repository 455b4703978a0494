"""A search and its confirmation share one Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import ray
from searches import NOWHERE, formula_plan

from benchsweep.session.stages import search_stages
from search.cluster.access import THIS_MACHINE
from search.records.folder import RunFolder


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
