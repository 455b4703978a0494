"""Importances: which settings separate the best trials from the rest."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import optuna
import plotly.graph_objects as go
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from reports.figures.scale import Scale, scales
from reports.figures.style import BLUE, figure, plain
from reports.ranking import trained
from reports.wording import listing, plural, setting
from search.records import State, Sweep, Trial

FEWEST = 8
"""Complete trials below which an importance would be a guess."""

TOP = 5
"""Trials that should be in the top group at least; the evaluator is unstable with fewer."""


class Importances(NamedTuple):
    """Settings by falling importance.

    names: settings that were sampled in complete trials.
    shares: their importances, 0..1, summing to 1.
    trials: complete trials it was told from. top: how many of them made the top group.
    """

    names: tuple[str, ...]
    shares: tuple[float, ...]
    trials: int
    top: int


def importances(sweep: Sweep) -> Importances | str:
    """The numbers, or why they cannot be told.

    PED-ANOVA (S. Watanabe, A. Bansal, F. Hutter, IJCAI 2023, https://arxiv.org/abs/2304.10255):
    how much the distribution of a setting among the best trials departs from that among all.
    Settings that are asked only under a condition count where they were asked. The top group is a
    tenth of the complete trials, but five of them at least and half of them at most.
    """
    complete = [
        trial for trial in trained(sweep) if trial.state is State.COMPLETE and trial.score is not None
    ]
    if len(complete) < FEWEST:
        return (
            f"Importances need at least {FEWEST} complete trials to mean anything; "
            f"there {'is' if len(complete) == 1 else 'are'} {len(complete)}."
        )
    if len({trial.score for trial in complete}) == 1:
        return "Every complete trial has the same score, so no setting can be said to matter."
    moving = [scale for scale in scales(sweep) if _moves(scale, complete)]
    if not moving:
        return "No setting took more than one value, so none can be said to matter."
    quantile = min(0.5, max(0.1, TOP / len(complete)))
    evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
    study = _study(sweep, complete, moving)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the evaluator's own beginnings, nothing a reader can act on
        told = get_param_importances(study, evaluator=evaluator)
    if not sum(told.values()) > 0:
        return "No setting sets the best trials apart from the rest."
    names = tuple(sorted(told, key=lambda name: (-told[name], name)))
    shares = tuple(float(told[name]) for name in names)
    return Importances(names, shares, len(complete), int(np.ceil(quantile * len(complete))))


def _moves(scale: Scale, trials: list[Trial]) -> bool:
    return len({setting(trial.sampled[scale.name]) for trial in trials if scale.name in trial.sampled}) > 1


def _study(sweep: Sweep, complete: list[Trial], moving: list[Scale]) -> optuna.Study:
    """The complete trials as an Optuna study in memory, settings that never moved left out."""
    distributions = {scale.name: _distribution(scale) for scale in moving}
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it would announce the study
    try:
        study = optuna.create_study(
            direction=sweep.metric.direction, sampler=optuna.samplers.RandomSampler(0)
        )
    finally:
        optuna.logging.set_verbosity(level)
    for trial in complete:
        held = {
            scale.name: _value(scale, trial.sampled[scale.name])
            for scale in moving
            if scale.name in trial.sampled
        }
        asked = {name: distributions[name] for name in held}
        study.add_trial(optuna.trial.create_trial(params=held, distributions=asked, value=trial.score))
    return study


def _distribution(scale: Scale) -> BaseDistribution:
    if scale.choices:
        return CategoricalDistribution(scale.choices)
    return FloatDistribution(scale.low, scale.high, log=scale.log)


def _value(scale: Scale, value: Any) -> str | float:
    return setting(value) if scale.choices else float(value)


def sentence(numbers: Importances) -> str:
    """What matters most, and from how many trials that is told."""
    most = [f"{name} ({share:.0%})" for name, share in zip(numbers.names, numbers.shares, strict=True)]
    return (
        f"What sets the best {numbers.top} of {plural(numbers.trials, 'complete trial')} apart is "
        f"mostly {listing(most[:2])}."
    )


def draw(numbers: Importances) -> go.Figure:
    """Bars, the most important at the top."""
    bars = go.Bar(
        x=numbers.shares,
        y=[plain(name, 30) for name in numbers.names],
        orientation="h",
        marker={"color": BLUE},
        text=[f"{share:.0%}" for share in numbers.shares],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.1%}<extra></extra>",
    )
    return figure(
        [bars],
        height=90 + 34 * len(numbers.names),
        margin={"l": 12, "r": 48, "t": 12, "b": 12},
        bargap=0.35,
        xaxis={"tickformat": ".0%", "rangemode": "tozero", "title": {"text": "importance"}},
        yaxis={"autorange": "reversed", "showgrid": False, "type": "category"},
    )
