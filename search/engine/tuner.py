"""Ray Tune's view of a search: its searcher, scheduler, stopper and callback, all of which ask the ledger.

Of the driver's files only this one and `reuse` import ray.tune, which takes as long as Ray needs to start.
"""

from __future__ import annotations

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
from search.engine.connection import Engine
from search.engine.driver import Driver
from search.engine.reuse import Controller
from search.records.folder import RunFolder
from trainable.contract import import_root
from trainable.worker import Mapped, train_trial


def tuner(ledger: Driver, run: RunFolder, data: Any, engine: Engine, alone: bool) -> tune.Tuner:
    """One start of the ledger's study, on a Ray that is up. data: what the trainable's Source loaded.
    alone: whether that Ray is this process's own, whose workers have its environment."""
    if alone:
        # Tune asks for workers with an environment of their own, even to repeat what this machine's have
        # anyway. Those that Ray started beforehand have none, and would not do.
        class_cache.DEFAULT_ENV_VARS.clear()
        class_cache.ENV_VARS_TO_PROPAGATE.clear()
    tune.tune.TuneController = Controller  # for which Ray has no setting
    study = ledger.study
    mapped = Mapped(ray.put(data), import_root(study.plan.trainable))
    return tune.Tuner(
        tune.with_parameters(train_trial, mapped=mapped),
        tune_config=tune.TuneConfig(
            search_alg=_Searcher(ledger),
            scheduler=_Scheduler(ledger, None if alone else engine),
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: f"trial-{trial.config['number']:05d}",
            trial_dirname_creator=lambda trial: f"trial-{trial.config['number']:05d}",
        ),
        run_config=tune.RunConfig(
            name=f"session-{study.session:03d}",
            storage_path=str(run.engine),
            failure_config=tune.FailureConfig(max_failures=0),
            stop=_Stopper(ledger),
            callbacks=[_Callback(ledger)],
            verbose=0,
        ),
    )


class _Searcher(Searcher):
    """Ray's searcher: asks the study."""

    def __init__(self, ledger: Driver) -> None:
        super().__init__()
        self._ledger = ledger

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        assignment = self._ledger.guarded(self._ledger.next, None)
        if assignment == "later":
            return None
        return Searcher.FINISHED if assignment is None else assignment

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing to do: the scheduler saw every end before. A trial that was merely stopped stays
        RUNNING in the study, and the next start continues it."""

    def save(self, checkpoint_path: str) -> None:
        """The study is on disk already."""

    def restore(self, checkpoint_path: str) -> None:
        raise RuntimeError("a search is resumed from its study, not from Ray's snapshot")

    def set_search_properties(self, metric: str | None, mode: str | None, config: Any, **spec: Any) -> bool:
        return True


class _Scheduler(FIFOScheduler):
    """Ray's scheduler: records each report, and stops what the pruner stops. It must be the
    scheduler, for Ray does not show the searcher a result after which it stops a trial. Which machine a
    trial goes to is decided here as well: Ray would fill one after the other."""

    def __init__(self, ledger: Driver, engine: Engine | None) -> None:
        """engine: of a cluster; None where this machine is alone."""
        super().__init__()
        self._ledger = ledger
        self._engine = engine

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(None), ())  # Ray pickles it for a snapshot that nobody reads

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        place = self._ledger.places.of(trial.config["number"])
        trial.placement_group_factory = _request(place, self._engine)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        stop = self._ledger.guarded(lambda: self._ledger.take(result), True)
        return TrialScheduler.STOP if stop else TrialScheduler.CONTINUE

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """The trial's worker died. To Ray that is its end: whether another worker goes on with it, and
        where, is the ledger's to say, which asks for it anew."""
        ledger, number = self._ledger, trial.config["number"]
        error = Path(trial.error_file).read_text() if trial.error_file else ""
        ledger.guarded(lambda: ledger.lost(number, error), None)


def _request(place: Slot, engine: Engine | None) -> PlacementGroupFactory:
    """What Ray is asked for, so that a trial comes to its place."""
    bundle = dict(place.share.bundle)
    if engine is None:
        return PlacementGroupFactory([bundle])
    closed = ",".join(sorted(engine.closed))
    return PlacementGroupFactory(
        [bundle],
        strategy="STRICT_PACK",  # the only one for which Ray knows a target
        # No more than a wish, for a machine may leave before it is heeded.
        _soft_target_node_id=place.host.id,
        bundle_label_selector=[{"ray.io/node-id": f"!in({closed})"}] if closed else None,
    )


class _Stopper(tune.Stopper):
    """Ray's stopper: ends everything when asked to, or when the wall time is spent."""

    def __init__(self, ledger: Driver) -> None:
        self._ledger = ledger

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._ledger.guarded(self._ledger.stopping, True)


class _Callback(tune.Callback):
    """Ray's callback: ends the worker of a trial that hangs, which is then lost like any that dies."""

    def __init__(self, ledger: Driver) -> None:
        self._ledger = ledger

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        if self._ledger.study.plan.resources.trial_timeout is None:
            return
        self._ledger.pause()
        for trial in trials:
            if trial.status == "RUNNING":
                self._ledger.guarded(partial(self._look, trial), None)

    def _look(self, trial: Any) -> None:
        number = trial.config["number"]
        if self._ledger.hangs(number):
            self._ledger.give_up_hung(number)
            ray.kill(trial.temporary_state.ray_actor)
