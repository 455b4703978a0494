"""Every key under which a run's journal holds something of ours, and what lies there.

The journal is Optuna's: these are the user attributes of its study and of its trials. On disk a key never
changes its name or its meaning, so that every version reads the runs of every other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

STUDY_NAME: Final = "benchsweep"
"""The name of the one study in each journal."""

METRIC: Final = "metric"
"""Of a study: {"name", "direction", "unit"} of `trainable.contract.Metric`."""
WARM_START: Final = "warm_start"
"""Of a search: {"run", "taken", "sentence"} of `WarmStartSummary`; missing without a warm start."""
STORAGE: Final = "storage"
"""Of a search: the address of the folder that holds its checkpoints; missing where they lie in the run."""
CODE: Final = "code"
"""Of a search: the folder from which its trainable was last imported; missing for an installed one."""
SETTLED: Final = "settled"
"""Of a search: the number of the plan version whose budget was spent before any start under it trained."""


@dataclass(frozen=True)
class Series:
    """Attributes of a study that are numbered from 0: `session:0000`, `session:0001`, …"""

    name: str
    """The part of the key before the number."""

    def key(self, number: int) -> str:
        """The key of one of them."""
        return f"{self.name}:{number:04d}"

    def read(self, attributes: Mapping[str, Any]) -> dict[int, Any]:
        """Those in a study's attributes, by number, in order."""
        prefix = f"{self.name}:"
        numbers = sorted(int(key[len(prefix) :]) for key in attributes if key.startswith(prefix))
        return {number: attributes[self.key(number)] for number in numbers}


PLANS: Final = Series("plan")
"""Of a search, a version of its plan: {"since": ISO 8601 UTC, "trials": how many there were, "session": the
start that made it, "plan": `Plan.to_table`}."""
SESSIONS: Final = Series("session")
"""Of a study, a start: {"started": ISO 8601 UTC, "seconds": how long it lived, "ended": "budget",
"interrupted", "error", or "" while it lives and after a kill}."""
ENVIRONMENTS: Final = Series("environment")
"""Of a study, what the start of the same number ran on: `search.records.environment.environment` and the
cluster's size."""
SIZES: Final = Series("sizes")
"""Of a study, how the cluster of the start of the same number changed: a list of [seconds since the start
began, trials at once from then on]; missing where it did not."""
ENTRIES: Final = Series("entry")
"""Of a confirmation, what was to be confirmed: {"candidates": [{"trial", "recipe", "selected_on"}], "seeds",
"confidence", "since": ISO 8601 UTC}. The last one counts."""

ATTEMPTS: Final = "attempts"
"""Of a trial that raised and was trained again: a list of {"epoch": after which it raised, "error"}."""
SENT: Final = "sent"
"""Of a trial of an objective: the recipe as its worker got it, before the objective asked for more."""
RECIPE: Final = "recipe"
"""Of a trial: its complete recipe as plain values; missing where the trainable refused it."""
SESSION: Final = "session"
"""Of a trial: the number of the start that trained it last."""
DEVICE: Final = "device"
"""Of a trial: the device it is trained on, where the trials of its search differ in that."""
PLACEMENTS: Final = "placements"
"""Of a trial: a list of {"worker": "host:pid", "session", "epoch": epochs on record before it, "since":
ISO 8601 UTC}, one for each worker that trained it."""
WORKER: Final = "worker"
"""Of a trial of an older run, which has no placements: "host:pid" of the worker that trained it last."""
RESUMED_FROM: Final = "resumed_from"
"""Of a trial: a list of the epochs after which a later start continued it."""
PAUSED: Final = "paused"
"""Of a trial: a list of the epochs after which its pruner paused it."""
CONTINUED: Final = "continued"
"""Of a trial that was paused: how many of these pauses are over. Optuna holds a paused trial as RUNNING."""
KNOWN: Final = "known"
"""Of a trial that no sampler chose: what asked for it, "first: {…}" for a [[first]] table of the plan,
otherwise the name of the file that `benchsweep enqueue` wrote."""
AUDITED: Final = "audited"
"""Of a trial that its pruner would have stopped and that is trained to its end instead: after which epoch."""
NOTES: Final = "notes"
"""Of a trial: a list of sentences."""
ERROR: Final = "error"
"""Of a FAILED trial: why, as a sentence."""
DIVERGED: Final = "diverged"
"""Of a DIVERGED trial, which Optuna holds as PRUNED: what left the finite numbers, as a sentence."""
ABANDONED: Final = "abandoned"
"""Of an interrupted trial that was then PRUNED instead of continued: why, as a sentence."""
SAME_AS: Final = "same_as"
"""Of a trial that was not trained: the number of the one with the same recipe, whose outcome it took."""
RECIPE_SHA256: Final = "recipe_sha256"
"""Of a trained trial: the SHA-256 of the recipe that its worker trained."""
WEIGHTS_SHA256: Final = "weights_sha256"
"""Of a COMPLETE trial: the SHA-256 of its weights, where its trainable has such."""
PARAMETERS: Final = "parameters"
"""Of a COMPLETE trial: how many numbers it learned, where its trainable tells."""


def is_paused(attributes: Mapping[str, Any]) -> bool:
    """Whether a trial with these user attributes, which has not ended, is paused."""
    return bool(len(attributes.get(PAUSED, ())) > attributes.get(CONTINUED, 0))
