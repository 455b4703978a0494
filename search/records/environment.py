"""What a search ran on: versions, code, machine. Enough to explain why figures differ elsewhere."""

from __future__ import annotations

import hashlib
import platform
import socket
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from trainable.contract import import_module

CODE_FOLDER = Path(__file__).resolve().parents[2]
"""The folder that holds the packages of benchsweep and configs/: a git checkout, or site-packages."""

PACKAGES = ("benchsweep", "torch", "ray", "optuna", "numpy", "scikit-learn", "pydantic")


def environment(data_fingerprint: str | None, trainable: str, folder: Path | None = None) -> dict[str, Any]:
    """As plain values: versions, commit and whether the working tree differs from it (None outside a git
    checkout), host, operating system, processor, and the SHA-256 of the data and of the file of the
    `trainable`, which is looked for in `folder` first."""
    source = import_module(trainable, folder).__file__
    commit, dirty = _commit(CODE_FOLDER)
    return {
        "python": platform.python_version(),
        "versions": {name: number for name in PACKAGES if (number := _version(name)) is not None},
        "commit": commit,
        "dirty": dirty,
        "host": socket.gethostname(),
        "system": platform.platform(),
        "processor": processor(),
        "data_sha256": data_fingerprint,
        "trainable_sha256": hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit(folder: Path) -> tuple[str | None, bool | None]:
    if not (folder / ".git").exists():  # installed somewhere inside another project's checkout
        return None, None
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _git(folder: Path, *arguments: str) -> str:
    finished = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return finished.stdout.strip()


def processor() -> str:
    """The processor's model: others round differently."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor() or platform.machine()
