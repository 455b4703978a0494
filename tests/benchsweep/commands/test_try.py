"""`benchsweep try`: what it prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sound_trainable import SOUND


def test_a_wrong_direction_is_told_with_the_right_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "tried_direction.py").write_text(SOUND.replace('"loss", "minimize"', '"acc", "max"'))
    (tmp_path / "mine.toml").write_text('trainable = "tried_direction"')
    done = here("try", "mine.toml")
    assert done.code == 2
    assert "must be maximize or minimize, but is 'max'; did you mean maximize?" in done.err
    assert "tried_direction.py" in done.err


def test_the_command_prints_each_step_and_exits_with_1_for_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, here: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "tried_command.py").write_text(SOUND.replace("return [path]", "print('saved'); return 3"))
    (tmp_path / "mine.toml").write_text('trainable = "tried_command"')
    done = here("try", "mine.toml", "--recipe", "rate=0.5", "--recipe", "epochs=3", "--json")
    told = json.loads(done.out)
    assert (done.code, told["failed"], told["recipe"]) == (1, 1, {"rate": 0.5, "epochs": 3, "seed": 0})
    assert "saved" in done.err
    done = here("try", "mine.toml")
    assert done.code == 1
    assert "return [path]" in done.out
    assert not (tmp_path / "runs").exists()
    done = here("try", "mine.toml", "--recipe", "ratte=0.5", "--recipe", "epochs=x")
    assert done.code == 2
    assert "did you mean rate?" in done.err
