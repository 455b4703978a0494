"""The evaluation of a saved model, as lines for a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from reports.formatting.wording import percent, plural, setting
from reports.statistics.intervals import Interval

_WIDTH = 80


def lines(result: Mapping[str, Any]) -> Iterator[Text]:
    """The figures of `benchsweep.actions.evaluate.evaluation_result`, in 80 columns."""
    facts = [result["title"]]
    if result["parameters"] is not None:
        facts.append(f"{result['parameters']:,} parameters")
    if result["run"] is not None:
        trial = "" if result["trial"] is None else f"trial {result['trial']} of "
        seed = "" if result["seed"] is None else f", seed {result['seed']}"
        facts.append(f"{trial}{result['run']}{seed}")
    yield Text.assemble((Path(result["model"]).name, "bold"), f": {', '.join(facts)}")
    data = ", ".join(f"{key} {setting(value)}" for key, value in result["data"].items())
    yield Text(f"on the {result['split']} split, {plural(result['count'], 'example')}: {data}")
    yield Text(f"(data known from {result['data_from']})", style="dim")
    yield Text()
    for metric, value in result["metrics"].items():
        if metric == "accuracy" and result["low"] is not None:
            interval = percent(Interval(result["low"], result["high"]))
            yield Text.assemble(
                f"{metric:10}", (f"{100 * value:.2f} %", "bold green"), f"  95 % interval {interval}"
            )
        else:
            yield Text(f"{metric:10}{value:.4g}")
    if (calibration := result["calibration"]) is not None:
        bins = len(calibration["counts"])
        yield Text(f"{'ece':10}{calibration['error']:.4g}  expected calibration error, {bins} bins")
    if result["confusion"] is not None:
        yield Text()
        yield from _confusion(result["class_names"], result["class_accuracy"], result["confusion"])
    yield Text()
    for note in result["notes"]:
        yield Text(f"note: {note}", style="dim")


def _confusion(
    names: Sequence[str], accuracies: Sequence[float], counts: Sequence[Sequence[int]]
) -> Iterator[Text]:
    """The matrix, with the accuracy of each true class; or, if that is too wide, a list of the most frequent
    confusions."""
    classes = [str(name) for name in names] or [str(index) for index in range(len(counts))]
    numbered = max(len(name) for name in classes) > 4
    rows = [f"{index} {name}" for index, name in enumerate(classes)] if numbered else classes
    columns = [str(index) for index in range(len(classes))] if numbered else classes
    label = max(4, *(len(row) for row in rows))
    cell = 1 + max(*(len(name) for name in columns), *(len(str(count)) for row in counts for count in row))
    if label + 11 + cell * len(classes) > _WIDTH:
        yield from _most_confused(classes, accuracies, counts)
        return
    yield Text(f"{'true':{label}}   accuracy  predicted as", style="dim")
    yield Text(f"{'':{label}}{'':11}" + "".join(f"{name:>{cell}}" for name in columns), style="dim")
    for index, (row, accuracy) in enumerate(zip(counts, accuracies, strict=True)):
        line = Text(f"{rows[index]:{label}}{_percent(accuracy):>11}")
        for column, count in enumerate(row):
            style = "bold" if column == index else "" if count else "dim"
            line.append(f"{count or '·':>{cell}}", style=style)
        yield line


def _most_confused(
    names: Sequence[str], accuracies: Sequence[float], counts: Sequence[Sequence[int]]
) -> Iterator[Text]:
    for name, accuracy in zip(names, accuracies, strict=True):
        yield Text(f"{_percent(accuracy):>10}  {name}")
    pairs = [
        (count, names[true], names[predicted])
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    yield Text()
    for count, true, predicted in sorted(pairs, reverse=True)[:20]:
        yield Text(f"{count:6}x  {true} predicted as {predicted}")


def _percent(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.2f} %"
