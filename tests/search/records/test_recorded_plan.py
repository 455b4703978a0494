"""A plan as a run recorded it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from searches import plan

from search.plan.budget import Budget, ConfirmationSettings
from search.records.recorded_plan import RecordedPlan

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_PARTS = ["name", "trainable", "data", "recipe", "space", "budget", "sampler", "pruner", "confirmation"]


@given(st.dictionaries(st.sampled_from(_PARTS) | st.text(max_size=8), _VALUES, max_size=8))
def test_a_table_of_any_shape_is_read(table: dict[str, Any]) -> None:
    recorded = RecordedPlan.of(table)
    assert recorded.table == table
    assert isinstance(recorded.budget, Budget)
    assert isinstance(recorded.confirmation, ConfirmationSettings)
    assert isinstance(recorded.sampler_name + recorded.pruner_name, str)
    assert recorded.max_trials is None or recorded.max_trials >= 0


def test_what_was_recorded_of_a_plan_is_that_plan() -> None:
    written = plan(
        space={"dropout": {"low": 0.0, "high": 0.5}, "schedule": {"choices": ["constant", "cosine"]}},
        recipe={"epochs": 4},
        budget={"trials": 7, "wall_time": "2h"},
        pruner={"name": "hyperband"},
        sampler={"name": "gp"},
        confirmation={"candidates": 3, "seeds": 4},
    )
    recorded = RecordedPlan.of(written.to_table())
    assert recorded.trainable == written.trainable
    assert recorded.space == written.space.settings
    assert (recorded.budget, recorded.max_trials, recorded.epochs) == (written.budget, 7, 4)
    assert (recorded.sampler, recorded.pruner) == (written.sampler, written.pruner)
    assert recorded.confirmation == written.confirmation


def test_what_this_version_does_not_know_is_left_out_and_the_rest_is_kept() -> None:
    recorded = RecordedPlan.of(
        {
            "budget": {"trials": 9, "energy": "3 kWh"},
            "space": {"dropout": {"low": 0.0, "high": 0.5}, "shape": {"family": "trees"}},
            "sampler": {"name": "oracle"},
            "confirmation": {"candidates": "all", "seeds": 7},
        }
    )
    assert recorded.budget.trials == 9
    assert list(recorded.space) == ["dropout"]
    assert (recorded.sampler, recorded.sampler_name) == (None, "oracle")
    assert recorded.confirmation == ConfirmationSettings(seeds=7)
