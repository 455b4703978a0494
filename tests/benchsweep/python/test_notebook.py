"""The notebook of the documentation, in a real kernel."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from commands import command
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from search.records.sweep import Sweep

ROOT = Path(__file__).parents[3]
NOTEBOOK = ROOT / "docs" / "python.ipynb"

pytestmark = pytest.mark.slow


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a kernel that finds benchsweep."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def executed(cells: list[str], folder: Path) -> Any:
    """A notebook with these cells, after they were run."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


def test_the_notebook_of_the_documentation_runs_and_its_run_is_resumed_by_the_command(folder: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=240, resources={"metadata": {"path": str(folder)}}).execute()
    search, board, figure, extended = (cell["outputs"] for cell in notebook.cells[-4:])
    # tqdm, which Optuna imports, warns where ipywidgets are not installed.
    progress, sweep = (output["data"]["text/html"] for output in search if "data" in output)
    assert "8/8 trials" in progress and "all 8 trials of the budget were run" in progress
    assert "<b>digits</b> finished, 8 trials" in sweep
    assert "sampled.gamma" in board[0]["data"]["text/html"]
    assert figure[0]["data"]["application/vnd.plotly.v1+json"]["data"]
    assert "finished, 10 trials" in extended[-1]["data"]["text/html"]
    done = command("extend", "digits", "--trials", "1", "--local")
    assert done.code == 0, done.err
    assert len(Sweep.read(folder / "runs" / "digits").trials) == 11


def test_a_notebooks_function_trains_on_ray(folder: Path) -> None:
    cells = [
        "import benchsweep\nSHIFT = 0.3",
        "def train(recipe):\n    return (recipe['x'] - SHIFT) ** 2",
        "benchsweep.run(train, {'x': (0.0, 1.0)}, 3, 'small', minimize='loss', confirmation=False)",
    ]
    notebook = executed(cells, folder)
    assert "finished, 3 trials, all complete" in notebook.cells[-1]["outputs"][-1]["data"]["text/html"]


def test_an_edited_cell_is_what_the_next_search_trains(folder: Path) -> None:
    run = (
        "benchsweep.run(train, {{'x': (0.0, 1.0)}}, 2, '{}', minimize='loss', confirmation=False, local=True)"
    )
    first = "import benchsweep\ndef train(recipe):\n    return 1.0"
    executed([first, run.format("a"), "def train(recipe):\n    return 2.0", run.format("a2")], folder)
    scores = [[trial.score for trial in Sweep.read(folder / "runs" / name).trials] for name in ("a", "a2")]
    assert scores == [[1.0, 1.0], [2.0, 2.0]]


def test_data_of_the_notebook_is_refused_with_what_to_write(folder: Path) -> None:
    cells = [
        "import benchsweep\nimport numpy as np\ndata = np.zeros(3)",
        "def train(recipe):\n    return data.sum()",
        "benchsweep.run(train, {'x': (0.0, 1.0)}, 3, 'small', minimize='loss', local=True)",
    ]
    with pytest.raises(CellExecutionError, match="train uses data, a ndarray of the notebook"):
        executed(cells, folder)
