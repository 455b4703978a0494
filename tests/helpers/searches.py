"""Small real searches of the embedded digits, for tests of what searches do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from search.cluster.access import Site
from search.engine.events import Event
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.start import starting

TABLE: dict[str, Any] = {
    "name": "small",
    "budget": {"trials": 6},
    "data": {"dataset": "digits"},
    "recipe": {"batch_size": 100, "epochs": 3},
    "space": {
        "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
        "schedule": {"choices": ["constant", "step"]},
        "gamma": {"low": 0.1, "high": 0.9, "when": {"schedule": "step"}},
    },
    "sampler": {"name": "tpe"},
    "pruner": {"name": "successive_halving", "reduction_factor": 2},
}


NOWHERE = Path("nowhere")
LOCAL = Site(local=True)
"""Training in the test's own process, which takes no time to start. Ray's is `THIS_MACHINE`."""


def plan(**changes: Any) -> Plan:
    """The plan of TABLE, with these tables in place of its own."""
    return Plan.parse({**TABLE, **changes}, "test")


def formula_plan(**changes: Any) -> Plan:
    """A plan of `failing`, a trainable that needs no time, with these tables in place of its own."""
    table = {
        "trainable": "failing",
        "data": {},
        "recipe": {"epochs": 2},
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "budget": {"trials": 4},
        "pruner": {"name": "none"},
        "confirmation": {"candidates": 2, "seeds": 2},
    }
    return plan(**{**table, **changes})


def noop_plan(name: str = "small", *, trials: int, epochs: int = 5, seconds: float = 0.0) -> Plan:
    """A search that trains nothing, in epochs of so many seconds: its workers need no torch."""
    table = {
        "name": name,
        "trainable": "noop",
        "budget": {"trials": trials},
        "recipe": {"epochs": epochs, "seconds": seconds},
        "space": {"x": {"low": 0.0, "high": 1.0}},
        "sampler": {"name": "tpe"},
        "pruner": {"name": "none"},
        "confirmation": {"candidates": 0},
    }
    return Plan.parse(table, "test")


def search(run: RunFolder, given: Plan, site: Site = LOCAL) -> list[Event]:
    """The events of a search that is carried to its end."""
    with starting(run, given, NOWHERE, site) as started:
        return list(started)


def journal_of(run: RunFolder) -> list[dict[str, Any]]:
    """The journal, line by line."""
    return [json.loads(line) for line in run.journal.read_text().splitlines()]
