"""The command as users type it: real processes for what has signals and streams, one real search
shared by all that only read."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from commands import Done, command, fresh_command

from benchsweep.__main__ import main
from benchsweep.commands import COMMANDS
from benchsweep.errors import exit_code
from search.records.lock import owning

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
PLAN = """
name = "small"
[budget]
trials = 4
[data]
dataset = "digits"
[recipe]
batch_size = 100
epochs = 2
[space]
learning_rate = { low = 1e-3, high = 1e-2, log = true }
dropout = { low = 0.0, high = 0.4 }
[sampler]
name = "tpe"
[confirmation]
candidates = 1
seeds = 2
"""


@pytest.fixture(scope="module")
def plan_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plan, small.toml, and the runs made of it, runs/."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "small.toml").write_text(PLAN)
    return folder


@pytest.fixture(scope="module")
def searched(plan_folder: Path) -> Done:
    """`run`, to the end of its four trials."""
    out, err = io.StringIO(), io.StringIO()
    words = ["run", plan_folder / "small.toml", "--runs", plan_folder / "runs", "--local"]
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as ended:
        main([*map(str, words)])
    return Done(int(ended.value.code or 0), out.getvalue(), err.getvalue())


# What is there before anything runs.


@pytest.mark.slow
def test_help_loads_none_of_the_heavy_packages() -> None:
    script = (
        "import sys\nfrom benchsweep.__main__ import main\n"
        "for command in sys.argv[1:]:\n"
        "    sys.argv = ['benchsweep', *command.split()]\n"
        "    try:\n        main()\n    except SystemExit:\n        pass\n"
        "    heavy = [p for p in ('torch', 'ray', 'optuna', 'pandas', 'numpy') if p in sys.modules]\n"
        "    print(f'LOADED by {command!r}:', heavy)\n"
    )
    given = ["", "--version", "--help", *(f"{name} --help" for name in COMMANDS)]
    out = subprocess.run([sys.executable, "-c", script, *given], capture_output=True, text=True).stdout
    told = [line for line in out.splitlines() if line.startswith("LOADED")]
    assert told == [f"LOADED by {words!r}: []" for words in given]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("search.plan.plan.PlanError", 2),
        ("search.records.folder.NotARun", 2),
        ("search.records.lock.RunOwned", 1),
        ("search.engine.ray_tune.connection.EngineLost", 1),
        ("builtins.OSError", 1),
        ("builtins.KeyError", None),
    ],
)
def test_errors_of_the_input_exit_with_2_others_with_1_and_bugs_keep_their_traceback(
    name: str, code: int | None
) -> None:
    module, _, kind = name.rpartition(".")
    error = getattr(importlib.import_module(module), kind)
    assert exit_code(error.__new__(error)) == code


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_in_the_words_of_the_list(here: Any, name: str) -> None:
    result = here(name, "--help")
    assert result.code == 0
    assert f"Usage: benchsweep {name}" in result.out
    paragraph = " ".join(result.out.partition("\n\n")[2].partition("\n\n")[0].split())
    assert paragraph == COMMANDS[name].summary


def test_the_help_of_all_commands_fits_a_terminal_of_80_columns(here: Any) -> None:
    texts = [here("--help").out, *(here(name, "--help").out for name in COMMANDS)]
    assert max(len(line) for text in texts for line in text.splitlines()) <= 80


def test_a_misspelt_command_is_answered_with_the_nearest(here: Any) -> None:
    result = here("rnu")
    assert result.code == 2
    assert "Did you mean 'run'?" in result.err


# A whole search.


@pytest.mark.slow
def test_run_ends_with_the_leaderboard_the_files_and_what_to_type_next(
    plan_folder: Path, searched: Done
) -> None:
    run = plan_folder / "runs" / "small"
    assert searched.code == 0, searched.err
    assert "small is finished: all 4 trials of the budget were run" in searched.out
    assert "4 trials, all complete" in searched.out
    assert "Our winner reaches" in searched.out
    for name in ("report.html", "report.md", "leaderboard.csv", "results.json", "model.safetensors"):
        assert name in searched.out
        assert (run / name).stat().st_size > 0
    assert f"benchsweep report {run} --open" in searched.out


@pytest.mark.slow
def test_nothing_of_ray_reaches_the_user_and_all_of_it_the_log(plan_folder: Path) -> None:
    result = fresh_command(
        plan_folder, "run", "small.toml", "--runs", str(plan_folder / "runs"), "--name", "on-ray"
    )
    try:
        assert (result.code, result.err) == (0, "")
        assert "on-ray is finished: all 4 trials of the budget were run" in result.out
        for word in ("Ray", "ray::", "View detailed results", "WARNING", "Search algorithm"):
            assert word not in result.out
        assert "View detailed results" in (plan_folder / "runs" / "on-ray" / "ray.log").read_text()
    finally:
        shutil.rmtree(plan_folder / "runs" / "on-ray")


def test_without_a_terminal_a_line_is_printed_for_each_trial(searched: Done) -> None:
    lines = searched.out.splitlines()
    assert lines[0].startswith("small: up to 4 trials, ")
    ends = [line for line in lines if re.match(r"\[\d/4 trials.*\] trial \d complete", line)]
    assert len(ends) == 4
    assert not CONTROL.search(searched.out)


@pytest.mark.slow
def test_a_finished_run_given_again_shows_its_end_and_trains_nothing(
    here: Any, plan_folder: Path, searched: Done
) -> None:
    journal = plan_folder / "runs" / "small" / "study.journal"
    before = journal.read_text().count('"op_code":4')
    again = here("run", plan_folder / "small.toml", "--runs", plan_folder / "runs", "--quiet")
    assert again.code == 0
    assert "small is finished already: all 4 trials" in again.out
    assert "Our winner reaches" in again.out
    assert journal.read_text().count('"op_code":4') == before


@pytest.mark.slow
def test_resume_prints_json_lines_and_at_last_a_summary(plan_folder: Path, searched: Done) -> None:
    result = command("resume", "small", "--runs", plan_folder / "runs", "--json")
    lines = [json.loads(line, parse_constant=pytest.fail) for line in result.out.splitlines()]
    assert result.code == 0
    assert [line["event"] for line in lines] == ["ended", "ended", "summary"]  # the search, its confirmation
    summary = lines[-1]
    assert summary["state"] == "finished"
    assert summary["trials"]["complete"] == summary["trials"]["planned"] == 4
    assert summary["test"]["count"] == 360
    assert 0 < summary["test"]["low"] < summary["test"]["metrics"]["accuracy"] < summary["test"]["high"] < 1
    assert all(Path(file).is_file() for file in summary["files"])


# Looking at what is there.


def test_list_shows_every_run(here: Any, plan_folder: Path, searched: Done) -> None:
    result = here("list", "--runs", plan_folder / "runs")
    assert re.search(r"small\s+finished\s+4/4\s+\d\d\.\d\d %\s+\d\d\.\d\d %\s+(now|\d+ min)", result.out)
    (found,) = json.loads(here("list", "--runs", plan_folder / "runs", "--json").out)
    assert found["name"] == "small"
    assert set(found["best"]["sampled"]) == {"learning_rate", "dropout"}


def test_list_says_so_where_there_is_no_run(here: Any, tmp_path: Path) -> None:
    assert "there is no run in" in here("list", "--runs", tmp_path).out
    assert json.loads(here("list", "--runs", tmp_path, "--json").out) == []


def test_a_damaged_run_does_not_hide_the_others(here: Any, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "plan.toml").write_text("= nonsense")
    result = here("list", "--runs", tmp_path)
    assert result.code == 0
    assert re.search(r"broken\s+unreadable", result.out)


def test_show_tells_a_run_by_name_and_by_path(here: Any, plan_folder: Path, searched: Done) -> None:
    by_name = here("show", "small", "--runs", plan_folder / "runs")
    by_path = here("show", plan_folder / "runs" / "small")
    assert by_name == by_path
    assert "small, finished" in by_name.out
    assert "Our winner reaches" in by_name.out
    result = json.loads(here("show", "small", "--runs", plan_folder / "runs", "--json").out)
    assert len(result["trials"]) == 4
    assert result["plan"]["budget"]["trials"] == 4


def test_show_tells_a_trial_in_full(here: Any, plan_folder: Path, searched: Done) -> None:
    result = here("show", "small", "2", "--runs", plan_folder / "runs").out
    assert re.search(r"^\* learning_rate +0\.00\d+$", result, re.MULTILINE)
    assert re.search(r"^ +2 .* \d\d\.\d\d %", result, re.MULTILINE)  # its second epoch
    trial = json.loads(here("show", "small", "2", "--runs", plan_folder / "runs", "--json").out)
    assert trial["number"] == 2
    assert [epoch["number"] for epoch in trial["epochs"]] == [1, 2]
    assert here("show", "small", "best", "--runs", plan_folder / "runs").code == 0


def test_report_writes_the_same_files_elsewhere(
    here: Any, plan_folder: Path, searched: Done, tmp_path: Path
) -> None:
    result = here("report", "small", "--runs", plan_folder / "runs", "--output", tmp_path / "new" / "folder")
    assert result.code == 0
    made = [Path(line) for line in result.out.splitlines()]
    assert {path.name for path in made} == {"report.html", "report.md", "leaderboard.csv", "results.json"}
    assert all(path.parent == tmp_path / "new" / "folder" and path.is_file() for path in made)


def test_report_writes_several_runs_into_a_folder_each(
    here: Any, plan_folder: Path, searched: Done, tmp_path: Path
) -> None:
    shutil.copytree(plan_folder / "runs" / "small", tmp_path / "runs" / "twin")
    small, twin = plan_folder / "runs" / "small", tmp_path / "runs" / "twin"
    result = here("report", small, twin, "--output", tmp_path / "new", "--plotlyjs", "cdn")
    assert result.code == 0
    assert len(result.out.splitlines()) == 8
    for name in ("small", "twin"):
        page = tmp_path / "new" / name / "report.html"
        assert page.stat().st_size < 1_000_000
        assert 'src="https://cdn.plot.ly/' in page.read_text()
    again = here("report", small, small, "--output", tmp_path / "new")
    assert again.code == 2
    assert "small is named twice" in again.err


def test_schema_is_json_schema_of_plans(here: Any, tmp_path: Path) -> None:
    result = json.loads(here("schema").out)
    assert result["$schema"].startswith("https://json-schema.org/")
    for name in ("results", "leaderboard"):
        assert json.loads(here("schema", name).out)["$schema"] == result["$schema"]
    here("schema", "--output", tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text()) == result


# What users get wrong.


def test_every_fault_of_a_plan_is_reported_at_once(here: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text("[budget]\ntrails = 3\n[recipe]\nlearning_rate = -1\n[space]\ndroput = { low = 0 }\n")
    result = here("run", bad, "--set", "budget.trials=no")
    assert result.code == 2
    assert result.out == ""
    lines = result.err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for words in ("trails: no such key; did you mean trials?", "learning_rate: must be greater than 0"):
        assert any(words in line for line in lines)
    assert any("did you mean dropout?" in line for line in lines)
    assert any(line.startswith("error: --set budget.trials=no") for line in lines)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "nowhere.toml"], "nowhere.toml: no such file"),
        (["run", "{plan}", "--name", "a/b"], "--name a/b name: must be 1 to 100 letters"),
        (["run", "{plan}", "--dataset", "digitz"], "--dataset digitz [data] dataset: must be 'mnist'"),
        (["run", "{plan}", "--set", "seed=5"], "seed: 0 -> 5"),
        (["run", "{plan}", "--set", "space="], "must contain at least one hyperparameter"),
        (["show", "smal"], "did you mean small?"),
        (["resume", "zebra"], "there is no run 'zebra'"),
        (["show", "small", "99"], "TRIAL must be a number or best, but got '99'; small has trials 0 to 3"),
        (["report", "./nowhere"], "does not exist"),
        (["train", "{plan}", "--device", "tricorder"], "--device tricorder cannot be used"),
        (["list", "--bogus"], "No such option"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistake_is_reported_in_a_sentence(
    here: Any, plan_folder: Path, searched: Done, words: list[str], sentence: str
) -> None:
    given = [word.format(plan=plan_folder / "small.toml") for word in words]
    runs = [] if given[0] in ("train", "list") else ["--runs", plan_folder / "runs"]
    result = here(*given, *runs)
    assert result.code == 2
    assert sentence in " ".join(result.err.split())
    assert "Traceback" not in result.err


def test_data_that_is_not_there_is_reported_with_the_ways_out(
    here: Any, plan_folder: Path, tmp_path: Path
) -> None:
    result = here(
        "run", plan_folder / "small.toml", "--dataset", "mnist", "--data-dir", tmp_path, "--runs", tmp_path
    )
    assert result.code == 1
    assert "MNIST cannot be used" in result.err
    assert "--dataset digits" in result.err
    assert not (tmp_path / "small").exists()


def test_a_run_that_another_process_owns_is_refused(here: Any, plan_folder: Path, searched: Done) -> None:
    with owning(plan_folder / "runs" / "small" / "lock"):
        result = here("resume", "small", "--runs", plan_folder / "runs")
    assert result.code == 1
    assert f"owned by process {os.getpid()}" in result.err


def test_a_runs_folder_that_cannot_be_made_is_named(here: Any, plan_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = here("run", plan_folder / "small.toml", "--runs", tmp_path / "file")
    assert result.code == 1
    assert f"{tmp_path / 'file' / 'small'}: Not a directory" in result.err


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write to read-only folders")
def test_a_runs_folder_that_is_read_only_is_named(here: Any, plan_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir(mode=0o500)
    result = here("run", plan_folder / "small.toml", "--runs", tmp_path / "runs")
    assert result.code == 1
    assert "Permission denied" in result.err


def test_an_error_of_the_system_is_reported_with_its_file_and_the_command_to_go_on(
    here: Any, plan_folder: Path, searched: Done
) -> None:
    log = plan_folder / "runs" / "small" / "ray.log"
    log.unlink(missing_ok=True)
    log.symlink_to("/proc/nowhere/log")
    try:
        result = here("resume", "small", "--runs", plan_folder / "runs")
    finally:
        log.unlink()
    assert result.code == 1
    assert f"{log}: No such file or directory" in result.err
    assert f"benchsweep resume {plan_folder / 'runs' / 'small'}" in result.err


# The two commands that need no plan of one's own.


@pytest.mark.slow
def test_quickstart_without_mnist_says_so_loudly_and_runs_on_digits(
    here: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCHSWEEP_DATA", str(tmp_path / "empty"))
    words = ["quickstart", "--local", "--trials", "2", "--runs", str(tmp_path / "runs")]
    result = here(*words)
    assert result.code == 0, result.err
    assert "This is NOT MNIST" in result.err
    assert "is missing" in " ".join(result.err.split())
    assert "quickstart-digits is finished: all 2 trials of the budget were run" in result.out
    assert "this search is on digits" in result.out
    again = here(*words)
    assert again.code == 0
    assert "quickstart-digits is finished already" in again.out
    assert "benchsweep quickstart --name quickstart-digits-2" in again.out


def test_train_prints_mean_and_spread_and_saves_the_first_seeds_model(here: Any, tmp_path: Path) -> None:
    baseline = Path(__file__).parents[3] / "configs" / "baseline.toml"
    words = ["train", baseline, "--dataset", "digits", "--seeds", "2", "--set", "recipe.epochs=2"]
    result = here(*words, "--output", tmp_path)
    assert result.code == 0
    assert "over 2 seeds, mean ± sample standard deviation" in result.out
    assert "accuracy by class, of the model of seed 0" in result.out
    stored = json.loads((tmp_path / "train.json").read_text())
    assert [each["seed"] for each in stored["seeds"]] == [0, 1]
    assert stored["metrics"]["accuracy"]["deviation"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {
        "train.json",
        "model.safetensors",
        "digits_model.pth",
    }
    lines = [json.loads(line) for line in here(*words, "--output", tmp_path, "--json").out.splitlines()]
    assert [line["event"] for line in lines] == ["epoch", "epoch", "seed"] * 2 + ["summary"]
    assert lines[-1]["metrics"]["accuracy"]["runs"] == 2
