"""A recipe trained in front of the user: the lines it prints, and the files it leaves."""

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
from benchsweep.errors import UsageError, exit_code
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


@dataclass(frozen=True)
class Setup:
    """How often, with what data, where to, and on what."""

    seeds: int
    data_dir: Path | None
    folder: Path
    device: str
    threads: int


def train_all(plan: Plan, setup: Setup, json: bool) -> None:
    """Train every seed, tell as it goes, and save the first seed's model and all figures."""
    teller = _Json() if json else _Text(terminal.out(), plan, setup)
    done: list[Repetition] = []
    for told in _repeated(plan, setup):
        # At the first epoch, not after the last: a folder that cannot be written to.
        setup.folder.mkdir(parents=True, exist_ok=True)
        if isinstance(told, Repetition):
            done.append(told)
            if len(done) == 1:
                saved = told.training.save(setup.folder)
            teller.seed(told)
        else:
            teller.epoch(*told)
    figures = setup.folder / "train.json"
    write_json(figures, _record(plan, setup, done))
    teller.end(done, [figures, *saved])


def _repeated(plan: Plan, setup: Setup) -> Iterator[tuple[int, Epoch] | Repetition]:
    """What `repeat` yields. A device that is not there is the user's mistake: torch says so in
    errors of several types, before the first epoch."""
    began = False
    try:
        for told in repeat(plan, setup.seeds, data_folder(setup.data_dir), setup.device, setup.threads):
            began = True
            yield told
    except (RuntimeError, AssertionError) as error:
        if began or setup.device == "cpu" or exit_code(error) is not None:
            raise
        reason = str(error).strip().splitlines()[0]
        raise UsageError(f"--device {setup.device} cannot be used on this machine: {reason}") from error


def spreads(done: list[Repetition]) -> dict[str, Spread]:
    """Each test metric over the seeds."""
    return {
        name: spread([each.evaluation.metrics[name] for each in done]) for name in done[0].evaluation.metrics
    }


def _record(plan: Plan, setup: Setup, done: list[Repetition]) -> Any:
    return plain_json(
        {
            "name": plan.name,
            "trainable": plan.trainable,
            "data": plan.data,
            "recipe": plan.default_recipe.model_dump(mode="json"),
            "device": setup.device,
            "threads": setup.threads,
            "metrics": {name: found._asdict() for name, found in spreads(done).items()},
            "seeds": [_seed_record(each) for each in done],
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
        "evaluation": replace(repetition.evaluation, mistakes=None).to_json(),
    }


def _interval(evaluation: Evaluation) -> dict[str, float]:
    """The 95 % Wilson interval of its accuracy, where it has one."""
    accuracy = test_accuracy(evaluation)
    return {} if accuracy is None else accuracy.interval._asdict()


class _Json:
    """Tells a script: an object a line."""

    def epoch(self, seed: int, epoch: Epoch) -> None:
        self._write({"event": "epoch", "seed": seed, **epoch.to_json()})

    def seed(self, repetition: Repetition) -> None:
        evaluation = repetition.evaluation
        classes = evaluation.class_accuracy
        self._write(
            {
                "event": "seed",
                "seed": repetition.seed,
                "metrics": dict(evaluation.metrics),
                "count": evaluation.count,
                "class_accuracy": None if classes is None else classes.tolist(),
                **_interval(evaluation),
                "seconds": repetition.seconds,
            }
        )

    def end(self, done: list[Repetition], files: list[Path]) -> None:
        metrics = {name: found._asdict() for name, found in spreads(done).items()}
        folder = str(files[0].parent)
        self._write(
            {"event": "summary", "metrics": metrics, "folder": folder, "files": [str(file) for file in files]}
        )

    def _write(self, value: dict[str, Any]) -> None:
        sys.stdout.write(terminal.json_line(value))
        sys.stdout.flush()


class _Text:
    """Tells a person: a line an epoch, in columns that stay where they are."""

    def __init__(self, console: Console, plan: Plan, setup: Setup) -> None:
        self._console = console
        self._metric: Metric = plan.metric
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

    def epoch(self, seed: int, epoch: Epoch) -> None:
        widths = {name: max(len(name), 8) for name in epoch.metrics}
        if seed != self._seed:
            self._seed = seed
            heads = "  ".join(f"{name:>{width}}" for name, width in widths.items())
            self._print(f"\nseed {seed}", "bold")
            self._print(f"epoch  {heads}   time", "dim")
        cells = "  ".join(f"{self._format(name, epoch):>{width}}" for name, width in widths.items())
        self._print(f"{epoch.number:5}  {cells}  {duration(epoch.seconds):>5}")

    def _format(self, name: str, epoch: Epoch) -> str:
        value = epoch.metrics[name]
        return self._metric.format(value) if name == self._metric.name else f"{value:.4g}"

    def seed(self, repetition: Repetition) -> None:
        evaluation = repetition.evaluation
        figures = {name: _figure(name, value) for name, value in evaluation.metrics.items()}
        if interval := _interval(evaluation):
            low, high = 100 * interval["low"], 100 * interval["high"]
            figures["accuracy"] += f" (95 % interval {low:.2f} to {high:.2f} %)"
        told = ", ".join(f"{name} {figure}" for name, figure in figures.items())
        self._print(f"test: {told}; {duration(repetition.seconds)} of training", "green")

    def end(self, done: list[Repetition], files: list[Path]) -> None:
        first = done[0]
        if len(done) > 1:
            self._print(f"\nover {len(done)} seeds, mean ± sample standard deviation")
            for name, found in spreads(done).items():
                self._print(f"  {name:10} {_mean(name, found)}", "bold")
        classes = first.evaluation.class_accuracy
        if classes is not None:
            self._print(f"\naccuracy by class, of seed {first.seed}'s model")
            names = first.evaluation.class_names or [str(index) for index in range(len(classes))]
            width = max(len(name) for name in names)
            cells = [
                f"{name:>{width}} {_share(share)}"
                for name, share in zip(names, classes.tolist(), strict=True)
            ]
            for start in range(0, len(cells), 5):
                self._print("  " + "   ".join(cells[start : start + 5]).rstrip())
        self._print(f"\nsaved in {files[0].parent}, the model being seed {first.seed}'s")
        self._print("  " + "  ".join(file.name for file in files))

    def _print(self, line: str, style: str = "") -> None:
        self._console.print(Text(line, style=style), soft_wrap=True)


def _figure(name: str, value: float) -> str:
    """An accuracy in percent; any other metric in four digits."""
    return f"{100 * value:.2f} %" if name == "accuracy" else f"{value:.4g}"


def _share(share: float) -> str:
    """In percent; a dash for a class without examples."""
    return f"{'–':>8}" if math.isnan(share) else f"{100 * share:6.2f} %"


def _mean(name: str, found: Spread) -> str:
    scale, unit, digits = (100, " %", 2) if name == "accuracy" else (1, "", 4)
    deviation = 0.0 if found.deviation is None else found.deviation
    return f"{scale * found.mean:.{digits}f} ± {scale * deviation:.{digits}f}{unit}"
