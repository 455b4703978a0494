"""Published results, read from `benchmarks.csv` in this folder and checked."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import pandas as pd

from trainable.errors import BenchsweepError

COLUMNS = {
    "key": "str",
    "model": "str",
    "kind": "str",
    "test_accuracy_percent": "float64",
    "parameters": "Int64",
    "augmentation": "str",
    "ensemble": "Int64",
    "year": "Int64",
    "source": "str",
    "note": "str",
}


class BenchmarksError(BenchsweepError, ValueError):
    """The benchmark file breaks a rule of its format; the message names every fault."""


@cache
def _shipped() -> pd.DataFrame:
    """The shipped file's rows; checking them takes longer than anything that is done with them."""
    with as_file(files("reports.analysis") / "benchmarks.csv") as path:
        return read_benchmarks(path)


def read_benchmarks(path: Path | None = None) -> pd.DataFrame:
    """The published results on MNIST's 10,000 test images, in the file's order.

    path: another file of the same format; the shipped one if None.

    Columns:
        key                     str, unique: name of the row
        model                   str: the model, as its authors describe it
        kind                    str: linear, knn, svm, mlp or cnn
        test_accuracy_percent   float64, 0..100
        parameters              Int64: learned parameters; NA if the source gives no number
        augmentation            str: "none", or what was done to the training images
        ensemble                Int64: number of networks that vote, 1 for a single model; NA if unclear
        year                    Int64; NA if the source has no date
        source                  str: where the result was published
        note                    str: the result as printed there, and remarks; may be empty

    Raises BenchmarksError with every fault, and OSError if the file cannot be read.
    """
    if path is None:
        return _shipped().copy()
    try:
        # Only an empty cell is missing; by default pandas also reads the word "None" as missing.
        text = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[], encoding="utf-8").fillna(
            ""
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise BenchmarksError(f"{path}: must be a CSV file in UTF-8, but: {error}") from error
    faults = _faults(text)
    if faults:
        raise BenchmarksError("\n".join(f"{path}: {fault}" for fault in faults))
    numbers = {name: _number(text[name]) for name, kind in COLUMNS.items() if kind != "str"}
    return text[list(COLUMNS)].assign(**numbers).astype(COLUMNS)


def _number(cells: pd.Series[str]) -> pd.Series[float]:
    """The cells as numbers; NaN if empty or not a number."""
    return pd.to_numeric(cells, errors="coerce")


def _faults(text: pd.DataFrame) -> list[str]:
    missing = [name for name in COLUMNS if name not in text]
    if missing:
        return [f"the columns must include {', '.join(missing)}, but are {', '.join(map(str, text))}"]
    faults = [
        f"key must be unique, but {key!r} occurs twice" for key in text["key"][text["key"].duplicated()]
    ]
    for name in (name for name, kind in COLUMNS.items() if kind != "str"):
        numbers = _number(text[name])
        if name == "test_accuracy_percent":
            good, rule = numbers.between(0, 100), "a number in 0..100"
        else:
            good = (text[name] == "") | ((numbers >= 1) & (numbers % 1 == 0))
            rule = "an integer above 0, or empty"
        for key, cell in zip(text.loc[~good, "key"], text.loc[~good, name], strict=True):
            faults.append(f"{name} of {key!r} must be {rule}, but is {cell!r}")
    return faults
