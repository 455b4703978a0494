"""Every command that a screen, a report or a message offers works as it is written, in the state in which it
is offered."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from probes import ask_once
from searches import LOCAL, NOWHERE, formula_plan

from benchsweep.__main__ import main
from search.engine.events import EpochReported, TrialEnded
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.start import starting

_TRAINS = {"run", "resume", "extend", "confirm"}
_OFFERED = re.compile(
    r"benchsweep (?:run|resume|extend|confirm|reproduce|report|show|status|export|compare|doctor)\b[^`;<\n]*"
)
_PLACEHOLDER = re.compile(r"\b(?:KEY=VALUE|PLAN|RUN|CONFIG|FILE|TRIAL)\b")


def _stopped_after(kind: type, count: int) -> Callable[[RunFolder, Any], None]:
    """Search until that many events of a kind have come."""

    def run(folder: RunFolder, given: Any) -> None:
        with starting(folder, given, NOWHERE, LOCAL) as started:
            seen = 0
            for event in started:
                seen += isinstance(event, kind)
                if seen == count:
                    started.stop()

    return run


_STATES: dict[str, tuple[dict[str, Any], Callable[[RunFolder, Any], None] | None]] = {
    "confirmed": ({}, None),
    "never confirmed": ({"confirmation": {"candidates": 0}}, None),
    "confirmation missing": ({}, _stopped_after(TrialEnded, 4)),
    "interrupted": ({}, _stopped_after(EpochReported, 5)),
    "all failed": ({"space": {"x": {"low": 0.9, "high": 1.0}}, "recipe": {"epochs": 3, "limit": 0.8}}, None),
    "all pruned": ({"pruner": {"name": "threshold", "lower": 2.0}}, None),
    "default is best": (
        {"space": {"x": {"low": 0.0, "high": 0.05}}, "recipe": {"epochs": 3}},
        None,
    ),
    "narrow": ({"space": {"x": {"low": 0.1, "high": 0.3}}, "budget": {"trials": 12}}, None),
}


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.mark.slow
@pytest.mark.parametrize("state", _STATES)
def test_every_command_that_is_offered_works(
    state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask_once(monkeypatch)
    monkeypatch.setattr("webbrowser.open", lambda address: True)
    monkeypatch.setenv("COLUMNS", "400")
    changes, begin = _STATES[state]
    start = tmp_path / "start"
    start.mkdir()
    monkeypatch.chdir(start)
    given = formula_plan(**{"recipe": {"epochs": 3}, **changes})
    (start / "small.toml").write_text(given.to_toml())
    run = RunFolder.named("small", start / "runs")
    if begin is None:
        _run("run", "small.toml", "--local", "--runs", "runs")
    else:
        begin(run, given)
    shown = capsys.readouterr()
    texts = [shown.out + shown.err]
    for words in (["report", "small"], ["show", "small"], ["status", "small"], ["list"], ["doctor", "small"]):
        _run(*words)
        shown = capsys.readouterr()
        texts.append(shown.out + shown.err)
    texts.append((run.path / "report.md").read_text())
    offered = {
        command.strip().rstrip(".,)")
        for text in texts
        for command in _OFFERED.findall(text)
        if not _PLACEHOLDER.search(command)
    }
    assert offered
    for at, command in enumerate(sorted(offered)):
        there = tmp_path / f"{at}"
        shutil.copytree(start, there)
        monkeypatch.chdir(there)
        words = shlex.split(command)[1:]
        if words[0] in _TRAINS and "--local" not in words:
            words += ["--local", "--quiet"]
        code = _run(*words)
        shown = capsys.readouterr()
        expected = {"all failed": {0, 1}, "all pruned": {0, 1}}.get(state, {0})
        assert code in expected, f"{command}: {shown.err}"
        if words[0] != "show":  # which shows that of a failed trial
            assert "Traceback" not in shown.out + shown.err, command
    assert Sweep.read(run.path).trials
