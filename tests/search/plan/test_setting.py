"""One hyperparameter of a space: its values on a grid, and its faults."""

from __future__ import annotations

import math
import tomllib

import pytest
from optuna.distributions import distribution_to_json, json_to_distribution

from search.plan.setting import FloatSetting, parse_setting
from search.plan.space import Space
from trainable.mnist.recipe import Recipe


def test_a_grid_has_all_choices_and_both_ends_of_each_range():
    table = {
        "batch_size": {"choices": [64, 128, 256]},
        "step_epochs": {"low": 1, "high": 4},
        "patience": {"low": 0, "high": 100, "step": 10},
        "dropout": {"low": 0.0, "high": 0.4},
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
        "momentum": {"low": 0.1, "high": 0.3, "step": 0.1},
        "gamma": {"low": 0.5, "high": 0.5},
    }
    space, faults = Space.parse(table)
    assert faults == []
    grid = space.grid(5)
    assert grid["batch_size"] == [64, 128, 256]
    assert grid["step_epochs"] == [1, 2, 3, 4]
    assert grid["patience"] == [0, 20, 50, 80, 100] and all(type(value) is int for value in grid["patience"])
    assert grid["dropout"] == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4])
    assert grid["learning_rate"] == pytest.approx([1e-4, 10**-3.5, 1e-3, 10**-2.5, 1e-2])
    assert grid["momentum"] == [0.1, 0.2, 0.3]
    assert grid["gamma"] == [0.5]


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (
            "droput = { low = 0.0, high = 0.4 }",
            "[space] droput: no such hyperparameter; did you mean dropout?",
        ),
        ("dropout = 0.4", "[space] dropout: must be { low = 0.0, high = 0.4 } or { choices"),
        ("dropout = [0.0, 0.4]", "but got [0.0, 0.4]"),
        ("dropout = {}", "[space] dropout: must be { low"),
        ("dropout = { low = 0.0 }", "[space] dropout.high: must be given"),
        (
            "dropout = { low = 0.0, high = 0.4, stp = 0.1 }",
            "dropout.stp: no such key; did you mean step?",
        ),
        ("dropout = { low = 0.4, high = 0.1 }", "low <= high must hold, but got low 0.4 and high 0.1"),
        ("dropout = { low = 0.0, high = 1.0 }", "[space] dropout: must be less than 1, but got 1.0"),
        ("dropout = { low = 0.0, high = nan }", "[space] dropout.high: must be a finite number, but got nan"),
        (
            "dropout = { low = 0, high = 1 }",
            "accepts any number, but this range has only integers; write low = 0.0",
        ),
        ("dropout = { low = '0', high = 0.4 }", '[space] dropout.low: must be a valid number, but got "0"'),
        ("dropout = { low = 0.0, high = 0.4, log = true }", "low > 0 must hold with log, but got low 0.0"),
        ("dropout = { low = 0.1, high = 0.4, log = true, step = 0.1 }", "log and step exclude each other"),
        (
            "dropout = { low = 0.0, high = 0.5, step = 0.2 }",
            "high - low must be a multiple of step",
        ),
        ("dropout = { low = 0.0, high = 0.5, choices = [0.1] }", "choices exclude low, high, log and step"),
        ("learning_rate = { low = -1e308, high = 1e308 }", "high - low must be finite"),
        ("learning_rate = { low = 0.0, high = 1.0, step = 1e-300 }", "at most 2**53 steps"),
        ("gradient_clip = { low = 1, high = 2 }", "write low = 1.0, high = 2.0"),
        (
            "batch_size = { low = 8.0, high = 64.0 }",
            "accepts only integers, but this range has other numbers; write low = 8,",
        ),
        (
            "batch_size = { low = 0, high = 64 }",
            "[space] batch_size: must be greater than or equal to 1, but got 0",
        ),
        (
            "batch_size = { low = 1, high = 99999999999999999999 }",
            "batch_size.high: must be less than or equal to",
        ),
        ("batch_size = { choices = [] }", "[space] batch_size.choices: must have at least 1 item"),
        ("batch_size = { choices = [64, 64] }", "choices must differ from each other, but got 64 twice"),
        ("batch_size = { choices = [1, true] }", "choices must differ from each other, but got true twice"),
        (
            "batch_size = { choices = [64, 2000-01-01] }",
            "must be a boolean, a number, a string or a list of these",
        ),
        ("batch_size = { choices = ['64'] }", 'must be written as the recipe stores it, 64, but got "64"'),
        ("hidden_sizes = { choices = [[128, 64], [0]] }", "must be greater than or equal to 1, but got 0"),
        ("hidden_sizes = { choices = [[1], '[1]'] }", "choices must differ from each other"),
        (
            "milestones = { choices = [[2, 4], [4, 2]] }",
            "[space] milestones: milestones must rise, but got [4, 2]",
        ),
        ("schedule = { choices = ['step', 'stepp'] }", 'but got "stepp"'),
        (
            "gamma = { low = 0.1, high = 0.9, when = 'step' }",
            '[space] gamma.when: must be a table, but got "step"',
        ),
        (
            "gamma = { low = 0.1, high = 0.9, when = { schedule = [] } }",
            "gamma.when.schedule: must have at least 1",
        ),
        ("gamma = { low = 0.1, high = 0.9, when = { schedul = 'step' } }", "did you mean schedule?"),
        ("gamma = { low = 0.1, high = 0.9, when = { schedule = 'stepp' } }", 'but got "stepp"'),
        (
            "gamma = { low = 0.1, high = 0.9, when = { gamma = 0.5 } }",
            "must not form a cycle, but got gamma -> gamma",
        ),
    ],
)
def test_a_fault_names_the_key_the_rule_and_the_value(entry, fault):
    space, faults = Space.parse(tomllib.loads(entry))
    (sentence,) = [fault.sentence("plan") for fault in faults + space.check(Recipe, {})]
    assert sentence.startswith("plan [space] ")
    assert fault in sentence


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [
        (0.0, math.pi, math.pi / 2),
        (-math.pi, math.pi, math.pi / 4),
        (1 / 3, 3.0, 1 / 3),
        (0.0, 1e-3, 1e-3 / 7),
        (0.0, 0.3, 0.1),
    ],
)
def test_a_step_that_no_float_is_exactly_has_all_its_values(low, high, step):
    setting, faults = parse_setting({"low": low, "high": high, "step": step}, ("angle",))
    assert not faults and isinstance(setting, FloatSetting)
    values = setting.grid(100)
    assert len(values) == round((high - low) / step) + 1
    distribution = setting.distribution()
    for index, value in enumerate(values):
        assert low <= value <= high
        assert value == pytest.approx(low + index * step, rel=1e-12, abs=1e-12 * high)
        assert distribution._contains(value) and setting.holds(value) and setting.takes(value)
    # Optuna writes its distributions to the journal, and reads them again.
    assert json_to_distribution(distribution_to_json(distribution)) == distribution
    assert parse_setting(setting.to_table(), ("angle",)) == (setting, [])


@pytest.mark.parametrize(
    ("low", "high", "step", "nearest"),
    [(0.1, 0.95, 0.2, "0.9"), (1, 9, 3, "10"), (0.0, 0.1, 0.3, "0.3"), (0, 10**9, 7, "1000000001")],
)
def test_a_step_that_does_not_divide_its_range_is_a_fault_with_the_nearest_high(low, high, step, nearest):
    _, (fault,) = parse_setting({"low": low, "high": high, "step": step}, ("angle",))
    assert fault.rule.endswith(f"; the nearest high is {nearest}")
    assert parse_setting({"low": low, "high": type(high)(nearest), "step": step}, ("angle",))[1] == []
