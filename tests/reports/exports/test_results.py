"""results.json has the keys and types that its schema states, and earlier files are still read."""

from __future__ import annotations

import json
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

import jsonschema
import pytest
from sweeps import boosting_sweep, confirmed_sweep, make_sweep, sweep_of
from unfinished import every_state

from benchsweep.report_record import read_report
from reports.analysis.benchmarks import read_benchmarks
from reports.analysis.ranking import leaderboard
from reports.exports.results import results
from reports.exports.results_json_schema import (
    LEADERBOARD_COLUMNS,
    leaderboard_schema,
    results_json_schema,
)
from reports.exports.results_schema import RunJson
from search.records.sweep import Sweep

PUBLISHED = read_benchmarks()


def check(value: Any, kind: Any, path: str = "") -> None:
    """Fails unless the plain JSON value has this type, and a TypedDict exactly its keys."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind is Any:
        return
    if is_typeddict(kind):
        assert set(kind.__required_keys__) <= set(value) <= set(kind.__annotations__), path
        hints = get_type_hints(kind)
        for key, item in value.items():
            check(item, hints[key], f"{path}.{key}")
    elif origin in (UnionType, Union):
        if value is None:
            assert NoneType in parts, path
        else:
            (kind,) = (part for part in parts if part is not NoneType)
            check(value, kind, path)
    elif origin is Literal:
        assert value in parts, path
    elif origin in (list, tuple, dict):
        assert isinstance(value, dict if origin is dict else list), path
        for item in value.values() if origin is dict else value:
            check(item, Any if origin is tuple else parts[-1], f"{path}[]")
    else:
        assert isinstance(value, (int, float) if kind is float else kind), path


@pytest.mark.parametrize(
    "sweep",
    [sweep_of(()), make_sweep(), make_sweep(openings=()), confirmed_sweep(), boosting_sweep()],
    ids=["empty", "searched", "sealed", "confirmed", "other"],
)
def test_results_have_exactly_the_keys_and_types_of_the_schema(sweep: Sweep) -> None:
    stored = json.dumps(results(sweep, PUBLISHED, "benchsweep reproduce x"), allow_nan=False)
    check(json.loads(stored), RunJson)
    jsonschema.Draft202012Validator(results_json_schema()).validate(json.loads(stored))


def test_the_json_schema_is_valid_describes_its_keys_and_refuses_other_types() -> None:
    schema = results_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    described = [
        "description" in key for name in schema["$defs"].values() for key in name["properties"].values()
    ]
    assert sum(described) > 0.7 * len(described) > 70
    stored = json.loads(json.dumps(results(make_sweep(3), PUBLISHED, "")))
    for wrong in ({**stored, "trials": "3"}, {key: stored[key] for key in stored if key != "state"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_the_columns_of_the_leaderboard_are_those_that_are_described() -> None:
    frame = leaderboard(confirmed_sweep(), PUBLISHED)
    assert list(frame) == list(LEADERBOARD_COLUMNS)
    for row in json.loads(frame.to_json(orient="records")):
        jsonschema.validate(row, leaderboard_schema())


def test_results_of_every_state_match_the_schema(tmp_path: Path) -> None:
    sweep = Sweep.read(every_state(tmp_path).path)
    check(json.loads(json.dumps(results(sweep, PUBLISHED, ""))), RunJson)


def test_a_record_of_schema_2_is_still_read(tmp_path: Path) -> None:
    sweep = make_sweep(3)
    stored = results(sweep, PUBLISHED, "")
    earlier = {**stored, "schema": 2, "status": stored["state"], "best": stored["best"]["trial"]}
    del earlier["state"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps(earlier))
    assert read_report(path).trials == sweep.trials
