"""Imports go one way, and the heavy ones stay where they belong. Read from the source itself."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("trainable", "search", "reports", "benchsweep")
ROOMS = {
    "trainable": (
        "errors",
        "epoch",
        "evaluation",
        "user_modules",
        "contract",
        "asked",
        "record",
        "assignment",
        "storage",
        "user_code",
        "function",
        "live_state",
        "seeds",
        "torch_training",
        "adapters",
        "objective",
        "forms",
        "trial_runner",
        "together",
        "worker",
        "mnist",
        "mlp",
    ),
    "search": (
        *(
            "plan",
            "racing",
            "records",
            "surrogate",
            "sampling",
            "study",
            "cluster",
            "engine",
            "deploy",
            "doctor",
        ),
        *(
            "together",
            "start",
            "retry",
            "extend",
            "confirm",
            "test_set",
            "final_model",
            "reproduce",
            "repeat",
            "cost",
            "replay",
            "rehearsal",
        ),
    ),
    "reports": (
        *("statistics", "formatting", "analysis", "importance", "figures", "health", "exports", "page"),
        *("ranking", "benchmarks", "notebook"),
    ),
    "benchsweep": (
        *(
            "output_stream",
            "notices",
            "terminal",
            "errors",
            "options",
            "plain",
            "kept_summaries",
            "summary",
            "find",
            "saved_model",
            "report_record",
        ),
        *("progress", "screen", "live", "formats", "session", "actions", "python", "commands", "__main__"),
    ),
}
SOURCES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


@cache
def imports(path: Path) -> tuple[str, ...]:
    """Every module a file imports, inside functions too."""
    return tuple(_imports(path))


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            yield from {_imported(node.module, name.name) for name in node.names}


def _imported(package: str, name: str) -> str:
    """The module that `from package import name` imports: a module of that name, or the package."""
    path = ROOT.joinpath(*package.split("."), name)
    return f"{package}.{name}" if path.is_dir() or path.with_suffix(".py").is_file() else package


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


def room(name: str) -> str:
    """The room of a module: the file or folder of its package that it lies in."""
    return ".".join(name.split(".")[:2])


def test_rooms_import_only_those_that_are_listed_before_them() -> None:
    """The order in which a package is read. An arrow up, or a room that is not listed, fails."""
    assert {room(module(path)) for path in SOURCES if len(path.relative_to(ROOT).parts) > 1} - set(
        LAYERS
    ) == {f"{layer}.{name}" for layer, names in ROOMS.items() for name in names}
    order = [f"{layer}.{name}" for layer in LAYERS for name in ROOMS[layer]]
    arrows = {
        (module(path), name)
        for path in SOURCES
        for name in imports(path)
        if room(module(path)) in order and room(name) in order
    }
    up = {(own, name) for own, name in arrows if order.index(room(own)) < order.index(room(name))}
    assert not up


def test_ray_is_imported_in_one_room_and_by_the_worker() -> None:
    importers = importers_of("ray") - {"trainable.worker"}
    assert importers
    assert {name for name in importers if not name.startswith("search.engine.ray_tune.")} == set()


def test_torch_and_torchvision_belong_to_the_worked_example() -> None:
    importers = importers_of("torch") | importers_of("torchvision")
    assert {room(name) for name in importers} == {"trainable.mnist"}
    assert importers_of("torchvision") == {"trainable.mnist.data"}


def test_plotly_and_pandas_belong_to_reports() -> None:
    """The terminal's leaderboard takes a frame that reports made."""
    assert {name.split(".")[0] for name in importers_of("plotly")} == {"reports"}
    others = {name for name in importers_of("pandas") if not name.startswith("reports.")}
    assert others == {"benchsweep.screen.leaderboard"}


def test_search_and_reports_know_the_contract_and_not_our_network() -> None:
    """What is searched is named by the plan; only the contract and the records are known."""
    known = {
        *(
            "assignment",
            "contract",
            "epoch",
            "errors",
            "evaluation",
            "forms",
            "function",
            "record",
            "storage",
            "together",
            "trial_runner",
            "user_code",
            "worker",
        )
    }
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in ("search", "reports"):
            strangers = {
                name
                for name in imports(path)
                if name.startswith("trainable.") and room(name).removeprefix("trainable.") not in known
            }
            assert not strangers, f"{path} imports {strangers}"


def _printed(code: str) -> str:
    """What a new process prints whose environment has no variable of Ray's."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run([sys.executable, "-c", code], env=clean, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_ray_is_imported_after_the_settings_it_reads_then() -> None:
    code = (
        "import search.engine.ray_tune.loop; from ray._private import ray_constants as read\n"
        "print(read.RAY_ENABLE_UV_RUN_RUNTIME_ENV)"
    )
    assert _printed(code) == "False"


def test_reading_a_run_sets_no_environment_variable() -> None:
    code = (
        "import os; before = dict(os.environ)\n"
        "import search.records.sweep, search.start, search.engine.search, search.engine.local\n"
        "print(dict(os.environ) == before)"
    )
    assert _printed(code) == "True"
