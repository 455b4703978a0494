"""A run as CSV or Parquet tables: its trials, their epochs, and the reruns of its confirmation."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from reports.analysis.trials_frame import trials_table
from reports.exports.column import column, escape_surrogates, json_text
from search.records.confirmation import Candidate
from search.records.sweep import Sweep, Trial

_DTYPES = {"boolean": "boolean", "integer": "Int64", "number": "float64", "text": "str", "json": "str"}
_TIME = "datetime64[us, UTC]"


def trials_frame(sweep: Sweep) -> pd.DataFrame:
    """One row per trial, by number.

    Columns:
        number .. seconds   as in `reports.analysis.trials_frame.trials_table`: number, rank, state, same_as,
                            score, epochs, seconds
        recipe.X            field X of the complete recipe
        sampled.X           the value the sampler chose for hyperparameter X; missing if X was not sampled
        last.M              float64: metric M after the last epoch trained
        error               str; "" if there is none
        worker              str, "host:pid"
        session             Int64: number of the start of the search that trained it last
        started, ended      datetime64[us, UTC]
        resumed_from        str: JSON list of the epochs after which it was resumed
        pauses              str: JSON list of the epochs after which its pruner paused it
        requested           bool: whether the plan or a user asked for its recipe
        audited             Int64: epoch after which its pruner would have stopped it
        notes               str: JSON list of sentences
        abandoned           bool
        recipe_sha256, weights_sha256
                            str
        parameters          Int64: learned parameters

    The column of a hyperparameter is boolean, Int64, float64 or str, like its values; if these are lists or
    of several types, it is str and contains JSON.
    """
    table = trials_table(sweep)
    trials = sweep.trials
    summary = {str(name): table[name] for name in table.columns if not str(name).startswith("sampled.")}
    error = summary.pop("error")
    columns: dict[str, Any] = {
        **summary,
        **_settings("recipe.", [trial.recipe for trial in trials]),
        **_settings("sampled.", [trial.sampled for trial in trials]),
        **_numbers("last.", [_last(trial) for trial in trials]),
        "error": error,
        **_history(trials),
    }
    return pd.DataFrame(columns)


def epochs_frame(sweep: Sweep) -> pd.DataFrame:
    """One row per trial and epoch, in that order; trials without epochs have no row.

    Columns:
        trial, epoch    int64: numbers; the first epoch is 1
        state           str: the trial's, a `search.records.sweep.State`
        seconds         float64: wall time of the epoch, including validation
        elapsed         float64: the same, summed over the trial's epochs so far
        metric.M        float64; missing if the epoch does not have metric M
    """
    rows: list[tuple[int, int, str, float, float]] = []
    metrics: list[Mapping[str, Any]] = []
    for trial in sweep.trials:
        elapsed = 0.0
        for epoch in trial.epochs:
            elapsed += epoch.seconds
            rows.append((trial.number, epoch.number, str(trial.state), epoch.seconds, elapsed))
            metrics.append(epoch.metrics)
    kinds = {"trial": "int64", "epoch": "int64", "state": "str", "seconds": "float64", "elapsed": "float64"}
    frame = pd.DataFrame(rows, columns=[*kinds]).astype(kinds)
    return frame.assign(**_numbers("metric.", metrics))


def reruns_frame(sweep: Sweep) -> pd.DataFrame:
    """One row per rerun of the confirmation, by candidate, best first, then by seed in the order of use;
    empty if there is no confirmation.

    Columns:
        candidate       str: "trial 12" or "default"
        trial           Int64: the candidate's; missing for the plan's default recipe
        fallen          str: why the candidate was eliminated; "" if it was not
        selected_on     float64: the candidate's score in the search; missing for the default recipe
        seed            int64
        number          int64: the rerun's number in the confirmation's own study
        state, score, epochs, seconds
                        as for a trial
        test.M          float64: metric M on the test set; missing if it was not evaluated there
        recipe.X        field X of the complete recipe
        error .. parameters
                        as in `trials_frame`
    """
    candidates = () if sweep.confirmation is None else sweep.confirmation.candidates
    pairs = [(candidate, rerun) for candidate in candidates for rerun in candidate.reruns]
    reruns = [rerun for _, rerun in pairs]
    test_metrics = {
        (look.trial, look.seed): look.evaluation.metrics
        for opening in sweep.openings
        for look in opening.looks
    }
    kinds = {
        "candidate": "str",
        "trial": "Int64",
        "fallen": "str",
        "selected_on": "float64",
        "seed": "int64",
        "number": "int64",
        "state": "str",
        "score": "float64",
        "epochs": "int64",
        "seconds": "float64",
    }
    rows = [_rerun_row(candidate, rerun) for candidate, rerun in pairs]
    frame = pd.DataFrame(rows, columns=[*kinds]).astype(object).astype(kinds)
    tested = [
        test_metrics.get((candidate.trial, int(rerun.recipe["seed"])), {}) for candidate, rerun in pairs
    ]
    errors = _series([escape_surrogates(rerun.error or "") for rerun in reruns], "str")
    return frame.assign(
        **_numbers("test.", tested),
        **_settings("recipe.", [rerun.recipe for rerun in reruns]),
        error=errors,
        **_history(reruns),
    )


def to_csv(frame: pd.DataFrame) -> bytes:
    """The frame as CSV in UTF-8 with a header and "\\n" line ends. Missing values are empty, like empty text;
    times are ISO 8601, floats have all digits."""
    times = frame.select_dtypes("datetimetz")
    texts = {str(name): times[name].map(lambda time: time.isoformat(), na_action="ignore") for name in times}
    return frame.assign(**texts).to_csv(index=False, lineterminator="\n").encode()


def to_parquet(frame: pd.DataFrame) -> bytes:
    """The frame as a Parquet file."""
    content = io.BytesIO()
    frame.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()


def _rerun_row(candidate: Candidate, rerun: Trial) -> dict[str, Any]:
    return {
        "candidate": candidate.name,
        "trial": pd.NA if candidate.trial is None else candidate.trial,
        "fallen": _elimination(candidate),
        "selected_on": float("nan") if candidate.selected_on is None else candidate.selected_on,
        "seed": rerun.recipe["seed"],
        "number": rerun.number,
        "state": str(rerun.state),
        "score": float("nan") if rerun.score is None else rerun.score,
        "epochs": len(rerun.epochs),
        "seconds": rerun.seconds,
    }


def _elimination(candidate: Candidate) -> str:
    """Why the candidate was eliminated; "" if it was not."""
    if candidate.elimination is None:
        return ""
    return escape_surrogates(
        candidate.elimination.failure or f"worse than {candidate.beaten_by}, p {candidate.elimination.p:.2g}"
    )


def _last(trial: Trial) -> Mapping[str, Any]:
    return trial.epochs[-1].metrics if trial.epochs else {}


def _history(trials: Sequence[Trial]) -> dict[str, Any]:
    """The columns on workers, times and checksums."""

    def typed(name: str, kind: str) -> pd.Series[Any]:
        values = [getattr(trial, name) for trial in trials]
        return _series(
            [escape_surrogates(value) if isinstance(value, str) else value for value in values], kind
        )

    def as_json(name: str) -> pd.Series[Any]:
        return _series([json_text(list(getattr(trial, name))) for trial in trials], "str")

    return {
        "worker": typed("worker", "str"),
        "session": typed("session", "Int64"),
        "started": typed("started", _TIME),
        "ended": typed("ended", _TIME),
        "resumed_from": as_json("resumed_from"),
        "pauses": as_json("pauses"),
        "requested": typed("requested", "bool"),
        "audited": typed("audited", "Int64"),
        "notes": as_json("notes"),
        "abandoned": typed("abandoned", "bool"),
        "recipe_sha256": typed("recipe_sha256", "str"),
        "weights_sha256": typed("weights_sha256", "str"),
        "parameters": typed("parameters", "Int64"),
    }


def _series(values: Sequence[Any], kind: Any) -> pd.Series[Any]:
    series: pd.Series[Any] = pd.Series(values, dtype=object).astype(kind)
    return series


def _settings(prefix: str, tables: Sequence[Mapping[str, Any]]) -> dict[str, pd.Series[Any]]:
    """A typed column for each key, in the order of first occurrence."""
    columns = {}
    for name in _names(tables):
        kind, values = column([table.get(name) for table in tables])
        columns[f"{prefix}{escape_surrogates(name)}"] = _series(values, _DTYPES[kind])
    return columns


def _numbers(prefix: str, tables: Sequence[Mapping[str, Any]]) -> dict[str, pd.Series[Any]]:
    """A float64 column for each key, in the order of first occurrence."""
    nan = float("nan")
    return {
        f"{prefix}{escape_surrogates(name)}": _series([table.get(name, nan) for table in tables], "float64")
        for name in _names(tables)
    }


def _names(tables: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    return {name: None for table in tables for name in table}
