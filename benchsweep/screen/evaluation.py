"""The evaluation of a saved model, as lines on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.text import Text

from reports.formatting.wording import percent, plural, setting
from reports.statistics.intervals import Interval

_WIDTH = 80


def lines(told: Mapping[str, Any]) -> Iterator[Text]:
    """The figures as people read them in 80 columns."""
    name = Path(told["model"]).name
    facts = [told["title"]]
    if told["parameters"] is not None:
        facts.append(f"{told['parameters']:,} parameters")
    if told["run"] is not None:
        trial = "" if told["trial"] is None else f"trial {told['trial']} of "
        seed = "" if told["seed"] is None else f", seed {told['seed']}"
        facts.append(f"{trial}{told['run']}{seed}")
    yield Text.assemble((name, "bold"), f": {', '.join(facts)}")
    data = ", ".join(f"{key} {setting(value)}" for key, value in told["data"].items())
    yield Text(f"on the {told['split']} split, {plural(told['count'], 'example')}: {data}")
    yield Text(f"(the data are told by {told['data_from']})", style="dim")
    yield Text()
    for metric, value in told["metrics"].items():
        if metric == "accuracy" and told["low"] is not None:
            interval = percent(Interval(told["low"], told["high"]))
            yield Text.assemble(
                f"{metric:10}", (f"{100 * value:.2f} %", "bold green"), f"  95 % interval {interval}"
            )
        else:
            yield Text(f"{metric:10}{value:.4g}")
    if (calibration := told["calibration"]) is not None:
        bins = len(calibration["counts"])
        yield Text(f"{'ece':10}{calibration['error']:.4g}  expected calibration error, {bins} bins")
    if told["confusion"] is not None:
        yield Text()
        yield from _confusion(told["class_names"], told["class_accuracy"], told["confusion"])
    yield Text()
    for note in told["notes"]:
        yield Text(f"note: {note}", style="dim")


def _confusion(
    names: Sequence[str], accuracies: Sequence[float], counts: Sequence[Sequence[int]]
) -> Iterator[Text]:
    """The matrix, and the accuracy of each true class; a list of what was mixed up where the matrix
    would not fit."""
    known = [str(name) for name in names] or [str(index) for index in range(len(counts))]
    numbered = max(len(name) for name in known) > 4
    rows = [f"{index} {name}" for index, name in enumerate(known)] if numbered else known
    heads = [str(index) for index in range(len(known))] if numbered else known
    head = max(4, *(len(row) for row in rows))
    cell = 1 + max(*(len(name) for name in heads), *(len(str(count)) for row in counts for count in row))
    if head + 11 + cell * len(known) > _WIDTH:
        yield from _mixed_up(known, accuracies, counts)
        return
    yield Text(f"{'true':{head}}   accuracy  predicted as", style="dim")
    yield Text(f"{'':{head}}{'':11}" + "".join(f"{name:>{cell}}" for name in heads), style="dim")
    for index, (row, accuracy) in enumerate(zip(counts, accuracies, strict=True)):
        line = Text(f"{rows[index]:{head}}{_share(accuracy):>11}")
        for place, count in enumerate(row):
            style = "bold" if place == index else "" if count else "dim"
            line.append(f"{count or '·':>{cell}}", style=style)
        yield line


def _mixed_up(
    names: Sequence[str], accuracies: Sequence[float], counts: Sequence[Sequence[int]]
) -> Iterator[Text]:
    for name, accuracy in zip(names, accuracies, strict=True):
        yield Text(f"{_share(accuracy):>10}  {name}")
    pairs = [
        (count, names[true], names[predicted])
        for true, row in enumerate(counts)
        for predicted, count in enumerate(row)
        if true != predicted and count
    ]
    yield Text()
    for count, true, predicted in sorted(pairs, reverse=True)[:20]:
        yield Text(f"{count:6}x  {true} taken for {predicted}")


def _share(share: float) -> str:
    return "–" if math.isnan(share) else f"{100 * share:.2f} %"
