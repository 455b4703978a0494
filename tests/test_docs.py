"""README, docs/ and CONTRIBUTING describe what exists."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import click
import pytest
import typer
from plan_reference import END, START, reference
from studies import carry_on

from benchsweep.__main__ import app
from search.plan.plan import Plan
from search.records.folder import RunFolder

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
TEXT = {page.name: page.read_text() for page in PAGES}
PACKAGES = ("trainable", "search", "reports", "benchsweep")
SPACE = {
    "learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "schedule": {"choices": ["constant", "step"]},
}


def test_the_map_names_every_room_and_no_other() -> None:
    rooms = {
        f"{package}/{path.name}{'/' if path.is_dir() else ''}"
        for package in PACKAGES
        for path in (ROOT / package).iterdir()
        if path.name not in ("__init__.py", "__pycache__")
    }
    named, package = set(), ""
    chapter = TEXT["architecture.md"].partition("## Map")[2]
    for indent, name in re.findall(r"^( {4}| {6})(\w+(?:/|\.py)) ", chapter, re.MULTILINE):
        if len(indent) == 4:
            package = name
        else:
            named.add(package + name)
    assert named == rooms


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text()):
        assert (page.parent / target).is_file(), target


def test_every_chapter_is_linked_from_the_readme() -> None:
    linked = set(re.findall(r"\]\(docs/(\w[\w-]*\.md)\)", TEXT["README.md"]))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")}


def commands() -> dict[str, set[str]]:
    """The options of each command, by its name."""
    group = cast(Any, typer.main.get_command(app))
    return {name: options(command.load()) for name, command in group.commands.items()}


def options(command: click.Command) -> set[str]:
    """Its own, and those of its subcommands."""
    own = {option for parameter in command.params for option in parameter.opts}
    return own.union(*map(options, getattr(command, "commands", {}).values()))


def test_every_command_that_is_named_exists_and_the_readme_names_them_all() -> None:
    known = set(commands())
    named = {
        page: set(re.findall(r"(?:^ {4}[^|\n]*?|`(?:uv run )?)benchsweep ([a-z]+)", text, re.MULTILINE))
        for page, text in TEXT.items()
    }
    assert {page: names - known for page, names in named.items()} == {page: set() for page in TEXT}
    assert named["README.md"] == known


def test_every_option_of_a_command_that_is_named_exists() -> None:
    known = commands()
    for page, text in TEXT.items():
        for name, rest in re.findall(r"benchsweep ([a-z]+)([^`|\n]*)", text):
            used = set(re.findall(r"(?<!\S)--[a-z][a-z-]*", rest.partition(" #")[0]))
            assert used <= known.get(name, used), (page, name)


def test_every_file_that_is_named_exists() -> None:
    pattern = r"\b(?:configs|benchmarks|tests|trainable|search|reports)/[\w/]+\.(?:toml|py)"
    named = {name for text in TEXT.values() for name in re.findall(pattern, text)}
    assert {name for name in named if not (ROOT / name).is_file()} == set()


def test_the_reference_of_a_plan_is_that_of_its_schema() -> None:
    """`python tests/helpers/plan_reference.py` writes it again."""
    written = TEXT["plan.md"].partition(START)[2].partition(END)[0]
    assert written.strip() == reference().strip()


def test_the_example_in_python_runs_without_ray_and_torch(tmp_path: Path) -> None:
    plan = Plan.parse(
        {"name": "laptop", "recipe": {"epochs": 3}, "space": SPACE, "budget": {"trials": 5}}, "test"
    )
    carry_on(RunFolder(tmp_path / "runs" / "laptop"), plan)
    (code,) = re.findall(r"```python\n(.*?)```", TEXT["exports.md"], re.DOTALL)
    last = "import sys; assert not {'ray', 'torch'} & set(sys.modules); print(len(trials_table(sweep)))"
    done = subprocess.run(
        [sys.executable, "-c", code + last],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.strip() == "5", done.stderr
