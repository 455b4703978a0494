"""results.json: all that the report shows, for scripts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from reports.analysis.confirmation import confirmation_summary
from reports.analysis.ranking import benchmark_applies, leaderboard
from reports.analysis.winner import Winner, winner_of
from reports.figures.all import FIGURES
from reports.formatting.wording import plain_json
from reports.health.health import health
from search.doctor.finding import Finding
from search.records.sweep import Sweep, TestSetOpening, Trial
from trainable.contract import Metric

SCHEMA = 2
"""Raised when a key changes its meaning or goes; a new key does not raise it."""


def results(sweep: Sweep, benchmarks: pd.DataFrame, command: str) -> dict[str, Any]:
    """Plain JSON values:

    schema          2
    name, status    the run; running, empty, interrupted or finished
    metric          name, direction ("maximize" or "minimize"), unit
    best            the best trial's number, or null
    winner          name ("trial 12" or "default"), trial (null for the default recipe), recipe, model_seed
                    (of the model that is kept), parameters, and of that model on the test set: mistakes,
                    the surest first (index, true, predicted, probability, true_probability; classes by
                    name, no pixels; null where none are kept), and calibration (counts, correct,
                    confidence, of bins of equal width; error, a share; or null); or null before the test
                    set was opened
    health          the checks: key, name, verdict ("PASS", "WARN" or "UNKNOWN"), told, advice
    reproduce       the command that trains it again (the best trial before there is a winner), or null
    test            of the winner: trial, count, seeds, metrics (name -> mean over the seeds); where it has
                    an accuracy, mean, low, high (shares; 95 % interval over seeds and examples, Wilson's
                    for one seed) and deviation too; or null
    confirmation    decided, level, compared, sentences, figure (the test metric's name, or null) and rows,
                    the winner first; or null. A row: name, trial, state (winner, tied, behind, failed or
                    racing), seeds, selected_on (its score in the search), mean and deviation (with fresh
                    seeds), luck, parameters, why, tested: seeds, mean, deviation, low, high, best (share of
                    resamples in which it is the best), gain (the winner's over it: difference, low,
                    high, p, level), p (adjusted), word (better, tied or worse: the winner); or null
    trials          by number: number, state, score, recipe, sampled, epochs (number, metrics,
                    seconds), error, notes, resumed_from, worker, session, started, ended, seconds,
                    placements (worker, session, epoch, since: which worker trained it from which
                    epoch on), same_as (the trial whose end this one was given, for it has the same recipe
                    and was not trained again; null for the others)
    importances     setting -> share, or null; importances_note says why. importances_intervals: setting ->
                    low, high (95 % over resamples of the trials); importances_leading: share of the
                    resamples in which the first setting is the first
    fanova          setting -> share of the score's variance that it accounts for alone (null where not every
                    trial was asked for it), or null; fanova_intervals: setting -> low, high (95 % of the
                    trees), or null
    leaderboard     the columns of `reports.analysis.ranking.leaderboard`; leaderboard_note says which rows
    openings        of the test set: time, reason, models, overlap, looks (trial, seed, evaluation,
                    without mistakes, parameters, weights_sha256)
    sessions        number, started, seconds, ended ("budget", "interrupted", "error", or "" if it
                    lives or was killed), environment
    plan            the one in force
    plans           its versions, the first one first: number (0 for the first), since, trials (how
                    many there were then), table (the whole plan), changes (a line for each key)
    warm_start      run, taken, sentence; or null. No trial of that run is among `trials`
    environment     of the last start

    Times are ISO 8601 in UTC, durations seconds. What JSON cannot hold (NaN) is null.
    """
    best = sweep.best()
    made = {
        "schema": SCHEMA,
        "name": sweep.name,
        "status": sweep.status,
        "metric": {
            "name": sweep.metric.name,
            "direction": sweep.metric.direction,
            "unit": sweep.metric.unit,
        },
        "best": None if best is None else best.number,
        "winner": _winner(winner_of(sweep)),
        "health": [_health(key, finding) for key, finding in health(sweep).items()],
        "reproduce": command if best is not None and command else None,
        "test": test_summary(sweep),
        "confirmation": _confirmation(sweep),
        "trials": [_trial(trial) for trial in sweep.trials],
        **_figures(sweep),
        "leaderboard": _records(leaderboard(sweep, benchmarks)),
        "leaderboard_note": benchmark_applies(sweep)[1],
        "openings": [_opening(opening) for opening in sweep.openings],
        "sessions": [vars(session) for session in sweep.sessions],
        "plan": sweep.plan.table,
        "plans": [vars(version) for version in sweep.plans],
        "warm_start": None if sweep.warm_start is None else vars(sweep.warm_start),
        "environment": sweep.environment,
    }
    return dict(plain_json(made))


def _health(key: str, finding: Finding) -> dict[str, Any]:
    return {
        "key": key,
        "name": finding.name,
        "verdict": finding.verdict,
        "told": finding.message,
        "advice": finding.advice,
    }


RECORDED = 10
"""Trials of a sweep, its best, that a page holds in full."""


def reproduction_record(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of `results` what it takes to train the best trials again and compare: for `benchsweep reproduce
    --from report.html`, where the run's folder is not at hand."""
    sign = Metric(**told["metric"]).sign
    complete = [each for each in told["trials"] if each["state"] == "COMPLETE" and each["same_as"] is None]
    best = sorted(complete, key=lambda each: (-sign * each["score"], each["number"]))[:RECORDED]
    kept = ("schema", "name", "metric", "plan", "sessions")
    return {**{name: told[name] for name in kept}, "trials": best}


def test_summary(sweep: Sweep) -> dict[str, Any] | None:
    """What the winner did on the test set: trial, count, seeds, metrics (means over the seeds); where it
    has an accuracy, mean, low and high (95 %) and deviation too. None before it was opened."""
    winner = winner_of(sweep)
    if winner is None:
        return None
    told: dict[str, Any] = {
        "trial": winner.trial,
        "count": winner.evaluation.count,
        "seeds": len(winner.looks),
        "metrics": winner.metrics,
    }
    if (ours := winner.test_accuracy) is not None:
        told |= {"mean": ours.share, **ours.interval._asdict(), "deviation": ours.deviation}
    return told


def _winner(winner: Winner | None) -> dict[str, Any] | None:
    if winner is None:
        return None
    evaluation = winner.evaluation
    mistakes, calibration = evaluation.mistakes, evaluation.calibration
    return {
        "name": winner.name,
        "trial": winner.trial,
        "recipe": dict(winner.recipe),
        "model_seed": winner.model.seed,
        "parameters": winner.parameters,
        "mistakes": mistakes and [each.summary(evaluation.class_names) for each in mistakes],
        "calibration": calibration and calibration.summary(),
    }


def _figures(sweep: Sweep) -> dict[str, Any]:
    """The keys of every figure that has some."""
    made: dict[str, Any] = {}
    for figure in FIGURES:
        made |= figure.keys(sweep)
    return made


def _opening(opening: TestSetOpening) -> dict[str, Any]:
    """It, without the images, which a script would have to skip."""
    looks = (replace(look, evaluation=replace(look.evaluation, mistakes=None)) for look in opening.looks)
    return replace(opening, looks=tuple(looks)).to_json()


def _confirmation(sweep: Sweep) -> dict[str, Any] | None:
    told = confirmation_summary(sweep)
    if told is None:
        return None
    return {
        "decided": told.decided,
        "level": told.level,
        "compared": told.compared,
        "sentences": told.sentences,
        "figure": told.test_metric and told.test_metric.name,
        "rows": [
            {
                **row._asdict(),
                "tested": row.tested
                and {**row.tested._asdict(), "gain": row.tested.gain and row.tested.gain._asdict()},
            }
            for row in told.rows
        ],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    return {
        **vars(trial),
        "state": str(trial.state),
        "epochs": [epoch.to_json() for epoch in trial.epochs],
        "placements": [vars(placement) for placement in trial.placements],
        "seconds": trial.seconds,
    }


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as plain values, null where a value is missing."""
    plain = frame.astype(object).where(frame.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in plain.to_dict("records")]
