"""The functions of `import benchsweep`. Each imports what it needs when it is called: `import benchsweep` is
fast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainable.user_modules import begin_search

if TYPE_CHECKING:
    from benchsweep.python.calls import Run
    from benchsweep.python.given import Trained
    from benchsweep.python.loop import Loop
    from benchsweep.python.streaming import Start, Stream
    from reports.notebook import Sweep
    from search.reproduce import Reproduction


def run(
    trainable: Trained,
    space: Any = None,
    budget: Any = None,
    name: str | None = None,
    *,
    minimize: str | None = None,
    maximize: str | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    local: bool = False,
    address: str | None = None,
    ship_code: bool = False,
    warm_start: Run | None = None,
    progress: bool = True,
    **plan: Any,
) -> Sweep:
    """Searches, confirms the best trials, evaluates the winners on the test set, writes the report. Returns
    the run. A run of that name is continued, as by the command `benchsweep run`.

    trainable: a function, a class, a module, or the name of one; or a plan, or the path of a plan file, which
    the other arguments change.
    space: hyperparameters by name; a list has choices, a tuple (low, high), a dict is as in a plan file.
    budget: a number of trials, a time such as "15m", or a dict as in a plan file.
    name: of the run; that of the script or module if left out.
    minimize, maximize: the name of the metric, for a function or class that yields several.
    runs: the folder of all runs.
    data_dir: the folder of the data sets; BENCHSWEEP_DATA, or else ./data, if left out.
    local: whether to train in this process, one trial after the other, without Ray.
    address, ship_code: the Ray cluster to train on, and whether it is sent the code.
    warm_start: a run whose trials a new run's sampler learns from.
    progress: whether the progress is shown.
    plan: other tables and keys of a plan: recipe, metric, data, first, sampler, pruner, resources,
    confirmation, seed, order and so on. sampler and pruner may be a name alone, confirmation may be False.

    Raises BenchsweepError, with `message` and `advice`; KeyboardInterrupt after a Ctrl-C, once the search has
    stopped in order.
    """
    begin_search()
    from benchsweep.python.calls import Where, started

    start = started(
        trainable,
        Where.of(runs, data_dir, local, address, ship_code),
        name=name,
        minimize=minimize,
        maximize=maximize,
        warm_start=warm_start,
        progress=progress,
        given={"space": space, "budget": budget, **plan},
    )
    return _to_its_end(start)


def stream(
    trainable: Trained,
    space: Any = None,
    budget: Any = None,
    name: str | None = None,
    *,
    minimize: str | None = None,
    maximize: str | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    local: bool = False,
    address: str | None = None,
    ship_code: bool = False,
    warm_start: Run | None = None,
    **plan: Any,
) -> Stream:
    """The same as `run`, as a stream of events (`search.engine.events`): to iterate it is what trains."""
    begin_search()
    from benchsweep.python.calls import Where, started
    from benchsweep.python.streaming import Stream

    start = started(
        trainable,
        Where.of(runs, data_dir, local, address, ship_code),
        name=name,
        minimize=minimize,
        maximize=maximize,
        warm_start=warm_start,
        progress=False,
        given={"space": space, "budget": budget, **plan},
    )
    return Stream(start)


def resume(run: Run, *, failed: bool = False, progress: bool = True, **where: Any) -> Sweep:
    """Continues a run by its own plan, as `benchsweep resume` does. run: its name, its folder, or a Sweep.

    failed: whether the recipes of its failed trials are trained again. where: runs, data_dir, local, address
    and ship_code, as for `run`.
    """
    begin_search()
    from benchsweep.python.calls import Where, resumed

    return _to_its_end(resumed(run, Where.of(**where), failed=failed, progress=progress))


def extend(
    run: Run,
    *,
    trials: int | None = None,
    time: str | float | None = None,
    epochs: int | None = None,
    progress: bool = True,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
    local: bool = False,
    address: str | None = None,
    ship_code: bool = False,
    **plan: Any,
) -> Sweep:
    """Gives a run more budget or a changed plan, and continues it, as `benchsweep extend` does.

    trials, time, epochs: are added to the budget. plan: tables whose keys are changed, as in
    `space={"dropout": (0.0, 0.6)}`.
    """
    begin_search()
    from benchsweep.python.calls import Where, extended

    where = Where.of(runs, data_dir, local, address, ship_code)
    start = extended(run, where, trials=trials, time=time, epochs=epochs, progress=progress, given=plan)
    return _to_its_end(start)


def confirm(
    run: Run,
    *,
    candidates: int | None = None,
    seeds: int | None = None,
    progress: bool = True,
    **where: Any,
) -> Sweep:
    """Trains a run's best trials again with fresh seeds, as `benchsweep confirm` does. candidates, seeds:
    replace the plan's. where: as for `resume`."""
    begin_search()
    from benchsweep.python.calls import Where, confirmed

    start = confirmed(run, Where.of(**where), candidates=candidates, seeds=seeds, progress=progress)
    return _to_its_end(start)


def reproduce(
    run: Run,
    trial: int | str = "best",
    *,
    seeds: int = 0,
    device: str | None = None,
    threads: int | None = None,
    seed: int | None = None,
    tolerance: float | None = None,
    runs: str | Path = "runs",
    data_dir: str | Path | None = None,
) -> list[Reproduction]:
    """Trains a recorded trial again in this process and compares it bit for bit, as `benchsweep reproduce`
    does. Returns the outcome, and after it those of its first `seeds` reruns.

    trial: a number, "best" or "default". device, threads, seed: change what is recorded. tolerance: how much
    the last score may differ under other conditions.
    """
    begin_search()
    from benchsweep.python.calls import Where, reproduced
    from search.reproduce import Changes

    changes = Changes(device, threads, seed, tolerance)
    return reproduced(run, trial, Where.of(runs, data_dir), seeds=seeds, changes=changes)


def open(
    name: str,
    space: Any = None,
    budget: Any = None,
    *,
    minimize: str | None = None,
    maximize: str | None = None,
    runs: str | Path = "runs",
    **plan: Any,
) -> Loop:
    """Opens a run for ask and tell: its trials are trained by the caller. A new run needs space, metric and
    budget, as for `run`; one that exists is continued, with its name alone."""
    begin_search()
    from benchsweep.python.loop import opened

    given = {"space": space, "budget": budget, **plan}
    return opened(name, Path(runs), minimize=minimize, maximize=maximize, given=given)


def report(run: Run, output: str | Path | None = None, *, runs: str | Path = "runs") -> Path:
    """Writes the report of a run again, and returns the path of the page. output: a folder; the run's own if
    left out."""
    from benchsweep.python.calls import Where
    from benchsweep.screen.ending import write_all, write_report
    from search.records.sweep import Sweep as Record

    folder = Where.of(runs).folder(run)
    if output is None:
        write_all(folder)
        return folder.path / "report.html"
    return write_report(Record.read(folder.path), Path(output).absolute())["report.html"]


def load(run: Run, *, runs: str | Path = "runs") -> Sweep:
    """Reads a run, finished or not."""
    from benchsweep.python.calls import Where
    from reports.notebook import Sweep

    return Sweep.read(Where.of(runs).folder(run).path)


def _to_its_end(start: Start) -> Sweep:
    """Carries out a start, and returns its run."""
    from benchsweep.python.streaming import to_the_end

    to_the_end(start)
    from reports.notebook import Sweep  # pandas and plotly would delay the first epoch

    return Sweep.read(start.run.path)
