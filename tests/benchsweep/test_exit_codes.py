"""The exit code of a search says how it ended, as the table in docs/commands.md has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from searches import formula_plan

from benchsweep.__main__ import main
from search.records.sweep import Sweep

ROOT = Path(__file__).parents[2]
_ENDS: dict[str, tuple[dict[str, Any], int]] = {
    "finished": ({}, 0),
    "all trials failed": ({"recipe": {"epochs": 2, "limit": -1.0}}, 1),
    "all trials pruned": ({"pruner": {"name": "threshold", "lower": 2.0}}, 1),
    "some trials failed": ({"recipe": {"epochs": 2, "limit": 0.9}, "sampler": {"name": "grid"}}, 0),
}


@pytest.mark.parametrize("end", _ENDS)
def test_a_search_exits_by_whether_it_has_a_winner(
    end: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    changes, code = _ENDS[end]
    given = formula_plan(**{"budget": {"trials": 3}, "confirmation": {"candidates": 0}, **changes})
    (tmp_path / "small.toml").write_text(given.to_toml())
    for words in (["run", "small.toml"], ["resume", "small"]):  # the second has nothing left to do
        with pytest.raises(SystemExit) as ended:
            main([*words, "--local"])
        assert ended.value.code == code, capsys.readouterr().err
    assert (Sweep.read(tmp_path / "runs" / "small").best() is None) == (code == 1)
    assert "Traceback" not in capsys.readouterr().err


def test_a_fault_of_the_input_exits_with_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text("budget = 3")
    for words in (["run", "small.toml"], ["run", "missing.toml"], ["show", "missing"], ["run", "--nonsense"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2


def test_the_table_of_the_documentation_has_these_codes() -> None:
    section = (ROOT / "docs" / "commands.md").read_text().partition("## Exit codes")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("| ")]
    assert [row for row in rows if row.isdigit()] == ["0", "1", "2", "130", "143"]
