"""The leaderboard and the confirmation as tables of 80 columns."""

from __future__ import annotations

import pandas as pd
from rich.table import Table
from rich.text import Text

from reports.analysis.candidates import CandidateRow
from reports.analysis.confirmation import ConfirmationSummary
from reports.formatting.estimates import difference, mean_with_deviation
from reports.formatting.wording import shorten
from trainable.contract import Metric

_VERDICTS = {"better": "ours is better", "tied": "tied", "worse": "ours is worse", "": ""}


def leaderboard_table(frame: pd.DataFrame, neighbours: int = 4) -> Table:
    """A `reports.analysis.ranking.leaderboard` as a table: our row, highlighted, `neighbours` rows above and
    below it, and the first and the last row; all rows if ours is not among them. Text is never read as
    markup."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    # If there is too little room, the model's name is shortened, never a figure.
    table.add_column("rank", justify="right", no_wrap=True, min_width=4)
    table.add_column("model")
    table.add_column("accuracy", justify="right", no_wrap=True, min_width=8)
    table.add_column("parameters", justify="right", no_wrap=True, min_width=10)
    published = not frame["ours"].all()
    heading = "ours against it" if published else "95 % interval"
    table.add_column(heading, no_wrap=True, min_width=16)
    shown = _shown(frame, neighbours)
    for position, (previous, index) in enumerate(zip([-1, *shown], shown, strict=False)):
        if position and index != previous + 1:
            table.add_row("⋮", Text(f"{index - previous - 1} more", style="dim"), "", "", "")
        _add(table, frame.iloc[index])
    return table


def confirmation_table(summary: ConfirmationSummary) -> Table:
    """The candidates of a confirmation, the winner highlighted: their scores in the search, with fresh seeds
    and on the test set, and whether the winner is better there; without a test split the first two."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("candidate")
    table.add_column("")
    metric, tested = _without_unit(summary.metric), summary.test_metric or summary.metric
    columns = {"in search": summary.metric, "fresh seeds": summary.metric}
    if summary.has_test_split:
        columns["test set"] = tested
    for name, of_column in columns.items():
        table.add_column(f"{name}{_unit_line(of_column)}", justify="right")
    if summary.has_test_split:
        table.add_column("winner")
    for row in summary.rows:
        cells = [row.name, row.state, metric.format(row.selected_on)]
        fresh = "–" if row.mean is None else mean_with_deviation(metric, row.mean, row.deviation)
        tests = _test_cells(summary, row) if summary.has_test_split else []
        table.add_row(
            *(Text(cell, overflow="fold") for cell in [*cells, fresh, *tests]),
            style="bold cyan" if row.state == "winner" else "",
        )
    return table


def _unit_line(metric: Metric) -> str:
    """The unit as a second line of a column's name; "" for a share, whose cells have a percent sign."""
    return "" if metric.unit in ("", "share") else f"\n{metric.unit}"


def _without_unit(metric: Metric) -> Metric:
    """The metric for cells of a column that is named with the unit."""
    return metric if metric.unit == "share" else Metric(metric.name, metric.direction)


def _test_cells(summary: ConfirmationSummary, row: CandidateRow) -> list[str]:
    if row.tested is None or summary.test_metric is None:
        return ["–", ""]
    metric, gain = _without_unit(summary.test_metric), row.tested.gain
    word = ""
    if gain is not None:
        size = difference(metric, gain.difference).removesuffix(" points")
        word = "not known" if row.tested.standing is None else f"{row.tested.standing} by {size}"
        word = "tied" if row.tested.standing == "tied" else word
    return [mean_with_deviation(metric, row.tested.mean, row.tested.deviation), word]


def _add(table: Table, row: pd.Series[str]) -> None:
    ours = bool(row["ours"])
    accuracy = f"{row['test_accuracy_percent']:.2f} %"
    verdict = f"{row['low']:.2f} to {row['high']:.2f} %" if ours else _VERDICTS[row["against"]]
    parameters = "" if pd.isna(row["parameters"]) else f"{row['parameters']:,}"
    cells = [str(row["rank"]), _model(row), accuracy, parameters, verdict]
    table.add_row(
        *(Text(cell, no_wrap=True, overflow="ellipsis") for cell in cells), style="bold cyan" if ours else ""
    )


def _model(row: pd.Series[str]) -> str:
    """The model, with its augmentation and year."""
    details = [] if row["augmentation"] == "none" else [str(row["augmentation"])]
    details += [] if pd.isna(row["year"]) else [str(row["year"])]
    mark = "▶ " if row["ours"] else ""
    return shorten(f"{mark}{row['model']}" + (f" ({', '.join(details)})" if details else ""), 120)


def _shown(frame: pd.DataFrame, neighbours: int) -> list[int]:
    """The indices of the rows to show, in order."""
    ours = [index for index, is_ours in enumerate(frame["ours"]) if is_ours]
    if not ours:
        return list(range(len(frame)))
    near = range(max(0, ours[0] - neighbours), min(len(frame), ours[0] + neighbours + 1))
    return sorted({0, *near, len(frame) - 1})
