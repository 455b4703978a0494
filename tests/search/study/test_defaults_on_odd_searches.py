"""The default sampler and pruner carry out any search: odd spaces, odd metrics, trials that fail."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from studies import folder

from search.plan.plan import Plan
from search.records.sweep import State, Sweep
from search.study.base import Suggestion
from search.study.search import SearchStudy
from trainable.epoch import Epoch

RANGES = st.sampled_from(
    [
        {"low": 0.0, "high": 0.4},
        {"low": 1e-8, "high": 0.3, "log": True},
        {"low": 0.0, "high": 0.4, "step": 0.1},
        {"low": 0.1, "high": 0.1},
    ]
)
SPACES = st.fixed_dictionaries(
    {},
    optional={
        "a": RANGES,
        "b": RANGES,
        "width": st.sampled_from([{"low": 1, "high": 4096, "log": True}, {"choices": [8, 16, 64]}]),
        "kind": st.just({"choices": ["plain", "deep"]}),
        "epochs": st.sampled_from([{"low": 1, "high": 7}, {"choices": [3]}]),
        "seed": st.just({"low": 0, "high": 2**31 - 1}),
    },
).filter(bool)
CURVES = st.sampled_from(["constant", "rising", "falling", "huge", "tiny", "noise", "crossing", "negative"])


def _value(curve: str, x: float, epoch: int, number: int) -> float:
    noise = math.sin(1000 * (x + epoch + number))
    return {
        "constant": 0.5,
        "rising": x + 1 - 0.5**epoch,
        "falling": -x * epoch,
        "huge": 10.0 ** (300 * (noise > 0)) * (x + 1),
        "tiny": 1e-300 * x,
        "noise": noise,
        "crossing": (epoch - 3) * (x - 0.5),
        "negative": -(10 ** (x + number % 7)),
    }[curve]


@settings(max_examples=examples(6, 200), deadline=None, suppress_health_check=list(HealthCheck))
@given(space=SPACES, curve=CURVES, epochs=st.integers(1, 9), ends=st.lists(st.integers(0, 9), max_size=12))
def test_every_trial_comes_to_an_end(space: dict[str, Any], curve: str, epochs: int, ends: list[int]) -> None:
    if "kind" in space:
        space = {**space, "depth": {"low": 1, "high": 5, "when": {"kind": "deep"}}}
    recipe = {} if "epochs" in space else {"epochs": epochs}
    table = {"name": "odd", "trainable": "bounded", "space": space, "recipe": recipe}
    plan = Plan.parse({**table, "budget": {"trials": 12}}, "test")
    assert (plan.sampler.name, plan.pruner.name) == ("auto", "forecast")
    with TemporaryDirectory() as runs:
        run = folder("odd", Path(runs))
        run.plan.write_text(plan.to_toml())
        study = SearchStudy(run, plan)
        study.adopt()
        study.begin_session({})
        while (trial := study.ask()) is not None:
            if not isinstance(trial, Suggestion):
                continue
            fate = ends[trial.number] if trial.number < len(ends) else 9
            x = sum(value for value in trial.sampled.values() if isinstance(value, float)) % 1.0
            _train(study, trial, curve, x, fate)
        trials = Sweep.read(run.path).trials
        assert len(trials) == 12 and all(trial.state.is_finished() for trial in trials)
        failed = {trial.number for trial in trials if trial.state in (State.FAILED, State.DIVERGED)}
        meant = {number for number, fate in enumerate(ends) if fate == 0}
        assert failed >= {trial.number for trial in trials if trial.number in meant and trial.same_as is None}


def _train(study: SearchStudy, trial: Suggestion, curve: str, x: float, fate: int) -> None:
    """Train a trial to its end. fate: 0 if it fails at once, 1 if it diverges after an epoch."""
    for epoch in range(trial.reported + 1, trial.epochs + 1):
        if fate == 0:
            study.end(trial.number, State.FAILED, "ValueError: no")
            return
        value = _value(curve, x, epoch, trial.number)
        with study.transaction():
            stopped = study.record(trial.number, Epoch(epoch, {"score": value}, 0.0), "here:1")
            if stopped is None and (epoch == trial.epochs or fate == 1):
                study.end(trial.number, State.DIVERGED if fate == 1 else State.COMPLETE, "loss is nan")
                return
        if stopped is not None:
            return
