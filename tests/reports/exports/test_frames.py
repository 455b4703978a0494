"""Tables of a run: what a data tool reads from CSV and Parquet is what was on record."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
from hypothesis import given
from hypothesis import strategies as st
from sweeps import boosting_sweep, confirmed_sweep, make_repeat, make_sweep, make_trial, sweep_of
from unfinished import every_state

from reports.analysis.trials_frame import sampled_settings, trials_table
from reports.exports.column import column, escape_surrogates
from reports.exports.frames import epochs_frame, reruns_frame, to_csv, to_parquet, trials_frame
from search.records.sweep import State, Sweep
from trainable.epoch import Epoch

TEXT = st.text(max_size=20) | st.sampled_from(
    ["", "NA", "nan", "=1+1", 'a"b', "a,b\nc\r\nd\r", "\x00", "\udcff"]
)
WHOLE = st.integers(-(2**70), 2**70)
NUMBER = st.floats(allow_nan=False)
ANY = TEXT | WHOLE | NUMBER | st.booleans() | st.none()
VALUES = st.one_of(
    st.lists(TEXT | st.none(), max_size=6),
    st.lists(WHOLE | st.none(), max_size=6),
    st.lists(NUMBER | st.integers(-9, 9) | st.none(), max_size=6),
    st.lists(st.booleans() | st.none(), max_size=6),
    st.lists(ANY | st.lists(ANY, max_size=3), max_size=6),
)


def read_parquet(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(to_parquet(frame)))


def rows_of_csv(frame: pd.DataFrame) -> list[dict[str, str]]:
    """Read with the standard library: what any other program sees."""
    return list(csv.DictReader(io.StringIO(to_csv(frame).decode(), newline="")))


def with_setting(values: list[Any]) -> Sweep:
    return sweep_of(make_trial(number, recipe={"x": value, "seed": 0}) for number, value in enumerate(values))


def same(found: Any, expected: Any) -> bool:
    """Equal, true not being 1; a float where there was a whole number among floats."""
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    return bool(found == expected)


@given(VALUES)
def test_a_column_holds_every_value_and_one_kind(values: list[Any]) -> None:
    kind, held = column(values)
    assert len(held) == len(values)
    kinds = {"boolean": bool, "integer": int, "number": float, "text": str, "json": str}
    for found, expected in zip(held, values, strict=True):
        if expected is None:
            assert found is None
            continue
        assert type(found) is kinds[kind]
        if kind == "json":
            assert same(
                json.loads(found), json.loads(escape_surrogates(json.dumps(expected, ensure_ascii=False)))
            )
        elif kind == "text":
            assert found == escape_surrogates(expected)
        else:
            assert same(found, expected)


@given(VALUES)
def test_parquet_gives_back_what_it_was_given(values: list[Any]) -> None:
    frame = trials_frame(with_setting(values))
    pd.testing.assert_frame_equal(read_parquet(frame), frame)
    if values:
        _, expected = column(values)
        table = pyarrow.parquet.read_table(io.BytesIO(to_parquet(frame)))  # without pandas
        found = table.column("recipe.x").to_pylist()
        assert all(same(one, other) for one, other in zip(found, expected, strict=True))


@given(VALUES)
def test_csv_gives_back_what_it_was_given_but_for_empty_text(values: list[Any]) -> None:
    rows = rows_of_csv(trials_frame(with_setting(values)))
    kind, expected = column(values)
    assert len(rows) == len(values)
    read: dict[str, Any] = {
        "boolean": "True".__eq__,
        "integer": int,
        "number": float,
        "text": str,
        "json": str,
    }
    for row, value in zip(rows, expected, strict=True):
        if value in (None, ""):
            assert row["recipe.x"] == ""
        else:
            assert same(read.get(kind, str)(row["recipe.x"]), value)


def test_the_trials_table_is_part_of_the_frame_and_sampled_tells_what_was_chosen() -> None:
    sweep = make_sweep(40)
    frame, known = trials_frame(sweep), trials_table(sweep)
    own = [name for name in known.columns if not name.startswith("sampled.")]
    pd.testing.assert_frame_equal(frame[own], known[own])
    for trial, (_, row) in zip(sweep.trials, frame.iterrows(), strict=True):
        chosen = {name for name in sampled_settings(sweep) if not pd.isna(row[f"sampled.{name}"])}
        assert chosen == set(trial.sampled)
        assert row["recipe.hidden_sizes"] == "[128, 64]"
        assert row["recipe.learning_rate"] == trial.recipe["learning_rate"]
        assert row["last.validation_accuracy"] == trial.epochs[-1].metrics["validation_accuracy"]


def test_times_are_utc_in_parquet_and_iso_8601_in_csv() -> None:
    frame = trials_frame(sweep_of([make_trial(0), make_trial(1, ended=None)]))
    assert str(pyarrow.parquet.read_schema(io.BytesIO(to_parquet(frame))).field("started").type) == (
        "timestamp[us, tz=UTC]"
    )
    rows = rows_of_csv(frame)
    assert rows[0]["started"] == "2026-11-20T09:30:00+00:00"
    assert rows[1]["ended"] == ""


def test_there_is_a_row_for_each_epoch_and_its_time_adds_up() -> None:
    sweep = make_sweep(40)
    frame = epochs_frame(sweep)
    assert len(frame) == sum(len(trial.epochs) for trial in sweep.trials)
    for trial in sweep.trials:
        own = frame[frame["trial"] == trial.number]
        assert list(own["epoch"]) == [epoch.number for epoch in trial.epochs]
        assert math.isclose(own["elapsed"].iloc[-1], trial.seconds)
        assert list(own["metric.train_loss"]) == [epoch.metrics["train_loss"] for epoch in trial.epochs]
    pd.testing.assert_frame_equal(read_parquet(frame), frame)


def test_a_metric_that_one_epoch_lacks_is_missing_there_alone() -> None:
    epochs = (Epoch(1, {"loss": 1.0}, 0.1), Epoch(2, {"loss": 0.5, "extra": 2.0}, 0.1))
    first = make_trial(0, epochs=epochs)
    frame = epochs_frame(sweep_of([first, make_repeat(1, first)]))
    assert frame["metric.extra"].isna().tolist() == [True, False]
    assert frame["trial"].tolist() == [0, 0]  # what repeats a recipe has trained nothing


def test_there_is_a_row_for_each_rerun_with_what_the_test_set_said() -> None:
    sweep = confirmed_sweep()
    frame = reruns_frame(sweep)
    assert sweep.confirmation is not None
    assert len(frame) == sum(len(each.reruns) for each in sweep.confirmation.candidates) == 40
    assert frame["candidate"].iloc[0] == sweep.confirmation.candidates[0].name
    default = frame[frame["candidate"] == "default"]
    assert default["trial"].isna().all()
    assert default["fallen"].str.contains("trial").all()
    seen = {
        (look.trial, look.seed): look.evaluation.metrics["accuracy"]
        for opening in sweep.openings
        for look in opening.looks
    }
    told = {
        (None if pd.isna(row["trial"]) else int(row["trial"]), int(row["seed"])): row["test.accuracy"]
        for _, row in frame.iterrows()
    }
    assert told == seen
    pd.testing.assert_frame_equal(read_parquet(frame), frame)


def test_every_state_of_a_run_has_its_tables(tmp_path: Path) -> None:
    mixed = Sweep.read(every_state(tmp_path).path)
    nothing = sweep_of([])
    failed = sweep_of([make_trial(0, state=State.FAILED, epochs=(), score=None, error="x")])
    for sweep in (mixed, nothing, failed, boosting_sweep(), confirmed_sweep()):
        for make in (trials_frame, epochs_frame, reruns_frame):
            frame = make(sweep)
            pd.testing.assert_frame_equal(read_parquet(frame), frame)
            assert len(rows_of_csv(frame)) == len(frame)
    rows = rows_of_csv(trials_frame(mixed))
    assert [row["state"] for row in rows] == [str(trial.state) for trial in mixed.trials]
    assert rows[2]["error"].splitlines() == ["ValueError: café \U0001f600 \\udcff at '/tmp/x'", "line two"]
