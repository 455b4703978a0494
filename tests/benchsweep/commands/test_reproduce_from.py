"""A run that somebody else's report describes, trained again."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from searches import formula_plan

from benchsweep.__main__ import main

HELPER = Path(__file__).parents[2] / "helpers" / "failing.py"


def _code(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_report_trains_the_recorded_code_and_another_only_when_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "borrowed.py"
    shutil.copy(HELPER, module)
    given = formula_plan(trainable="borrowed", confirmation={"candidates": 0}, budget={"trials": 2})
    (tmp_path / "small.toml").write_text(given.to_toml())
    assert _code("run", "small.toml", "--local", "--quiet") == 0
    report = str(tmp_path / "runs" / "small" / "report.html")
    capsys.readouterr()
    assert _code("reproduce", "--from", report) == 0
    shown = capsys.readouterr()
    assert f"names the trainable borrowed: here {module}, SHA-256 " in shown.err
    assert "reproduced to the bit" in shown.out

    module.write_text(module.read_text() + "\n# another version\n")
    assert _code("reproduce", "--from", report) == 2
    shown = capsys.readouterr()
    assert "but borrowed is another file here; get that version of it" in shown.err
    assert "reproduced" not in shown.out
    assert _code("reproduce", "--from", report, "--any-code") == 0
    assert "reproduced" in capsys.readouterr().out
