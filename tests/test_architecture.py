"""Imports go one way, and the heavy ones stay where they belong. Read from the source itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("trainable", "search", "reports", "benchsweep")
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    """Every module a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield node.module


def module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def importers_of(package: str) -> set[str]:
    return {
        module(path)
        for path in SOURCES
        if any(name == package or name.startswith(f"{package}.") for name in imports(path))
    }


@pytest.mark.parametrize("path", SOURCES, ids=module)
def test_no_file_imports_from_a_layer_above_it(path: Path) -> None:
    own = LAYERS.index(path.relative_to(ROOT).parts[0])
    above = [name for name in imports(path) if name.split(".")[0] in LAYERS[own + 1 :]]
    assert not above


def test_no_two_files_import_each_other() -> None:
    graph = {
        module(path): {name for name in imports(path) if name.split(".")[0] in LAYERS} for path in SOURCES
    }
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"a cycle: {' -> '.join((*trail, name))}"
        if name in done or name not in graph:
            return
        for other in graph[name] - {name}:
            visit(other, (*trail, name))
        done.add(name)

    for name in graph:
        visit(name, ())


def test_ray_is_imported_in_five_files() -> None:
    ours = {"trainable.worker", "search.engine", "search.hosts", "search.tuner", "search.reuse"}
    assert importers_of("ray") == ours


def test_torch_is_imported_where_it_trains_and_nowhere_else() -> None:
    assert importers_of("torch") == {
        "trainable.augmentation",
        "trainable.convolution",
        "trainable.graph",
        "trainable.models",
        "trainable.network",
        "trainable.optimizers",
        "trainable.saved",
        "trainable.training",
    }


def test_torchvision_is_known_to_the_data_alone() -> None:
    assert importers_of("torchvision") == {"trainable.data"}


def test_plotly_and_pandas_belong_to_reports() -> None:
    assert all(name.startswith("reports") for name in importers_of("plotly") | importers_of("pandas"))


def test_search_and_reports_know_the_contract_and_not_our_network() -> None:
    """What is searched is named by the plan; only the contract and the records are known."""
    known = {
        "trainable.assignment",
        "trainable.contract",
        "trainable.checkpoint",
        "trainable.durable",
        "trainable.epoch",
        "trainable.evaluation",
        "trainable.mistakes",
        "trainable.remote",
        "trainable.worker",
    }
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in ("search", "reports"):
            strangers = {name for name in imports(path) if name.startswith("trainable.")} - known
            assert not strangers, f"{path} imports {strangers}"


def test_ray_is_imported_after_the_settings_it_reads_then() -> None:
    code = (
        "import search.tune; from ray._private import ray_constants as read\n"
        "print(read.RAY_ENABLE_UV_RUN_RUNTIME_ENV)"
    )
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run([sys.executable, "-c", code], env=bare, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
