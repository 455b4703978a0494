"""The code that trains, sent along with a search: a folder that Ray takes to every machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trainable.contract

_OURS = Path(trainable.contract.__file__).parent
_LEFT = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")


@contextmanager
def sent_along(name: str, root: str) -> Iterator[Path | None]:
    """A folder of benchsweep's part that trains and the trainable `name`, which was imported from the folder
    `root`, with the modules beside it. It is gone afterwards: Ray has taken it by then. None inside a
    submitted job, whose own folder goes to every machine already.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}")
    if job.get("runtime_env", {}).get("working_dir"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder:
        parcel = Path(folder)
        shutil.copytree(_OURS, parcel / _OURS.name, ignore=_LEFT)
        top = Path(root) / name.partition(".")[0]
        if top != _OURS:
            for path in Path(root).glob("*.py"):
                shutil.copy(path, parcel)
            if top.is_dir():
                shutil.copytree(top, parcel / top.name, ignore=_LEFT)
        yield parcel
