"""The keys of results.json. Times are ISO 8601 in UTC, durations are in seconds, NaN is null."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

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
    """As in the epochs: "validation_accuracy"."""
    direction: Literal["maximize", "minimize"]
    """ "maximize" if higher is better."""
    unit: str
    """ "share" for a value in 0..1, any other word, or "" for none."""
    take: NotRequired[Literal["last", "best"]]
    """Which epoch gives a training its score. Records of older versions lack it: "last"."""


class IntervalJson(TypedDict):
    low: float
    """Lower end, in the unit of the estimate."""
    high: float
    """Upper end."""


class BestJson(TypedDict):
    trial: int
    """Its number."""
    score: float | None
    """In the metric's unit."""
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
    """The complete recipe."""
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
    """Unique: "noise"."""
    name: str
    """As the report shows it."""
    verdict: Literal["PASS", "WARN", "FAIL", "UNKNOWN"]
    """UNKNOWN if there is not enough data."""
    message: str
    """One sentence."""
    advice: str
    """ "" if there is nothing to do."""


class TestJson(TypedDict, total=False):
    trial: int | None
    """The winner's; None for the default recipe."""
    count: int
    """Test examples."""
    seeds: int
    """Number of models, one per seed."""
    metrics: dict[str, float]
    """Mean over the seeds, by name."""
    mean: float
    """Accuracy, 0..1; this key and the next three only if there is one."""
    low: float
    """Lower end of its 95 % interval, over seeds and examples, or Wilson's for one seed."""
    high: float
    """Upper end."""
    deviation: float | None
    """Standard deviation over the seeds; null for one."""


class ComparisonJson(TypedDict):
    difference: float
    """The winner's mean minus the finalist's, in the metric's unit."""
    low: float | None
    """Lower end of its interval with confidence 1 - level; null if unknown."""
    high: float | None
    """Upper end; null if unknown."""
    p: float
    """Two-sided p-value, 0..1, not adjusted."""
    level: float
    """Significance level, 0..1."""


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
    """Whether the confirmation is finished."""
    level: float
    """Significance level, 0..1."""
    compared: int
    """Seeds at the last comparison."""
    sentences: list[str]
    """The result in words, in reading order."""
    test_metric: str | None
    """Name of the metric on the test set; null before it was opened."""
    rows: list[CandidateJson]
    """The winner first."""


class EpochJson(TypedDict):
    number: int
    """1 for the first."""
    metrics: dict[str, float]
    """By name."""
    seconds: float
    """Wall time, including validation."""


class PlacementJson(TypedDict):
    worker: str
    """ "host:pid"."""
    session: int
    """Number of the start that the worker belonged to."""
    epoch: int
    """Epochs the trial had when this worker took it."""
    since: str
    """Start of its first epoch there."""


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
    pauses: list[int]
    """Epochs after which its pruner paused it."""
    requested: bool
    """Whether the plan or a user asked for its recipe."""
    audited: int | None
    """Epoch after which its pruner would have stopped it; null for trials that were not audited."""
    excess: float
    """By how much it breaks the plan's constraints, as shares of their bounds; 0 if it keeps them."""
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
    """Null for the plan's default recipe."""
    seed: int
    """The model's."""
    evaluation: dict[str, Any]
    """Without mistakes."""
    parameters: int | None
    """Learned parameters; null if unknown."""
    weights_sha256: str | None
    """Null if unknown."""


class OpeningJson(TypedDict):
    time: str
    """When it was recorded, just before the evaluation."""
    reason: str
    """Why, as a clause."""
    models: int
    """Number of models to evaluate."""
    overlap: int | None
    """Test examples that are also among the training or validation data; null if unknown."""
    looks: list[LookJson]
    """The results, one per model; fewer if the evaluation did not finish."""
    saved: bool
    """Whether the winner's model was saved, or none had to be."""


class SessionJson(TypedDict):
    number: int
    """0 for the first."""
    started: str
    """Time of the start."""
    seconds: float
    """Duration, as last recorded."""
    ended: str
    """ "budget", "interrupted", "error", or "" if it is running or was killed."""
    environment: dict[str, Any]
    """Versions, commit, machine, device, workers, hosts."""
    sizes: list[tuple[float, int]]
    """(seconds since the start, number of trials that run at the same time after it)."""


class PlanVersionJson(TypedDict):
    number: int
    """0 for the first."""
    since: str
    """When it took effect."""
    trials: int
    """How many there were at that time."""
    table: dict[str, Any]
    """The plan."""
    changes: list[str]
    """One line per changed key."""
    session: int
    """Number of the start that introduced it."""


class WarmStartJson(TypedDict):
    run: str
    """Name of the run whose trials the sampler was given."""
    taken: int
    """How many of them."""
    sentence: str
    """Both in words."""


class RunJson(ImportancesJson):
    """All of results.json."""

    schema: int
    """`SCHEMA`."""
    name: str
    """The run's name."""
    state: Status
    """ "running", "empty", "finished" or "interrupted"."""
    metric: MetricJson
    """The validation metric of the search."""
    best: BestJson | None
    """The trial that the confirmation chose; until it has a winner, the same as `top`. Null if no trial is
    complete, or if the default recipe won."""
    top: BestJson | None
    """The complete trial with the top score in the search; null if there is none."""
    winner: WinnerJson | None
    """Null before the test set was opened."""
    health: list[CheckJson]
    """Warnings first; empty before the first epoch and the first failure."""
    reproduce: str | None
    """The command that trains the winner again, or the best trial before there is a winner."""
    test: TestJson | None
    """The winner on the test set."""
    confirmation: ConfirmationJson | None
    """Null if there is none."""
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
    """Null if the search was not warm-started."""
    environment: dict[str, Any]
    """Of the last start."""
