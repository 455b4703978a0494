"""The winner's model, and the one look at the test set that it has earned."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from search.folder import RunFolder
from search.records import Opening, Sweep
from search.start import plan_of
from trainable.checkpoint import latest
from trainable.durable import write_json


class NoModel(RuntimeError):
    """The trial's model is not there any more; says what to do."""


def open_test_set(run: RunFolder, data_folder: Path) -> Opening | None:
    """Evaluate the best trial on the sealed test set, once, and save its model in the run folder.

    The opening is recorded before it happens. When this trial's model has been looked at before,
    nothing is opened and that record is returned; None when no trial is COMPLETE. The run must be
    owned. Raises NoModel.
    """
    sweep = Sweep.read(run.path)
    best = sweep.best()
    if best is None:
        return None
    for opening in sweep.openings:
        if opening.trial == best.number and opening.evaluation is not None:
            return opening
    checkpoint, faults = latest(run.trial(best.number).checkpoint, json.dumps(best.recipe))
    if checkpoint is None or len(checkpoint.epochs) < len(best.epochs):
        raise NoModel(
            f"the model of trial {best.number} must lie in {run.trial(best.number).checkpoint}, but it does "
            f"not ({'; '.join(faults) or 'no such file'}); train its recipe again to have it back"
        )
    plan = plan_of(sweep)
    module, source = plan.trainable_module, plan.source
    data = source.load(data_folder)
    recipe = plan.trainable_module.Recipe.model_validate(best.recipe)
    training = module.Training(recipe, data, "cpu", 1)
    training.load_state_dict(checkpoint.state)

    announced = Opening(
        time=datetime.now(UTC).replace(microsecond=0),
        reason=f"figures of trial {best.number}, the best by {sweep.metric.name}",
        trial=best.number,
        evaluation=None,
        parameters=getattr(training, "parameters", None),
        weights_sha256=getattr(training, "weights_sha256", None),
    )
    write_json(run.openings, [each.to_json() for each in (*sweep.openings, announced)])
    evaluation = training.evaluate(source.load_test(data_folder))
    opening = Opening(**{**vars(announced), "evaluation": evaluation})
    training.save(run.path)
    write_json(run.openings, [each.to_json() for each in (*sweep.openings, opening)])
    return opening
