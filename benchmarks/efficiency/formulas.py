"""Problems that are formulas: curves that cross or start slowly, losses without bound, regions that fail."""

from __future__ import annotations

import math

import numpy as np

from efficiency.problem import Failed, Params, Problem, Refused, noise_of, positions


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
        height = surface(positions(params, table, names))
        return float(ceiling - 0.5 * (1 - math.exp(0.5 * height)) if height < 0 else ceiling + 0.1 * height)

    def curve(params: Params, seed: int) -> np.ndarray:
        rng, point = noise_of(params, seed), positions(params, table, names)
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
        point = positions(params, table, numbers)
        rate = point[numbers.index("learning_rate")]
        height = surface(point) + optimizer[params["optimizer"]] + schedule[params["schedule"]]
        height -= 2.5 * (rate - best_rate[params["optimizer"]]) ** 2
        return float(0.93 - 0.6 * (1 - math.exp(0.6 * min(height, 0.3))))

    def curve(params: Params, seed: int) -> np.ndarray:
        noise, last = noise_of(params, seed), end(params)
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
        height = surface(positions(params, table, numbers)) - offset[params["activation"]]
        loss = 0.2 * math.exp(-2.0 * height)
        if params["learning_rate"] > 0.5:
            loss *= 1 + (params["learning_rate"] / 0.5) ** 4
        return float(loss)

    def curve(params: Params, seed: int) -> np.ndarray:
        noise, last = noise_of(params, seed), end(params)
        point = positions(params, table, numbers)
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
