"""Ray Tune's view of a search: its searcher, scheduler, stopper and callback, all of which ask the driver.

Of the driver's files only this one and `reuse` import ray.tune, which takes as long as Ray needs to start.
"""

from __future__ import annotations

import pickle
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune import PlacementGroupFactory
from ray.tune.execution import class_cache
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.cluster.placement import Slot
from search.engine.driver import Driver
from search.engine.ray_tune.connection import Connection
from search.engine.ray_tune.deaths import worker_death
from search.engine.ray_tune.reuse import Controller
from trainable.assignment import TrialReport
from trainable.contract import import_root
from trainable.user_code import unpicklable
from trainable.worker import SharedData, train_trial


def tuner(driver: Driver, data: Any, connection: Connection, alone: bool) -> tune.Tuner:
    """The Tuner of one start, on a Ray that is up. data: what the trainable's Source loaded. alone: whether
    that Ray is this process's own, whose workers inherit its environment."""
    if alone:
        # Tune would request workers with an environment of their own, even for variables that this machine's
        # workers have anyway; those that Ray started in advance have none, and would not be used.
        class_cache.DEFAULT_ENV_VARS.clear()
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
    tune.tune.TuneController = Controller  # for which Ray has no setting
    study = driver.study
    shared = SharedData(
        _put(data), import_root(study.plan.trainable, study.plan.folder), connection.ships_code
    )
    return tune.Tuner(
        tune.with_parameters(train_trial, shared=shared),
        tune_config=tune.TuneConfig(
            search_alg=_Searcher(driver),
            scheduler=_Scheduler(driver, None if alone else connection),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']:05d}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']:05d}",
        ),
        run_config=tune.RunConfig(
            name=f"session-{study.session:03d}",
            storage_path=str(driver.run.engine),
            failure_config=tune.FailureConfig(max_failures=0),
            stop=_Stopper(driver),
            callbacks=[_Callback(driver)],
            verbose=0,
        ),
    )


def _put(data: Any) -> ray.ObjectRef:
    """The data where all workers find it. Raises TrainableError if it cannot be pickled."""
    try:
        return ray.put(data)
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        raise unpicklable(data, error) from error


class _Searcher(Searcher):
    """Ray's searcher: asks the study."""

    def __init__(self, driver: Driver) -> None:
        super().__init__()
        self._driver = driver

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        assignment = self._driver.guarded(self._driver.next, None)
        if assignment == "later":
            return None
        return Searcher.FINISHED if assignment is None else asdict(assignment)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to do: the scheduler has seen every end before. A trial that was merely stopped stays
        RUNNING in the study, and the next start continues it."""

    def save(self, checkpoint_path: str) -> None:
        """The study is on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a search is resumed from its study, not from Ray's snapshot")

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        return True


class _Scheduler(FIFOScheduler):
    """Ray's scheduler: records each report, and stops what the pruner prunes. It must be the scheduler, for
    Ray does not show the searcher a result after which it stops a trial. It also decides to which machine a
    trial goes: Ray would fill one after the other."""

    def __init__(self, driver: Driver, connection: Connection | None) -> None:
        """connection: to a cluster; None if this machine is alone."""
        super().__init__()
        self._driver = driver
        self._connection = connection

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())  # Ray pickles it for a snapshot that nobody reads

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        slot = self._driver.slots.of(trial.config["number"])
        trial.placement_group_factory = _placement(slot, self._connection)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        # Its slot is given to the next trial now, so its worker must be free at once, not when it says so.
        ended = self._driver.guarded(lambda: self._driver.take(TrialReport.from_result(result)), True)
        return TrialScheduler.STOP if ended else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The trial's worker died. To Ray that is the trial's end: the driver decides whether another worker
        continues it, and asks for it again."""
        text = Path(trial.error_file).read_text() if trial.error_file else ""
        number = trial.config["number"]
        self._driver.guarded(lambda: self._driver.worker_died(number, worker_death(text)), None)


def _placement(slot: Slot, connection: Connection | None) -> PlacementGroupFactory:
    """What Ray is asked for, so that a trial is trained in its slot."""
    bundle = dict(slot.resources.bundle)
    if connection is None:
        return PlacementGroupFactory([bundle])
    closed = ",".join(sorted(connection.closed))
    return PlacementGroupFactory(
        [bundle],
        strategy="STRICT_PACK",  # the only one for which Ray knows a target
        # Soft, for a machine may leave before Ray places the trial.
        _soft_target_node_id=slot.host.id,
        bundle_label_selector=[{"ray.io/node-id": f"!in({closed})"}] if closed else None,
    )


class _Stopper(tune.Stopper):
    """Ray's stopper: ends everything when asked to, or when the budget is spent."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._driver.guarded(self._driver.stopping, True)


class _Callback(tune.Callback):
    """Ray's callback: kills the worker of a trial that hangs, which is then replaced like any that dies."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._driver.hangs.timeout is None:
            return
        self._driver.hangs.allow_for_pause()
        for trial in trials:
            if trial.status == "RUNNING":
                self._driver.guarded(partial(self._check, trial), None)

    def _check(self, trial: Any) -> None:
        number = trial.config["number"]
        if self._driver.hangs.hangs(number):
            self._driver.end_hanging(number)
            ray.kill(trial.temporary_state.ray_actor)
