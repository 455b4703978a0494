"""The README names what there is."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MAP = README.partition("## Map")[2]


def test_the_map_names_every_file_and_no_other() -> None:
    there = {
        path.name
        for package in ("trainable", "search", "reports", "benchsweep")
        for path in (ROOT / package).iterdir()
        if path.is_file() and path.name != "__init__.py"
    }
    named = set(re.findall(r"\b\w+\.(?:py|csv|html|css|js|md)\b", MAP))
    named -= {"boosting.py", "sweeps.py", "searches.py", "unfinished.py", "servers.py", "CHANGELOG.md"}
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
