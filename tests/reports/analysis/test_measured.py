"""What was measured with this program: the file's format, and where it shows in the leaderboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import make_sweep

from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.measured import COLUMNS, MeasuredError, read_measured
from reports.analysis.ranking import leaderboard

ROOT = Path(__file__).parents[3]
ROW = "mlp300,lecun1998-mlp300,configs/laptop.toml,238510,5,98.10,0.05,97.90,98.30,2 cores,2026-11-25,run it"


def written(folder: Path, *rows: str) -> Path:
    path = folder / "measured.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_the_shipped_file_keeps_its_format_and_names_configs_and_benchmarks_that_exist() -> None:
    frame = read_measured()
    assert {str(name): str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert all((ROOT / config).is_file() for config in frame["config"])
    assert set(frame["benchmark_key"]) <= {"", *read_benchmarks()["key"]}


def test_the_documentation_has_exactly_the_figures_of_the_shipped_file() -> None:
    text = (ROOT / "docs" / "measured.md").read_text()
    rows = [
        f"| `{row.key}`, {row.parameters:,} parameters, {row.seeds} seeds | {row.mean_percent:.2f} ± "
        f"{row.deviation_percent:.2f} % [{row.low:.2f}, {row.high:.2f}] | `{row.command}` |"
        for row in read_measured().itertuples()
    ]
    assert "\n".join(rows) in text
    for row in read_measured().itertuples():
        assert text.count(f"`{row.command}`") == 1


def test_every_fault_of_a_file_is_named_with_rule_and_value(tmp_path: Path) -> None:
    bad = ROW.replace("98.10", "97.80").replace("mlp300,", "other,", 1)
    worse = ROW.replace("238510", "many").replace("2026-11-25", "then")
    with pytest.raises(MeasuredError) as caught:
        read_measured(written(tmp_path, bad, worse))
    message = str(caught.value)
    assert "benchmark_key must be unique, but 'lecun1998-mlp300' occurs twice" in message
    assert "low <= mean_percent <= high must hold, but got 97.90, 97.80, 98.30" in message
    assert "parameters must be an integer above 0, but is 'many'" in message
    assert "date must be an ISO date such as 2026-11-25, but is 'then'" in message


def test_a_measured_figure_stands_next_to_the_published_one(tmp_path: Path) -> None:
    frame = leaderboard(make_sweep(), read_benchmarks(), repeated=read_measured(written(tmp_path, ROW)))
    here = frame[frame["measured_here_percent"].notna()]
    assert list(here["test_accuracy_percent"]) == [95.3]
    assert list(here["measured_here"]) == [
        "98.10 % over 5 seeds (95 % interval 97.90 to 98.30 %), configs/laptop.toml"
    ]
