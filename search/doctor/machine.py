"""Whether this machine can carry a search: what is installed, what there is room for, what works."""

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

from search.doctor import probe
from search.doctor.finding import Finding, checked, failed, passed, warned
from search.doctor.probe import last_line
from trainable.storage.durable import write_atomic

GIGABYTE = 10**9
MEGABYTE = 10**6
_ROOT = Path(__file__).parents[2]
_SHOWN = ("torch", "torchvision", "ray", "optuna")
_COMPILED = ("torch", "torchvision", "ray", "optuna", "numpy", "pandas", "scipy", "sklearn", "pydantic")


def examine(runs: Path, data: Path) -> Iterator[Finding]:
    """The findings, one after the other, those that take seconds last. runs: the folder where runs
    lie or will lie; data: where data sets do. Files are written below `runs`, and removed."""
    place = _existing(runs)
    yield checked("python", _python)
    yield checked("packages", _packages)
    yield checked("bytecode", _bytecode)
    yield checked("cores", _cores)
    yield checked("memory", _memory)
    yield checked("shared memory", _shared_memory)
    yield checked("open files", _open_files)
    for names, folder in _disks({"runs": place, "data": _existing(data), "Ray's files": _temporary()}):
        yield checked("disk", lambda names=names, folder=folder: _disk(names, folder))  # type: ignore[misc]
    yield checked("writing", lambda: _writing(place))
    yield checked("locks", lambda: _locks(place))
    yield checked("loopback", _loopback)
    yield checked("clock", _clock)
    yield from probe.torch()
    yield checked("ray", lambda: probe.ray(_temporary() / "ray"))


def data_set(source: Any, name: str, folder: Path) -> Finding:
    """Whether a trainable's Source can load the data called `name`: without a network, and whole."""
    if not source.at_hand(folder):
        return warned(
            "data",
            f"{name} is not in {folder}",
            "the first search downloads it; without a network, name a folder that has it with --data-dir "
            "or BENCHSWEEP_DATA, or use --dataset digits",
        )
    try:
        loaded = source.load(folder)
    except RuntimeError as error:
        told, _, advice = str(error).partition(". ")
        return failed("data", told, advice)
    sizes = f"{len(loaded.train):,} images to train on, {len(loaded.validation):,} to choose by"
    return passed("data", f"{name} is whole: {sizes}")


def _python() -> Finding:
    from packaging.specifiers import SpecifierSet

    found = platform.python_version()
    asked = metadata("benchsweep")["Requires-Python"]
    if SpecifierSet(asked).contains(found, prereleases=True):
        return passed("python", f"{found} at {sys.executable}")
    return failed("python", f"it must be {asked}, but is {found}", "install benchsweep under another Python")


def _packages() -> Finding:
    from packaging.requirements import Requirement

    asked = [Requirement(line) for line in requires("benchsweep") or ()]
    wrong = []
    for each in asked:
        if each.marker is not None and not each.marker.evaluate():
            continue
        try:
            found = version(each.name)
        except PackageNotFoundError:
            wrong.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(found, prereleases=True):
            wrong.append(f"{each.name} must be {each.specifier}, but is {found}")
    if wrong:
        return failed("packages", "; ".join(wrong), "install them as pyproject.toml asks: `uv sync`")
    shown = ", ".join(f"{name} {version(name)}" for name in _SHOWN)
    return passed("packages", f"{shown} and {len(asked) - len(_SHOWN)} more are as benchsweep asks")


def _bytecode() -> Finding:
    origins = {name: spec.origin for name in _COMPILED if (spec := importlib.util.find_spec(name))}
    bare = [
        name
        for name, origin in origins.items()
        if origin and not Path(importlib.util.cache_from_source(origin)).is_file()
    ]
    if bare:
        return warned(
            "bytecode",
            f"{', '.join(bare)}: not compiled, which costs each start some 10 s until they are",
            "run `python -m compileall` on the folder they lie in, or install with UV_COMPILE_BYTECODE=1",
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        return warned(
            "bytecode",
            f"{len(origins)} packages are compiled, but PYTHONDONTWRITEBYTECODE is set: what is not stays so",
            "unset it",
        )
    return passed("bytecode", f"{len(origins)} packages are compiled")


def _cores() -> Finding:
    cores = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with suppress(OSError, ValueError):  # a container may be given less than the machine has
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        cores = min(cores, int(quota) / int(period))
    if cores < 1:
        return warned(
            "cores",
            f"{cores:.2g} of a core: a trial and its search share it",
            "give the container a core or more",
        )
    return passed("cores", f"{cores:g}: as many trials at once, with one core each")


def _memory() -> Finding:
    """What is available: free, or given back when it is asked for."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except FileNotFoundError:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return passed("memory", f"{_gigabytes(total)} in all; what of it is available is not told here")
    held = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    available = held["MemAvailable"]
    with suppress(OSError, ValueError):  # a container's own limit, if it has one
        group = Path("/sys/fs/cgroup")
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        available = min(available, int((group / "memory.max").read_text()) - used)
    told = f"{_gigabytes(available)} available of {_gigabytes(held['MemTotal'])}"
    if available < 2 * GIGABYTE:
        advice = (
            "Ray takes half a GB and a worker up to 0.9: close something, or set resources.concurrency = 1"
        )
        return warned("memory", told, advice)
    return passed("memory", told)


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return passed("shared memory", "there is no /dev/shm here: Ray keeps shared data in files instead")
    space = shutil.disk_usage(folder)
    told = f"{_gigabytes(space.free)} free of {_gigabytes(space.total)} in /dev/shm"
    if space.free < GIGABYTE:
        advice = "Ray will keep shared data in /tmp, which is slower; a container takes --shm-size=2g"
        return warned("shared memory", told, advice)
    return passed("shared memory", told)


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    told = "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} in each process"
    if soft != resource.RLIM_INFINITY and soft < 1024:
        # Ray's two daemons hold some 60 here, and about 10 more for each worker.
        enough = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        advice = f"`ulimit -n {enough}` before the search: Ray's daemons hold more with each worker"
        return warned("open files", told, advice)
    return passed("open files", told)


def _disks(places: dict[str, Path]) -> list[tuple[list[str], Path]]:
    """The disks of these places: whose they are, and a folder on each."""
    found: dict[int, tuple[list[str], Path]] = {}
    for name, folder in places.items():
        found.setdefault(folder.stat().st_dev, ([], folder))[0].append(name)
    return list(found.values())


def _disk(names: list[str], folder: Path) -> Finding:
    space = shutil.disk_usage(folder)
    told = f"{_gigabytes(space.free)} free of {_gigabytes(space.total)} for {', '.join(names)} ({folder})"
    if space.free < 200 * MEGABYTE:
        return failed("disk", told, "free some, or name other folders with --runs and --data-dir")
    if space.free < 5 * GIGABYTE:
        return warned(
            "disk", told, "a trial keeps up to two checkpoints of its whole state: see that they fit"
        )
    return passed("disk", told)


def _writing(folder: Path) -> Finding:
    """Write as every record is written: whole, flushed to the disk, renamed over what was there."""
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
                    f"a file in {folder} does not hold what was written",
                    "use another disk for runs",
                )
    except OSError as error:
        return failed(
            "writing",
            f"nothing can be written in {folder}: {error.strerror or error}",
            "name a folder you may write to with --runs",
        )
    told = f"a file of 0.1 MB in {folder} is safe on the disk after {1000 * seconds:.0f} ms"
    if seconds > 0.25:
        return warned(
            "writing", told, "each epoch waits for two files: a local disk for --runs would be faster"
        )
    return passed("writing", told)


def _locks(folder: Path) -> Finding:
    """Hold a lock, and see that another process cannot take it until it is let go."""
    import fcntl

    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as temporary:
        path = Path(temporary) / "lock"
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            while_held = _takes(path)
        after = _takes(path)
    if while_held or not after:
        seen = "two processes hold one lock at once" if while_held else "a lock that was let go stays taken"
        return failed(
            "locks",
            f"{seen} in {folder}: two searches could own one run",
            "keep runs on a file system with flock: a local disk, or NFS 4 mounted without nolock",
        )
    return passed("locks", f"a lock in {folder} excludes a second process")


_TAKE = """
import fcntl, sys
try:
    fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    sys.exit(9)
"""


def _takes(path: Path) -> bool:
    """Whether another process gets the lock."""
    done = subprocess.run([sys.executable, "-I", "-c", _TAKE, str(path)], capture_output=True, timeout=60)
    if done.returncode not in (0, 9):
        raise OSError(f"locking {path} failed: {last_line(done.stderr.decode())}")
    return done.returncode == 0


def _loopback() -> Finding:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5) as sent:
            received, _ = server.accept()
            with received:
                sent.sendall(b"!")
                received.settimeout(5)
                heard = received.recv(1)
    if heard != b"!":
        return failed("loopback", f"what is sent to 127.0.0.1:{port} does not arrive", "see to the firewall")
    return passed("loopback", f"a connection to 127.0.0.1:{port} works")


def _clock() -> Finding:
    newest = max(path.stat().st_mtime for path in _ROOT.glob("*/*.py"))
    behind = newest - time.time()
    if behind > 1:
        return warned(
            "clock",
            f"it is {behind:,.0f} s behind the newest file of benchsweep",
            "set it: logs tell wrong times",
        )
    return passed(
        "clock", f"{time.strftime('%Y-%m-%d %H:%M UTC', time.gmtime())}, later than every file of benchsweep"
    )


def _temporary() -> Path:
    """Where Ray puts its sockets and logs."""
    return _existing(Path(os.environ.get("RAY_TMPDIR") or "/tmp"))


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.absolute()
    return next(each for each in (folder, *folder.parents) if each.is_dir())


def _gigabytes(size: float) -> str:
    return f"{size / GIGABYTE:.1f} GB"
