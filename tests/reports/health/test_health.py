"""Health checks: each fires on the fault it names, passes without it, and is UNKNOWN without data."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sweeps import (
    PLAN,
    SPACE,
    START,
    boosting_sweep,
    confirmed_sweep,
    make_confirmation,
    make_look,
    make_opening,
    make_repeat,
    make_sweep,
    make_trial,
    sweep_of,
)

from reports.formatting.wording import plain_json
from reports.health.health import CHECKS, health, health_sentence
from reports.health.luck import better_than_random
from search.doctor.finding import Finding
from search.records.sweep import State, Sweep, Trial
from trainable.epoch import Epoch


def check(sweep: Sweep, key: str) -> Finding:
    return health(sweep)[key]


def trial(number: int, score: float, **changes: Any) -> Trial:
    return make_trial(number, score=score, **changes)


def dropouts(*values: float) -> list[Trial]:
    """Trials whose score falls with their place in the list."""
    return [trial(k, 0.98 - k / 1000, sampled={"dropout": value}) for k, value in enumerate(values)]


def test_three_of_the_best_five_next_to_an_end_ask_for_a_wider_range() -> None:
    crowded = sweep_of(dropouts(0.39, 0.395, 0.38, 0.1, 0.2, 0.0, 0.3))
    finding = check(crowded, "edges")
    assert finding.verdict == "WARN"
    assert "3 lie next to the high end of dropout" in finding.message
    assert "space.dropout.high=0.53" in finding.advice
    assert check(sweep_of(dropouts(0.39, 0.395, 0.2, 0.1, 0.2, 0.0, 0.3)), "edges").verdict == "PASS"


def test_an_end_at_zero_is_a_natural_one() -> None:
    assert check(sweep_of(dropouts(0.0, 0.01, 0.02, 0.0, 0.01, 0.4)), "edges").verdict == "PASS"


def test_a_logarithmic_range_is_widened_on_its_own_scale() -> None:
    rates = [0.0099, 0.0095, 0.0098, 0.0097, 0.0096, 3e-4, 1e-3]
    made = [trial(k, 0.98 - k / 1000, sampled={"learning_rate": rate}) for k, rate in enumerate(rates)]
    wider = 0.01 * (0.01 / 3e-4) ** (1 / 3)
    assert f"space.learning_rate.high={wider:.2g}" in check(sweep_of(made), "edges").advice


def test_a_tenth_of_diverged_trials_passes_and_more_names_the_setting_they_share() -> None:
    good = [trial(k, 0.9, sampled={"learning_rate": 1e-3 + k * 1e-4}) for k in range(18)]
    bad = [
        make_trial(18 + k, state=State.DIVERGED, score=None, sampled={"learning_rate": 9e-3 + k * 1e-4})
        for k in range(4)
    ]
    assert check(sweep_of([*good, *bad[:2]]), "broken").verdict == "PASS"
    finding = check(sweep_of([*good, *bad]), "broken")
    assert finding.verdict == "WARN"
    assert "4 of 22 trials diverged and 0 failed" in finding.message
    assert finding.advice == (
        "Failures begin at learning_rate = 0.009 (4 of the 4 lie there); every trial that ended well has at "
        "most 0.0027. Narrow the search space: benchsweep extend /runs/laptop --trials 20 "
        "--set space.learning_rate.high=0.0027"
    )


WIDTHS = {**PLAN, "space": {"width": {"low": 8, "high": 4096, "log": True}}}


def widths(good: list[int], bad: list[int], plan: dict[str, Any] = WIDTHS) -> Sweep:
    """Trials of these widths, the best one last among the good."""
    made = [trial(k, 0.9 + k / 1000, sampled={"width": width}) for k, width in enumerate(good)]
    failed = [
        make_trial(
            len(good) + k, state=State.FAILED, score=None, epochs=(), error="full", sampled={"width": width}
        )
        for k, width in enumerate(bad)
    ]
    return sweep_of([*made, *failed], plan=plan)


def test_the_advice_on_failed_trials_keeps_the_best_and_names_where_failures_begin() -> None:
    sweep = widths([8, 60, 139, 140, 300, 681, 631], [1003, 1200, 2048, 4000])
    advice = check(sweep, "broken").advice
    assert "Failures begin at width = 1003 (4 of the 4 lie there)" in advice
    assert "every trial that ended well has at most 681" in advice
    assert advice.endswith("--set space.width.high=681")


def test_failures_below_a_bound_narrow_the_low_end() -> None:
    advice = check(widths([500, 600, 700, 900], [8, 9, 12, 20]), "broken").advice
    assert "Failures begin at width = 20 and below" in advice
    assert advice.endswith("--set space.width.low=500")


def test_failures_among_which_trials_ended_well_narrow_nothing() -> None:
    advice = check(widths([8, 9, 10, 11, 12, 13, 14, 15, 3000], [1003, 1200, 2048, 2500]), "broken").advice
    assert "no narrower range excludes the failures alone" in advice
    assert "--set" not in advice


@pytest.mark.parametrize("seed", range(40))
def test_no_advice_that_narrows_a_range_excludes_a_complete_trial(seed: int) -> None:
    random = np.random.default_rng(seed)
    drawn = np.exp(random.uniform(np.log(8), np.log(4096), 60)).astype(int).tolist()
    limit = random.uniform(20, 3000)
    failing = [width for width in drawn if width > limit or random.random() < 0.05]
    good = [width for width in drawn if width not in failing]
    advice = check(widths(good, failing), "broken").advice
    if "space.width.high=" in advice:
        high = int(advice.rsplit("=", 1)[1])
        assert max(good) <= high < max(failing)


@pytest.mark.parametrize(
    ("setting", "values", "end"),
    [
        ({"low": 1000.0, "high": 1010.0}, [1009.5, 1009.6, 1009.7, 1009.8, 1009.9], "high=1013"),
        ({"low": 0.1, "high": 0.9, "step": 0.2}, [0.9] * 5, "high=1.3"),
        ({"low": 64, "high": 256, "step": 64}, [256] * 5, "high=320"),
        ({"low": 32, "high": 256, "step": 32}, [32] * 5, None),
        ({"low": 1, "high": 6}, [1] * 5, None),
        ({"low": 3, "high": 9}, [3] * 5, "low=1"),
    ],
)
def test_a_range_is_widened_beyond_its_end_on_its_grid_and_not_past_a_natural_limit(
    setting: dict[str, Any], values: list[float], end: str | None
) -> None:
    made = [trial(k, 0.98 - k / 1000, sampled={"x": value}) for k, value in enumerate(values)]
    finding = check(sweep_of(made, plan={**PLAN, "space": {"x": setting}}), "edges")
    if end is None:
        assert finding.verdict == "PASS"
    else:
        assert finding.advice.endswith(f"--set space.x.{end}")


def test_repeated_recipes_are_counted_against_the_space() -> None:
    own = [trial(k, 0.9 + k / 1000) for k in range(12)]
    assert check(sweep_of(own), "repeats").verdict == "PASS"
    again = [make_repeat(12 + k, own[k]) for k in range(3)]
    assert check(sweep_of([*own, *again]), "repeats").verdict == "WARN"


def test_a_best_trial_among_the_last_tenth_asks_for_more() -> None:
    rising = [trial(k, 0.9 + k / 1000) for k in range(20)]
    finding = check(sweep_of(rising), "trials")
    assert finding.verdict == "WARN"
    assert finding.advice == "Continue with: benchsweep extend /runs/laptop --trials 10"
    falling = [trial(k, 0.9 - k / 1000) for k in range(20)]
    assert check(sweep_of(falling), "trials").verdict == "PASS"


def curve(number: int, shape: list[float]) -> Trial:
    epochs = tuple(Epoch(k, {"validation_accuracy": value}, 1.0) for k, value in enumerate(shape, 1))
    return trial(number, shape[-1], epochs=epochs)


@pytest.mark.parametrize(("slope", "verdict"), [(0.004, "WARN"), (0.0, "PASS")])
def test_curves_that_still_rise_ask_for_more_epochs_and_flat_noisy_ones_do_not(
    slope: float, verdict: str
) -> None:
    random = np.random.default_rng(0)
    made = [
        curve(k, [0.9 + slope * epoch + float(random.normal(0, 5e-4)) for epoch in range(16)])
        for k in range(6)
    ]
    assert check(sweep_of(made), "epochs").verdict == verdict


def test_a_search_that_was_not_confirmed_says_how_to_confirm_it() -> None:
    finding = check(make_sweep(), "noise")
    assert finding.verdict == "UNKNOWN"
    assert finding.advice == "Confirm it: benchsweep confirm /runs/laptop"


def test_a_winner_tied_with_the_default_is_a_warning() -> None:
    assert check(confirmed_sweep(), "noise").verdict == "PASS"
    random = np.random.default_rng(1)
    scores = {who: [float(each) for each in random.normal(0.97, 2e-3, 10)] for who in (0, 1, None)}
    searched = [trial(k, 0.975 + k / 1000) for k in range(4)]
    tied = make_confirmation(scores, {0: 0.975, 1: 0.976})
    assert check(sweep_of(searched, confirmation=tied), "noise").verdict == "WARN"


def test_a_gain_over_the_default_recipe_is_not_judged_by_seeds_that_change_nothing() -> None:
    race = make_confirmation({0: [0.98] * 10, None: [0.97] * 10}, {0: 0.98})
    finding = check(sweep_of([trial(k, 0.975 + k / 1000) for k in range(4)], confirmation=race), "noise")
    assert finding.verdict == "UNKNOWN"
    assert "do not vary with the seed" in finding.message


def test_equal_scores_say_nothing_about_the_sampler() -> None:
    assert better_than_random(drawn([0.9] * 8, [0.9] * 12)).verdict == "UNKNOWN"


def drawn(random: list[float], chosen: list[float], sampler: str = "tpe") -> Sweep:
    """Trials one after the other, the first of them at random."""
    made = [
        trial(
            k, score, started=START + timedelta(seconds=10 * k), ended=START + timedelta(seconds=10 * k + 9)
        )
        for k, score in enumerate([*random, *chosen])
    ]
    plan = {**PLAN, "sampler": {"name": sampler, "n_startup_trials": len(random)}}
    return sweep_of(made, plan=plan)


def test_a_sampler_that_learned_passes_and_one_that_did_not_is_a_warning() -> None:
    low, high = [0.90 + k / 1000 for k in range(8)], [0.95 + k / 1000 for k in range(12)]
    assert better_than_random(drawn(low, high)).verdict == "PASS"
    assert better_than_random(drawn(high[:8], low)).verdict == "WARN"
    assert better_than_random(drawn(low, high[:4])).verdict == "UNKNOWN"
    assert better_than_random(drawn(low, high, "random")).verdict == "UNKNOWN"


def test_a_second_opening_of_the_test_set_is_warned_of() -> None:
    assert check(make_sweep(), "test").verdict == "PASS"
    twice = make_sweep(openings=(make_opening(make_look(2)), make_opening(make_look(2))))
    assert check(twice, "test").verdict == "WARN"


@pytest.mark.parametrize(
    "sweep",
    [sweep_of(()), make_sweep(1), make_sweep(60), confirmed_sweep(), boosting_sweep()],
    ids=["empty", "one", "many", "confirmed", "other"],
)
def test_every_sweep_is_checked_in_sentences_warnings_first(sweep: Sweep) -> None:
    checks = health(sweep)
    assert len(checks) == (len(CHECKS) if sweep.trials else 0)
    assert health_sentence(checks).endswith(".")
    order = [("WARN", "UNKNOWN", "PASS").index(each.verdict) for each in checks.values()]
    assert order == sorted(order)
    for each in checks.values():
        assert each.message.endswith(".")
        assert "nan" not in each.message
        assert bool(each.advice) or each.verdict != "WARN"
        assert not each.advice or each.verdict != "PASS"
    findings = [vars(each) for each in checks.values()]
    assert plain_json(findings) == findings


def test_a_search_whose_trials_all_failed_is_checked_and_says_so() -> None:
    sweep = sweep_of(
        [make_trial(k, state=State.FAILED, score=None, epochs=(), error="full") for k in range(5)]
    )
    checks = health(sweep)
    assert checks["broken"].verdict == "WARN"
    assert "0 of 5 trials diverged and 5 failed (100 %)" in checks["broken"].message
    assert "No trial has trained" not in health_sentence(checks)


def test_settings_that_no_trial_was_asked_for_are_no_edges() -> None:
    assert set(SPACE) > {"gamma"}
    made = [trial(k, 0.98 - k / 1000, sampled={"schedule": "cosine"}) for k in range(6)]
    assert check(sweep_of(made), "edges").verdict == "PASS"


def _curved(number: int, values: list[float]) -> Trial:
    epochs = tuple(Epoch(k, {"validation_accuracy": value}, 1.0) for k, value in enumerate(values, 1))
    return trial(number, values[-1], epochs=epochs)


def test_trials_that_end_below_their_best_epoch_ask_for_fewer_epochs() -> None:
    def curve(number: int, fall: float) -> list[float]:
        noise = [0.001 * (-1) ** (k * k // 3 + number) for k in range(20)]
        return [0.9 - fall * max(0, k - 10) / 9 + noise[k] for k in range(20)]

    fallen = sweep_of([_curved(number, curve(number, 0.05)) for number in range(6)])
    finding = check(fallen, "past_best")
    assert finding.verdict == "WARN" and "median" in finding.message and "epochs" in str(finding.advice)
    level = sweep_of([_curved(number, curve(number, 0.0)) for number in range(6)])
    assert check(level, "past_best").verdict == "PASS"
    assert check(sweep_of([_curved(0, [0.5, 0.4])]), "past_best").verdict == "UNKNOWN"
