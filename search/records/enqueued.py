"""Recipes that a user asked a run to train next: a file for each, until its trial is in the journal.

Only the process that owns a run writes to its journal, so `benchsweep enqueue` leaves files.
"""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from search.records.folder import RunFolder
from trainable.storage.durable import write_json
from trainable.storage.record_file import read_record


def enqueue(run: RunFolder, values: Mapping[str, Any], failed: int | None = None) -> Path:
    """Ask a run to train a recipe next, after those that were asked for before. Returns the file.

    values: of its hyperparameters. failed: the trial that failed with it; None if there is none. Raises
    OSError."""
    run.enqueued.mkdir(exist_ok=True)
    mark = "" if failed is None else f"-failed-{failed}"
    path = run.enqueued / f"{time.time_ns():020d}-{secrets.token_hex(4)}{mark}.json"
    write_json(path, dict(values))
    return path


def retried(name: str) -> int | None:
    """The failed trial whose recipe a file of this name asks to train again; None for another request."""
    match = re.search(r"-failed-(\d+)\.json$", name)
    return None if match is None else int(match[1])


def enqueued(run: RunFolder) -> list[tuple[str, dict[str, Any]]]:
    """The names of the files and their values, in the order in which they were asked for. What is no such
    file is left out."""
    try:
        paths = sorted(run.enqueued.glob("*.json"))
    except OSError:
        return []
    found = []
    for path in paths:
        try:
            values = json.loads(read_record(path))
        except (OSError, ValueError):
            continue
        if isinstance(values, dict):
            found.append((path.name, values))
    return found
