"""`export` of runs, as users type it: every format of every state, what it refuses and what it replaces."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from commands import Done
from searches import plan
from studies import carry_on, folder
from unfinished import all_failed, confirmed, empty, every_state

from benchsweep.__main__ import main
from benchsweep.commands.export import ExportFormat
from benchsweep.formats.models import MODEL_FORMATS
from benchsweep.formats.runs import RUN_FORMATS
from search.records.lock import owning
from search.records.sweep import Sweep


@pytest.fixture
def export(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Done]:
    """Run the command in this process, in a folder of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*words: str | Path) -> Done:
        code: Any = 0
        try:
            main(["export", *map(str, words)])
        except SystemExit as ended:
            code = ended.code or 0
        result = capsys.readouterr()
        return Done(int(code), result.out, " ".join(result.err.split()))

    return call


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Runs in every state; the one named running is owned all the while."""
    made = tmp_path_factory.mktemp("runs")
    for make in (every_state, all_failed, empty, confirmed):
        make(made)
    running = every_state(made, "running")
    finished = folder("finished", made)
    carry_on(finished, plan(name="finished", budget={"trials": 3}))
    with ExitStack() as stack:
        stack.enter_context(owning(running.lock))
        yield made


STATES = {
    "mixed": "interrupted",
    "failed": "interrupted",
    "empty": "empty",
    "confirmed": "finished",
    "running": "running",
    "finished": "finished",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STATES)
def test_a_run_in_any_state_is_exported_in_every_format(
    export: Callable[..., Done], runs: Path, name: str
) -> None:
    sweep = Sweep.read(runs / name)
    assert sweep.status == STATES[name]
    count = len(sweep.trials)
    files = {}
    for form in RUN_FORMATS:
        result = export(name, "--runs", runs, "--format", form)
        assert result.code == 0, result.err
        files[form] = Path(result.out.strip())
        assert files[form].exists()
    assert len(pd.read_csv(files["csv"])) == len(pd.read_parquet(files["parquet"])) == count
    assert len(json.loads(files["json"].read_text())["trials"]) == count
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{files['optuna-sqlite']}")
    assert (study.study_name, len(study.trials)) == (name, count)
    assert len([*files["tensorboard"].glob("trial-*/events.out.tfevents.*")]) == count
    reruns = (
        sum(len(candidate.reruns) for candidate in sweep.confirmation.candidates) if sweep.confirmation else 0
    )
    with closing(sqlite3.connect(files["mlflow"])) as store:
        assert store.execute("select count(*) from runs").fetchone() == (1 + count + reruns,)
    assert {path.name for path in Path.cwd().iterdir()} == {file.name for file in files.values()}


def test_the_option_names_every_format_and_no_other() -> None:
    assert [*ExportFormat] == [*MODEL_FORMATS, *RUN_FORMATS]


def test_json_is_what_report_writes_to_the_byte(export: Callable[..., Done], runs: Path) -> None:
    for name in ("mixed", "confirmed", "empty"):
        assert export(name, "--runs", runs, "--format", "json").code == 0
        with pytest.raises(SystemExit):
            main(["report", name, "--runs", str(runs), "--output", name])
        assert Path(f"{name}.json").read_bytes() == Path(name, "results.json").read_bytes()


def test_what_chooses_the_rows_of_a_table(export: Callable[..., Done], runs: Path) -> None:
    sweep = Sweep.read(runs / "confirmed")
    assert sweep.confirmation is not None
    counts = {
        "trials": len(sweep.trials),
        "epochs": sum(len(trial.epochs) for trial in sweep.trials),
        "reruns": sum(len(candidate.reruns) for candidate in sweep.confirmation.candidates),
    }
    for what, count in counts.items():
        result = export(runs / "confirmed", "--format", "csv", "--what", what)
        named = "confirmed.csv" if what == "trials" else f"confirmed.{what}.csv"
        assert result.out.strip() == str(Path.cwd() / named)
        assert count == len(pd.read_csv(named)) > 0
    result = export("empty", "--runs", runs, "--format", "parquet", "--what", "epochs")
    assert "empty has no epochs yet" in result.err
    result = export("mixed", "--runs", runs, "--format", "mlflow", "--what", "epochs")
    assert result.code == 2
    assert "--what epochs needs --format csv or parquet, but --format is mlflow" in result.err


def test_a_second_export_replaces_the_first_as_a_whole(export: Callable[..., Done], runs: Path) -> None:
    target = Path("events")
    assert export("mixed", "--runs", runs, "--format", "tensorboard", "--output", target).code == 0
    assert export("finished", "--runs", runs, "--format", "tensorboard", "--output", target).code == 0
    assert len([*target.glob("trial-*")]) == 3
    database = Path("study.db")
    assert export("mixed", "--runs", runs, "--format", "optuna-sqlite", "--output", database).code == 0
    assert export("finished", "--runs", runs, "--format", "optuna-sqlite", "--output", database).code == 0
    assert optuna.get_all_study_names(f"sqlite:///{database}") == ["finished"]
    assert {path.name for path in Path.cwd().iterdir()} == {"events", "study.db"}


@pytest.mark.parametrize("form", ["optuna-sqlite", "mlflow"])
def test_a_database_of_somebody_else_is_left_alone(
    export: Callable[..., Done], runs: Path, form: str
) -> None:
    optuna.create_study(study_name="theirs", storage="sqlite:///theirs.db")
    result = export("mixed", "--runs", runs, "--format", form, "--output", "theirs.db")
    assert result.code == 2
    assert "theirs.db is something else; move it away or name another --output" in result.err
    assert optuna.get_all_study_names("sqlite:///theirs.db") == ["theirs"]


def test_a_folder_with_anything_else_in_it_is_left_alone(export: Callable[..., Done], runs: Path) -> None:
    options = ("mixed", "--runs", runs, "--format", "tensorboard", "--output")
    assert export(*options, "events").code == 0
    Path("events", "mine.txt").write_text("mine")
    result = export(*options, "events")
    assert result.out.strip() == str(Path.cwd() / "events" / "mixed.tensorboard")  # as files go into a folder
    assert Path("events", "mine.txt").read_text() == "mine"
    Path("other.tensorboard").write_text("a file")
    assert "is something else; move it away" in export(*options, "other.tensorboard").err
    Path("here", "mixed.tensorboard").mkdir(parents=True)
    Path("here", "mixed.tensorboard", "mine.txt").write_text("mine")
    assert export(*options, "here").code == 2
    assert Path("here", "mixed.tensorboard", "mine.txt").read_text() == "mine"


def test_no_export_replaces_what_a_run_is_read_from(export: Callable[..., Done], tmp_path: Path) -> None:
    run = every_state(tmp_path)
    before = run.journal.read_bytes()
    Path("link").symlink_to(run.path)
    for target in (run.journal, run.plan, run.path / "trials" / "x.csv", Path("link", "study.journal")):
        result = export(run.path, "--format", "csv", "--output", target)
        assert result.code == 2
        assert "must not replace a run's record" in result.err
    assert run.journal.read_bytes() == before
    assert export(run.path, "--format", "csv", "--output", run.path).out.strip() == str(
        run.path / "mixed.csv"
    )


def test_a_model_is_no_run_and_an_unknown_run_is_named(export: Callable[..., Done], tmp_path: Path) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"")
    result = export(model, "--format", "csv")
    assert result.code == 2
    assert "--format csv exports a run, named or by its folder" in result.err
    result = export("nobody", "--format", "csv")
    assert result.code == 2
    assert "there is no run" in result.err


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_without_its_extra_a_format_is_one_sentence_with_the_command(
    export: Callable[..., Done], runs: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)  # as it is where the package is not installed
    result = export("mixed", "--runs", runs, "--format", name, "--output", "made")
    assert result.code == 2
    assert f"needs the extra benchsweep[{name}]" in result.err
    assert f"uv sync --extra {name}" in result.err
    assert not Path("made").exists()


def test_json_tells_what_was_written(export: Callable[..., Done], runs: Path) -> None:
    result = json.loads(export("mixed", "--runs", runs, "--format", "tensorboard", "--json").out)
    assert result["file"] == str(Path.cwd() / "mixed.tensorboard")
    files = [path for path in Path(result["file"]).rglob("*") if path.is_file()]
    assert result["bytes"] == sum(path.stat().st_size for path in files)
    assert result["notes"] == [f"view it with `tensorboard --logdir {result['file']}`"]
