"""`benchsweep train` in the foreground: what it prints, and the files it writes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from benchsweep import terminal
from benchsweep.errors import UsageError
from reports.analysis.winner import test_accuracy
from reports.formatting.wording import duration, plain_json, plural
from reports.statistics.intervals import Spread, spread
from search.plan.plan import Plan
from search.records.environment import environment
from search.repeat import Repetition, repeat
from trainable.contract import Metric, data_folder
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.storage.durable import write_json
from trainable.user_code import TrainableError


@dataclass(frozen=True)
class TrainingSetup:
    """How a recipe is trained."""

    seeds: int
    """Number of trainings, each with the next seed."""
    data_dir: Path | None
    """The value of --data-dir; None if it was not given."""
    folder: Path
    """Where the files are written."""
    device: str
    """"cpu", "cuda" or "mps"."""
    threads: int
    """Number of CPU threads."""


def train_all(plan: Plan, setup: TrainingSetup, json: bool) -> None:
    """Train with every seed, print each epoch, and save the first seed's model and all figures."""
    printer = _JsonPrinter() if json else _TextPrinter(terminal.out(), plan, setup)
    done: list[Repetition] = []
    for update in _updates(plan, setup):
        # At the first epoch, so that a folder that cannot be written to fails early.
        setup.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(update, Repetition):
            done.append(update)
            if len(done) == 1:
                model_files = update.training.save(setup.folder)
            printer.print_seed(update)
        else:
            printer.print_epoch(*update)
    figures = setup.folder / "train.json"
    write_json(figures, _record(plan, setup, done))
    printer.print_end(done, [figures, *model_files])


def _updates(plan: Plan, setup: TrainingSetup) -> Iterator[tuple[int, Epoch] | Repetition]:
    """What `repeat` yields. If the device does not exist, torch raises errors of several types before the
    first epoch: they become a UsageError."""
    began = False
    try:
        for update in repeat(plan, setup.seeds, data_folder(setup.data_dir), setup.device, setup.threads):
            began = True
            yield update
    except TrainableError as error:
        if began or setup.device == "cpu" or error.__cause__ is None:
            raise
        reason = str(error.__cause__).strip().splitlines()[0]
        raise UsageError(f"--device {setup.device} cannot be used on this machine: {reason}") from error


def spreads(done: list[Repetition]) -> dict[str, Spread]:
    """Mean and standard deviation over the seeds, by test metric; by validation metric without
    a test split."""
    return {name: spread([repetition.metrics[name] for repetition in done]) for name in done[0].metrics}


def _record(plan: Plan, setup: TrainingSetup, done: list[Repetition]) -> Any:
    return plain_json(
        {
            "name": plan.name,
            "trainable": plan.trainable,
            "data": plan.data,
            "recipe": plan.recorded_recipe({}),
            "device": setup.device,
            "threads": setup.threads,
            "metrics": {name: values._asdict() for name, values in spreads(done).items()},
            "seeds": [_seed_record(repetition) for repetition in done],
            "model_of_seed": done[0].seed,
            "environment": environment(done[0].data_sha256, plan.trainable),
        }
    )


def _seed_record(repetition: Repetition) -> dict[str, Any]:
    return {
        "seed": repetition.seed,
        "seconds": repetition.seconds,
        "weights_sha256": getattr(repetition.training, "weights_sha256", None),
        "epochs": [epoch.to_json() for epoch in repetition.epochs],
        "evaluation": None
        if repetition.evaluation is None
        else replace(repetition.evaluation, mistakes=None).to_json(),
    }


def _interval(evaluation: Evaluation | None) -> dict[str, float]:
    """The 95 % Wilson interval of the accuracy; empty if there is none."""
    accuracy = None if evaluation is None else test_accuracy(evaluation)
    return {} if accuracy is None else accuracy.interval._asdict()


class _JsonPrinter:
    """Prints one object a line."""

    def print_epoch(self, seed: int, epoch: Epoch) -> None:
        self._print({"event": "epoch", "seed": seed, **epoch.to_json()})

    def print_seed(self, repetition: Repetition) -> None:
        evaluation = repetition.evaluation
        classes = None if evaluation is None else evaluation.class_accuracy
        self._print(
            {
                "event": "seed",
                "seed": repetition.seed,
                "metrics": dict(repetition.metrics),
                "count": None if evaluation is None else evaluation.count,
                "class_accuracy": None if classes is None else classes.tolist(),
                **_interval(evaluation),
                "seconds": repetition.seconds,
            }
        )

    def print_end(self, done: list[Repetition], files: list[Path]) -> None:
        metrics = {name: values._asdict() for name, values in spreads(done).items()}
        folder = str(files[0].parent)
        self._print(
            {"event": "summary", "metrics": metrics, "folder": folder, "files": [str(file) for file in files]}
        )

    def _print(self, value: dict[str, Any]) -> None:
        sys.stdout.write(terminal.json_line(value))
        sys.stdout.flush()


class _TextPrinter:
    """Prints one line for each epoch, in fixed columns."""

    def __init__(self, console: Console, plan: Plan, setup: TrainingSetup) -> None:
        self._console = console
        self._metric: Metric = plan.objective
        self._seed: int | None = None
        recipe = plan.default_recipe
        threads = plural(setup.threads, "thread")
        console.print(
            Text.assemble(
                (plan.name, "bold"),
                f": {plan.trainable}, {plural(recipe.epochs, 'epoch')}, {plural(setup.seeds, 'seed')}, "
                f"on {setup.device} with {threads}",
            ),
            soft_wrap=True,
        )

    def print_epoch(self, seed: int, epoch: Epoch) -> None:
        widths = {name: max(len(name), 8) for name in epoch.metrics}
        if seed != self._seed:
            self._seed = seed
            columns = "  ".join(f"{name:>{width}}" for name, width in widths.items())
            self._print(f"\nseed {seed}", "bold")
            self._print(f"epoch  {columns}   time", "dim")
        cells = "  ".join(f"{self._format(name, epoch):>{width}}" for name, width in widths.items())
        self._print(f"{epoch.number:5}  {cells}  {duration(epoch.seconds):>5}")

    def _format(self, name: str, epoch: Epoch) -> str:
        value = epoch.metrics[name]
        return self._metric.format(value) if name == self._metric.name else f"{value:.4g}"

    def print_seed(self, repetition: Repetition) -> None:
        evaluation = repetition.evaluation
        figures = {name: _figure(name, value) for name, value in repetition.metrics.items()}
        if interval := _interval(evaluation):
            low, high = 100 * interval["low"], 100 * interval["high"]
            figures["accuracy"] += f" (95 % interval {low:.2f} to {high:.2f} %)"
        metrics = ", ".join(f"{name} {figure}" for name, figure in figures.items())
        split = "no test split; validation" if evaluation is None else "test"
        self._print(f"{split}: {metrics}; trained in {duration(repetition.seconds)}", "green")

    def print_end(self, done: list[Repetition], files: list[Path]) -> None:
        first = done[0]
        if len(done) > 1:
            self._print(f"\nover {len(done)} seeds, mean ± sample standard deviation")
            for name, values in spreads(done).items():
                self._print(f"  {name:10} {_mean(name, values)}", "bold")
        classes = None if first.evaluation is None else first.evaluation.class_accuracy
        if first.evaluation is not None and classes is not None:
            self._print(f"\naccuracy by class, of the model of seed {first.seed}")
            names = first.evaluation.class_names or [str(index) for index in range(len(classes))]
            width = max(len(name) for name in names)
            cells = [
                f"{name:>{width}} {_percent(share)}"
                for name, share in zip(names, classes.tolist(), strict=True)
            ]
            for start in range(0, len(cells), 5):
                self._print("  " + "   ".join(cells[start : start + 5]).rstrip())
        self._print(f"\nsaved in {files[0].parent}, with the model of seed {first.seed}")
        self._print("  " + "  ".join(file.name for file in files))

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)


def _figure(name: str, value: float) -> str:
    """An accuracy as a percentage; any other metric with four digits."""
    return f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.4g}"


def _percent(share: float) -> str:
    """A dash for a class without examples."""
    return f"{'–':>8}" if math.isnan(share) else f"{100 * share:6.2f} %"


def _mean(name: str, values: Spread) -> str:
    scale, unit, digits = (100, " %", 2) if name == "accuracy" else (1, "", 4)
    deviation = 0.0 if values.deviation is None else values.deviation
    return f"{scale * values.mean:.{digits}f} ± {scale * deviation:.{digits}f}{unit}"
