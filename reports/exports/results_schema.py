"""The keys of results.json. Times are ISO 8601 in UTC, durations are in seconds, NaN is null."""

from __future__ import annotations

from typing import Any, Literal, TypedDict

from reports.analysis.candidates import CandidateStatus
from reports.statistics.intervals import Standing
from search.records.sweep import Status

SCHEMA = 3
"""Version of results.json, raised when a key changes its meaning or is removed; new keys do not raise it.

3: `status` of a run is `state`, `best` an object, `told` of a check `message`, `figure` of a confirmation
`test_metric`, `luck` of a candidate `selection_bias`; on the test set `best` is `best_share` and `word`
`standing`; `against` in the leaderboard is better, tied or worse instead of above, tied or below.
"""


class MetricJson(TypedDict):
    name: str
    direction: Literal["maximize", "minimize"]
    unit: str
    """ "share" for a value in 0..1, any other word, or "" for none."""


class IntervalJson(TypedDict):
    low: float
    high: float


class BestJson(TypedDict):
    trial: int
    score: float | None
    sampled: dict[str, Any]
    """The hyperparameters that the sampler chose."""


class MistakeJson(TypedDict):
    index: int
    """Position among the test examples, from 0."""
    true: str
    """Name of the true class."""
    predicted: str
    """Name of the predicted class."""
    probability: float
    """Of the predicted class, 0..1."""
    true_probability: float
    """Of the true class, 0..1."""


class CalibrationJson(TypedDict):
    counts: list[int]
    """Examples in each bin of confidence; all bins have equal width."""
    correct: list[int]
    """How many of them were predicted right."""
    confidence: list[float]
    """Their mean confidence, 0..1; 0 in an empty bin."""
    error: float
    """Expected calibration error, 0..1."""


class WinnerJson(TypedDict):
    name: str
    """ "trial 12", or "default"."""
    trial: int | None
    """None for the plan's default recipe."""
    recipe: dict[str, Any]
    model_seed: int
    """Seed of the saved model."""
    parameters: int | None
    """Learned parameters."""
    mistakes: list[MistakeJson] | None
    """The saved model's mistakes on the test set with the highest confidence, without images; null if not
    recorded."""
    calibration: CalibrationJson | None
    """The saved model's, on the test set."""


class CheckJson(TypedDict):
    key: str
    name: str
    verdict: Literal["PASS", "WARN", "FAIL", "UNKNOWN"]
    message: str
    advice: str
    """ "" if there is nothing to do."""


class TestJson(TypedDict, total=False):
    trial: int | None
    """The winner's; None for the default recipe."""
    count: int
    """Test examples."""
    seeds: int
    metrics: dict[str, float]
    """Mean over the seeds, by name."""
    mean: float
    """Accuracy, 0..1; this key and the next three only if there is one."""
    low: float
    """Lower end of its 95 % interval, over seeds and examples, or Wilson's for one seed."""
    high: float
    deviation: float | None
    """Standard deviation over the seeds; null for one."""


class ComparisonJson(TypedDict):
    difference: float
    low: float | None
    high: float | None
    p: float
    level: float


class FinalistJson(TypedDict):
    """As `reports.analysis.finalists.FinalistResult`."""

    seeds: int
    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    best_share: float | None
    gain: ComparisonJson | None
    p: float | None
    standing: Standing | None


class CandidateJson(TypedDict):
    """As `reports.analysis.candidates.CandidateRow`."""

    name: str
    trial: int | None
    state: CandidateStatus
    seeds: int
    selected_on: float | None
    mean: float | None
    deviation: float | None
    selection_bias: float | None
    parameters: int | None
    why: str
    tested: FinalistJson | None


class ConfirmationJson(TypedDict):
    decided: bool
    level: float
    compared: int
    """Seeds at the last comparison."""
    sentences: list[str]
    test_metric: str | None
    """Name of the metric on the test set; null before it was opened."""
    rows: list[CandidateJson]
    """The winner first."""


class EpochJson(TypedDict):
    number: int
    """1 for the first."""
    metrics: dict[str, float]
    seconds: float


class PlacementJson(TypedDict):
    worker: str
    """ "host:pid"."""
    session: int
    epoch: int
    """Epochs the trial had when this worker took it."""
    since: str


class TrialJson(TypedDict):
    """As `search.records.trial.Trial`."""

    number: int
    state: str
    """A `search.records.trial.State`."""
    score: float | None
    """Null before the first epoch."""
    recipe: dict[str, Any]
    sampled: dict[str, Any]
    epochs: list[EpochJson]
    error: str | None
    notes: list[str]
    resumed_from: list[int]
    worker: str | None
    session: int | None
    started: str | None
    ended: str | None
    seconds: float
    placements: list[PlacementJson]
    same_as: int | None
    """The trial with the same recipe whose result was reused; null for trials that were trained."""
    abandoned: bool
    recipe_sha256: str | None
    weights_sha256: str | None
    parameters: int | None
    device: str | None


class ImportancesJson(TypedDict):
    importances: dict[str, float] | None
    """PED-ANOVA share by hyperparameter, most important first."""
    importances_note: str | None
    """Why there are none."""
    importances_intervals: dict[str, IntervalJson] | None
    """95 %, over resamples of the trials."""
    importances_leading: float | None
    """Share of the resamples in which the first hyperparameter is the first."""
    fanova: dict[str, float | None] | None
    """Share of the score's variance that a hyperparameter explains alone; null if not every trial sampled
    it."""
    fanova_intervals: dict[str, IntervalJson | None] | None
    """95 %, over the trees."""


class LookJson(TypedDict):
    trial: int | None
    seed: int
    evaluation: dict[str, Any]
    """Without mistakes."""
    parameters: int | None
    weights_sha256: str | None


class OpeningJson(TypedDict):
    time: str
    reason: str
    models: int
    overlap: int | None
    """Test examples that are also among the training or validation data; null if unknown."""
    looks: list[LookJson]


class SessionJson(TypedDict):
    number: int
    started: str
    seconds: float
    ended: str
    """ "budget", "interrupted", "error", or "" if it is running or was killed."""
    environment: dict[str, Any]
    sizes: list[tuple[float, int]]
    """(seconds since the start, number of trials that run at the same time after it)."""


class PlanVersionJson(TypedDict):
    number: int
    """0 for the first."""
    since: str
    trials: int
    """How many there were at that time."""
    table: dict[str, Any]
    """The plan."""
    changes: list[str]
    """One line per changed key."""
    session: int


class WarmStartJson(TypedDict):
    run: str
    taken: int
    sentence: str


class RunJson(ImportancesJson):
    """All of results.json."""

    schema: int
    """`SCHEMA`."""
    name: str
    state: Status
    metric: MetricJson
    best: BestJson | None
    """The best trial."""
    winner: WinnerJson | None
    """Null before the test set was opened."""
    health: list[CheckJson]
    reproduce: str | None
    """The command that trains the winner again, or the best trial before there is a winner."""
    test: TestJson | None
    """The winner on the test set."""
    confirmation: ConfirmationJson | None
    trials: list[TrialJson]
    """By number. The trials of a warm start's run are not among them."""
    leaderboard: list[dict[str, Any]]
    """The columns of `reports.analysis.ranking.leaderboard`."""
    leaderboard_note: str
    """Whether the published results apply."""
    openings: list[OpeningJson]
    """Of the test set."""
    sessions: list[SessionJson]
    """The search's starts."""
    plan: dict[str, Any]
    """The one in force."""
    plans: list[PlanVersionJson]
    """Its versions, the first one first."""
    warm_start: WarmStartJson | None
    environment: dict[str, Any]
    """Of the last start."""
