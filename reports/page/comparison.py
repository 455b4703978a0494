"""Several runs compared: which found more, how soon, whether the difference is significant, what differs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from reports.analysis.contrast import Contrast, environment_contrasts, plan_contrasts, space_contrasts
from reports.analysis.runs import ComparableRuns, ComparedRun, comparable_runs, compared_runs
from reports.analysis.winner_pairs import WinnerPair, pairs
from reports.figures import differences
from reports.figures.all import GROUP_FIGURES
from reports.figures.figure import Section
from reports.formatting.wording import listing, plural
from reports.page.comparison_cautions import cautions, differing_sentence
from reports.page.comparison_overview import facts, overview
from reports.page.comparison_sentences import group_sentences, main_figure, pair_sentences
from search.records.sweep import Sweep

MOST = 12
"""Maximum number of runs that are compared at once: lines have that many different symbols."""


@dataclass(frozen=True, eq=False)
class RunComparison:
    """Everything that terminal, page and JSON show of several runs, computed once."""

    runs: tuple[ComparedRun, ...]
    """In the order given."""
    groups: tuple[ComparableRuns, ...]
    """Runs with the same metric and data, whose scores are comparable."""
    pairs: tuple[WinnerPair, ...]
    """The winners of every two runs."""
    figure: str
    """The most important number; "–" if there is none."""
    caption: str
    """What that number is."""
    sentences: tuple[str, ...]
    """The verdict, in reading order."""
    cautions: tuple[str, ...]
    """What limits the comparison, and which runs are not finished."""
    facts: tuple[tuple[str, str], ...]
    """(name, value) of the runs' totals, as text."""
    overview: pd.DataFrame
    """One row per run."""
    sections: tuple[Section, ...]
    """The figures."""
    plan: tuple[Contrast, ...]
    """The keys in which the plans differ."""
    space: tuple[Contrast, ...]
    """The hyperparameters in which the search spaces differ."""
    environment: tuple[Contrast, ...]
    """The keys in which the environments of the last starts differ."""

    @classmethod
    def of(cls, sweeps: Sequence[Sweep]) -> RunComparison:
        """The comparison of 2 to `MOST` runs in any state. Raises ValueError for fewer or more, and if a
        folder is given twice."""
        if not 2 <= len(sweeps) <= MOST:
            raise ValueError(f"2 to {MOST} runs are compared at once, but got {len(sweeps)}")
        runs = compared_runs(sweeps)
        groups, winner_pairs = comparable_runs(runs), pairs(runs)
        plan, space = plan_contrasts(sweeps), space_contrasts(sweeps)
        environment = environment_contrasts(sweeps)
        figure, caption = main_figure(winner_pairs)
        return cls(
            runs=runs,
            groups=groups,
            pairs=winner_pairs,
            figure=figure,
            caption=caption,
            sentences=(
                *pair_sentences(winner_pairs),
                *(sentence for group in groups for sentence in group_sentences(group)),
                differing_sentence(plan, space, environment),
            ),
            cautions=cautions(runs),
            facts=facts(runs),
            overview=overview(runs),
            sections=(
                differences.FIGURE.joined([winner_pairs]),
                *(figure.joined(groups) for figure in GROUP_FIGURES),
            ),
            plan=plan,
            space=space,
            environment=environment,
        )

    @property
    def title(self) -> str:
        """The runs' names; of more than three, the first three and the number of others."""
        names = [run.short for run in self.runs]
        return listing(names if len(names) <= 3 else [*names[:3], f"{len(names) - 3} more"])

    @property
    def contents(self) -> list[tuple[str, str]]:
        """(key, title) of every part of the page, in order."""
        return [
            ("verdict", "Verdict"),
            ("runs", "Runs"),
            *((section.key, section.title) for section in self.sections),
            *((key, title) for key, title, _, _ in self.contrasts),
        ]

    @property
    def contrasts(self) -> list[tuple[str, str, str, pd.DataFrame]]:
        """(key, title, sentence, table) of each kind of difference."""
        kinds = (
            ("plan", "Plans", "plans", "key", self.plan),
            ("space", "Search spaces", "search spaces", "hyperparameter", self.space),
            ("environment", "Environments", "environments of their last starts", "key", self.environment),
        )
        return [
            (
                key,
                title,
                f"The {words} differ in {plural(len(rows), row)}." if rows else f"The {words} do not differ.",
                contrast_table(self.runs, rows),
            )
            for key, title, words, row, rows in kinds
        ]


def contrast_table(runs: Sequence[ComparedRun], rows: Sequence[Contrast]) -> pd.DataFrame:
    """One row per key, one column per run."""
    names = ["", *(run.label for run in runs)]
    return pd.DataFrame([[row.key, *row.values] for row in rows], columns=names)
