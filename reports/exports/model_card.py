"""The model card of a run's winner: what it is, its scores, how it was chosen, and its limits."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import numpy as np

from reports.analysis.trials_frame import states_sentence
from reports.analysis.verdict import reproduce_command, run_argument
from reports.analysis.winner import Winner, winner_of
from reports.exports.card import CardFigure, ModelCard, Pairs, to_markdown
from reports.formatting.wording import (
    capitalized,
    duration,
    flatten,
    listing,
    moment,
    percent,
    plural,
    setting,
)
from reports.statistics.intervals import spread
from search.records.sweep import Sweep
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation


class NoWinner(BenchsweepError, ValueError):
    """The run has no saved model yet; the message says why and what to do."""


def model_card(sweep: Sweep) -> str:
    """The card of the sweep's winner as Markdown. Raises NoWinner if the test set was not opened yet."""
    return to_markdown(card_of(sweep))


def card_of(sweep: Sweep) -> ModelCard:
    """The card of the sweep's winner. Raises NoWinner if the test set was not opened yet, because the model
    is saved at that time."""
    winner = winner_of(sweep)
    if not sweep.plan.has_test_split:
        raise NoWinner(
            f"a model card describes the saved model of a run, and its figures on the test "
            f"split, but {sweep.plan.trainable} has no test split"
        )
    if winner is None:
        raise NoWinner(
            f"a model card describes the saved model of a run, but {sweep.name} has none yet "
            f"({states_sentence(sweep)}); resume it"
        )
    return ModelCard(
        name=f"{sweep.name}, {winner.name}",
        summary=_summary(sweep, winner),
        facts=_facts(sweep, winner),
        recipe=_recipe(winner),
        data=_data(sweep),
        figures=tuple(_figures(sweep, winner)),
        chosen=tuple(_chosen(sweep, winner)),
        openings=tuple(_openings(sweep, winner)),
        provenance=_provenance(sweep),
        command=_command(sweep, winner),
        limits=tuple(_limits(sweep, winner)),
    )


def _summary(sweep: Sweep, winner: Winner) -> tuple[str, ...]:
    recipe = "the default recipe" if winner.trial is None else f"the recipe of {winner.name}"
    models = len(winner.looks)
    best = f"; it is the best on validation of {models} with fresh seeds" if models > 1 else ""
    return (
        f"A model of {sweep.plan.trainable}, trained with {recipe} of the search {sweep.name} and seed "
        f"{winner.model.seed}{best}.",
    )


def _facts(sweep: Sweep, winner: Winner) -> Pairs:
    parameters = "unknown" if winner.parameters is None else f"{winner.parameters:,}"
    weights = winner.model.weights_sha256 or "unknown"
    return (
        ("files", _files(sweep)),
        ("parameters", parameters),
        ("SHA-256 of the weights", weights),
    )


def _files(sweep: Sweep) -> str:
    if sweep.plan.trainable != "trainable.mlp":
        return f"those that {sweep.plan.trainable} saved in the folder of the run"
    name = f"{sweep.plan.data.get('dataset', 'mnist')}_model.pth"
    return f"model.safetensors (weights, recipe, normalisation, classes) and {name} (weights)"


def _recipe(winner: Winner) -> Pairs:
    """The saved model's recipe, with its seed and all digits of its numbers."""
    recipe = {**winner.recipe, "seed": winner.model.seed}
    return tuple((name, json.dumps(value, ensure_ascii=False)) for name, value in recipe.items())


def _data(sweep: Sweep) -> Pairs:
    table = flatten(sweep.plan.data)
    fingerprint = sweep.environment.get("data_sha256") or "unknown"
    return (*table, ("SHA-256 of the training and validation split", str(fingerprint)))


def _figures(sweep: Sweep, winner: Winner) -> Iterator[CardFigure]:
    seeds, ours = len(winner.looks), winner.test_accuracy
    over = f" (mean of {seeds} seeds)" if seeds > 1 else ""
    for name, mean in winner.metrics.items():
        if name == "accuracy" and ours is not None:
            deviation = "" if ours.deviation is None else f"± {100 * ours.deviation:.2f}"
            yield CardFigure(f"test accuracy{over}", f"{100 * mean:.2f} %", deviation, percent(ours.interval))
        else:
            values = [look.evaluation.metrics[name] for look in winner.looks]
            deviation = f"± {spread(values).deviation:.2g}" if seeds > 1 else ""
            yield CardFigure(f"test {_words(name)}{over}", _plain(sweep, name, mean), deviation)
    if seeds > 1:
        for name, value in winner.evaluation.metrics.items():
            own = f"{100 * value:.2f} %" if name == "accuracy" else _plain(sweep, name, value)
            yield CardFigure(f"test {_words(name)} of this model", own)
    for origin, score in _validation(sweep, winner):
        yield CardFigure(f"{_words(sweep.metric.name)}, {origin}", score)


def _validation(sweep: Sweep, winner: Winner) -> Iterator[tuple[str, str]]:
    """The recipe's scores on the data it was chosen by: (where they come from, score)."""
    metric = sweep.metric
    searched = next((trial.score for trial in sweep.trials if trial.number == winner.trial), None)
    if searched is not None:
        yield "in the search (optimistic: it was chosen by this score)", metric.format(searched)
    confirmation = sweep.confirmation
    candidates = () if confirmation is None else confirmation.candidates
    for candidate in candidates:
        if candidate.trial == winner.trial and candidate.mean is not None:
            seeds = plural(len(candidate.scores), "fresh seed")
            yield f"mean of {seeds}", metric.format(candidate.mean)


def _chosen(sweep: Sweep, winner: Winner) -> Iterator[str]:
    metric, confirmation = _words(sweep.metric.name), sweep.confirmation
    better = "higher" if sweep.metric.higher_is_better else "lower"
    yield (
        f"The search ran {states_sentence(sweep, brackets=True)} in {duration(sweep.seconds)}. Its only "
        f"criterion was {metric} ({better} is better)."
    )
    if confirmation is None:
        yield f"{capitalized(winner.name)} was the best; it was not confirmed with fresh seeds."
        return
    names = [candidate.name for candidate in confirmation.candidates]
    yield (
        f"{capitalized(listing(names))} {'was' if len(names) == 1 else 'were'} trained again with up to "
        f"{plural(len(confirmation.seeds), 'fresh seed')} each: {confirmation.sentence}."
    )


def _openings(sweep: Sweep, winner: Winner) -> Iterator[str]:
    opening = winner.opening
    yield f"It was opened {_times(len(sweep.openings))} in this search."
    models = plural(len(opening.looks), "model")
    were = "was" if len(opening.looks) == 1 else "were"
    yield f"The figures above were measured at {moment(opening.time)}, when {models} {were} evaluated on it."
    yield "Nothing was chosen by test scores."
    if (overlap := opening.overlap) is not None:
        yield f"{overlap:,} of its examples also occur in the training or validation data."


def _provenance(sweep: Sweep) -> Pairs:
    environment = sweep.environment
    commit = str(environment.get("commit") or "unknown")
    dirty = " (with uncommitted changes)" if environment.get("dirty") else ""
    pairs = [("commit of benchsweep", f"{commit}{dirty}")]
    versions = environment.get("versions")
    if isinstance(versions, Mapping):
        named = {"python": environment.get("python"), **versions}
        pairs.append(
            ("versions", ", ".join(f"{name} {version}" for name, version in named.items() if version))
        )
    for name in ("processor", "system", "device", "threads", "trainable_sha256"):
        if environment.get(name) is not None:
            pairs.append((name.replace("_sha256", "'s SHA-256"), setting(environment[name])))
    times = [session.started for session in sweep.sessions]
    if times:
        pairs.append(("searched", f"{moment(min(times))}, in {plural(len(times), 'start')}"))
    return tuple(pairs)


def _command(sweep: Sweep, winner: Winner) -> str:
    command, confirmation = reproduce_command(sweep), sweep.confirmation
    if not command or confirmation is None or winner.model.seed not in confirmation.seeds:
        return command
    # The seeds are trained in order, so this many include the model's.
    return f"{command} --seeds {confirmation.seeds.index(winner.model.seed) + 1}"


def _limits(sweep: Sweep, winner: Winner) -> Iterator[str]:
    if len(winner.looks) < 2:
        yield (
            "It was trained with one seed, so its figures say nothing about the variance between seeds; the "
            f"command benchsweep confirm {run_argument(sweep)} measures that."
        )
    elif all(look.evaluation.metrics == winner.evaluation.metrics for look in winner.looks):
        yield "Every seed gave the same figures, so they say nothing about the variance of the training."
    else:
        yield (
            "The mean over seeds is the expected result of the recipe; this model is the best of them on "
            "validation adds some selection bias."
        )
    yield from _hardest(winner.evaluation)
    yield (
        "Its figures hold for examples from the distribution of the test set. On other data it may be far "
        "worse."
    )
    if winner.evaluation.calibration is not None:
        yield (
            "Its probabilities are not calibrated: it may be confident about any input, even one unlike all "
            "it was trained on."
        )
    if sweep.plan.trainable == "trainable.mlp":
        yield (
            "It takes grayscale images in the size and style of its data set, light on dark; the command "
            "benchsweep predict converts pictures to the style of MNIST."
        )
    yield (
        "Training it again gives the same weights, bit by bit, on the same processor model with the same "
        "versions and thread count; elsewhere they are close to these."
    )


def _hardest(evaluation: Evaluation) -> Iterator[str]:
    """A sentence on the class with the lowest accuracy, if it is recorded."""
    shares, confusion = evaluation.class_accuracy, evaluation.confusion
    if shares is None or confusion is None or np.isnan(shares).all():
        return
    worst = int(np.nanargmin(shares))
    names = [str(name) for name in evaluation.class_names] or [str(index) for index in range(len(shares))]
    count = int(confusion[worst].sum())
    yield (
        f"It is least accurate on the class {names[worst]}: {100 * shares[worst]:.2f} % of "
        f"{plural(count, 'test example')} are right."
    )


def _plain(sweep: Sweep, name: str, value: float) -> str:
    return sweep.metric.format(value) if name == sweep.metric.name else f"{value:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
