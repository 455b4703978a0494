"""The leaderboard on the page, and as a Markdown table."""

from __future__ import annotations

import pandas as pd

from reports.formatting import markdown

NEIGHBOURS = 3
"""Rows above and below ours that are shown before the reader asks for all."""


def rows_near_ours(frame: pd.DataFrame) -> range:
    """The positions of our row and its neighbours in a `reports.analysis.ranking.leaderboard`; all positions
    if ours is not among the rows."""
    ours = [position for position, own in enumerate(frame["ours"]) if own]
    if not ours:
        return range(len(frame))
    return range(max(0, ours[0] - NEIGHBOURS), min(len(frame), ours[-1] + NEIGHBOURS + 1))


def leaderboard_markdown(frame: pd.DataFrame) -> str:
    """A `reports.analysis.ranking.leaderboard` as a Markdown table; an arrow marks our row."""
    interval = [
        f"{low:.2f} to {high:.2f}" if low == low else ""
        for low, high in zip(frame["low"], frame["high"], strict=True)
    ]
    measured_here = ["" if value != value else f"{value:.2f}" for value in frame["measured_here_percent"]]
    shown = pd.DataFrame(
        {
            "Rank": frame["rank"],
            "Group": frame["group"],
            "Model": [f"→ {m}" if own else m for m, own in zip(frame["model"], frame["ours"], strict=True)],
            "Test accuracy, %": frame["test_accuracy_percent"].map("{:.2f}".format),
            "95 % interval": interval,
            **({"Measured here, %": measured_here} if any(measured_here) else {}),
            "Parameters": frame["parameters"],
            "Augmentation": frame["augmentation"],
            "Networks": frame["ensemble"],
            "Year": frame["year"],
            "Ours against it": frame["against"],
            "Source": frame["source"],
        }
    )
    return markdown.table(shown)
