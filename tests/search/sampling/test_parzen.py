"""TPE over many trials: what Optuna's own suggests."""

from __future__ import annotations

import math
import random
import warnings

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import TPESampler
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.sampling.parzen import ManyTrialsTPE, TrialTable, _LargeParzenEstimator

SPACE: dict[str, BaseDistribution] = {
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "dropout": FloatDistribution(0.0, 0.5),
    "share": FloatDistribution(0.0, 1.0, step=0.25),
    "width": IntDistribution(1, 4096, log=True),
    "optimizer": CategoricalDistribution(["adam", "sgd", "lion"]),
    "momentum": FloatDistribution(0.0, 0.99),
}


_STATES = (TrialState.PRUNED, TrialState.COMPLETE, TrialState.COMPLETE, TrialState.RUNNING, TrialState.FAIL)


def trials(count: int, seed: int = 0) -> list[FrozenTrial]:
    """Trials of every state, some with one hyperparameter more, some with equal values."""
    chance = random.Random(seed)
    made = []
    for _ in range(count):
        params = {
            "rate": 10 ** chance.uniform(-4, 0),
            "dropout": chance.uniform(0, 0.5),
            "share": chance.choice([0.0, 0.25, 0.5, 0.75, 1.0]),
            "width": round(2 ** chance.uniform(0, 12)),
            "optimizer": chance.choice(["adam", "sgd", "lion"]),
        }
        if params["optimizer"] == "sgd":
            params["momentum"] = chance.uniform(0, 0.99)
        state = chance.choice(_STATES)
        complete, dropout = state is TrialState.COMPLETE, round(float(str(params["dropout"])), 2)
        epochs = 0 if state is TrialState.RUNNING else 4 if complete else chance.choice([0, 1, 4])
        made.append(
            create_trial(
                state=state,
                value=dropout if complete else None,
                params=params,
                distributions={name: SPACE[name] for name in params},
                intermediate_values=dict.fromkeys(range(1, epochs + 1), chance.choice([math.nan, dropout])),
            )
        )
    return made


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("arguments", [{"group": True}, {"group": True, "constant_liar": False}, {}])
def test_it_draws_what_optunas_sampler_draws_from_one_table_for_all_draws(
    direction: str, arguments: dict[str, bool]
) -> None:
    table, drawn = TrialTable(), []
    for own in (False, True):
        study = optuna.create_study(direction=direction)
        study.add_trials(trials(80))
        for number in range(8):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                study.sampler = (
                    ManyTrialsTPE(SPACE, table, seed=number, **arguments)
                    if own
                    else TPESampler(seed=number, **arguments)
                )
                trial = study.ask(SPACE)
            drawn.append((own, number, trial.params))
            study.tell(trial, trial.params["dropout"] if number % 3 else None, state=_STATES[number % 3])
    assert [params for own, _, params in drawn if own] == [params for own, _, params in drawn if not own]


def test_the_density_of_many_kernels_is_optunas_but_for_rounding() -> None:
    parameters = TPESampler(seed=0)._parzen_estimator_parameters
    many = [trial for trial in trials(4000) if "momentum" in trial.params]
    observed = {
        name: np.array([kind.to_internal_repr(trial.params[name]) for trial in many])
        for name, kind in SPACE.items()
    }
    plain, own = (kind(observed, SPACE, parameters) for kind in (_ParzenEstimator, _LargeParzenEstimator))
    samples = plain.sample(np.random.RandomState(1), 50)
    assert len(many) > 1000
    np.testing.assert_allclose(own.log_pdf(samples), plain.log_pdf(samples), rtol=1e-9, atol=1e-9)
