"""Pruners: which trials they prune, and the faults of their tables."""

from __future__ import annotations

import inspect
from typing import Any

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from search.plan.fault import by_name
from search.plan.pruner import (
    PRUNERS,
    Forecast,
    Hyperband,
    Median,
    NoPruner,
    Patient,
    Pruner,
    SuccessiveHalving,
    Threshold,
    check,
    notes,
    parse_pruner,
    rungs,
)
from search.plan.space import Space
from search.sampling.adapted import bracket_count
from search.sampling.forecast import ForecastPruner
from search.sampling.pruners import build

optuna.logging.set_verbosity(optuna.logging.ERROR)


def stopped_at(
    pruner: Pruner, scores: list[list[float]], epochs: int = 9, direction: str = "maximize"
) -> list[int | None]:
    """Train trials one after the other. The epoch at which each was pruned, or None."""
    study = optuna.create_study(study_name="study", direction=direction, pruner=build(pruner, epochs))
    ends: list[int | None] = []
    for curve in scores:
        trial = study.ask()
        for epoch, score in enumerate(curve, start=1):
            trial.report(score, epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                ends.append(epoch)
                break
        else:
            study.tell(trial, curve[-1])
            ends.append(None)
    return ends


def flat(*levels: float) -> list[list[float]]:
    return [[level] * 9 for level in levels]


def test_no_pruner_prunes_nothing():
    assert stopped_at(NoPruner(), flat(0.9, 0.1, 0.0)) == [None, None, None]


def test_successive_halving_prunes_the_worse_at_its_first_rung():
    pruner = SuccessiveHalving(min_resource=2, reduction_factor=2)
    assert stopped_at(pruner, flat(0.9, 0.1, 0.95)) == [None, 2, None]


def test_hyperband_prunes_within_brackets_up_to_the_recipes_epochs():
    ends = stopped_at(Hyperband(), flat(*[0.9 - 0.01 * number for number in range(30)]))
    assert set(ends) - {None} <= {1, 3, 9} and ends.count(None) < 10
    assert build(Hyperband(), 27)._max_resource == 27
    assert build(Hyperband(max_resource=9), 27)._max_resource == 9


def test_median_prunes_trials_worse_than_half_of_the_complete_ones():
    pruner = Median(n_startup_trials=2, n_warmup_steps=3)
    assert stopped_at(pruner, flat(0.8, 0.9, 0.1, 0.95)) == [None, None, 3, None]


def test_threshold_prunes_trials_out_of_bounds():
    assert stopped_at(Threshold(lower=0.5), [[0.6] * 3, [0.6, 0.4], [0.4]]) == [None, 2, 1]


def test_patient_waits_for_a_trial_that_improves():
    improving = [0.1 + 0.01 * epoch for epoch in range(9)]
    pruner = Patient(patience=2, wrapped=Median(n_startup_trials=1))
    rising = [0.9 + 0.01 * epoch for epoch in range(9)]
    assert stopped_at(pruner, [rising, improving, [0.2, 0.1, 0.1, 0.1]]) == [None, None, 4]


def test_patient_alone_prunes_a_trial_that_stops_improving():
    assert stopped_at(Patient(patience=1), [[0.5, 0.4, 0.4, 0.4], [0.5, 0.6, 0.7]]) == [3, None]


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_patient_stops_a_flat_curve_after_its_warm_up_and_counts_small_gains_as_none(direction: str):
    def ends(pruner: Pruner, curve: list[float]) -> int | None:
        sign = 1 if direction == "maximize" else -1
        return stopped_at(pruner, [[sign * score for score in curve]], direction=direction)[0]

    flat_curve, creeping = [0.5] * 9, [0.5 + 0.01 * epoch for epoch in range(9)]
    assert ends(Patient(patience=0), flat_curve) == 2
    assert ends(Patient(patience=3), flat_curve) == 5
    assert ends(Patient(patience=3, n_warmup_steps=7), flat_curve) == 7
    assert ends(Patient(patience=3), creeping) is None
    assert ends(Patient(patience=3, min_delta=0.1), creeping) == 5


@given(st.integers(1, 50), st.integers(2, 10), st.integers(0, 8), st.integers(-1, 1))
def test_a_hyperband_has_a_bracket_for_each_rung_that_fits(low: int, factor: int, power: int, off: int):
    high = max(low, low * factor**power + off)
    fitting = [rung for rung in range(40) if low * factor**rung <= high]
    assert bracket_count(low, high, factor) == len(fitting)
    built = build(Hyperband(min_resource=low, reduction_factor=factor), high)
    built.prune(optuna.create_study(), optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING))
    assert len(built._pruners) == len(fitting)


@pytest.mark.parametrize(
    ("settings_type", "pruner"),
    [
        (SuccessiveHalving, optuna.pruners.SuccessiveHalvingPruner),
        (Hyperband, optuna.pruners.HyperbandPruner),
        (Median, optuna.pruners.MedianPruner),
        (Threshold, optuna.pruners.ThresholdPruner),
    ],
)
def test_every_argument_of_optunas_pruner_is_a_setting(settings_type, pruner):
    theirs = set(inspect.signature(pruner.__init__).parameters) - {"self", "wrapped_pruner"}
    assert theirs == set(settings_type.model_fields) - {"name", "wrapped", "audit"}


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"name": "medium"}, '[pruner] name: no such pruner: "medium"; did you mean median?'),
        ({"patience": 3}, "[pruner] name: must be given; there are forecast, none, successive_halving"),
        ({"name": "median", "n_warmup": 3}, "no such setting of median; did you mean n_warmup_steps?"),
        ({"name": "hyperband", "reduction_factor": 1}, "must be greater than or equal to 2, but got 1"),
        ({"name": "threshold"}, "threshold needs lower, upper or both"),
        ({"name": "threshold", "lower": 1.0, "upper": 0.0}, "lower <= upper must hold"),
        (
            {"name": "threshold", "lower": float("nan")},
            "[pruner] lower: must be a finite number, but got nan",
        ),
        ({"name": "patient", "wrapped": {"name": "patient"}}, "[pruner] wrapped.name: no such pruner"),
        ({"name": "patient", "wrapped": {"name": "median", "x": 1}}, "[pruner] wrapped.x: no such setting"),
        ({"name": "patient", "wrapped": "median"}, "[pruner] wrapped: must be a table such as"),
        ({"name": "patient", "wrapped": {}}, "[pruner] wrapped.name: must be given"),
        ({"name": "patient", "min_delta": -1.0}, "must be greater than or equal to 0, but got -1.0"),
        ("none", 'pruner: must be a table such as { name = "none" }, but got "none"'),
    ],
)
def test_a_fault_names_the_key_the_rule_and_the_value(table: Any, fault: str):
    _, faults = parse_pruner(table)
    assert len(faults) == 1 and fault in faults[0].sentence("plan")


def test_an_empty_table_means_forecast():
    assert parse_pruner({}) == (Forecast(), [])


@pytest.mark.parametrize("name", by_name(PRUNERS))
def test_a_pruner_survives_writing_and_parsing(name):
    table = {"name": name} | ({"lower": 0.1} if name == "threshold" else {})
    if name == "patient":
        table["wrapped"] = {"name": "median"}
    pruner, faults = parse_pruner(table)
    assert pruner is not None and not faults
    assert parse_pruner(pruner.model_dump(exclude_none=True)) == (pruner, [])
    assert TypeAdapter(Pruner).validate_python(table) == pruner


def test_a_first_rung_after_the_last_epoch_is_a_fault():
    (fault,) = check(SuccessiveHalving(min_resource=10), 9)
    assert fault.sentence("plan") == (
        "plan [pruner] min_resource: must be at most the 9 epochs of a trial, but got 10"
    )
    (fault,) = check(Patient(wrapped=Hyperband(min_resource=5, max_resource=4)), 9)
    assert fault.path == ("pruner", "wrapped", "min_resource")
    assert check(Hyperband(min_resource=9), 9) == check(Median(), 1) == []


def test_patience_with_a_halving_has_a_note():
    assert notes(Patient(wrapped=Median())) == notes(Median()) == []
    assert len(notes(Patient(wrapped=Hyperband()))) == 1


@pytest.mark.parametrize(
    "pruner",
    [
        SuccessiveHalving(min_resource=1, reduction_factor=2),
        SuccessiveHalving(min_resource=2, reduction_factor=3, min_early_stopping_rate=1),
        Hyperband(min_resource=2, reduction_factor=2),
    ],
)
def test_trials_are_pruned_at_rungs_only(pruner: Pruner) -> None:
    epochs = 40
    falling = [[1 - k / 1000 - k % 5 * epoch / 1e4 for epoch in range(epochs)] for k in range(80)]
    rising = [[k / 1000 * epoch for epoch in range(epochs)] for k in range(80)]
    ends = [*stopped_at(pruner, falling, epochs), *stopped_at(pruner, rising, epochs)]
    stops = {epoch for epoch in ends if epoch is not None}
    assert stops
    assert stops <= set(rungs(pruner, epochs))


@pytest.mark.parametrize(
    ("pruner", "epochs", "expected"),
    [
        (SuccessiveHalving(min_resource=1, reduction_factor=3), 10, (1, 3, 9)),
        (SuccessiveHalving(min_resource=1, reduction_factor=3), 9, (1, 3)),
        (SuccessiveHalving(min_resource=2, reduction_factor=2, min_early_stopping_rate=1), 20, (4, 8, 16)),
        (Hyperband(min_resource=2, reduction_factor=3), 12, (2, 6)),
        (Median(), 10, ()),
        (Patient(wrapped=SuccessiveHalving()), 10, ()),
        (NoPruner(), 10, ()),
    ],
)
def test_rungs_are_before_the_last_epoch(pruner: Pruner, epochs: int, expected: tuple[int, ...]) -> None:
    assert rungs(pruner, epochs) == expected


def _promising(paused: list[list[float]], *, new: bool, best: float = 0.9) -> int | None:
    """Of trials 6 and up, which are paused after these epochs of nine, the one that goes on."""
    study = optuna.create_study(direction="maximize")
    space, _ = Space.parse({"x": {"low": 0.0, "high": 1.0}})
    for level in (best, 0.8, 0.85, 0.7, 0.75, 0.65):
        trial = study.ask(space.distributions())
        for epoch in range(1, 10):
            trial.report(level - 0.3 * 0.5**epoch, epoch)
        study.tell(trial, level)
    for curve in paused:
        trial = study.ask(space.distributions())
        for epoch, score in enumerate(curve, start=1):
            trial.report(score, epoch)
    numbers = set(range(6, 6 + len(paused)))
    pruner = ForecastPruner(space, 9, 0, chance=0.1, rank=1, min_share=0.25, startup=4)
    return pruner.most_promising(study.get_trials(), study.direction, numbers, new)


def test_a_paused_trial_goes_on_once_it_may_be_the_best_and_the_most_promising_one_first():
    poor, fair, good = [[level - 0.3 * 0.5**epoch for epoch in range(1, 5)] for level in (0.5, 0.89, 0.97)]
    assert _promising([poor], new=False) is None
    assert _promising([poor, fair, good], new=False) == 8
    assert _promising([], new=False) is None


def test_a_paused_trial_goes_on_if_its_epochs_are_worth_more_than_those_of_a_new_trial():
    poor, good = [[level - 0.3 * 0.5**epoch for epoch in range(1, 9)] for level in (0.5, 1.1)]
    assert _promising([poor, good], new=True) == 7
    assert _promising([poor], new=True) is None


EVEN = [0.90, 0.80, 0.85, 0.88]
"""Scores of the trials before those that are judged."""


def test_a_forecast_stops_what_will_hardly_be_the_best_once_enough_trials_went_on():
    levels = [*EVEN, 0.1, 0.95]
    assert stopped_at(Forecast(), flat(*levels)) == [None] * 4 + [3, None]


def test_a_forecast_stops_what_is_minimized_without_bound_and_survives_huge_values():
    curves = [[scale * 2.0**-epoch for epoch in range(9)] for scale in (1.0, 1.2, 1.5, 1.1, 1e9, 1e-3)]
    assert stopped_at(Forecast(), curves, direction="minimize") == [None] * 4 + [3, None]
    negative = [[-level] * 9 for level in (5.0, 6.0, 5.5, 5.2, -1e12, 100.0)]
    assert stopped_at(Forecast(), negative, direction="minimize")[4:] == [3, None]


def test_a_forecast_needs_patience_before_a_share_of_the_training():
    levels = [*EVEN, 0.1]
    assert stopped_at(Forecast(min_share=0.5), flat(*levels))[-1] == 5
    assert stopped_at(Forecast(min_share=1.0), flat(*levels))[-1] is None


def test_a_forecast_is_not_fooled_by_a_schedule_that_starts_slowly_and_ends_well():
    """The slow schedule is worst until the last third. It is recognised by the recipe."""
    space, _ = Space.parse(
        {"schedule": {"choices": ["constant", "one_cycle"]}, "rate": {"low": 0.0, "high": 1.0}}
    )
    pruner = build(Forecast(), 27, space)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    study.sampler = optuna.samplers.RandomSampler(seed=2)

    def curve(schedule: str, rate: float) -> list[float]:
        top = (0.95 if schedule == "one_cycle" else 0.9) - 0.1 * (rate - 0.5) ** 2
        if schedule == "constant":
            return [top - 0.3 * 0.7**epoch for epoch in range(27)]
        return [top - 0.45 * max(0.0, 1 - (epoch / 26) ** 2) for epoch in range(27)]

    def train(schedule: str, rate: float) -> int | None:
        study.enqueue_trial({"schedule": schedule, "rate": rate})
        trial = study.ask()
        space.suggest(trial)
        for epoch, score in enumerate(curve(schedule, rate), start=1):
            trial.report(score, epoch)
            if trial.should_prune():
                study.tell(trial, state=optuna.trial.TrialState.PRUNED)
                return epoch
        study.tell(trial, score)
        return None

    for at in range(8):
        train(["constant", "one_cycle"][at % 2], at / 8)
    assert curve("one_cycle", 0.45)[8] < curve("constant", 0.9)[8] - 0.2
    assert train("one_cycle", 0.45) is None
    assert train("constant", 0.95) is not None
