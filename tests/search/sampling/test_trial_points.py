"""The trials of a study as points of the surrogate model."""

from __future__ import annotations

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial

from search.plan.space import Space
from search.sampling.trial_points import TrialPoints
from search.surrogate.encoding import Encoding

SPACE, _ = Space.parse({"x": {"low": 0.0, "high": 1.0}})


@pytest.mark.parametrize("state", [TrialState.PRUNED, TrialState.RUNNING])
def test_a_trial_that_goes_on_after_it_was_seen_has_its_later_epochs(state: TrialState) -> None:
    points = TrialPoints(Encoding(SPACE), 9)
    for epochs in (2, 3, 5):
        trial = create_trial(
            state=state,
            params={"x": 0.5},
            distributions=SPACE.distributions(),
            intermediate_values={epoch: epoch / 10 for epoch in range(1, epochs + 1)},
        )
        trial.number = 3  # without one it would be of a warm start
        history = points.history([trial], StudyDirection.MAXIMIZE)
        assert [len(curve.values) for curve in history.curves] == [epochs]
        assert history.curves[0].epochs == 9
