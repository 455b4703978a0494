"""The axis of one hyperparameter, in every figure that has one."""

from __future__ import annotations

import math
from typing import Any

from reports.analysis.scale import Scale
from reports.figures.style import plain, tilt


def setting_axis(scale: Scale) -> dict[str, Any]:
    """Plotly's properties of an axis on which values lie at `Scale.position`."""
    title = {"text": plain(scale.name.replace("_", " "), 40)}
    if scale.choices:
        labels = [plain(label, 14) for label in scale.choices]
        return {
            "title": title,
            "tickvals": list(range(len(labels))),
            "ticktext": labels,
            "range": [-0.5, len(labels) - 0.5],
            "tickangle": tilt(labels),
        }
    if scale.log:
        values = log_ticks(scale.low, scale.high)
        labels = [f"{value:g}" for value in values]
        return {
            "title": title,
            "type": "log",
            "tickvals": values,
            "ticktext": labels,
            "tickangle": tilt(labels),
        }
    return {"title": title}


def log_ticks(low: float, high: float) -> list[float]:
    """Round values from low to high (above 0): 1, 2 and 5 times the powers of ten within two decades, else
    powers of ten, at most about six of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if high / low < 150 else (1,)
    step = 1 if len(factors) > 1 else max(1, math.ceil((last - first) / 6))
    if high / low < 3:  # 1, 2 and 5 may all miss it
        return [float(f"{low * (high / low) ** share:.2g}") for share in (0.0, 0.5, 1.0)]
    values = [float(f"{factor}e{power}") for power in range(first, last + 1, step) for factor in factors]
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]
