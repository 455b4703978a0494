"""The model card of a run's winner: what it is, how good, how it was chosen, and what it is not for.

The headings follow M. Mitchell et al., "Model cards for model reporting", Proc. FAT* (2019), pages
220-229, as far as a search's record can fill them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from reports.analysis.trials_frame import states_sentence
from reports.analysis.verdict import reproduce_command
from reports.analysis.winner import Winner, winner_of
from reports.formatting import markdown
from reports.formatting.wording import duration, flatten, moment, percent, plural, setting
from search.records.sweep import Sweep
from trainable.errors import BenchsweepError
from trainable.evaluation.evaluation import Evaluation

Pairs = tuple[tuple[str, str], ...]


class NoWinner(BenchsweepError, ValueError):
    """The run has no model to tell of yet; says why and what to do."""


@dataclass(frozen=True)
class CardFigure:
    """One figure. value: in words, as "98.44 %". spread: its deviation over seeds, in words; "" where
    there was one seed. interval: what it may be by chance, in words; "" where that is not known."""

    name: str
    value: str
    spread: str = ""
    interval: str = ""


@dataclass(frozen=True)
class ModelCard:
    """All that a card says, in words already.

    name: of the model. summary, chosen, openings, limits: sentences. facts, recipe, data, provenance:
    (name, value). figures: on the test set and on validation. command: what trains it again; "" where
    nothing does.
    """

    name: str
    summary: tuple[str, ...]
    facts: Pairs
    recipe: Pairs
    data: Pairs
    figures: tuple[CardFigure, ...]
    chosen: tuple[str, ...]
    openings: tuple[str, ...]
    provenance: Pairs
    command: str
    limits: tuple[str, ...]


def model_card(sweep: Sweep) -> str:
    """The card of the sweep's winner, as Markdown. Raises NoWinner before the test set was opened."""
    return to_markdown(card_of(sweep))


def to_markdown(card: ModelCard) -> str:
    """The card as a Markdown document; what it was given is escaped."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# Model card: {markdown.text(card.name)}"
    yield from _paragraphs(card.summary)
    yield from _list(card.facts)
    yield "\n## Figures\n"
    yield "| figure | value | over seeds | 95 % interval |"
    yield "|---|--:|--:|---|"
    for figure in card.figures:
        cells = (figure.name, figure.value, figure.spread, figure.interval)
        yield f"| {' | '.join(markdown.text(cell) for cell in cells)} |"
    yield "\n## How it was chosen"
    yield from _paragraphs(card.chosen)
    yield "\n## The test set"
    yield from _paragraphs(card.openings)
    yield "\n## Data"
    yield from _list(card.data)
    yield "\n## Recipe"
    yield from _list(card.recipe)
    yield "\n## Provenance"
    yield from _list(card.provenance)
    if card.command:
        yield f"\nTrain it again, and compare to the bit: {markdown.code(card.command)}"
    yield "\n## Limits\n"
    for sentence in card.limits:
        yield f"- {markdown.text(sentence)}"


def _paragraphs(sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"\n{' '.join(markdown.text(each) for each in sentences)}"


def _list(pairs: Pairs) -> Iterator[str]:
    if pairs:
        yield ""
    for name, value in pairs:
        yield f"- {markdown.text(name)}: {markdown.text(value)}"


def card_of(sweep: Sweep) -> ModelCard:
    """What the sweep's record tells of its winner's model. Raises NoWinner before the test set was
    opened, for until then no model was saved."""
    winner = winner_of(sweep)
    if winner is None:
        raise NoWinner(
            f"a model card tells of the model that a run has chosen and saved, but {sweep.name} has none yet "
            f"({states_sentence(sweep)}); resume it"
        )
    return ModelCard(
        name=f"{sweep.name}, {winner.name}",
        summary=_summary(sweep, winner),
        facts=_facts(winner),
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
    recipe = f"the recipe of {winner.name} of the search {sweep.name}"
    what = f"A model of {sweep.plan.trainable}, trained by {recipe}"
    models = len(winner.looks)
    kept = f"; of {models} with fresh seeds it is the best on validation" if models > 1 else ""
    return (f"{what} with seed {winner.model.seed}{kept}.",)


def _facts(winner: Winner) -> Pairs:
    parameters = "not known" if winner.parameters is None else f"{winner.parameters:,}"
    weights = winner.model.weights_sha256 or "not known"
    return (
        (
            "files",
            "model.safetensors (weights, recipe, normalisation, classes) and mnist_model.pth (weights)",
        ),
        ("parameters", parameters),
        ("SHA-256 of the weights", weights),
    )


def _recipe(winner: Winner) -> Pairs:
    """The model's own: with its seed, and every digit of its numbers."""
    recipe = {**winner.recipe, "seed": winner.model.seed}
    return tuple((name, json.dumps(value, ensure_ascii=False)) for name, value in recipe.items())


def _data(sweep: Sweep) -> Pairs:
    table = flatten(sweep.plan.data)
    fingerprint = sweep.environment.get("data_sha256") or "not known"
    return (*table, ("SHA-256 of training and validation split", str(fingerprint)))


def _figures(sweep: Sweep, winner: Winner) -> Iterator[CardFigure]:
    seeds, ours = len(winner.looks), winner.test_accuracy
    over = f" (mean of {seeds} seeds)" if seeds > 1 else ""
    for name, mean in winner.metrics.items():
        if name == "accuracy" and ours is not None:
            apart = "" if ours.deviation is None else f"± {100 * ours.deviation:.2f}"
            yield CardFigure(f"test accuracy{over}", f"{100 * mean:.2f} %", apart, percent(ours.interval))
        else:
            values = [look.evaluation.metrics[name] for look in winner.looks]
            apart = f"± {float(np.std(values, ddof=1)):.2g}" if seeds > 1 else ""
            yield CardFigure(f"test {_words(name)}{over}", _plain(sweep, name, mean), apart)
    if seeds > 1:
        for name, value in winner.evaluation.metrics.items():
            own = f"{100 * value:.2f} %" if name == "accuracy" else _plain(sweep, name, value)
            yield CardFigure(f"test {_words(name)} of this model", own)
    for where, shown in _validation(sweep, winner):
        yield CardFigure(f"{_words(sweep.metric.name)}, {where}", shown)


def _validation(sweep: Sweep, winner: Winner) -> Iterator[tuple[str, str]]:
    """What the recipe scored on the data it was chosen by."""
    metric = sweep.metric
    searched = next((trial.score for trial in sweep.trials if trial.number == winner.trial), None)
    if searched is not None:
        yield "in the search (chosen by it: flattering)", metric.format(searched)
    confirmation = sweep.confirmation
    candidates = () if confirmation is None else confirmation.candidates
    for candidate in candidates:
        if candidate.trial == winner.trial and candidate.mean is not None:
            seeds = plural(len(candidate.scores), "fresh seed")
            yield f"mean of {seeds}", metric.format(candidate.mean)


def _chosen(sweep: Sweep, winner: Winner) -> Iterator[str]:
    metric, confirmation = _words(sweep.metric.name), sweep.confirmation
    better = "more" if sweep.metric.higher_is_better else "less"
    yield (
        f"The search tried {states_sentence(sweep, brackets=True)}, in {duration(sweep.seconds)}, and looked "
        f"at {metric} alone ({better} is better)."
    )
    if confirmation is None:
        yield f"{_capital(winner.name)} was best there; it was not confirmed with other seeds."
        return
    names = [candidate.name for candidate in confirmation.candidates]
    yield (
        f"{_capital(', '.join(names))} were trained again with fresh seeds, up to "
        f"{len(confirmation.seeds)} each: {confirmation.sentence}."
    )


def _openings(sweep: Sweep, winner: Winner) -> Iterator[str]:
    opening = winner.opening
    yield f"It was opened {_times(len(sweep.openings))} in this search's record."
    models = plural(len(opening.looks), "model")
    yield f"The figures above are of {moment(opening.time)}, when it saw {models}."
    yield "Nothing was chosen by what it said."
    if (overlap := opening.overlap) is not None:
        yield f"Of its examples {overlap:,} are also among those trained or chosen by."


def _provenance(sweep: Sweep) -> Pairs:
    told = sweep.environment
    commit = str(told.get("commit") or "not known")
    dirty = " (with changes that were not committed)" if told.get("dirty") else ""
    pairs = [("commit of benchsweep", f"{commit}{dirty}")]
    versions = told.get("versions")
    if isinstance(versions, Mapping):
        named = {"python": told.get("python"), **versions}
        pairs.append(("versions", ", ".join(f"{name} {found}" for name, found in named.items() if found)))
    for name in ("processor", "system", "device", "threads", "trainable_sha256"):
        if told.get(name) is not None:
            pairs.append((name.replace("_sha256", "'s SHA-256"), setting(told[name])))
    times = [session.started for session in sweep.sessions]
    if times:
        pairs.append(("searched", f"{moment(min(times))}, in {plural(len(times), 'start')}"))
    return tuple(pairs)


def _command(sweep: Sweep, winner: Winner) -> str:
    command, confirmation = reproduce_command(sweep), sweep.confirmation
    if not command or confirmation is None or winner.model.seed not in confirmation.seeds:
        return command
    # Its reruns are trained in the seeds' order, so that many must be for this one to be among them.
    return f"{command} --seeds {confirmation.seeds.index(winner.model.seed) + 1}"


def _limits(sweep: Sweep, winner: Winner) -> Iterator[str]:
    if len(winner.looks) < 2:
        yield (
            "It was trained with one seed, so that its figures tell nothing of how far other seeds would "
            "differ; the command benchsweep confirm measures that."
        )
    else:
        yield (
            "The mean over seeds is what the recipe is worth; that this model is the best of them on "
            "validation is partly luck."
        )
    yield from _hardest(winner.evaluation)
    yield (
        "Its figures hold for examples drawn as the test set's were. On others it may do far worse, and its "
        "probabilities are not calibrated: it answers, and may be sure, whatever it is shown."
    )
    if sweep.plan.trainable == "trainable.mlp":
        yield (
            "It takes grey images of the size and form of its data set, light on dark; the command "
            "benchsweep predict brings pictures into MNIST's form."
        )
    yield (
        "Trained again it comes to the same bits on the same processor model, versions and thread count; "
        "elsewhere close to them."
    )


def _hardest(evaluation: Evaluation) -> Iterator[str]:
    shares, confusion = evaluation.class_accuracy, evaluation.confusion
    if shares is None or confusion is None or np.isnan(shares).all():
        return
    worst = int(np.nanargmin(shares))
    names = [str(name) for name in evaluation.class_names] or [str(index) for index in range(len(shares))]
    count = int(confusion[worst].sum())
    yield (
        f"It errs most on the class {names[worst]}: {100 * shares[worst]:.2f} % of "
        f"{plural(count, 'test example')} right."
    )


def _plain(sweep: Sweep, name: str, value: float) -> str:
    return sweep.metric.format(value) if name == sweep.metric.name else f"{value:.4g}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")
