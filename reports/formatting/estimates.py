"""Estimates, differences and p-values as text."""

from __future__ import annotations

import math

from trainable.contract import Metric


def difference(metric: Metric, value: float) -> str:
    """The size of a difference: "0.17 points" of a share, otherwise in the metric's unit."""
    return f"{100 * abs(value):.2f} points" if metric.unit == "share" else metric.format(abs(value))


def better_or_worse(metric: Metric, gain: float) -> str:
    """ "better" or "worse", of a value that differs by `gain` from another."""
    return "better" if metric.sign * gain > 0 else "worse"


def p_text(p: float) -> str:
    """ "p = 0.012", "p < 0.001"."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def mean_with_deviation(metric: Metric, mean: float, deviation: float | None) -> str:
    """ "98.41 % ± 0.07": a mean and its standard deviation over seeds."""
    if deviation is None:
        return metric.format(mean)
    shown = f"{100 * deviation:.2f}" if metric.unit == "share" else f"{deviation:.2g}"
    return f"{metric.format(mean)} ± {shown}"


def interval_text(metric: Metric, low: float | None, high: float | None) -> str:
    """ "98.20 to 98.60 %"; "" if there is no interval or an end is infinite."""
    if low is None or high is None or math.isinf(low) or math.isinf(high):
        return ""
    if metric.unit == "share":
        return f"{100 * low:.2f} to {100 * high:.2f} %"
    return f"{metric.format(low)} to {metric.format(high)}"


def recipe_name(trial: int | None) -> str:
    """ "trial 12", or "the default recipe" for None, within a sentence."""
    return "the default recipe" if trial is None else f"trial {trial}"
