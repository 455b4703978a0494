"""The axis of one setting, in every figure that has one."""

from __future__ import annotations

from typing import Any

from reports.analysis.scale import Scale
from reports.figures.style import plain, tilt


def setting_axis(scale: Scale) -> dict[str, Any]:
    """Settings of an axis that carries `Scale.position`."""
    title = {"text": plain(scale.name.replace("_", " "), 40)}
    if scale.choices:
        labels = [plain(label, 14) for label in scale.choices]
        places = list(range(len(labels)))
        return {
            "title": title,
            "tickvals": places,
            "ticktext": labels,
            "range": [-0.5, len(labels) - 0.5],
            "tickangle": tilt(labels),
        }
    if scale.log:
        # Within two decades their tens alone would be too few labels: 2 and 5 as well.
        few = scale.high / scale.low < 150
        return {"title": title, "type": "log", "exponentformat": "power", "dtick": "D2" if few else 1}
    return {"title": title}
