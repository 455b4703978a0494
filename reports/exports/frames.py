"""A run as tables for data tools, CSV or Parquet: its trials, their epochs, and a confirmation's reruns."""

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
    """One row a trial, by number.

    Columns:
        number .. seconds   as in `reports.analysis.ranking.trials_table`: number, rank, state, same_as,
        score,
                            epochs, seconds
        recipe.X            the whole recipe, a column a field
        sampled.X           what the sampler chose; missing where X was not asked, so what is there was
                            sampled and the rest of the recipe was fixed
        last.M              float64: the metric M after the last epoch trained
        error               str; "" where there is none
        worker              str, "host:pid"
        session             Int64: the start that trained it last
        started, ended      datetime64[us, UTC]
        resumed_from        str: JSON list of the epochs after which it was continued
        notes               str: JSON list of sentences
        abandoned           bool
        recipe_sha256, weights_sha256
                            str
        parameters          Int64

    A setting's column is boolean, Int64, float64 or str, as its values are; where they are lists or of
    several kinds, it is str and holds JSON.
    """
    known = trials_table(sweep)
    trials = sweep.trials
    told = {str(name): known[name] for name in known.columns if not str(name).startswith("sampled.")}
    error = told.pop("error")
    columns: dict[str, Any] = {
        **told,
        **_settings("recipe.", [trial.recipe for trial in trials]),
        **_settings("sampled.", [trial.sampled for trial in trials]),
        **_numbers("last.", [_last(trial) for trial in trials]),
        "error": error,
        **_history(trials),
    }
    return pd.DataFrame(columns)


def epochs_frame(sweep: Sweep) -> pd.DataFrame:
    """One row an epoch of a trial, by trial and epoch; trials that trained none have none.

    Columns:
        trial, epoch    int64; epoch 1 is the first
        state           str: the trial's, a `search.records.sweep.State`
        seconds         float64: wall time of the epoch, its validation included
        elapsed         float64: the same, summed over the trial's epochs so far
        metric.M        float64; missing where the epoch has no such metric
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
    """One row a training of a confirmation, by candidate as they are ranked and then by seed as it was
    given out; empty before a confirmation began.

    Columns:
        candidate       str: "trial 12" or "default"
        trial           Int64: the candidate's; missing for the plan's default recipe
        fallen          str: why it is out of the race; "" where it is not
        selected_on     float64: what the candidate scored in the search
        seed, number    int64: of the training, and its number in the confirmation's own study
        state, score, epochs, seconds
                        as of a trial
        test.M          float64: the metric M on the test set; missing where it was not looked at
        recipe.X        the whole recipe
        error .. parameters
                        as in `trials_frame`
    """
    told = sweep.confirmation
    pairs = [] if told is None else [(each, rerun) for each in told.candidates for rerun in each.reruns]
    reruns = [rerun for _, rerun in pairs]
    seen = {
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
    looks = [seen.get((candidate.trial, int(rerun.recipe["seed"])), {}) for candidate, rerun in pairs]
    errors = _series([escape_surrogates(rerun.error or "") for rerun in reruns], "str")
    return frame.assign(
        **_numbers("test.", looks),
        **_settings("recipe.", [rerun.recipe for rerun in reruns]),
        error=errors,
        **_history(reruns),
    )


def to_csv(frame: pd.DataFrame) -> bytes:
    """UTF-8 with a header and "\\n" ends. Missing is empty, and so is empty text; times are ISO 8601, floats
    have all their digits."""
    times = frame.select_dtypes("datetimetz")
    told = {str(name): times[name].map(lambda time: time.isoformat(), na_action="ignore") for name in times}
    return frame.assign(**told).to_csv(index=False, lineterminator="\n").encode()


def to_parquet(frame: pd.DataFrame) -> bytes:
    """As pandas and every other reader of Parquet takes it."""
    content = io.BytesIO()
    frame.to_parquet(content, engine="pyarrow", index=False)
    return content.getvalue()


def _rerun_row(candidate: Candidate, rerun: Trial) -> dict[str, Any]:
    return {
        "candidate": candidate.name,
        "trial": pd.NA if candidate.trial is None else candidate.trial,
        "fallen": _fallen(candidate),
        "selected_on": float("nan") if candidate.selected_on is None else candidate.selected_on,
        "seed": rerun.recipe["seed"],
        "number": rerun.number,
        "state": str(rerun.state),
        "score": float("nan") if rerun.score is None else rerun.score,
        "epochs": len(rerun.epochs),
        "seconds": rerun.seconds,
    }


def _fallen(candidate: Candidate) -> str:
    if candidate.elimination is None:
        return ""
    return escape_surrogates(
        candidate.elimination.failure or f"worse than {candidate.beaten_by}, p {candidate.elimination.p:.2g}"
    )


def _last(trial: Trial) -> Mapping[str, Any]:
    return trial.epochs[-1].metrics if trial.epochs else {}


def _history(trials: Sequence[Trial]) -> dict[str, Any]:
    """Who trained them, when, and what came of it."""

    def told(name: str, kind: str) -> pd.Series[Any]:
        values = [getattr(trial, name) for trial in trials]
        return _series(
            [escape_surrogates(value) if isinstance(value, str) else value for value in values], kind
        )

    def listed(name: str) -> pd.Series[Any]:
        return _series([json_text(list(getattr(trial, name))) for trial in trials], "str")

    return {
        "worker": told("worker", "str"),
        "session": told("session", "Int64"),
        "started": told("started", _TIME),
        "ended": told("ended", _TIME),
        "resumed_from": listed("resumed_from"),
        "notes": listed("notes"),
        "abandoned": told("abandoned", "bool"),
        "recipe_sha256": told("recipe_sha256", "str"),
        "weights_sha256": told("weights_sha256", "str"),
        "parameters": told("parameters", "Int64"),
    }


def _series(values: Sequence[Any], kind: Any) -> pd.Series[Any]:
    made: pd.Series[Any] = pd.Series(values, dtype=object).astype(kind)
    return made


def _settings(prefix: str, tables: Sequence[Mapping[str, Any]]) -> dict[str, pd.Series[Any]]:
    """A column for each key, in the order in which they first come."""
    made = {}
    for name in _names(tables):
        kind, values = column([table.get(name) for table in tables])
        made[f"{prefix}{escape_surrogates(name)}"] = _series(values, _DTYPES[kind])
    return made


def _numbers(prefix: str, tables: Sequence[Mapping[str, Any]]) -> dict[str, pd.Series[Any]]:
    """The same, of floats."""
    nan = float("nan")
    return {
        f"{prefix}{escape_surrogates(name)}": _series([table.get(name, nan) for table in tables], "float64")
        for name in _names(tables)
    }


def _names(tables: Iterable[Mapping[str, Any]]) -> dict[str, None]:
    return {name: None for table in tables for name in table}
