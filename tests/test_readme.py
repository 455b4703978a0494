"""The README names what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from studies import carry_on

from search.plan.plan import Plan
from search.records.folder import RunFolder

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PACKAGES = ("trainable", "search", "reports", "benchsweep")
MAP = README.partition("## Map")[2]
SPACE = {
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "schedule": {"choices": ["constant", "step"]},
}


def test_the_map_names_every_room_and_no_other() -> None:
    there = {
        f"{package}/{path.name}{'/' if path.is_dir() else ''}"
        for package in PACKAGES
        for path in (ROOT / package).iterdir()
        if path.name not in ("__init__.py", "__pycache__")
    }
    named, package = set(), ""
    for indent, name in re.findall(r"^( {4}| {6})(\w+(?:/|\.py)) ", MAP, re.MULTILINE):
        if len(indent) == 4:
            package = name
        elif package.rstrip("/") in PACKAGES:
            named.add(package + name)
    assert named == there


def test_every_command_it_names_exists() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "benchsweep", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout
    known = set(re.findall(r"^│ (\w+)", told, re.MULTILINE))
    text = README.partition("## Map")[0]
    named = set(re.findall(r"^ {4}.*?benchsweep (\w+)|`(?:uv run )?benchsweep (\w+)", text, re.MULTILINE))
    named = {one or other for one, other in named}
    assert known
    assert named - {"runs"} <= known
    assert known <= named | {"schema"}


def test_every_config_it_names_exists() -> None:
    for name in re.findall(r"configs/[\w/]+\.toml", README):
        assert (ROOT / name).is_file(), name


def test_its_example_of_a_run_in_python_runs_without_ray_and_torch(tmp_path: Path) -> None:
    plan = Plan.parse(
        {"name": "laptop", "recipe": {"epochs": 3}, "space": SPACE, "budget": {"trials": 5}}, "test"
    )
    carry_on(RunFolder(tmp_path / "runs" / "laptop"), plan)
    (code,) = [each for each in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Sweep.read" in each]
    last = "import sys; assert not {'ray', 'torch'} & set(sys.modules); print(len(trials_table(sweep)))"
    told = subprocess.run(
        [sys.executable, "-c", code + last],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert told.stdout.strip() == "5", told.stderr
