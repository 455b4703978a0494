"""The plan of an Optuna script: `benchsweep run cnn.py:objective`.

What its `study.optimize` would have done is read from its source, without running it: direction, number of
trials and time, where they are written as literals.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.plan.naming import NAME

TRIALS = 100
"""Number of trials where the script says none."""
_SCRIPT = re.compile(r"(?P<file>.+\.py):(?P<function>[A-Za-z_]\w*)")


def script_of(name: str) -> tuple[Path, str] | None:
    """The file and the function in "cnn.py:objective"; None if the name is another."""
    match = _SCRIPT.fullmatch(name)
    return None if match is None else (Path(match["file"]), match["function"])


def script_table(file: Path, function: str) -> dict[str, Any]:
    """The table of a plan that searches a function in this file. Raises OSError, and ValueError or
    SyntaxError if the file is no Python."""
    tree = ast.parse(file.read_bytes())
    study = _arguments(tree, "create_study")
    optimize = _arguments(tree, "optimize")
    budget: dict[str, Any] = {}
    if isinstance(trials := optimize.get("n_trials"), int):
        budget["trials"] = trials
    if isinstance(timeout := optimize.get("timeout"), int | float):
        budget["wall_time"] = float(timeout)
    direction = study.get("direction", "minimize")
    return {
        "name": file.stem if NAME.fullmatch(file.stem) else "objective",
        "trainable": f"{file.stem}:{function}",
        "metric": {"name": "value", "direction": direction if isinstance(direction, str) else "minimize"},
        "budget": budget or {"trials": TRIALS},
    }


def _arguments(tree: ast.AST, function: str) -> Mapping[str, Any]:
    """The keyword arguments of the first call of a function or method of this name, as far as they are
    literals."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == function:
            found = {}
            for keyword in node.keywords:
                try:
                    found[str(keyword.arg)] = ast.literal_eval(keyword.value)
                except ValueError:
                    continue
            return found
    return {}


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
