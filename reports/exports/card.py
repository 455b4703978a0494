"""A model card and its Markdown.

The headings follow M. Mitchell et al., "Model cards for model reporting", Proc. FAT* (2019), pages
220-229, as far as the record of a search can fill them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from reports.formatting import markdown

Pairs = tuple[tuple[str, str], ...]
"""(name, value) rows of a list."""


@dataclass(frozen=True)
class CardFigure:
    """A row of the card's table of figures. All values are text as it is shown."""

    name: str
    """What was measured, on which data."""
    value: str
    """With its unit, as "98.44 %"; a mean if there are several seeds."""
    spread: str = ""
    """Standard deviation over seeds, as "± 0.08"; "" for one seed."""
    interval: str = ""
    """95 % interval, as "98.1 to 98.7 %"; "" if unknown."""


@dataclass(frozen=True)
class ModelCard:
    """The content of a model card. All values are text, not escaped."""

    name: str
    """The model's."""
    summary: tuple[str, ...]
    """Sentences on what the model is."""
    facts: Pairs
    """Files, size and checksum of the model."""
    recipe: Pairs
    """Its hyperparameters and fixed settings."""
    data: Pairs
    """What it was trained on."""
    figures: tuple[CardFigure, ...]
    """Results on the test set, then on validation data."""
    chosen: tuple[str, ...]
    """Sentences on how it was chosen."""
    openings: tuple[str, ...]
    """Sentences on the openings of the test set."""
    provenance: Pairs
    """Versions, machine and time."""
    command: str
    """The command that trains it again; "" if there is none."""
    limits: tuple[str, ...]
    """Sentences on what the model is not suited for."""


def to_markdown(card: ModelCard) -> str:
    """The card as a Markdown document, with all its text escaped."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# Model card: {markdown.text(card.name)}"
    yield from _paragraph(card.summary)
    yield from _list(card.facts)
    yield "\n## Figures\n"
    yield "| figure | value | over seeds | 95 % interval |"
    yield "|---|--:|--:|---|"
    for figure in card.figures:
        cells = (figure.name, figure.value, figure.spread, figure.interval)
        yield f"| {' | '.join(markdown.text(cell) for cell in cells)} |"
    yield "\n## How it was chosen"
    yield from _paragraph(card.chosen)
    yield "\n## The test set"
    yield from _paragraph(card.openings)
    yield "\n## Data"
    yield from _list(card.data)
    yield "\n## Recipe"
    yield from _list(card.recipe)
    yield "\n## Provenance"
    yield from _list(card.provenance)
    if card.command:
        yield f"\nTo train it again and compare the weights bit by bit: {markdown.code(card.command)}"
    yield "\n## Limits\n"
    for sentence in card.limits:
        yield f"- {markdown.text(sentence)}"


def _paragraph(sentences: Sequence[str]) -> Iterator[str]:
    if sentences:
        yield f"\n{' '.join(markdown.text(sentence) for sentence in sentences)}"


def _list(pairs: Pairs) -> Iterator[str]:
    if pairs:
        yield ""
    for name, value in pairs:
        yield f"- {markdown.text(name)}: {markdown.text(value)}"
