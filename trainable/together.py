"""Several trials trained in one process, an epoch of each in turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Hashable, Iterator
from typing import Any

from trainable.assignment import Assignment, TrialReport
from trainable.contract import Population, Trainable, TrainingRun
from trainable.epoch import Epoch
from trainable.trial_runner import run_trial


class Together:
    """The trials that this process trains. Those whose recipes are of one group of the trainable's Population
    are trained an epoch at a time, together; any others alone, in turn.

    Trials join and leave between epochs. Each is claimed, stored and reported as one that is trained alone.
    """

    def __init__(self, load_data: Callable[[], Any]) -> None:
        """load_data: returns what the trainable's `Source.load` returned."""
        self._load_data = load_data
        self._running: dict[int, Generator[TrialReport]] = {}
        self._epochs: dict[int, _Epochs] = {}
        self._reports: deque[TrialReport] = deque()
        self._turns: deque[int] = deque()

    def __len__(self) -> int:
        """Number of trials that are being trained."""
        return len(self._running)

    def start(self, assignment: Assignment) -> None:
        """Begin an assignment. Its first epoch is trained with the next one of the others."""
        number = assignment.number

        def epochs(trainable: Trainable, recipe: Any, training: TrainingRun, done: int) -> Iterator[Epoch]:
            self._epochs[number] = _Epochs(self._epochs, trainable, recipe, training, done)
            return self._epochs[number]

        trial = self._running[number] = run_trial(assignment, self._load_data, epochs)
        # Until it is known what it trains, and with whom.
        while number not in self._epochs:
            if (report := next(trial, None)) is None:
                del self._running[number]
                return
            self._reports.append(report)
        self._turns.append(number)

    def end(self, number: int) -> None:
        """Train a trial no further. Its last epoch is stored."""
        if (trial := self._running.pop(number, None)) is not None:
            trial.close()
        self._epochs.pop(number, None)

    def next_report(self) -> TrialReport | None:
        """The next report, of one trial after the other; None if none is being trained."""
        while not self._reports and self._turns:
            number = self._turns.popleft()
            if number not in self._running:
                continue
            if (report := next(self._running[number], None)) is None:
                self.end(number)
                continue
            self._turns.append(number)
            return report
        return self._reports.popleft() if self._reports else None

    def close(self) -> None:
        """Train no trial further."""
        for number in list(self._running):
            self.end(number)


class _Epochs:
    """The epochs of one training, each trained with the next ones of its group."""

    def __init__(
        self,
        all_epochs: dict[int, _Epochs],
        trainable: Trainable,
        recipe: Any,
        training: TrainingRun,
        done: int,
    ) -> None:
        """all_epochs: those of all trials of this process. done: number of epochs that were trained."""
        self._all = all_epochs
        self._training = training
        self._left = recipe.epochs - done
        self._population: Population | None = getattr(trainable, "Population", None)
        group = None if self._population is None else self._population.group(recipe)
        self._group: Hashable = None if group is None else (trainable, group)
        self._alone = iter(training) if group is None else None
        self._result: Epoch | Exception | None = None

    def __iter__(self) -> Iterator[Epoch]:
        return self

    def __next__(self) -> Epoch:
        if self._alone is not None:
            return next(self._alone)
        if self._left <= 0:
            raise StopIteration
        if self._result is None:
            self._advance()
        result, self._result = self._result, None
        if isinstance(result, Exception):
            raise result
        assert result is not None
        self._left -= 1
        return result

    def _advance(self) -> None:
        """Train the next epoch of every training of the group that has none to report."""
        assert self._population is not None
        members = [
            each
            for each in self._all.values()
            if each._group == self._group and each._result is None and each._left > 0
        ]
        results = self._population.advance([each._training for each in members])
        for each, result in zip(members, results, strict=True):
            each._result = result
