"""What a machine of a cluster has installed, and whether that is what the driver has.

`installed` is sent there as text, since what it looks for may be missing: it needs nothing of benchsweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PACKAGES = ("ray", "torch")
"""Whose versions must be the same, besides Python's and benchsweep's."""


def installed(trainable: str, root: str, seen: str | None) -> dict[str, Any]:
    """What this process finds, as plain values. trainable: the module that is searched; root: the folder it
    was imported from on the driver. seen: a file that the driver sees, None to ask for none.

    code: the SHA-256 of benchsweep's part that trains; module: of the trainable's file; None where there is
    none, `fault` then tells why. content: of the file `seen`, None where it is not there.
    """
    import hashlib
    import importlib
    import importlib.util
    import platform
    import socket
    import sys
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    def known(package: str) -> str | None:
        try:
            return version(package).partition("+")[0]  # the CPU and CUDA builds of a release are one version
        except PackageNotFoundError:
            return None

    if root not in sys.path:
        sys.path.append(root)
    found: dict[str, Any] = {
        "host": socket.gethostname(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "benchsweep": known("benchsweep"),
        **{name: known(name) for name in PACKAGES},
    }
    code = module = fault = None
    try:
        folder = Path(str(importlib.import_module("trainable.worker").__file__)).parent
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
        code = digest.hexdigest()
        spec = importlib.util.find_spec(trainable)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"No module named {trainable!r}")
        module = hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()
    except Exception as error:  # whatever a broken installation may raise
        fault = f"{type(error).__name__}: {error}"
    content = None
    if seen is not None and Path(seen).is_file():
        content = Path(seen).read_text()
    return {**found, "code": code, "module": module, "fault": fault, "content": content}


def refusal(host: str, here: Mapping[str, Any], there: Mapping[str, Any], seen: str | None) -> str | None:
    """Why no trial may go to `host`, as a sentence that names both versions; None where one may. here, there:
    what `installed` found on the driver and on that host. seen: as given to it."""
    for name in ("python", *PACKAGES):
        if there[name] != here[name]:
            return _differs(host, name, there[name], here[name])
    if there["code"] is None:
        return (
            f"{host} cannot train: {there['fault']}; install benchsweep {here['benchsweep']} there, or send "
            f"it along with --ship-code"
        )
    if there["code"] != here["code"]:
        ours, theirs = (f"{each['benchsweep']} (source {each['code'][:8]})" for each in (here, there))
        return _differs(host, "benchsweep", theirs, ours)
    if there["module"] != here["module"]:
        why = there["fault"] or "its file is another one than here"
        return f"{host} has not the trainable of this plan: {why}; send it along with --ship-code"
    if there["content"] != here["content"]:
        return (
            f"{host} does not see the run's folder: {seen} is not there what it is here; put the run on "
            f"storage that all hosts share, as with --runs /mnt/shared/runs"
        )
    return None


def _differs(host: str, name: str, there: str | None, here: str | None) -> str:
    label = {"python": "Python"}.get(name, name)
    has = f"no {label}" if there is None else f"{label} {there}"
    advice = "; install the same there" + (
        ", or send this one along with --ship-code" if name == "benchsweep" else ""
    )
    return f"{host} has {has}, but this machine has {here}{advice}"
