"""What another machine has installed, asked in processes of their own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from search.cluster import installation
from search.cluster.installation import installed, refusal

ROOT = Path(__file__).parents[3]


def elsewhere(path: Path, root: str, seen: str | None, *flags: str) -> dict[str, Any]:
    """What `installed` finds in a process that imports from `path`, and not from here."""
    source = Path(installation.__file__).read_text()
    code = f"{source}\nimport json, sys\nprint(json.dumps(installed('trainable.mlp', sys.argv[1], {seen!r})))"
    done = subprocess.run(
        [sys.executable, *flags, "-c", code, root],
        cwd=path,
        env={"PATH": "/usr/bin", "PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def here(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "lock").write_text("it is held")
    return installed("trainable.mlp", str(ROOT), str(tmp_path / "lock"))


@pytest.mark.slow
def test_a_machine_that_has_the_same_is_not_refused(here: dict[str, Any], tmp_path: Path) -> None:
    seen = str(tmp_path / "lock")
    there = elsewhere(ROOT, str(ROOT), seen)
    assert refusal("gpu-1", here, there, seen) is None


def test_a_machine_without_the_package_is_refused_and_told_what_to_do(
    here: dict[str, Any], tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    there = elsewhere(bare, str(bare), None, "-S")  # -S: nothing that is installed is seen
    told = refusal("gpu-1", {**here, "ray": None, "torch": None}, there, None)
    assert told is not None
    assert "gpu-1 cannot train: ModuleNotFoundError: No module named 'trainable'" in told
    assert "--ship-code" in told


@pytest.mark.slow
def test_a_machine_with_other_source_is_refused_by_both_versions(
    here: dict[str, Any], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "trainable", tmp_path / "trainable")
    with (tmp_path / "trainable" / "schedules.py").open("a") as file:
        file.write("# changed\n")
    there = elsewhere(tmp_path, str(tmp_path), None)
    told = refusal("gpu-1", here, there, None)
    assert told is not None
    assert told.startswith(
        f"gpu-1 has benchsweep {there['benchsweep']} (source {there['code'][:8]}), but this"
    )
    assert here["code"][:8] in told and here["code"] != there["code"]


@pytest.mark.parametrize("name, label", [("python", "Python"), ("torch", "torch"), ("ray", "ray")])
def test_another_version_is_told_by_both(here: dict[str, Any], name: str, label: str) -> None:
    told = refusal("gpu-1", here, {**here, name: "0.9"}, None)
    assert told == f"gpu-1 has {label} 0.9, but this machine has {here[name]}; install the same there"


def test_a_machine_that_does_not_see_the_runs_folder_is_refused(here: dict[str, Any], tmp_path: Path) -> None:
    seen = str(tmp_path / "lock")
    for content in (None, "that of another run"):
        told = refusal("gpu-1", here, {**here, "content": content}, seen)
        assert told is not None
        assert "gpu-1 does not see the run's folder" in told and "--runs" in told


def test_a_machine_without_the_plans_trainable_is_refused(here: dict[str, Any]) -> None:
    told = refusal("gpu-1", here, {**here, "module": None, "fault": "ModuleNotFoundError: mine"}, None)
    assert told == (
        "gpu-1 does not have this plan's trainable: ModuleNotFoundError: mine; send it with --ship-code"
    )
