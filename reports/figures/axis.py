"""The axis of one hyperparameter, in every figure that has one."""

from __future__ import annotations

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
        # Powers of ten alone would be too few labels on two decades; "D2" adds 2 and 5.
        short = scale.high / scale.low < 150
        return {"title": title, "type": "log", "exponentformat": "power", "dtick": "D2" if short else 1}
    return {"title": title}
