"""How each candidate of a confirmation did with fresh seeds."""

from __future__ import annotations

from typing import Literal, NamedTuple

from reports.analysis.finalists import FinalistResult
from reports.formatting.estimates import p_text
from reports.formatting.wording import plural
from reports.statistics.intervals import equal_values, spread
from search.records.confirmation import Candidate, Confirmation
from search.records.trial import State
from trainable.contract import Metric

CandidateStatus = Literal["winner", "tied", "behind", "failed", "racing"]
"""Where a candidate stands; "racing" until the confirmation is decided."""


class CandidateRow(NamedTuple):
    """A candidate of the confirmation."""

    name: str
    """ "trial 12", or "default"."""
    trial: int | None
    """None for the plan's default recipe."""
    state: CandidateStatus
    """Where it stands in the confirmation."""
    seeds: int
    """Completed runs with fresh seeds."""
    selected_on: float | None
    """Its score in the search; None for the default recipe."""
    mean: float | None
    """Mean score with fresh seeds; None before the first run is complete."""
    deviation: float | None
    """Standard deviation over the seeds; None for fewer than two."""
    selection_bias: float | None
    """How much better it scored in the search than with fresh seeds, in the metric's unit; negative if it
    scored worse."""
    parameters: int | None
    """Learned parameters; None if unknown."""
    why: str
    """Why it was eliminated, as a clause; "" if it was not."""
    tested: FinalistResult | None
    """Its results on the test set; None if it was not evaluated there."""

    @property
    def constant(self) -> bool:
        """Whether several seeds all gave the same score, so that they say nothing about chance."""
        return self.deviation == 0


def candidate_row(
    candidate: Candidate, confirmation: Confirmation, metric: Metric, tested: FinalistResult | None
) -> CandidateRow:
    """The candidate's row; tested: its results on the test set, if any."""
    fresh = spread(candidate.scores) if candidate.scores else None
    selected_on = candidate.selected_on
    return CandidateRow(
        name=candidate.name,
        trial=candidate.trial,
        state=_state(candidate, confirmation),
        seeds=sum(rerun.state is State.COMPLETE for rerun in candidate.reruns),
        selected_on=selected_on,
        mean=None if fresh is None else fresh.mean,
        deviation=None if fresh is None else fresh.deviation,
        selection_bias=None
        if selected_on is None or fresh is None
        else _bias(metric, selected_on, fresh.mean),
        parameters=candidate.parameters,
        why=_why(candidate, confirmation),
        tested=tested,
    )


def _bias(metric: Metric, selected_on: float, mean: float) -> float:
    return 0.0 if equal_values((selected_on, mean)) else metric.gain(selected_on, mean)


def _state(candidate: Candidate, confirmation: Confirmation) -> CandidateStatus:
    if candidate.elimination is not None:
        return "behind" if candidate.elimination.failure is None else "failed"
    if not confirmation.decided:
        return "racing"
    return "winner" if candidate is confirmation.winner else "tied"


def _why(candidate: Candidate, confirmation: Confirmation) -> str:
    elimination = candidate.elimination
    if elimination is None:
        return ""
    if candidate.beaten_by is None:
        return elimination.failure or "it was not completed"
    better = next(other for other in confirmation.candidates if other.name == candidate.beaten_by)
    if all(len(own.scores) > 1 and equal_values(own.scores) for own in (candidate, better)):
        return f"{better.name} scored better with every seed, and neither varies with the seed"
    p = "" if elimination.p is None else f", {p_text(elimination.p)}"
    return f"{candidate.beaten_by} is better over {plural(elimination.seeds, 'seed')}{p}"
