"""The test set is opened once, whatever fails meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from searches import LOCAL, NOWHERE, formula_plan, search
from sweeps import make_look, make_opening

from benchsweep.__main__ import main
from search.cluster.access import THIS_MACHINE
from search.confirm import confirming
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import Sweep
from search.test_set import _opening_of, finalists, open_test_set
from trainable.user_code import TrainableError

_FAULTS = {
    "load": "Source.load of the trainable must not fail, but raised KeyError: 'train' (failing.py, line ",
    "load_test": "Source.load_test of the trainable must not fail, but raised ZeroDivisionError: no rows (",
    "load_test returns None": "evaluate (with None, which Source.load_test returned) of the trainable must",
    "load_state_dict": "Training.load_state_dict of the trainable must not fail, but raised IndexError",
    "evaluate": "Training.evaluate of the trainable must not fail, but raised RuntimeError: the shapes",
    "evaluate later": "raised RuntimeError: the second one (failing.py, line ",
    "evaluate returns a dict": "must return a trainable.evaluation.evaluation.Evaluation, but returned a",
    "evaluate returns nan": "must return finite numbers, but score is nan",
    "save": "Training.save of the trainable must not fail, but raised PermissionError",
}
_SEES_NOTHING = ("load", "load_test", "load_state_dict")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.chdir(tmp_path)
    run = RunFolder.named("small", tmp_path)
    search(run, formula_plan())
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    return run


@pytest.mark.parametrize("fault", _FAULTS)
def test_what_fails_at_the_end_is_a_sentence_and_the_next_start_does_only_what_is_missing(
    run: RunFolder, fault: str, tmp_path: Path
) -> None:
    models = len(finalists(Sweep.read(run.path)))
    assert models > 2
    (tmp_path / "fault.txt").write_text(fault)
    with owning(run.lock), pytest.raises(TrainableError) as raised:
        open_test_set(run, NOWHERE)
    assert _FAULTS[fault] in raised.value.message
    assert "\n" not in str(raised.value)
    assert bool(raised.value.trace) == (not fault.startswith("evaluate returns"))

    sweep = Sweep.read(run.path)
    assert len(sweep.openings) == (0 if fault in _SEES_NOTHING else 1)
    recorded = sum(len(opening.looks) for opening in sweep.openings)
    assert recorded == {"evaluate later": 1, "save": models}.get(fault, 0)

    (tmp_path / "fault.txt").unlink()
    (tmp_path / "looks.txt").write_text("")
    with owning(run.lock):
        opening = open_test_set(run, NOWHERE)
        assert open_test_set(run, NOWHERE) == opening
    assert opening is not None
    assert opening.finished
    assert len((tmp_path / "looks.txt").read_text().splitlines()) == models - recorded
    assert Sweep.read(run.path).openings == (opening,)
    assert (run.path / "model.bin").is_file()


def test_a_run_whose_end_failed_is_reported_and_exits_with_1_without_a_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    given = formula_plan()
    (tmp_path / "small.toml").write_text(given.to_toml())
    (tmp_path / "fault.txt").write_text("evaluate")
    with pytest.raises(SystemExit) as ended:
        main(["run", "small.toml", "--local", "--quiet"])
    shown = capsys.readouterr()
    assert ended.value.code == 1
    assert "error: Training.evaluate of the trainable must not fail, but raised RuntimeError" in shown.err
    assert "continue with: " in shown.err
    assert "Traceback" not in shown.out + shown.err
    run = RunFolder.named("small", tmp_path / "runs")
    assert "Traceback" in run.log.read_text()
    assert (run.path / "report.html").is_file()

    (tmp_path / "fault.txt").unlink()
    with pytest.raises(SystemExit) as ended:
        main(["resume", "small", "--local", "--quiet"])
    assert ended.value.code == 0, capsys.readouterr().err
    (opening,) = Sweep.read(run.path).openings
    assert opening.finished


@pytest.mark.slow
def test_data_that_cannot_go_to_the_workers_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fault.txt").write_text("pickle")
    run = RunFolder.named("small", tmp_path)
    with pytest.raises(TrainableError) as raised:
        search(run, formula_plan(), THIS_MACHINE)
    assert "must be picklable" in raised.value.message
    assert raised.value.message.endswith("it is a generator: cannot pickle 'generator' object")
    assert "\n" not in str(raised.value)


def test_only_an_opening_that_is_not_complete_is_continued() -> None:
    """A later confirmation of more models may have the same reason."""
    looks = make_look(1, seed=1), make_look(1, seed=2)
    complete = make_opening(*looks, reason="why")
    unfinished = make_opening(looks[0], reason="why", models=2, saved=False)
    both, more = {(1, 1), (1, 2)}, {(1, 1), (1, 2), (1, 3)}
    assert _opening_of(both, [complete], "why") == ((), complete)
    assert _opening_of(both, [unfinished], "why") == ((), unfinished)
    for opening, wanted, reason in (
        (complete, more, "why"),
        (unfinished, more, "why"),
        (unfinished, both, "x"),
    ):
        earlier, new = _opening_of(wanted, [opening], reason)
        assert earlier == (opening,)
        assert (new.looks, new.models, new.finished) == ((), len(wanted), False)
