"""A notebook's function is written to a file with what it needs, or refused."""

from __future__ import annotations

import linecache
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchsweep.python.cells import NotWritable, cells_source, write_cells

CELLS = [
    "import concurrent.futures\nimport math as m\nfrom collections import Counter as Count",
    "SCALE = {'a': [1, 2.5, None]}",
    "def helper(x):\n    data = m.sqrt(x)\n    return data * SCALE['a'][1]",
    "class Base:\n    width = 3",
    "class Mine(Base):\n    def area(self):\n        return helper(self.width) + len(Count('aab'))",
    "def train(recipe):\n    concurrent.futures.Future\n    return Mine().area() + recipe['x']",
    "data = object()",
    "def uses_data(recipe):\n    return data",
]


@pytest.fixture
def notebook() -> dict[str, Any]:
    """The names of a notebook that has run these cells, as IPython keeps them."""
    names: dict[str, Any] = {"__name__": "__main__", "In": ["", *CELLS]}
    for number, cell in enumerate(CELLS):
        file = f"<cell {number} of this test>"
        linecache.cache[file] = (len(cell), None, cell.splitlines(keepends=True), file)
        exec(compile(cell, file, "exec"), names)
    return names


def test_the_file_has_what_the_function_names_and_says_the_same(
    notebook: dict[str, Any], tmp_path: Path
) -> None:
    source = cells_source(notebook["train"], notebook)
    (tmp_path / "cells.py").write_text(source)
    out = subprocess.check_output(
        [sys.executable, "-c", "import cells; print(cells.train({'x': 1}))"], cwd=tmp_path, text=True
    )
    assert float(out) == notebook["train"]({"x": 1})
    assert "uses_data" not in source and "object" not in source
    assert source.index("class Base") < source.index("class Mine") < source.index("def train")


def test_data_of_the_notebook_is_refused_with_its_name(notebook: dict[str, Any]) -> None:
    with pytest.raises(NotWritable, match="uses_data uses data, a object of the notebook"):
        cells_source(notebook["uses_data"], notebook)


def test_a_file_of_the_users_is_never_overwritten(
    notebook: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_cells.py").write_text("mine = 1\n")
    with pytest.raises(NotWritable, match=r"a_cells.py, but that is a file of yours"):
        write_cells(notebook["helper"], "a")
    assert (tmp_path / "a_cells.py").read_text() == "mine = 1\n"


def test_what_has_no_source_is_refused() -> None:
    names: dict[str, Any] = {"__name__": "__main__"}
    exec("def typed(recipe):\n    return 1", names)
    with pytest.raises(NotWritable, match="workers need the source of typed"):
        cells_source(names["typed"], names)
