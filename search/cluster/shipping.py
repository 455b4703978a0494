"""The code that trains, shipped with a search: a folder that Ray copies to every machine."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trainable.contract
from trainable.contract import module_of

_PACKAGE = Path(trainable.contract.__file__).parent
_IGNORED = shutil.ignore_patterns("__pycache__", ".*", "*.pyc")


@contextmanager
def shipped_code(name: str, root: str) -> Iterator[Path | None]:
    """A temporary folder with benchsweep's package `trainable` and the trainable `name`, which was imported
    from the folder `root`, with the other modules in that folder. None inside a submitted job, whose own
    folder is shipped to every machine already.
    """
    job = json.loads(os.environ.get("RAY_JOB_CONFIG_JSON_ENV_VAR") or "{}")
    if job.get("runtime_env", {}).get("working_dir"):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="benchsweep-") as folder:
        shipped = Path(folder)
        shutil.copytree(_PACKAGE, shipped / _PACKAGE.name, ignore=_IGNORED)
        top = Path(root) / module_of(name).partition(".")[0]
        if top != _PACKAGE:
            for path in Path(root).glob("*.py"):
                shutil.copy(path, shipped)
            if top.is_dir():
                shutil.copytree(top, shipped / top.name, ignore=_IGNORED)
        yield shipped
