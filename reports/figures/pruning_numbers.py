"""The numbers of the pruning figure: the epochs saved, and how early scores predict the final ranking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from reports.analysis.once import once_per_sweep
from reports.analysis.ranking import trained
from reports.analysis.rungs import planned_epochs, reduction_factor_of, rungs_of
from reports.statistics.correlation import Correlation, rank_correlation
from search.records.sweep import State, Sweep, Trial

POINTS = 8
"""Maximum number of epochs that are examined in addition to the rungs."""

WEAK = 0.5
"""A rank correlation below which early scores hardly predict the final ranking: it leaves more than three
quarters of the final ranks' variance unexplained."""


class AfterEpoch(NamedTuple):
    """The trials' scores after one epoch."""

    epoch: int
    """1 or more."""
    rung: bool
    """Whether the pruner decides after this epoch."""
    reached: int
    """Number of trials that finished the epoch."""
    stopped: int
    """Number of them that were pruned right after it."""
    correlation: Correlation | None
    """Of the scores after this epoch with the final ones, over the complete trials; None if it cannot be
    estimated (`reports.statistics.correlation`)."""
    winner: int | None
    """The best trial's rank among the `reached`, 1 for the best score; None if there is no best trial or it
    has no score after this epoch."""
    percentile: float | None
    """Share of the other trials, 0..1, that were no better than the best trial; None as for `winner`."""
    promoted: int | None
    """How many of the `reached` would be promoted if they were all compared at once; None if there is no
    rung or the number is not known (`reports.analysis.rungs.reduction_factor_of`). Trials arrive one by one,
    so early ones were compared with fewer."""


class Audit(NamedTuple):
    """A trial that its pruner would have stopped, and that was trained to its end."""

    number: int
    """The trial's."""
    epoch: int
    """After which it would have been stopped."""
    rank: int
    """Among the complete trials, 1 for the best."""


class Pruning(NamedTuple):
    """What pruning saved, and how well early scores predict the final ranking."""

    pruned: int
    """Number of pruned trials."""
    paused: int
    """Number of paused trials, which may be continued."""
    complete: int
    """Number of complete trials."""
    trials: int
    """Number of trials that trained at least one epoch."""
    planned: int
    """Epochs that the pruned trials would have trained."""
    saved: int
    """Those of the `planned` epochs that were not trained."""
    trained: int
    """Epochs of all trials."""
    saved_seconds: float
    """Training time of the saved epochs, each at its own trial's mean time per epoch."""
    trained_seconds: float
    """Training time of all trials."""
    epochs: tuple[AfterEpoch, ...]
    """In order, without the last epoch of the longest recipe."""
    best: int | None
    """Number of the best trial; None if there is none."""
    audits: tuple[Audit, ...] = ()
    """The complete trials that were audited, by number."""
    candidates: int = 1
    """Number of best trials among which a stopped one would have been missed."""

    @property
    def wrong(self) -> tuple[Audit, ...]:
        """The audited trials that should not have been stopped."""
        return tuple(audit for audit in self.audits if audit.rank <= self.candidates)

    @property
    def first_stop(self) -> AfterEpoch | None:
        """The first examined epoch after which trials were pruned; None if there is none."""
        return next((after for after in self.epochs if after.stopped), None)

    @property
    def too_early(self) -> bool | None:
        """Whether trials are pruned before their scores predict the final ones: True if the 95 % interval of
        the correlation at the first stop lies below `WEAK`, False if it lies above. None if it contains
        `WEAK`, and if there is no stop or no correlation.

        Only survivors have a final score, and among them ranks correlate less than among all trials. So a
        weak correlation is a warning and not a proof, and a strong one is on the safe side.
        """
        if self.first_stop is None or self.first_stop.correlation is None:
            return None
        correlation = self.first_stop.correlation
        return None if correlation.low < WEAK <= correlation.high else correlation.high < WEAK

    @property
    def winner_at_risk(self) -> tuple[AfterEpoch, ...]:
        """The rungs at which the best trial would not have been promoted among all trials that ever reached
        them: it was promoted because it arrived before some of the better ones."""
        return tuple(
            after
            for after in self.epochs
            if after.winner is not None and after.promoted is not None and after.winner > after.promoted
        )


@once_per_sweep
def pruning(sweep: Sweep) -> Pruning | str:
    """Returns the numbers, or why there are none."""
    own = [trial for trial in trained(sweep) if trial.epochs]
    longest = max((planned_epochs(trial) for trial in own), default=0)
    if longest < 2:
        return (
            "Every trial trains a single epoch, so there is nothing to prune."
            if own
            else "No trial has finished an epoch yet, so none could be pruned."
        )
    stopped = [trial for trial in own if trial.state is State.PRUNED and not trial.abandoned]
    complete = [trial for trial in own if trial.state is State.COMPLETE and trial.score is not None]
    # Where every trial ends before its recipe's last epoch, as the trainable decides, so would a pruned one.
    early = complete and all(len(trial.epochs) < planned_epochs(trial) for trial in complete)
    end = max(len(trial.epochs) for trial in complete) if early else longest
    planned = [min(planned_epochs(trial), end) for trial in stopped]
    saved = [max(0, epochs - trial.epochs[-1].number) for trial, epochs in zip(stopped, planned, strict=True)]
    best = sweep.best()
    rungs, factor = rungs_of(sweep), reduction_factor_of(sweep)
    scores = {trial.number: _scores_by_epoch(sweep, trial) for trial in own}
    stops = Counter(trial.epochs[-1].number for trial in stopped)
    return Pruning(
        pruned=len(stopped),
        paused=sum(trial.state is State.PAUSED for trial in own),
        complete=len(complete),
        trials=len(own),
        planned=sum(planned),
        saved=sum(saved),
        trained=sum(len(trial.epochs) for trial in own),
        saved_seconds=sum(
            epochs * trial.seconds / len(trial.epochs) for trial, epochs in zip(stopped, saved, strict=True)
        ),
        trained_seconds=sum(trial.seconds for trial in own),
        epochs=tuple(
            _after_epoch(sweep, epoch, scores, complete, best)._replace(
                stopped=stops[epoch],
                rung=epoch in rungs,
                promoted=_promoted(scores, epoch, factor) if epoch in rungs else None,
            )
            for epoch in _examined_epochs(longest, rungs, min(stops, default=None))
        ),
        best=best.number if best else None,
        audits=tuple(
            Audit(trial.number, trial.audited, 1 + sum(_beats(sweep, other, trial) for other in complete))
            for trial in complete
            if trial.audited is not None
        ),
        candidates=max(1, sweep.plan.confirmation.candidates),
    )


def _beats(sweep: Sweep, one: Trial, other: Trial) -> bool:
    return one.score is not None and other.score is not None and sweep.metric.better(one.score, other.score)


def _scores_by_epoch(sweep: Sweep, trial: Trial) -> dict[int, float]:
    """The metric after each epoch that has it."""
    name = sweep.metric.name
    return {epoch.number: epoch.metrics[name] for epoch in trial.epochs if name in epoch.metrics}


def _examined_epochs(longest: int, rungs: Sequence[int], first_stop: int | None) -> list[int]:
    """The rungs, the epoch of the first stop, and some others, closest together at the start, where learning
    curves still cross."""
    spread = np.unique(np.round(np.geomspace(1, longest - 1, POINTS)).astype(int)).tolist()
    stop = {first_stop} if first_stop is not None and first_stop < longest else set()
    return sorted({*spread, *rungs, *stop})


def _promoted(scores: Mapping[int, Mapping[int, float]], epoch: int, factor: int | None) -> int | None:
    """How many trials Optuna would promote: at least one."""
    return None if factor is None else max(1, sum(epoch in own for own in scores.values()) // factor)


def _after_epoch(
    sweep: Sweep,
    epoch: int,
    scores: Mapping[int, Mapping[int, float]],
    complete: Sequence[Trial],
    best: Trial | None,
) -> AfterEpoch:
    """The ranks after one epoch, without what the pruner did there."""
    here = {number: own[epoch] for number, own in scores.items() if epoch in own}
    pairs = [
        (here[trial.number], trial.score)
        for trial in complete
        if trial.number in here and trial.epochs[-1].number > epoch and trial.score is not None
    ]
    # With many trials the interval is narrow, so fewer resamples suffice.
    draws = min(1000, max(200, 300_000 // max(1, len(pairs))))
    winner = percentile = None
    if best is not None and best.number in here:
        better = sum(sweep.metric.better(value, here[best.number]) for value in here.values())
        winner = 1 + better
        percentile = 1.0 if len(here) == 1 else 1 - better / (len(here) - 1)
    return AfterEpoch(
        epoch=epoch,
        rung=False,
        reached=len(here),
        stopped=0,
        correlation=rank_correlation([early for early, _ in pairs], [final for _, final in pairs], draws),
        winner=winner,
        percentile=percentile,
        promoted=None,
    )
