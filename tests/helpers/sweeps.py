"""Sweeps made from records, for tests of what reads them: seeded, and shaped like real ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from search.records.confirmation import Confirmation, read_confirmation
from search.records.recorded_plan import RecordedPlan
from search.records.sweep import (
    Placement,
    PlanVersion,
    Session,
    State,
    Sweep,
    TestLook,
    TestSetOpening,
    Trial,
)
from trainable.contract import Metric
from trainable.epoch import Epoch
from trainable.evaluation.calibration import calibration_of
from trainable.evaluation.evaluation import Evaluation
from trainable.evaluation.mistakes import Mistake, to_png

ACCURACY = Metric("validation_accuracy", "maximize", "share")
LOG_LOSS = Metric("log_loss", "minimize", "nats")
START = datetime(2026, 11, 20, 9, 30, tzinfo=UTC)
SPACE: dict[str, Any] = {
    "learning_rate": {"low": 3e-4, "high": 1e-2, "log": True},
    "weight_decay": {"low": 1e-7, "high": 1e-3, "log": True},
    "dropout": {"low": 0.0, "high": 0.4},
    "schedule": {"choices": ["constant", "step", "cosine", "one_cycle"]},
    "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
}
DEFAULTS: dict[str, Any] = {
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "dropout": 0.0,
    "schedule": "constant",
    "gamma": 0.5,
}
"""What the default recipe has where the space chooses."""
PLAN: dict[str, Any] = {
    "name": "laptop",
    "trainable": "trainable.mlp",
    "seed": 7,
    "budget": {"trials": 40, "wall_time": "15 min"},
    "data": {"dataset": "mnist", "validation": 5000, "seed": 0},
    "recipe": {"model": "mlp", "hidden_sizes": [128, 64], "batch_size": 128, "epochs": 10},
    "sampler": {"name": "tpe", "multivariate": True, "n_startup_trials": 10},
    "pruner": {"name": "successive_halving", "reduction_factor": 3},
    "space": SPACE,
}
ENVIRONMENT: dict[str, Any] = {
    "benchsweep": "0.1.0",
    "commit": "3f9c2a1",
    "dirty": False,
    "python": "3.11.15",
    "packages": {"torch": "2.9.1", "ray": "2.60.0", "optuna": "5.0.0"},
    "cpus": 2,
}


def make_trial(number: int, **changes: Any) -> Trial:
    """One COMPLETE trial of two epochs, but for `changes`."""
    known: dict[str, Any] = {
        "number": number,
        "recipe": {**PLAN["recipe"], "learning_rate": 1e-3, "seed": number},
        "sampled": {"learning_rate": 1e-3},
        "state": State.COMPLETE,
        "epochs": tuple(Epoch(k, {"validation_accuracy": 0.9 + k / 100}, 1.5) for k in (1, 2)),
        "score": 0.92,
        "error": None,
        "resumed_from": (),
        "worker": "laptop:4711",
        "started": START + timedelta(seconds=10 * number),
        "ended": START + timedelta(seconds=10 * number + 9),
    }
    return Trial(**{**known, **changes})


def make_repeat(number: int, of: Trial, **changes: Any) -> Trial:
    """A trial that was not trained, because `of` has the same recipe: it has that one's end."""
    known: dict[str, Any] = {
        "recipe": of.recipe,
        "sampled": of.sampled,
        "state": of.state,
        "score": of.score,
        "error": of.error,
        "epochs": (),
        "worker": None,
        "same_as": of.number,
    }
    return make_trial(number, **{**known, **changes})


def make_plans(*changed: tuple[int, tuple[str, ...]]) -> tuple[PlanVersion, ...]:
    """PLAN, and a version an hour later for each (how many trials there were, what it changed)."""
    known = [(0, ()), *changed]
    return tuple(
        PlanVersion(number, START + timedelta(hours=number), trials, PLAN, changes)
        for number, (trials, changes) in enumerate(known)
    )


def sweep_of(trials: Iterable[Trial], **changes: Any) -> Sweep:
    """A finished search on MNIST with these trials, its test set sealed, but for `changes`."""
    made = tuple(trials)
    plan = changes.pop("plan", PLAN)
    known: dict[str, Any] = {
        "folder": Path("/runs/laptop"),
        "name": "laptop",
        "plan": plan if isinstance(plan, RecordedPlan) else RecordedPlan.of(plan),
        "metric": ACCURACY,
        "environment": ENVIRONMENT,
        "trials": made,
        "openings": (),
        "sessions": (Session(0, START, 812.0, "budget"),) if made else (),
        "alive": False,
    }
    return Sweep(**{**known, **changes})


def make_sweep(trials: int = 40, *, seed: int = 0, **changes: Any) -> Sweep:
    """A search of the default space in which most states occur; its best trial has looked at the
    test set once. `changes` replace fields of the Sweep. Without arguments it is always the same object, for
    which a report's analyses are computed once."""
    if (trials, seed, changes) == (40, 0, {}):
        return _ordinary_sweep()
    return _made_sweep(trials, seed, changes)


@cache
def _ordinary_sweep() -> Sweep:
    return _made_sweep(40, 0, {})


def _made_sweep(trials: int, seed: int, changes: Mapping[str, Any]) -> Sweep:
    random = np.random.default_rng(seed)
    sweep = sweep_of([_sampled_trial(number, random) for number in range(trials)])
    best = sweep.best()
    openings = (make_opening(make_look(best.number)),) if best else ()
    return sweep_of(sweep.trials, **{"openings": openings, **changes})


def _sampled_trial(number: int, random: np.random.Generator) -> Trial:
    sampled: dict[str, Any] = {
        "learning_rate": float(np.exp(random.uniform(np.log(3e-4), np.log(1e-2)))),
        "weight_decay": float(np.exp(random.uniform(np.log(1e-7), np.log(1e-3)))),
        "dropout": float(random.uniform(0, 0.4)),
        "schedule": str(random.choice(SPACE["schedule"]["choices"])),
    }
    if sampled["schedule"] == "step":
        sampled["gamma"] = float(random.uniform(0.1, 0.9))
    far = abs(np.log(sampled["learning_rate"] / 4e-3))
    top = 0.984 - 0.004 * far - 0.02 * abs(sampled["dropout"] - 0.15) + random.normal(0, 6e-4)
    top += 0.0015 * (sampled["schedule"] == "one_cycle")
    chances = {State.PRUNED: 0.35, State.FAILED: 0.05, State.DIVERGED: 0.03}
    state = State.COMPLETE
    if number >= 5:
        state = State(random.choice([*chances, State.COMPLETE], p=[*chances.values(), 0.57]))
    length = {State.COMPLETE: 10, State.PRUNED: 3, State.FAILED: 1, State.DIVERGED: 2}[state]
    if state is State.PRUNED:
        top, length = top - 0.006, int(random.choice([1, 3]))
    epochs = tuple(_epoch(k, top, random) for k in range(1, length + 1))
    errors = {
        State.FAILED: "RuntimeError: CUDA out of memory. Tried to allocate 2.00 GiB",
        State.DIVERGED: "epoch 3: train_loss must stay finite, but became nan",
    }
    return make_trial(
        number,
        recipe={**PLAN["recipe"], "optimizer": "adam", "seed": 0, "hidden_sizes": [128, 64], **sampled},
        sampled=sampled,
        state=state,
        epochs=epochs,
        score=epochs[-1].metrics["validation_accuracy"],
        error=errors.get(state),
        resumed_from=(4,) if number == 7 else (),
    )


def _epoch(number: int, top: float, random: np.random.Generator) -> Epoch:
    accuracy = float(top - 0.06 * np.exp(-0.55 * number) + random.normal(0, 4e-4))
    metrics = {
        "learning_rate": 1e-3,
        "train_loss": float(0.5 * np.exp(-0.4 * number)),
        "validation_loss": float(3 * (1 - accuracy)),
        "validation_accuracy": accuracy,
    }
    return Epoch(number, metrics, 1.4 + 0.1 * float(random.random()))


@cache
def make_evaluation(wrong: int = 162, seed: int = 1) -> Evaluation:
    """Ten classes, 10,000 examples, `wrong` of them taken for another class, mostly those that are hard
    for every seed; the surest 24 of them with drawings."""
    random = np.random.default_rng(seed)
    sizes = np.array([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    truth = np.repeat(np.arange(10), sizes)
    predicted = truth.copy()
    pairs: dict[int, list[int]] = {4: [9, 9, 6], 9: [4, 4, 7, 3], 7: [2, 2, 9], 3: [5, 5, 8], 8: [3, 5, 2]}
    hard = np.random.default_rng(99).gumbel(size=10_000) + 0.4 * random.gumbel(size=10_000)
    for example in np.argsort(-hard)[:wrong]:
        label = int(truth[example])
        others = pairs.get(label, [k for k in range(10) if k != label])
        predicted[example] = random.choice(others)
    confusion: NDArray[np.int64] = np.zeros((10, 10), dtype=np.int64)
    np.add.at(confusion, (truth, predicted), 1)
    doubt = np.where(
        random.random(10_000) < 0.06, random.beta(1, 3, 10_000), random.exponential(2e-3, 10_000)
    )
    sure = np.where(truth == predicted, 1 - doubt, random.beta(3, 1.4, 10_000)).clip(0.2, 1 - 1e-6)
    missed = np.flatnonzero(truth != predicted)
    worst = missed[np.argsort(-sure[missed])][:24]
    return Evaluation(
        metrics={"accuracy": 1 - wrong / 10_000, "loss": 0.0561},
        count=10_000,
        confusion=confusion,
        correct=truth == predicted,
        class_names=tuple("0123456789"),
        mistakes=tuple(
            make_mistake(
                int(index),
                int(truth[index]),
                int(predicted[index]),
                probability=float(sure[index]),
                true_probability=float((1 - sure[index]) * random.random()),
            )
            for index in worst
        ),
        calibration=calibration_of(sure, truth == predicted),
    )


def make_mistake(index: int, true: int, predicted: int, **changes: Any) -> Mistake:
    """An example that was taken for another class, with a small drawing of a digit, 28x28, white on
    black: strokes as in a seven-segment display, by an unsteady hand."""
    known: dict[str, Any] = {"probability": 0.9, "true_probability": 0.05, "png": to_png(_digit(true, index))}
    return Mistake(index, true, predicted, **{**known, **changes})


EDGES = {
    "a": (9, 5, 18, 5),
    "b": (18, 5, 18, 14),
    "c": (18, 14, 18, 23),
    "d": (9, 23, 18, 23),
    "e": (9, 14, 9, 23),
    "f": (9, 5, 9, 14),
    "g": (9, 14, 18, 14),
}
LIT = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")


def _digit(shown: int, seed: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    image = Image.new("L", (112, 112))
    pen = ImageDraw.Draw(image)
    for edge in LIT[shown % 10]:
        ends = 4 * (np.array(EDGES[edge]) + random.normal(0, 0.8, 4))
        pen.line([float(end) for end in ends], fill=int(random.integers(170, 256)), width=11)
    image = image.rotate(float(random.normal(0, 9)), Image.Resampling.BILINEAR)
    return np.asarray(image.resize((28, 28), Image.Resampling.BOX))


def make_look(
    trial: int | None, seed: int = 0, evaluation: Evaluation | None = None, **changes: Any
) -> TestLook:
    """A look at one model, by default one that saw `make_evaluation()`."""
    known = {"parameters": 109_386, "weights_sha256": f"{seed:064x}"}
    return TestLook(trial, seed, evaluation or make_evaluation(), **{**known, **changes})


def make_opening(*looks: TestLook, **changes: Any) -> TestSetOpening:
    """An opening of the test set with these looks."""
    known: dict[str, Any] = {
        "time": START + timedelta(seconds=830),
        "reason": "the search ended",
        "models": len(looks),
        "looks": looks,
        "overlap": 0,
    }
    return TestSetOpening(**{**known, **changes})


def placed_sweep(
    trials: int = 40, *, hosts: int = 2, workers: int = 4, starts: int = 3, **changes: Any
) -> Sweep:
    """`make_sweep` as its workers trained it, evenly spread over hosts: each start takes 6 s to its first
    epoch, is cut short after an equal share of the epochs, and is followed by a pause of an hour. Trials in
    progress then are continued by the next one. Each trial is followed by half a second of nothing."""
    made = make_sweep(trials, **changes)
    queue = [(trial, 0) for trial in made.trials]
    placements: dict[int, list[Placement]] = {trial.number: [] for trial in made.trials}
    ended: dict[int, datetime] = {}
    sessions: list[Session] = []
    begin = START
    for number in range(starts):
        last = number == starts - 1
        length = 6 + sum(trial.seconds for trial in made.trials) / workers / starts
        free = [6.0] * workers
        left = []
        while queue and (last or min(free) < length):
            trial, epoch = queue.pop(0)
            worker = free.index(min(free))
            name = f"node-{worker % hosts}.cluster.local:{1000 * number + worker}"
            since = begin + timedelta(seconds=free[worker])
            if not last and free[worker] + trial.epochs[epoch].seconds > length:
                left.append((trial, epoch))
                free[worker] = length
                continue
            placements[trial.number].append(Placement(name, number, epoch, since))
            for step in trial.epochs[epoch:]:
                if not last and free[worker] + step.seconds > length:
                    left.append((trial, step.number - 1))
                    free[worker] = length
                    break
                free[worker] += step.seconds
            else:
                ended[trial.number] = begin + timedelta(seconds=free[worker])
                free[worker] += 0.5
        queue = left + queue
        lived = max(free) if last else length
        environment = {**ENVIRONMENT, "workers": workers, "hosts": hosts}
        sessions.append(Session(number, begin, lived, "budget" if last else "interrupted", environment))
        begin += timedelta(seconds=lived + 3600)
    return replace(
        made,
        sessions=tuple(sessions),
        trials=tuple(
            replace(
                trial,
                placements=tuple(placements[trial.number]),
                worker=placements[trial.number][-1].worker,
                started=placements[trial.number][0].since,
                ended=ended[trial.number],
                resumed_from=tuple(each.epoch for each in placements[trial.number][1:]),
                session=placements[trial.number][-1].session,
            )
            for trial in made.trials
        ),
    )


SEEDS = tuple(range(101, 111))


def make_confirmation(
    scores: Mapping[int | None, Iterable[float]],
    selected_on: Mapping[int, float],
    *,
    metric: Metric = ACCURACY,
    parameters: Mapping[int | None, int] | None = None,
    seeds: tuple[int, ...] = SEEDS,
    given: Mapping[int | None, Mapping[str, Any]] | None = None,
) -> Confirmation:
    """The race of these candidates (None: the default recipe, last), read as from its study. scores: of
    each, one a fresh seed, in the seeds' order. given: fields of their recipes."""
    recipes: dict[int | None, dict[str, Any]] = {
        trial: {
            **PLAN["recipe"],
            "learning_rate": 1e-3,
            "candidate": str(trial),
            **(given or {}).get(trial, {}),
        }
        for trial in scores
    }
    reruns = [
        make_trial(
            number,
            recipe={**recipes[trial], "seed": seed},
            score=score,
            parameters=(parameters or {}).get(trial, 109_386),
        )
        for number, (trial, seed, score) in enumerate(
            (trial, seed, score)
            for trial, told in scores.items()
            for seed, score in zip(seeds, told, strict=False)
        )
    ]
    entry = {
        "candidates": [
            {"trial": trial, "recipe": {**recipe, "seed": 0}, "selected_on": selected_on.get(trial or 0)}
            if trial is not None
            else {"trial": None, "recipe": {**recipe, "seed": 0}, "selected_on": None}
            for trial, recipe in recipes.items()
        ],
        "seeds": list(seeds),
        "confidence": 0.95,
    }
    found = read_confirmation({"entry:0000": entry}, reruns, metric)
    assert found is not None
    return found[0]


def confirmed_sweep(**changes: Any) -> Sweep:
    """`make_sweep` after a confirmation of its best three trials, which are tied, and of the default recipe,
    which is behind; all ten seeds of each have looked at the test set. Without changes it is always the same
    object."""
    made = _confirmed_sweep()
    if not changes:
        return made
    known = {"confirmation": made.confirmation, "openings": made.openings}
    return sweep_of(made.trials, **{**known, **changes})


@cache
def _confirmed_sweep() -> Sweep:
    random = np.random.default_rng(5)
    searched = make_sweep(openings=())
    best = searched.ranked()[:3]
    scores: dict[int | None, list[float]] = {
        trial.number: [float(each) for each in random.normal(0.9790, 8e-4, 10)] for trial in best
    }
    scores[None] = [float(each) for each in random.normal(0.9710, 8e-4, 10)]
    given: dict[int | None, Mapping[str, Any]] = {trial.number: trial.sampled for trial in best}
    given[None] = DEFAULTS
    told = make_confirmation(scores, {trial.number: trial.score or 0.0 for trial in best}, given=given)
    looks = [
        make_look(
            each.trial,
            rerun.recipe["seed"],
            make_evaluation(int(random.normal(230 if each.trial is None else 160, 5)), rerun.number),
        )
        for each in told.finalists
        for rerun in each.complete
    ]
    assert told.winner is not None
    kept = max(told.winner.complete, key=lambda rerun: rerun.score or 0.0).recipe["seed"]
    looks = [
        look
        if (look.trial, look.seed) == (told.winner.trial, kept)
        else replace(look, evaluation=replace(look.evaluation, mistakes=None))
        for look in looks
    ]
    return sweep_of(searched.trials, confirmation=told, openings=(make_opening(*looks),))


def boosting_sweep(trials: int = 12) -> Sweep:
    """A search of another trainable: minimised, no classes, settings of its own."""
    random = np.random.default_rng(3)
    plan: Mapping[str, Any] = {
        "name": "boosting",
        "trainable": "tests.boosting",
        "data": {"folds": 5},
        "space": {"depth": {"low": 2, "high": 8}, "shrinkage": {"low": 0.01, "high": 0.5, "log": True}},
    }
    made = []
    for number in range(trials):
        sampled = {"depth": int(random.integers(2, 9)), "shrinkage": float(random.uniform(0.01, 0.5))}
        score = float(0.2 + 0.02 * abs(sampled["depth"] - 5) + random.uniform(0, 0.02))
        epochs = tuple(Epoch(k, {"log_loss": score * (1 + 1 / k)}, 0.2) for k in range(1, 9))
        recipe = {**sampled, "epochs": 8, "seed": 0}
        made.append(make_trial(number, recipe=recipe, sampled=sampled, score=score, epochs=epochs))
    seen = Evaluation(metrics={"log_loss": 0.231}, count=360)
    best = min(made, key=lambda trial: trial.score or 1.0)
    opening = make_opening(make_look(best.number, 0, seen, parameters=None, weights_sha256=None))
    return sweep_of(made, name="boosting", plan=plan, metric=LOG_LOSS, openings=(opening,))
