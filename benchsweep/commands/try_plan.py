"""`benchsweep try`: calls each member of a plan's trainable once, and tells what is wrong with it."""

from __future__ import annotations

from typing import Annotated

import typer

from benchsweep.options import DataDirOption, DatasetOption, JsonOption, PlanArgument, SetOption


def try_plan(
    config: PlanArgument,
    recipe: Annotated[
        list[str],
        typer.Option(
            "--recipe",
            metavar="KEY=VALUE",
            help="Try the recipe with another value of a hyperparameter, such as depth=5. May be repeated.",
        ),
    ] = [],  # noqa: B006  typer copies it
    sets: SetOption = [],  # noqa: B006  typer copies it
    data_dir: DataDirOption = None,
    dataset: DatasetOption = None,
    json: JsonOption = False,
) -> None:
    """Try a plan's trainable on two epochs, without a search.

    It takes as long as loading the data and three to five epochs, starts no Ray and leaves no run. The
    default recipe is trained for two epochs, stored after each, restored after the first, and continued: the
    second epoch must be the same. The model is restored after the second epoch, must score on the validation
    split as before, and is saved to a temporary folder. The data is pickled, and Training gets the copy that
    a worker would get, which cannot be written to. Each fault is told with the member that has it and what
    to write; one fault does not hide those that do not depend on it.

    Not tried: the test split, which is opened for confirmed winners only. Source.load_test is not called.
    `evaluate` is called with the attribute `validation` of the data, if it has one, else not at all. Nor are
    tried: other recipes, epochs after the second, GPUs and machines that the plan does not ask for, Ray.

    --json prints one object: name, trainable, recipe, steps (each with member, outcome, message and advice),
    the numbers passed, failed and not_tried, and seconds. The outcome is passed, failed or not tried. What
    the trainable prints goes to stderr then.

    Exit codes: 0 no fault was found, 1 the trainable has a fault, 2 the plan has one, or the trainable
    cannot be imported.
    """
    from benchsweep.actions.try_plan import try_trainable

    try_trainable(config, recipe, sets, data_dir, dataset, json)
