"""The replayed searches of `benchmarks/search_efficiency.py` count and decide as real ones do."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from efficiency.arms import ARMS, RayAsha
from efficiency.clock import search
from efficiency.problem import Problem, random_recipes, scale
from efficiency.problems import problem
from hypothesis import given
from hypothesis import strategies as st
from ray.tune.schedulers.async_hyperband import _Bracket

optuna.logging.set_verbosity(optuna.logging.ERROR)
LINE = Problem(
    "line",
    {"x": {"low": 0.0, "high": 1.0}},
    9,
    True,
    lambda params: params["x"],
    lambda params, seed: params["x"] * np.arange(1, 10) / 9,
)


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=27, max_size=27), min_size=1, max_size=9),
    st.sampled_from([(1, 4), (3, 3), (2, 2)]),
)
def test_asha_stops_what_rays_own_stops(curves: list[list[float]], parameters: tuple[int, int]) -> None:
    """Trials report in turn, an epoch each, as four workers would."""
    line = Problem("line", LINE.table, 27, True, LINE.end, LINE.curve)
    arm, bracket = RayAsha(line, 0, *parameters), _Bracket(parameters[0], 27, parameters[1], 0)
    running = {start.trial: curve for curve in curves if (start := arm.next()) is not None}
    for epoch in range(1, 27):
        for trial, curve in list(running.items()):
            theirs = bracket.on_result(SimpleNamespace(trial_id=trial), epoch, curve[epoch - 1])
            ours = arm.report(trial, epoch, curve[epoch - 1])
            assert (ours == "stop") == (theirs == "STOP")
            if ours == "stop":
                del running[trial]


@pytest.mark.parametrize("name", ["random", "tpe+median", "auto+forecast"])
def test_a_search_spends_its_budget_and_counts_what_it_found(name: str) -> None:
    outcome = search(
        ARMS[name](LINE, 1), LINE, 1, (0.5, 1.0), workers=3, full_trainings=6, shares=(0.2, -1.0)
    )
    assert outcome.epochs == 54
    assert outcome.finished <= 6 <= outcome.trials
    assert outcome.repeated == outcome.failed == 0
    reached = outcome.epochs_until[0.2]
    assert (reached is not None) == (outcome.missing <= 0.2)
    assert outcome.epochs_until[-1.0] is None
    assert outcome.history[-1][1] == pytest.approx(outcome.missing, abs=1e-3)


def test_a_refused_recipe_costs_no_epoch_and_a_failed_one_costs_one() -> None:
    losses = problem("losses-0")
    outcome = search(ARMS["random"](losses, 0), losses, 0, (1.0, 0.1), full_trainings=2)
    assert outcome.refused > 0 < outcome.failed
    assert outcome.epochs == 80


@pytest.mark.parametrize("name", ["networks-0", "schedules-0"])
def test_no_random_recipe_is_better_than_the_best_known_one(name: str) -> None:
    case = problem(name)
    median, best = scale(case)
    ends = [case.end(params) for params in random_recipes(case, 200, 7)]
    assert all(case.missing(end, (median, best)) >= 0 for end in ends)
