"""All runs as a table for a terminal of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from benchsweep.kept_summaries import ListedRun

RUN_STYLES = {"running": "cyan", "finished": "green", "interrupted": "yellow", "unreadable": "red"}
"""By the state of a run."""


def runs_table(runs: Sequence[ListedRun]) -> Table:
    """The runs, the most recently active one first."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("run", "state"):
        table.add_column(header)
    for header in ("trials", "best score", "test accuracy", "age"):
        table.add_column(header, justify="right")
    now = datetime.now(UTC)
    for run in sorted(runs, key=lambda run: _last_seen(run.summary), reverse=True):
        row = run.summary
        name, state = Text(row["name"], overflow="fold"), Text(row["state"])
        state.stylize(RUN_STYLES.get(row["state"], ""))
        if "error" in row:
            table.add_row(name, state, "", "", "", "")
            continue
        trials, test = row["trials"], row["test"]
        planned = "" if trials["planned"] is None else f"/{trials['planned']:,}"
        ended = trials["total"] - trials["running"] - trials["interrupted"] - trials["paused"]
        accuracy = None if test is None else test["metrics"].get("accuracy")
        table.add_row(
            name,
            state,
            f"{ended:,}{planned}",
            Text(run.score),
            "–" if accuracy is None else f"{100 * accuracy:.2f} %",
            age(None if row["last_seen"] is None else _last_seen(row), now),
        )
    return table


def _last_seen(row: Mapping[str, Any]) -> datetime:
    text = row.get("last_seen")
    return datetime.min.replace(tzinfo=UTC) if text is None else datetime.fromisoformat(text)


def age(then: datetime | None, now: datetime) -> str:
    """ "now", "5 min", "3 h", "12 d": the time since `then`, in its largest unit."""
    if then is None:
        return "–"
    seconds = (now - then).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds / size)} {unit}"
    return "now"
