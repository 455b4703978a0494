"""Whether this machine can run a search: installed packages, free resources, working files and locks."""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Any

import psutil

from search.doctor import probe
from search.doctor.finding import Finding, checked, failed, passed, warned
from search.doctor.probe import last_line
from search.engine.ray_sessions import NoTemporaryFolder, dead_sessions, sessions_folder
from search.records.environment import CODE_FOLDER
from trainable.storage.durable import write_atomic

GIGABYTE = 10**9
MEGABYTE = 10**6
_SHOWN = ("torch", "torchvision", "ray", "optuna")
_COMPILED = ("torch", "torchvision", "ray", "optuna", "numpy", "pandas", "scipy", "sklearn", "pydantic")


def examine(runs: Path, data: Path) -> Iterator[Finding]:
    """Yield the findings as they are made, the slow ones last.

    runs: the folder of runs, which need not exist. data: the folder of data sets. Temporary files are
    written below `runs` and removed. torch and Ray are loaded in processes of their own while the quick
    checks are made.
    """
    runs_disk = _existing(runs)
    yield checked("python", _python)
    yield checked("packages", _packages)
    yield checked("bytecode", _bytecode)
    yield checked("cores", _cores)
    yield checked("memory", _memory)  # before the probes take some
    yield checked("shared memory", _shared_memory)
    leftovers = checked("leftovers", _leftovers)  # a start of Ray removes them
    with probe.started() as probes:
        yield checked("open files", _open_files)
        folders = {"runs": runs_disk, "data": _existing(data)}
        with suppress(NoTemporaryFolder):  # reported by the check of Ray
            folders["Ray's files"] = sessions_folder()
        for names, folder in _disks(folders):
            yield checked("disk", lambda names=names, folder=folder: _disk(names, folder))  # type: ignore[misc]
        yield checked("writing", lambda: _writing(runs_disk))
        yield checked("locks", lambda: _locks(runs_disk))
        yield checked("loopback", _loopback)
        yield checked("clock", _clock)
        yield from probes.torch()
        yield leftovers
        yield checked("ray", lambda: probes.ray(sessions_folder()))


def data_set(source: Any, name: str, folder: Path) -> Finding:
    """Whether a trainable's Source loads the data set `name` completely and without a network."""
    if not source.at_hand(folder):
        return warned(
            "data",
            f"{name} is not in {folder}",
            "the first search downloads it; without a network, pass a folder that contains it with "
            "--data-dir or BENCHSWEEP_DATA, or use --dataset digits",
        )
    loaded = source.load(folder)
    sizes = f"{len(loaded.train):,} training images and {len(loaded.validation):,} validation images"
    return passed("data", f"{name} is complete: {sizes}")


def _python() -> Finding:
    from packaging.specifiers import SpecifierSet

    installed = platform.python_version()
    required = metadata("benchsweep")["Requires-Python"]
    if SpecifierSet(required).contains(installed, prereleases=True):
        return passed("python", f"{installed} at {sys.executable}")
    return failed(
        "python", f"it must be {required}, but is {installed}", "install benchsweep under another Python"
    )


def _packages() -> Finding:
    from packaging.requirements import Requirement

    requirements = [Requirement(line) for line in requires("benchsweep") or ()]
    faults = []
    for requirement in requirements:
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            faults.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(installed, prereleases=True):
            faults.append(f"{requirement.name} must be {requirement.specifier}, but is {installed}")
    if faults:
        return failed("packages", "; ".join(faults), "install the required versions: `uv sync`")
    shown = ", ".join(f"{name} {version(name)}" for name in _SHOWN)
    return passed(
        "packages", f"{shown} and {len(requirements) - len(_SHOWN)} others have the required versions"
    )


def _bytecode() -> Finding:
    origins = {name: spec.origin for name in _COMPILED if (spec := importlib.util.find_spec(name))}
    uncompiled = [
        name
        for name, origin in origins.items()
        if origin and not Path(importlib.util.cache_from_source(origin)).is_file()
    ]
    if uncompiled:
        return warned(
            "bytecode",
            f"not compiled: {', '.join(uncompiled)}; until they are, each start takes about 10 s longer",
            "run `python -m compileall` on their folder, or install with UV_COMPILE_BYTECODE=1",
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return warned(
            "bytecode",
            f"{len(origins)} packages are compiled, but PYTHONDONTWRITEBYTECODE keeps others from being so",
            "unset it",
        )
    return passed("bytecode", f"{len(origins)} packages are compiled")


def _cores() -> Finding:
    process = psutil.Process()
    affinity = process.cpu_affinity() if hasattr(process, "cpu_affinity") else None  # macOS has none
    cores = float(len(affinity) if affinity else psutil.cpu_count() or 1)
    with suppress(OSError, ValueError):  # a container's own limit, which psutil does not read
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, int(quota) / int(period))
    if cores < 1:
        return warned(
            "cores",
            f"{cores:.2g}: trial and search share less than one core",
            "give the container at least one core",
        )
    return passed("cores", f"{cores:g}, so as many concurrent trials of one core each")


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    available = memory.available
    with suppress(OSError, ValueError):  # a container's own limit, which psutil does not read
        group = Path("/sys/fs/cgroup")
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        available = min(available, int((group / "memory.max").read_text()) - used)
    message = f"{_gigabytes(available)} available of {_gigabytes(memory.total)}"
    if available < 2 * GIGABYTE:
        return warned(
            "memory",
            message,
            "Ray needs 0.5 GB and each worker up to 0.9 GB: close other programs, or set "
            "resources.concurrency = 1",
        )
    return passed("memory", message)


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return passed("shared memory", "this system has no /dev/shm, so Ray keeps shared data in files")
    space = shutil.disk_usage(folder)
    message = f"{_gigabytes(space.free)} free of {_gigabytes(space.total)} in /dev/shm"
    if space.free < GIGABYTE:
        advice = "Ray will keep shared data in /tmp, which is slower; start a container with --shm-size=2g"
        return warned("shared memory", message, advice)
    return passed("shared memory", message)


def _open_files() -> Finding:
    # By `resource`, since psutil's rlimit does not exist on macOS.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    message = "no limit" if soft == resource.RLIM_INFINITY else f"at most {soft:,} per process"
    if soft != resource.RLIM_INFINITY and soft < 1024:
        # Ray's two daemons hold about 60 files, and about 10 more for each worker.
        enough = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        return warned(
            "open files",
            message,
            f"run `ulimit -n {enough}` before the search: Ray's daemons open more files with each worker",
        )
    return passed("open files", message)


def _disks(folders: dict[str, Path]) -> list[tuple[list[str], Path]]:
    """The disks that hold these folders: the names of the folders on each, and one of the folders."""
    disks: dict[int, tuple[list[str], Path]] = {}
    for name, folder in folders.items():
        disks.setdefault(folder.stat().st_dev, ([], folder))[0].append(name)
    return list(disks.values())


def _disk(names: list[str], folder: Path) -> Finding:
    space = shutil.disk_usage(folder)
    message = f"{_gigabytes(space.free)} free of {_gigabytes(space.total)} for {', '.join(names)} ({folder})"
    if space.free < 200 * MEGABYTE:
        return failed("disk", message, "free some space, or choose other folders with --runs and --data-dir")
    if space.free < 5 * GIGABYTE:
        return warned("disk", message, "make sure that two checkpoints of each trial fit")
    return passed("disk", message)


def _writing(folder: Path) -> Finding:
    """Write files atomically, as every record is written."""
    try:
        with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as temporary:
            path = Path(temporary) / "file"
            write_atomic(path, "before")
            began = time.perf_counter()
            write_atomic(path, b"after" * 20_000)
            seconds = time.perf_counter() - began
            if path.read_bytes() != b"after" * 20_000 or len(list(Path(temporary).iterdir())) != 1:
                return failed(
                    "writing",
                    f"a file in {folder} does not contain what was written to it",
                    "keep runs on another disk",
                )
    except OSError as error:
        return failed(
            "writing",
            f"files cannot be written in {folder}: {error.strerror or error}",
            "choose a folder that you may write to with --runs",
        )
    message = f"an atomic write of 0.1 MB in {folder} takes {1000 * seconds:.0f} ms"
    if seconds > 0.25:
        return warned(
            "writing", message, "each epoch writes two files; --runs on a local disk would be faster"
        )
    return passed("writing", message)


def _locks(folder: Path) -> Finding:
    """Whether a lock held by this process keeps another process out, and lets it in when released."""
    import fcntl

    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as temporary:
        path = Path(temporary) / "lock"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            taken_twice = _can_lock(path)
        released = _can_lock(path)
    if taken_twice or not released:
        fault = "two processes can hold the same lock" if taken_twice else "a released lock stays locked"
        return failed(
            "locks",
            f"{fault} in {folder}, so two searches could own one run",
            "keep runs on a file system that supports flock: a local disk, or NFS 4 mounted without nolock",
        )
    return passed("locks", f"a lock in {folder} keeps a second process out")


_LOCK_SCRIPT = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(9)
"""


def _can_lock(path: Path) -> bool:
    """Whether another process gets the lock."""
    result = subprocess.run(
        [sys.executable, "-I", "-c", _LOCK_SCRIPT, str(path)], capture_output=True, timeout=60
    )
    if result.returncode not in (0, 9):
        raise OSError(f"locking {path} failed: {last_line(result.stderr.decode())}")
    return result.returncode == 0


def _loopback() -> Finding:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
            connection, _ = server.accept()
            with connection:
                client.sendall(b"!")
                connection.settimeout(5)
                received = connection.recv(1)
    if received != b"!":
        return failed(
            "loopback", f"data sent to 127.0.0.1:{port} does not arrive", "check the firewall's rules"
        )
    return passed("loopback", f"a connection to 127.0.0.1:{port} works")


def _clock() -> Finding:
    newest = max(path.stat().st_mtime for path in CODE_FOLDER.glob("*/*.py"))
    behind = newest - time.time()
    if behind > 1:
        return warned(
            "clock",
            f"it is {behind:,.0f} s behind the newest file of benchsweep",
            "set it, or the times in records and logs will be wrong",
        )
    now = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return passed("clock", f"{now}, later than every file of benchsweep")


def _leftovers() -> Finding:
    """What searches that were killed left of Ray on this machine."""
    dead = dead_sessions(sessions_folder())
    processes = [process for session in dead for process in session.processes()]
    if not dead:
        return passed("leftovers", "no killed search left anything of Ray's here")
    message = f"killed searches left files of Ray's: {', '.join(str(session.path) for session in dead)}"
    if processes:
        message += f"; and processes: {', '.join(str(process.pid) for process in processes)}"
    return warned("leftovers", message, "the next search that starts on this machine removes them")


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.is_dir())


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"
