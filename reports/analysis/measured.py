"""Results on MNIST measured with benchsweep, read from `measured.csv` in this folder and checked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pandas as pd

COLUMNS = {
    "key": "str",
    "benchmark_key": "str",
    "config": "str",
    "parameters": "Int64",
    "seeds": "Int64",
    "mean_percent": "float64",
    "deviation_percent": "float64",
    "low": "float64",
    "high": "float64",
    "machine": "str",
    "date": "str",
    "command": "str",
}

PERCENT = ("mean_percent", "deviation_percent", "low", "high")


class MeasuredError(ValueError):
    """The file of measured results breaks a rule of its format; the message names every fault."""


@cache
def _shipped() -> pd.DataFrame:
    """The shipped file's rows; checking them takes longer than anything that is done with them."""
    with as_file(files("reports.analysis") / "measured.csv") as path:
        return read_measured(path)


def read_measured(path: Path | None = None) -> pd.DataFrame:
    """The measured results, in the file's order; no rows if nothing was measured.

    path: another file of the same format; the shipped one if None.

    Columns:
        key                 str, unique: name of the row
        benchmark_key       str: key of the published row (`reports.analysis.benchmarks`) whose recipe was
                            repeated, unique; "" for a recipe of our own
        config              str: the plan's file, such as configs/laptop.toml
        parameters          Int64: learned parameters
        seeds               Int64: number of training runs in the mean
        mean_percent        float64, 0..100: mean test accuracy
        deviation_percent   float64, 0..100: standard deviation over the seeds; NaN for one seed
        low, high           float64, 0..100: ends of the mean's 95 % interval
        machine             str: the hardware
        command             str: the command that repeats the measurement
        date                str: ISO date, such as 2026-11-25

    Raises MeasuredError with every fault, and OSError if the file cannot be read.
    """
    if path is None:
        return _shipped().copy()
    try:
        text = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[], encoding="utf-8").fillna(
            ""
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise MeasuredError(f"{path}: must be a CSV file in UTF-8, but: {error}") from error
    if faults := _faults(text):
        raise MeasuredError("\n".join(f"{path}: {fault}" for fault in faults))
    numbers = {
        name: pd.to_numeric(text[name], errors="coerce") for name, kind in COLUMNS.items() if kind != "str"
    }
    return text[list(COLUMNS)].assign(**numbers).astype(COLUMNS)


def measured_sentence(row: Mapping[str, Any]) -> str:
    """A row in words: "98.31 % over 10 seeds (95 % interval 98.10 to 98.50 %), configs/laptop.toml"."""
    over = "1 seed" if row["seeds"] == 1 else f"{row['seeds']} seeds"
    interval = f"{row['low']:.2f} to {row['high']:.2f} %"
    return f"{row['mean_percent']:.2f} % over {over} (95 % interval {interval}), {row['config']}"


def _faults(text: pd.DataFrame) -> list[str]:
    missing = [name for name in COLUMNS if name not in text]
    if missing:
        return [f"the columns must include {', '.join(missing)}, but are {', '.join(map(str, text))}"]
    faults = []
    for name in ("key", "benchmark_key"):
        known = text[name][text[name] != ""]
        faults += [f"{name} must be unique, but {key!r} occurs twice" for key in known[known.duplicated()]]
    for row in text.to_dict("records"):
        faults += [f"{fault}, in row {row['key']!r}" for fault in _faults_of_row(row)]
    return faults


def _faults_of_row(row: Mapping[Any, str]) -> list[str]:
    faults = [
        f"{name} must not be empty, but is"
        for name in ("key", "config", "machine", "command")
        if not row[name].strip()
    ]
    for name in ("parameters", "seeds"):
        if not row[name].isascii() or not row[name].isdigit() or int(row[name]) < 1:
            faults.append(f"{name} must be an integer above 0, but is {row[name]!r}")
    figures = {}
    for name in PERCENT:
        if name == "deviation_percent" and row[name] == "" and row["seeds"] == "1":
            continue
        figures[name] = pd.to_numeric(row[name], errors="coerce")
        if not 0 <= figures[name] <= 100:
            faults.append(f"{name} must be a number in 0..100, but is {row[name]!r}")
    if not faults and not figures["low"] <= figures["mean_percent"] <= figures["high"]:
        got = f"{row['low']}, {row['mean_percent']}, {row['high']}"
        faults.append(f"low <= mean_percent <= high must hold, but got {got}")
    try:
        date.fromisoformat(row["date"])
    except ValueError:
        faults.append(f"date must be an ISO date such as 2026-11-25, but is {row['date']!r}")
    return faults
