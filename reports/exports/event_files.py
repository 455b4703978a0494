"""A run as TensorBoard's event files: every trial's metrics over its epochs, and the HPARAMS tab.

Needs benchsweep[tensorboard], but imports only its file format.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from google.protobuf.struct_pb2 import ListValue, Value
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

from reports.analysis.trials_frame import sampled_settings
from reports.exports.column import TypedColumn, column, escape_surrogates
from search.records.sweep import State, Sweep, Trial

SUFFIX = "benchsweep"
"""The end of our event files' names, by which they are recognized."""

STATE = "trial state"
"""The column of the HPARAMS tab with a trial's state; with its space it cannot be a recipe's field."""

_LARGEST = float(struct.unpack("<f", b"\xff\xff\x7f\x7f")[0])
"""The largest 32-bit float, the type of TensorBoard's scalars."""

_TYPES = {"boolean": "DATA_TYPE_BOOL", "integer": "DATA_TYPE_FLOAT64", "number": "DATA_TYPE_FLOAT64"}

_STATUS = {
    State.COMPLETE: "STATUS_SUCCESS",
    State.PRUNED: "STATUS_SUCCESS",
    State.DIVERGED: "STATUS_FAILURE",
    State.FAILED: "STATUS_FAILURE",
    State.RUNNING: "STATUS_RUNNING",
    State.INTERRUPTED: "STATUS_UNKNOWN",
    State.PAUSED: "STATUS_UNKNOWN",
}


class EventFiles(NamedTuple):
    """The event files of a run."""

    files: Mapping[str, bytes]
    """Content by path, relative to the log directory."""
    left_out: int
    """Number of scalars that were left out because they are too large for a 32-bit float."""


def event_files(sweep: Sweep) -> EventFiles:
    """The run for `tensorboard --logdir`: a directory per trial, such as trial-00012, with a scalar for each
    metric and epoch; and the HPARAMS tab with each trial's sampled hyperparameters (lists as JSON), state and
    score.

    A trial that reused another trial's result has that score as its only scalar. The time of a scalar is the
    trial's start plus its epochs' seconds, without the time between two starts of the search.
    """
    names = sampled_settings(sweep)
    columns = {name: column([trial.sampled.get(name) for trial in sweep.trials]) for name in names}
    began = min((trial.started.timestamp() for trial in sweep.trials if trial.started), default=0.0)
    files = {_file("", began): _framed([_version(began), _experiment(sweep, columns, began)])}
    left_out = 0
    for index, trial in enumerate(sweep.trials):
        sampled = {name: typed.values[index] for name, typed in columns.items()}
        events, missing = _of_trial(sweep, trial, sampled)
        left_out += missing
        files[_file(f"trial-{trial.number:05d}/", began)] = _framed(events)
    return EventFiles(files, left_out)


def _file(folder: str, began: float) -> str:
    return f"{folder}events.out.tfevents.{int(began):010d}.{SUFFIX}"


def _of_trial(sweep: Sweep, trial: Trial, sampled: Mapping[str, Any]) -> tuple[list[event_pb2.Event], int]:
    """The trial's events, and the number of scalars that were left out."""
    clock = trial.started.timestamp() if trial.started else 0.0
    start = _start(trial, sampled, clock)
    events, missing = [_version(clock), start], 0
    for step, metrics, seconds in _steps(sweep, trial):
        clock += seconds
        scalars = {name: value for name, value in metrics.items() if abs(value) <= _LARGEST}
        missing += len(metrics) - len(scalars)
        values = [
            summary_pb2.Summary.Value(tag=escape_surrogates(name), simple_value=value)
            for name, value in scalars.items()
        ]
        events.append(_event(clock, values, step))
    if trial.state is not State.RUNNING:
        ended = trial.ended.timestamp() if trial.ended else clock
        end = plugin_data_pb2.SessionEndInfo(status=_STATUS[trial.state], end_time_secs=ended)
        events.append(_event(ended, [_plugin("_hparams_/session_end_info", session_end_info=end)]))
    return events, missing


def _steps(sweep: Sweep, trial: Trial) -> Iterable[tuple[int, Mapping[str, float], float]]:
    """(epoch, metrics, seconds) of a trial."""
    for epoch in trial.epochs:
        yield epoch.number, epoch.metrics, epoch.seconds
    if not trial.epochs and trial.score is not None and math.isfinite(trial.score):
        first = next((other for other in sweep.trials if other.number == trial.same_as), trial)
        step = first.epochs[-1].number if first.epochs else int(trial.recipe.get("epochs", 0))
        yield step, {sweep.metric.name: trial.score}, 0.0


def _start(trial: Trial, sampled: Mapping[str, Any], clock: float) -> event_pb2.Event:
    start = plugin_data_pb2.SessionStartInfo(group_name=f"trial {trial.number}", start_time_secs=clock)
    for name, value in {**sampled, STATE: str(trial.state)}.items():
        if value is not None:
            start.hparams[escape_surrogates(name)].CopyFrom(_value(value))
    return _event(clock, [_plugin("_hparams_/session_start_info", session_start_info=start)])


def _experiment(sweep: Sweep, columns: Mapping[str, TypedColumn], began: float) -> event_pb2.Event:
    infos = [_info(name, typed) for name, typed in columns.items()]
    infos.append(_info(STATE, TypedColumn("text", [str(trial.state) for trial in sweep.trials])))
    metric = api_pb2.MetricInfo(
        name=api_pb2.MetricName(tag=escape_surrogates(sweep.metric.name)),
        display_name=escape_surrogates(sweep.metric.name),
    )
    experiment = api_pb2.Experiment(
        name=escape_surrogates(sweep.name), time_created_secs=began, hparam_infos=infos, metric_infos=[metric]
    )
    return _event(began, [_plugin("_hparams_/experiment", experiment=experiment)])


def _info(name: str, column: TypedColumn) -> api_pb2.HParamInfo:
    """A column of the HPARAMS tab: numbers with their range, all others with the values that occur."""
    present = [value for value in column.values if value is not None]
    info = api_pb2.HParamInfo(name=escape_surrogates(name), type=_TYPES.get(column.kind, "DATA_TYPE_STRING"))
    if _TYPES.get(column.kind) == "DATA_TYPE_FLOAT64":
        if present:
            info.domain_interval.min_value = min(present)
            info.domain_interval.max_value = max(present)
    else:
        info.domain_discrete.CopyFrom(ListValue(values=[_value(value) for value in dict.fromkeys(present)]))
    return info


def _value(value: Any) -> Value:
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, int | float):
        return Value(number_value=value)
    return Value(string_value=value)


def _plugin(tag: str, **message: Any) -> summary_pb2.Summary.Value:
    content = plugin_data_pb2.HParamsPluginData(version=0, **message).SerializeToString(deterministic=True)
    data = summary_pb2.SummaryMetadata.PluginData(plugin_name="hparams", content=content)
    return summary_pb2.Summary.Value(tag=tag, metadata=summary_pb2.SummaryMetadata(plugin_data=data))


def _event(clock: float, values: Iterable[summary_pb2.Summary.Value], step: int = 0) -> event_pb2.Event:
    return event_pb2.Event(wall_time=clock, step=step, summary=summary_pb2.Summary(value=values))


def _version(clock: float) -> event_pb2.Event:
    return event_pb2.Event(wall_time=clock, file_version="brain.Event:2")


def _framed(events: Iterable[event_pb2.Event]) -> bytes:
    """The events in TensorBoard's record format."""
    content = io.BytesIO()
    writer = RecordWriter(content)
    for event in events:
        writer.write(event.SerializeToString(deterministic=True))
    return content.getvalue()
