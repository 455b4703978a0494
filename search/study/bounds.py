"""Which trials of a search keep the bounds of its plan's [constraints]."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from optuna.trial import FrozenTrial

from search.plan.plan import Plan
from search.records import schema
from search.records.folder import RunFolder
from trainable.epoch import Epoch
from trainable.errors import BenchsweepError
from trainable.storage.epochs import EpochLog


class Bounds:
    """The bounded metrics of the trials, which the journal does not hold: it has the score alone."""

    def __init__(self, plan: Plan, run: RunFolder, trials: Sequence[FrozenTrial]) -> None:
        """trials: those on record."""
        self._constraints, self._metric = plan.constraints, plan.objective
        self._epochs: dict[int, list[Epoch]] = {}
        self._originals: dict[int, int] = {}
        if not self._constraints.bounds:
            return
        for trial in trials:
            if (same_as := trial.user_attrs.get(schema.SAME_AS)) is not None:
                self._originals[trial.number] = same_as
            elif trial.intermediate_values:
                with suppress(OSError, ValueError, BenchsweepError):  # as a trial that reported nothing
                    stored = EpochLog(run.trial(trial.number).path).read()
                    self._epochs[trial.number] = [
                        epoch for epoch in stored if epoch.number in trial.intermediate_values
                    ]

    def report(self, number: int, epoch: Epoch) -> None:
        """Take in an epoch that is being recorded."""
        if self._constraints.bounds:
            self._epochs.setdefault(number, []).append(epoch)

    def repeats(self, number: int, same_as: int) -> None:
        """Take in that a trial has the outcome of an earlier one."""
        self._originals[number] = same_as

    def margins(self, trial: FrozenTrial) -> list[float]:
        """By how much each bound is broken, as `search.plan.constraints.Constraints.margins` says; empty if
        there are no bounds, before the first epoch, and for a trial of another search."""
        epochs = self._epochs.get(self._originals.get(trial.number, trial.number))
        if not epochs:
            return []
        return self._constraints.margins(self._constraints.values(epochs, self._metric))

    def broken_by(self, trial: FrozenTrial) -> bool:
        """Whether a trial breaks a bound by its epochs so far."""
        return any(margin > 0 for margin in self.margins(trial))
