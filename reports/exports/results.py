"""results.json: everything the report shows, for scripts. `reports.exports.results_schema` lists the keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pandas as pd

from reports.analysis.candidates import CandidateRow
from reports.analysis.confirmation import confirmation_summary
from reports.analysis.ranking import benchmark_applies, leaderboard
from reports.analysis.winner import Winner, winner_of
from reports.exports.results_schema import (
    SCHEMA,
    BestJson,
    CandidateJson,
    CheckJson,
    ConfirmationJson,
    ImportancesJson,
    MetricJson,
    OpeningJson,
    PlanVersionJson,
    RunJson,
    SessionJson,
    TrialJson,
    WarmStartJson,
    WinnerJson,
)
from reports.exports.test_summary import test_summary
from reports.figures.all import FIGURES
from reports.formatting.wording import plain_json
from reports.health.health import health
from search.doctor.finding import Finding
from search.records.sweep import Sweep, TestSetOpening, Trial
from trainable.contract import Metric

RECORDED = 10
"""Number of trials, the best ones, that a page holds in full."""


def results(sweep: Sweep, benchmarks: pd.DataFrame, command: str) -> dict[str, Any]:
    """The content of results.json as plain JSON values: a `RunJson`.

    benchmarks: the published results. command: what reproduces the winner; "" for none.
    """
    winner, best, top = winner_of(sweep), sweep.best(), sweep.top()
    run: RunJson = {
        "schema": SCHEMA,
        "name": sweep.name,
        "state": sweep.status,
        "metric": _metric(sweep.metric),
        "best": None if best is None else best_result(best),
        "top": None if top is None else best_result(top),
        "winner": None if winner is None else _winner(winner),
        "health": [_check(key, finding) for key, finding in health(sweep).items()],
        "reproduce": command if top is not None and command else None,
        "test": test_summary(sweep),
        "confirmation": _confirmation(sweep),
        "trials": [_trial(trial) for trial in sweep.trials],
        **_figures(sweep),
        "leaderboard": _records(leaderboard(sweep, benchmarks)),
        "leaderboard_note": benchmark_applies(sweep)[1],
        "openings": [_opening(opening) for opening in sweep.openings],
        "sessions": [cast(SessionJson, vars(session)) for session in sweep.sessions],
        "plan": dict(sweep.plan.table),
        "plans": [cast(PlanVersionJson, vars(version)) for version in sweep.plans],
        "warm_start": None if sweep.warm_start is None else cast(WarmStartJson, vars(sweep.warm_start)),
        "environment": dict(sweep.environment),
    }
    return dict(plain_json(run))


def best_result(best: Trial) -> BestJson:
    """The best trial, or the one with the top score, as every JSON output shows it."""
    return {"trial": best.number, "score": best.score, "sampled": dict(best.sampled)}


def reproduction_record(run: Mapping[str, Any]) -> dict[str, Any]:
    """The part of `results` that `benchsweep reproduce --from report.html` needs to train the best trials
    again, without the run's folder."""
    metric = Metric(**run["metric"])
    complete = [trial for trial in run["trials"] if trial["state"] == "COMPLETE" and trial["same_as"] is None]
    ranked = sorted(complete, key=lambda trial: (-metric.sign * trial["score"], trial["number"]))
    best = run["best"] and run["best"]["trial"]
    recorded = [*ranked[:RECORDED], *(trial for trial in ranked[RECORDED:] if trial["number"] == best)]
    kept = ("schema", "name", "metric", "best", "plan", "sessions")
    return {**{key: run[key] for key in kept}, "trials": recorded}


def _metric(metric: Metric) -> MetricJson:
    return cast(MetricJson, metric.to_json())


def _winner(winner: Winner) -> WinnerJson:
    evaluation = winner.evaluation
    mistakes, calibration = evaluation.mistakes, evaluation.calibration
    return {
        "name": winner.name,
        "trial": winner.trial,
        "recipe": dict(winner.recipe),
        "model_seed": winner.model.seed,
        "parameters": winner.parameters,
        "mistakes": None
        if mistakes is None
        else [cast(Any, mistake.summary(evaluation.class_names)) for mistake in mistakes],
        "calibration": None if calibration is None else cast(Any, calibration.summary()),
    }


def _check(key: str, finding: Finding) -> CheckJson:
    return {
        "key": key,
        "name": finding.name,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "advice": finding.advice,
    }


def _figures(sweep: Sweep) -> ImportancesJson:
    """The keys that figures add; only the importances add any."""
    keys: dict[str, Any] = {}
    for figure in FIGURES:
        keys |= figure.keys(sweep)
    return cast(ImportancesJson, keys)


def _opening(opening: TestSetOpening) -> OpeningJson:
    """The opening without images, which a script would have to skip."""
    looks = (replace(look, evaluation=replace(look.evaluation, mistakes=None)) for look in opening.looks)
    return cast(OpeningJson, replace(opening, looks=tuple(looks)).to_json())


def _confirmation(sweep: Sweep) -> ConfirmationJson | None:
    summary = confirmation_summary(sweep)
    if summary is None:
        return None
    return {
        "decided": summary.decided,
        "level": summary.level,
        "compared": summary.compared,
        "sentences": list(summary.sentences),
        "test_metric": None if summary.test_metric is None else summary.test_metric.name,
        "rows": [_candidate(row) for row in summary.rows],
    }


def _candidate(row: CandidateRow) -> CandidateJson:
    tested = row.tested
    if tested is None:
        return cast(CandidateJson, row._asdict())
    gain = None if tested.gain is None else tested.gain._asdict()
    return cast(CandidateJson, {**row._asdict(), "tested": {**tested._asdict(), "gain": gain}})


def _trial(trial: Trial) -> TrialJson:
    known = {
        **vars(trial),
        "state": str(trial.state),
        "epochs": [epoch.to_json() for epoch in trial.epochs],
        "placements": [vars(placement) for placement in trial.placements],
        "seconds": trial.seconds,
    }
    return cast(TrialJson, known)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, None for a missing one."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
