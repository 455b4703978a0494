"""The leaderboard, the trials table, and how they are written."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from sweeps import (
    PLAN,
    boosting_sweep,
    confirmed_sweep,
    make_evaluation,
    make_look,
    make_opening,
    make_repeat,
    make_sweep,
    make_trial,
    sweep_of,
)

from benchsweep.screen.leaderboard import leaderboard_table
from reports.analysis.benchmarks import COLUMNS as BENCHMARK_COLUMNS
from reports.analysis.benchmarks import BenchmarksError, read_benchmarks
from reports.analysis.ranking import (
    COLUMNS,
    benchmark_applies,
    leaderboard,
    leaderboard_sentence,
    published_comparison,
    to_csv,
)
from reports.analysis.trials_frame import states_sentence, trials_table
from reports.analysis.winner import winner_of
from reports.formatting import markdown
from reports.page.leaderboard import leaderboard_markdown
from reports.statistics.comparison import two_proportions
from reports.statistics.intervals import mean_interval, wilson
from search.records.sweep import State

PUBLISHED = read_benchmarks()


def test_the_shipped_benchmarks_have_27_rows_of_the_documented_kinds() -> None:
    assert len(PUBLISHED) == 27
    assert {str(name): str(kind) for name, kind in PUBLISHED.dtypes.items()} == BENCHMARK_COLUMNS
    assert PUBLISHED["key"].is_unique
    assert PUBLISHED["test_accuracy_percent"].between(0, 100).all()


def test_95_3_is_shipped_under_its_true_name_and_lenet_5_is_there_too() -> None:
    row = PUBLISHED[PUBLISHED["test_accuracy_percent"] == 95.3].iloc[0]
    assert row["kind"] == "mlp"
    assert "300 hidden units" in row["model"]
    assert "LeCun (1998) - CNN" in row["note"]
    assert "true name, a 2-layer network with 300 hidden units" in row["note"]
    lenet = PUBLISHED[PUBLISHED["key"] == "lecun1998-lenet5"].iloc[0]
    assert (lenet["model"], lenet["test_accuracy_percent"]) == ("LeNet-5", 99.05)


def test_every_fault_of_a_benchmark_file_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    rows = ["a,M,mlp,101,10,none,1,1998,s,n", "a,M,mlp,98,-3,none,1,then,s,n", "b,M,mlp,,,none,,,s,"]
    path.write_text(",".join(BENCHMARK_COLUMNS) + "\n" + "\n".join(rows) + "\n")
    with pytest.raises(BenchmarksError) as caught:
        read_benchmarks(path)
    faults = str(caught.value).splitlines()
    assert len(faults) == 5
    assert all(fault.startswith(f"{path}: ") for fault in faults)
    assert f"{path}: key must be unique, but 'a' occurs twice" in faults
    assert f"{path}: test_accuracy_percent of 'a' must be a number in 0..100, but is '101'" in faults
    assert f"{path}: year of 'a' must be an integer above 0, or empty, but is 'then'" in faults


def test_a_benchmark_file_without_its_columns_says_which(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("key,model\na,b\n")
    with pytest.raises(BenchmarksError, match="columns must include kind, test_accuracy_percent"):
        read_benchmarks(path)


def test_our_winner_stands_among_the_published_rows_with_interval_and_parameters() -> None:
    sweep = make_sweep()
    frame = leaderboard(sweep, PUBLISHED)
    assert {str(name): str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert len(frame) == 28
    ours = frame[frame["ours"]].iloc[0]
    assert ours["test_accuracy_percent"] == pytest.approx(98.38)
    assert (ours["low"] / 100, ours["high"] / 100) == pytest.approx(tuple(wilson(9838, 10_000)))
    assert (ours["parameters"], ours["model"], ours["year"]) == (109_386, "784-128-64-10 MLP", 2026)
    assert ours["against"] == ""
    assert list(frame["group"]) == sorted(frame["group"])
    assert ours["rank"] == 1 + (PUBLISHED["test_accuracy_percent"] > 98.38).sum()


def test_published_rows_are_above_tied_or_below_by_our_interval() -> None:
    frame = leaderboard(make_sweep(), PUBLISHED)
    low, high = wilson(9838, 10_000)
    for row in frame[~frame["ours"]].to_dict("records"):
        share = row["test_accuracy_percent"] / 100
        assert row["against"] == ("better" if share < low else "worse" if share > high else "tied")
    assert dict(frame["against"].value_counts()) == {"better": 8, "tied": 5, "worse": 14, "": 1}
    assert published_comparison(frame).startswith("better than 8 of 27 published results")


def test_rows_of_equal_accuracy_share_a_rank() -> None:
    frame = leaderboard(make_sweep(), PUBLISHED)
    assert list(frame.loc[frame["test_accuracy_percent"] == 99.65, "rank"]) == [6, 6]
    assert sorted(frame["rank"])[7] == 8


def test_before_the_test_set_is_opened_only_published_rows_are_listed_and_said_so() -> None:
    frame = leaderboard(make_sweep(openings=()), PUBLISHED)
    assert len(frame) == 27
    assert not frame["ours"].any()
    assert set(frame["against"]) == {""}
    assert leaderboard_sentence(frame).startswith("The test set has not been opened yet")


def test_an_opening_that_was_cut_off_counts_as_none() -> None:
    sweep = make_sweep(openings=(make_opening(models=1),))
    assert winner_of(sweep) is None
    assert not leaderboard(sweep, PUBLISHED)["ours"].any()


def test_the_best_trials_opening_speaks_and_not_the_one_with_the_highest_figure() -> None:
    trials = [make_trial(0, score=0.9), make_trial(1, score=0.95)]
    lucky = make_opening(make_look(0, 0, make_evaluation(wrong=10)))
    chosen = make_opening(make_look(1, 0, make_evaluation(wrong=300)))
    for openings in ((lucky, chosen), (chosen, lucky)):
        winner = winner_of(sweep_of(trials, openings=openings))
        assert winner is not None
        assert winner.opening is chosen


def test_the_winner_of_a_confirmation_is_the_races_and_its_kept_model_the_best_on_validation() -> None:
    sweep = confirmed_sweep()
    winner, race = winner_of(sweep), sweep.confirmation
    assert winner is not None
    assert race is not None
    assert race.winner is not None
    assert winner.trial == race.winner.trial
    assert len(winner.looks) == 10
    best = max(race.winner.complete, key=lambda rerun: rerun.score or 0)
    assert winner.model.seed == best.recipe["seed"]
    ours = winner.test_accuracy
    assert ours is not None
    assert ours.interval == mean_interval(np.stack([look.evaluation.correct for look in winner.looks]))


def test_rows_are_ordered_by_accuracy_and_of_equal_ones_the_smallest_comes_first() -> None:
    for sweep in (make_sweep(openings=()), make_sweep(), confirmed_sweep()):
        frame = leaderboard(sweep, PUBLISHED)
        sizes = [float("inf") if pd.isna(size) else float(size) for size in frame["parameters"]]
        order = list(zip(-frame["test_accuracy_percent"], sizes, strict=True))
        assert order == sorted(order)
        assert list(frame["rank"]) == sorted(frame["rank"])
        assert list(frame["group"]) == sorted(frame["group"])


def test_figures_of_one_group_are_tied_with_its_best() -> None:
    frame = leaderboard(make_sweep(openings=()), PUBLISHED)
    for _, group in frame.groupby("group"):
        top = group["test_accuracy_percent"].max() / 100
        for figure in group["test_accuracy_percent"]:
            assert two_proportions(top, 10_000, figure / 100, 10_000) > 0.05
    tops = frame.groupby("group")["test_accuracy_percent"].max() / 100
    for one, other in itertools.pairwise(tops):
        assert two_proportions(one, 10_000, other, 10_000) <= 0.05


@pytest.mark.parametrize("wrong", [10, 40, 60, 80, 100, 162, 230, 300, 700])
@pytest.mark.parametrize("same_rules", [False, True])
def test_a_row_is_tied_with_ours_exactly_if_it_is_in_our_group(wrong: int, same_rules: bool) -> None:
    trial = make_trial(0)
    sweep = sweep_of([trial], openings=(make_opening(make_look(0, 0, make_evaluation(wrong))),))
    frame = leaderboard(sweep, PUBLISHED, same_rules)
    ours = frame[frame["ours"]].iloc[0]
    others = frame[~frame["ours"]]
    assert list(others["group"] == ours["group"]) == list(others["against"] == "tied")


def test_the_same_rules_leave_single_networks_without_augmentation() -> None:
    frame = leaderboard(make_sweep(), PUBLISHED, same_rules=True)
    assert set(frame["augmentation"]) == {"none"}
    assert set(frame["ensemble"]) == {1}
    assert frame["rank"].min() == 1
    assert frame["ours"].any()


def test_an_augmented_recipe_says_so_and_is_not_by_the_same_rules() -> None:
    trial = make_trial(0, recipe={"rotation": 10.0, "shift": 0.1, "elastic_strength": 0.0})
    frame = leaderboard(sweep_of([trial], openings=(make_opening(make_look(0)),)), PUBLISHED)
    ours = frame[frame["ours"]].iloc[0]
    assert (ours["augmentation"], ours["same_rules"]) == ("rotation 10, shift 0.1", False)


@pytest.mark.parametrize("dataset", ["digits", "fashion_mnist", None])
def test_on_other_data_the_published_rows_are_left_out_with_a_sentence(dataset: str | None) -> None:
    sweep = make_sweep(plan={**PLAN, "data": {"dataset": dataset}})
    applies, sentence = benchmark_applies(sweep)
    assert not applies
    assert (dataset or "other data") in sentence
    assert list(leaderboard(sweep, PUBLISHED)["ours"]) == [True]


def test_another_trainable_has_no_published_rows_and_no_accuracy() -> None:
    sweep = boosting_sweep()
    assert not benchmark_applies(sweep)[0]
    frame = leaderboard(sweep, PUBLISHED)
    assert {str(name): str(kind) for name, kind in frame.dtypes.items()} == COLUMNS
    assert frame.empty
    assert leaderboard_sentence(frame) == "There is nothing to rank yet: no test accuracy was measured."


def test_the_trials_table_has_one_row_a_trial_and_a_column_a_setting() -> None:
    sweep = make_sweep()
    frame = trials_table(sweep)
    assert list(frame["number"]) == [trial.number for trial in sweep.trials]
    names = [str(name).removeprefix("sampled.") for name in frame if str(name).startswith("sampled.")]
    assert names == ["learning_rate", "weight_decay", "dropout", "schedule", "gamma"]
    best = sweep.best()
    assert best is not None
    assert list(frame.loc[frame["rank"] == 1, "number"]) == [best.number]
    asked = [trial.sampled["schedule"] == "step" for trial in sweep.trials]
    assert list(frame["sampled.gamma"].notna()) == asked


def test_the_trials_table_of_nothing_is_empty_with_its_columns() -> None:
    frame = trials_table(sweep_of(()))
    assert frame.empty
    assert list(frame) == ["number", "rank", "state", "same_as", "score", "epochs", "seconds", "error"]


def test_a_trial_that_repeats_a_recipe_names_the_other_one_and_has_no_rank() -> None:
    first = make_trial(0, score=0.95)
    frame = trials_table(sweep_of([first, make_trial(1, score=0.9), make_repeat(2, first)]))
    assert list(frame["same_as"].isna()) == [True, True, False]
    row = frame.iloc[2]
    assert (row["same_as"], row["state"], row["score"], row["epochs"]) == (0, "COMPLETE", 0.95, 0)
    assert row["rank"] is pd.NA
    assert list(frame["rank"][:2]) == [1, 2]


def test_a_setting_called_like_a_column_does_not_replace_it() -> None:
    sweep = sweep_of([make_trial(0, sampled={"epochs": 7, "state": "odd"})])
    row = trials_table(sweep).iloc[0]
    assert (row["epochs"], row["sampled.epochs"], row["state"]) == (2, 7, "COMPLETE")


def test_states_are_told_most_frequent_first() -> None:
    trials = [make_trial(0, state=State.FAILED), make_trial(1), make_trial(2)]
    assert states_sentence(sweep_of(trials)) == "3 trials: 2 complete and 1 failed"
    assert states_sentence(sweep_of(trials[1:])) == "2 trials, all complete"
    assert states_sentence(sweep_of(())) == "no trials"


def test_trials_that_repeat_a_recipe_are_told_apart_from_those_that_were_trained() -> None:
    done, stopped = make_trial(0), make_trial(1, state=State.PRUNED)
    one = sweep_of([done, make_trial(2), stopped, make_repeat(3, stopped)])
    assert states_sentence(one) == "4 trials: 2 complete, 1 pruned and 1 that repeats a recipe"
    two = sweep_of([done, make_repeat(1, done), make_repeat(2, done)])
    assert states_sentence(two) == "3 trials: 1 complete and 2 that repeat a recipe"
    assert states_sentence(two, brackets=True) == "3 trials (1 complete and 2 that repeat a recipe)"


def test_markdown_cells_show_every_mark_as_itself() -> None:
    frame = pd.DataFrame({"a|b": ["x | y\n<script>", "*[l](u)*"], "n": [1, 2]})
    lines = markdown.table(frame).splitlines()
    assert lines[0] == "| a\\|b | n |"
    assert lines[1] == "| --- | --: |"
    assert lines[2] == "| x \\| y &lt;script> | 1 |"
    assert lines[3] == "| \\*\\[l\\](u)\\* | 2 |"


def test_the_leaderboard_in_markdown_has_a_line_a_row_and_marks_ours() -> None:
    lines = leaderboard_markdown(leaderboard(make_sweep(), PUBLISHED)).splitlines()
    assert len(lines) == 30
    (ours,) = [line for line in lines if "→" in line]
    assert [cell.strip() for cell in ours.split("|")][3:8] == [
        "→ 784-128-64-10 MLP",
        "98.38",
        "98.11 to 98.61",
        "",  # measured here: told of published rows
        "109386",
    ]


def test_the_leaderboard_in_csv_reads_back_as_it_was() -> None:
    frame = leaderboard(make_sweep(), PUBLISHED)
    text = to_csv(frame)
    again = pd.read_csv(
        io.StringIO(text),
        keep_default_na=False,
        na_values={"low": "", "high": "", "measured_here_percent": ""},
    )
    assert list(again) == list(COLUMNS)
    assert list(again["model"]) == list(frame["model"])
    assert list(again["test_accuracy_percent"]) == list(frame["test_accuracy_percent"])
    assert "\r" not in text


def test_the_terminal_shows_us_and_our_neighbours_within_80_columns() -> None:
    out = io.StringIO()
    frame = leaderboard(make_sweep(), PUBLISHED)
    Console(file=out, width=80).print(leaderboard_table(frame))
    lines = out.getvalue().rstrip().splitlines()
    assert max(len(line) for line in lines) <= 80
    assert any("▶ 784-128-64-10 MLP" in line and "98.11 to 98.61 %" in line for line in lines)
    assert lines[1].split()[0] == "1"
    assert lines[0].split()[0] == "rank"
    assert lines[-1].split()[0] == str(frame["rank"].max())
    assert len(lines) == 1 + 1 + 9 + 1 + 2


def test_the_terminal_takes_brackets_literally() -> None:
    out = io.StringIO()
    frame = leaderboard(make_sweep(), PUBLISHED.assign(model="[red]net[/red]"))
    Console(file=out, width=120).print(leaderboard_table(frame))
    assert "[red]net[/red]" in out.getvalue()
