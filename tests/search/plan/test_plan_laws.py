"""Properties of every plan, valid or not."""

from __future__ import annotations

import tomllib
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from search.plan.plan import Plan, PlanError

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.floats()
    | st.text(max_size=5)
    | st.dates()
    | st.sampled_from(
        ["tpe", "grid", "median", "patient", "hyperband", "step", "1h", "digits", "trainable.mlp"]
    )
)
KEYS = st.sampled_from(
    [
        "name",
        "trials",
        "wall_time",
        "dropout",
        "schedule",
        "gamma",
        "low",
        "high",
        "choices",
        "when",
        "epochs",
        "wrapped",
        "points",
        "dataset",
        "validation",
        "gpus",
        "cpus",
        "patience",
        "lower",
        "x",
        "hidden_sizes",
    ]
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=10,
)


@settings(max_examples=250, deadline=None)
@given(
    st.dictionaries(st.sampled_from([*Plan.model_fields, "x"]), JUNK, max_size=5),
    st.lists(st.text(max_size=8), max_size=2),
)
def test_any_table_is_a_plan_or_a_plan_error(table, overrides):
    try:
        plan = Plan.parse({"name": "junk", **table}, "junk.toml", overrides)
    except PlanError as error:
        assert error.faults and all(error.faults)
    else:
        assert Plan.parse(tomllib.loads(plan.to_toml()), "again") == plan


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    """Tables of valid plans."""
    share = st.floats(0.0, 0.9)
    ends = sorted(draw(st.lists(share, min_size=2, max_size=2)))
    space = {"dropout": {"low": ends[0], "high": ends[1]}}
    if draw(st.booleans()):
        space["schedule"] = {"choices": ["step", "cosine"]}
        space["warmup"] = {"low": ends[0], "high": ends[1], "when": {"schedule": "cosine"}}
    sampler = draw(st.sampled_from(["tpe", "gp", "cmaes", "random", "qmc"]))
    pruner = draw(st.sampled_from(["none", "median", "hyperband", "successive_halving", "patient"]))
    return {
        "name": draw(st.from_regex(r"[a-z][a-z0-9._-]{0,9}", fullmatch=True)),
        "seed": draw(st.integers(0, 2**63 - 1)),
        "budget": {"trials": draw(st.integers(1, 99)), "wall_time": draw(st.floats(0.1, 1e6))},
        "data": {"dataset": draw(st.sampled_from(["mnist", "digits"]))},
        "recipe": {"learning_rate": draw(st.floats(1e-6, 1.0)), "hidden_sizes": [draw(st.integers(1, 99))]},
        "space": space,
        "sampler": {"name": sampler},
        "pruner": {"name": pruner},
        "resources": {"gpus": draw(st.floats(0, 1)), "concurrency": draw(st.integers(1, 9))},
    }


@settings(max_examples=60, deadline=None)
@given(plans())
def test_a_plan_survives_writing_and_parsing(table):
    plan = Plan.parse(table, "plan.toml")
    again = Plan.parse(tomllib.loads(plan.to_toml()), "again")
    assert again == plan
    assert again.to_table() == plan.to_table()
