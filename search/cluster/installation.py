"""What a machine of a cluster has installed, and whether that matches the driver.

`installed` is sent to the machine as source, since benchsweep may be missing there: it must not use anything
else of benchsweep.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PACKAGES = ("ray", "torch")
"""Packages whose versions must match, besides Python and benchsweep."""


def installed(trainable: str, root: str, shared_file: str | None) -> dict[str, Any]:
    """What this process can import, as plain values.

    trainable: the module that is searched. root: the folder from which the driver imported it. shared_file: a
    file that the driver sees; None for none.

    Returns versions by package, "code" (SHA-256 of benchsweep's package `trainable`), "module" (SHA-256 of
    the trainable's file), "fault" (why one of these two is None) and "content" (of the shared file; None if
    it is not there).
    """
    import hashlib
    import importlib
    import importlib.util
    import platform
    import socket
    import sys
    from importlib.metadata import PackageNotFoundError, version
    from pathlib import Path

    def version_of(package: str) -> str | None:
        try:
            return version(package).partition("+")[0]  # the CPU and CUDA builds of a release are one version
        except PackageNotFoundError:
            return None

    if root not in sys.path:
        sys.path.append(root)
    versions: dict[str, Any] = {
        "host": socket.gethostname(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "benchsweep": version_of("benchsweep"),
        **{name: version_of(name) for name in PACKAGES},
    }
    code = module = fault = None
    try:
        folder = Path(str(importlib.import_module("trainable.worker").__file__)).parent
        digest = hashlib.sha256()
        for path in sorted(folder.rglob("*.py")):
            digest.update(path.relative_to(folder).as_posix().encode() + path.read_bytes())
        code = digest.hexdigest()
        name = trainable.partition(":")[0]
        own = Path(root, *name.split("."))
        files = [path for path in (own / "__init__.py", Path(f"{own}.py")) if path.is_file()]
        if not files and (spec := importlib.util.find_spec(name)) is not None and spec.origin is not None:
            files = [Path(spec.origin)]
        if not files:
            raise ModuleNotFoundError(f"No module named {name!r}")
        module = hashlib.sha256(files[-1].read_bytes()).hexdigest()
    except Exception as error:  # a broken installation may raise anything
        fault = f"{type(error).__name__}: {error}"
    content = None
    if shared_file is not None and Path(shared_file).is_file():
        content = Path(shared_file).read_text()
    return {**versions, "code": code, "module": module, "fault": fault, "content": content}


def refusal(
    host: str, local: Mapping[str, Any], remote: Mapping[str, Any], shared_file: str | None
) -> str | None:
    """Why no trial may go to `host`, as a sentence that names both versions; None if trials may go there.

    local, remote: what `installed` returned on the driver and on that machine. shared_file: as given to it.
    """
    for name in ("python", *PACKAGES):
        if remote[name] != local[name]:
            return _differs(host, name, remote[name], local[name])
    if remote["code"] is None:
        return (
            f"{host} cannot train: {remote['fault']}; install benchsweep {local['benchsweep']} there, or "
            f"send it with --ship-code"
        )
    if remote["code"] != local["code"]:
        ours, theirs = (f"{side['benchsweep']} (source {side['code'][:8]})" for side in (local, remote))
        return _differs(host, "benchsweep", theirs, ours)
    if remote["module"] != local["module"]:
        reason = remote["fault"] or "its file differs from the one here"
        return f"{host} does not have this plan's trainable: {reason}; send it with --ship-code"
    if remote["content"] != local["content"]:
        return (
            f"{host} does not see the run's folder: {shared_file} differs there, or is missing; put the run "
            f"on storage that all machines share, as with --runs /mnt/shared/runs"
        )
    return None


def _differs(host: str, name: str, remote: str | None, local: str | None) -> str:
    label = {"python": "Python"}.get(name, name)
    version = f"no {label}" if remote is None else f"{label} {remote}"
    advice = "install the same there" + (
        ", or send this one with --ship-code" if name == "benchsweep" else ""
    )
    return f"{host} has {version}, but this machine has {local}; {advice}"
