"""One recipe trained over several seeds, in this process, without a search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from search.plan.plan import Plan
from trainable.contract import TrainingRun
from trainable.epoch import Epoch
from trainable.evaluation.evaluation import Evaluation
from trainable.storage.checkpoint import Checkpoint
from trainable.user_code import calling, check_finite, checked_evaluation, epochs_of


@dataclass(frozen=True)
class Repetition:
    """One training of the recipe, at its end, or at its best epoch, as `Metric.take` says."""

    seed: int
    epochs: tuple[Epoch, ...]
    evaluation: Evaluation | None
    """On the test set; None without a test split."""
    score_epoch: Epoch
    """The one that gives the training its score."""
    training: TrainingRun
    """Still holds the model, to be saved."""
    data_sha256: str | None
    """Of the training data; None if the trainable does not provide it."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """On the test set; without a test split, those of the epoch that gives the training its score."""
        return self.score_epoch.metrics if self.evaluation is None else self.evaluation.metrics

    @property
    def seconds(self) -> float:
        """Training time, summed over the epochs."""
        return sum(epoch.seconds for epoch in self.epochs)


def repeat(
    plan: Plan, seeds: int, data_folder: Path, device: str = "cpu", threads: int = 1
) -> Iterator[tuple[int, Epoch] | Repetition]:
    """Train the plan's default recipe `seeds` times, with its own seed and those that follow it, and evaluate
    each model on the test set, if there is one. Yields (seed, Epoch) during training, and a Repetition at the
    end of each.

    Raises Diverged, and what the trainable's Source raises (DataError).
    """
    module, source = plan.trainable_module, plan.source
    with calling("Source.load"):
        data = source.load(data_folder)
    tested, test = plan.has_test_split, None
    if tested:
        with calling("Source.load_test"):
            test = source.load_test(data_folder)
    first = plan.default_recipe.seed
    for seed in range(first, first + seeds):
        with calling("Training"):
            training = module.Training(plan.recipe_for({"seed": seed}), data, device, threads)
        metric, epochs, best = plan.objective, [], b""
        for epoch in epochs_of(training):
            check_finite(epoch, plan.objective)
            epochs.append(epoch)
            if metric.take == "best" and metric.taken(epochs) is epoch:
                with calling("Training.state_dict"):
                    best = Checkpoint(training.state_dict(), tuple(epochs)).to_bytes()
            yield seed, epoch
        if best:
            with calling("Training.load_state_dict"):
                training = module.Training(plan.recipe_for({"seed": seed}), data, device, threads)
                training.load_state_dict(Checkpoint.parse(best, "its best epoch").state)
        fingerprint = getattr(data, "fingerprint", None)
        evaluation = None
        if tested:
            with calling("Training.evaluate"):
                evaluation = checked_evaluation(training.evaluate(test))
        yield Repetition(seed, tuple(epochs), evaluation, metric.taken(epochs), training, fingerprint)
