"""What the page holds of each trial: enough for its panel, within bounds."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from sweeps import confirmed_sweep, make_sweep, sweep_of

from reports.analysis import trial_details as module
from reports.analysis.trial_details import trial_details


def test_shared_and_own_settings_make_the_whole_recipe() -> None:
    sweep = confirmed_sweep()
    details = trial_details(sweep)
    for trial in sweep.trials:
        own: dict[str, Any] = details["trials"][str(trial.number)]["recipe"]
        assert {**details["shared"], **own} == json.loads(json.dumps(dict(trial.recipe)))
        assert not own.keys() & details["shared"].keys()


def test_each_metric_of_each_epoch_is_there_the_judged_one_first() -> None:
    sweep = make_sweep(5)
    details = trial_details(sweep)
    assert details["metrics"][0] == sweep.metric.name
    for trial in sweep.trials:
        own = details["trials"][str(trial.number)]
        assert own["epochs"] == [epoch.number for epoch in trial.epochs]
        for name, values in own["values"].items():
            assert values == pytest.approx([epoch.metrics[name] for epoch in trial.epochs], rel=1e-4)


def test_a_metric_that_an_epoch_lacks_is_null() -> None:
    sweep = make_sweep(2)
    first = sweep.trials[0]
    side = next(name for name in first.epochs[0].metrics if name != sweep.metric.name)
    less = {name: value for name, value in first.epochs[0].metrics.items() if name != side}
    trial = replace(first, epochs=(replace(first.epochs[0], metrics=less), *first.epochs[1:]))
    values = trial_details(sweep_of([trial, sweep.trials[1]]))["trials"]["0"]["values"][side]
    assert values[0] is None
    assert values[1] is not None


def test_of_many_trials_the_best_alone_have_every_metric(monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = make_sweep(20)
    monkeypatch.setattr(module, "MOST_VALUES", 40)
    details = trial_details(sweep)
    complete = [int(number) for number, own in details["trials"].items() if len(own["values"]) > 1]
    assert 0 < len(complete) < 20
    ranked = [trial.number for trial in sweep.ranked()]
    assert complete[0] in ranked[:5]
    for trial in sweep.trials:
        if trial.epochs:
            assert sweep.metric.name in details["trials"][str(trial.number)]["values"]


def test_an_empty_search_has_no_details() -> None:
    assert trial_details(sweep_of(()))["trials"] == {}
