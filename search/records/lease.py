"""Who owns a run where locks do not reach: on a network file system that keeps each machine's to itself.

The owner creates a file with the next number, which succeeds for one process alone, and renews it every two
seconds (its heartbeat). Another machine that finds it waits until it was not renewed for twelve seconds. An
owner that was suspended, like a closed laptop, trusts its own lease for six seconds only; then it renews it
and looks for a newer one before it writes.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar

from search.records.typed import typed
from trainable.errors import BenchsweepError
from trainable.storage.record_file import parse_json, read_record

HEARTBEAT = 2.0
"""Seconds from one renewal to the next."""
TRUST = 6.0
"""Seconds after a renewal for which the owner takes the lease for its own."""
PATIENCE = 12.0
"""Seconds without a renewal after which another machine takes the run over."""
_SETTLING = 1.0
"""Seconds after which every machine sees what two of them did at the same moment."""
_NAME = re.compile(r"lease\.(\d{6})\.json")


class LeaseLost(BenchsweepError, RuntimeError):
    """Another process took the run over, because this one did not renew its lease; says which."""


@dataclass(frozen=True)
class Owner:
    """The process that owns a run."""

    host: str
    """Its host's name."""
    pid: int
    """Its process id there."""
    since: str
    """When it took the run (UTC, ISO 8601)."""
    kernel: str = field(default="", repr=False)
    """The kernel whose locks it sees; "" if that is not on record."""

    @classmethod
    def of_this_process(cls) -> Owner:
        """The current process, owning since now."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), now, _kernel())

    @property
    def shares_kernel(self) -> bool:
        """Whether it runs on this machine, so that a lock tells whether it lives."""
        return self.kernel in ("", _kernel())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def _now() -> float:
    """Seconds, including those for which the machine was suspended."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # on Linux the monotonic clock leaves them out
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _kernel() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return socket.gethostname()


class Lease:
    """One owner's claim to a folder, for as long as it is renewed."""

    active: ClassVar[dict[Path, Lease]] = {}
    """Those of this process, by folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = file_identity(path)
        self._next = _numbered(path.parent, _number(path) + 1)
        self._renewed = _now()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._heartbeat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise LeaseLost unless the folder is still this process's to write to."""
        if _now() - self._renewed > TRUST:
            self._renew()
            time.sleep(_SETTLING)
        if not (self._path.parent / "study.journal").exists():
            return  # the folder is gone, which the write that follows reports better
        if file_identity(self._path) != self._file or self._next.exists():
            current = current_lease(self._path.parent)
            raise LeaseLost(
                f"{self._path.parent.name} is owned by {current[1] if current else 'nobody'} now: this "
                f"process did not renew its lease for {PATIENCE:.0f} s, and has written nothing since"
            )

    def _renew(self) -> None:
        with suppress(OSError):  # if the folder cannot be reached, the next write reports it
            os.utime(self._path)
            self._renewed = _now()

    def _heartbeat(self) -> None:
        while not self._ended.wait(HEARTBEAT):
            self._renew()

    def end(self) -> None:
        """Give the folder up, unless another owner has it."""
        self._ended.set()
        self._thread.join()
        if file_identity(self._path) == self._file:
            self._path.unlink(missing_ok=True)


@contextmanager
def hold_lease(folder: Path, owner: Owner, say: Callable[[str], None]) -> Iterator[Owner | None]:
    """Hold the folder's lease for `owner`, this process, which has its lock; yields None. If a process on
    another machine holds it, yields that one instead. say: called with a sentence about what is waited
    for."""
    while True:
        current = current_lease(folder)
        if current is not None and not current[1].shares_kernel and _is_renewed(*current, say):
            yield current[1]
            return
        path = _create(folder, 1 if current is None else _number(current[0]) + 1, owner)
        if path is not None:
            break
    if current is not None:
        current[0].unlink(missing_ok=True)
        if not current[1].shares_kernel:
            time.sleep(_SETTLING)  # what the former owner was writing has arrived by then, or never does
    lease = Lease.active[folder.resolve()] = Lease(path)
    try:
        yield None
    finally:
        del Lease.active[folder.resolve()]
        lease.end()


def write_guard(folder: Path) -> Callable[[], None]:
    """A function that raises LeaseLost once the folder is not this process's any more: its lease's `check`.
    Without a lease it does nothing."""
    lease = Lease.active.get(folder.resolve())
    return (lambda: None) if lease is None else lease.check


def current_lease(folder: Path) -> tuple[Path, Owner] | None:
    """The lease in force on a folder, and its owner; None if there is none."""
    names = sorted((name for name in _names(folder) if _NAME.fullmatch(name)), reverse=True)
    for name in names:
        with suppress(OSError, ValueError, TypeError, KeyError):  # it ended just now
            stored = parse_json(read_record(folder / name))
            owner = Owner(**{key: stored[key] for key in ("host", "pid", "since", "kernel")})
            return folder / name, typed(owner)
    return None


def remote_owner(folder: Path) -> Owner | None:
    """The owner of a folder on another machine, as far as that shows without waiting; None if there is
    none."""
    current = current_lease(folder)
    if current is None or current[1].shares_kernel:
        return None
    with suppress(OSError):
        if time.time() - current[0].stat().st_mtime < PATIENCE:
            return current[1]
    return None


def file_identity(file: Path | int) -> tuple[int, int] | None:
    """What tells a file, given by its path or its descriptor, from one that replaced it; None if it is
    gone."""
    try:
        status = os.fstat(file) if isinstance(file, int) else file.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _names(folder: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return os.listdir(folder)  # noqa: PTH208  no stat for each file, on a file system that may be slow
    return []


def _is_renewed(path: Path, owner: Owner, say: Callable[[str], None]) -> bool:
    """Whether the lease is renewed within PATIENCE seconds."""
    before, deadline = _renewal_time(path), _now() + PATIENCE
    say(f"{path.parent.name} was last owned by {owner}; waiting {PATIENCE:.0f} s to see whether it still is")
    while _now() < deadline:
        time.sleep(0.2)
        now = _renewal_time(path)
        if now is None:
            return False  # it was given up
        if now != before:
            return True
    return False


def _renewal_time(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _create(folder: Path, number: int, owner: Owner) -> Path | None:
    """Create the lease of that number, with its content; None if another process was first."""
    path, content = _numbered(folder, number), json.dumps(asdict(owner)) + "\n"
    draft = folder / f".lease.{secrets.token_hex(8)}.tmp"
    try:
        draft.write_text(content)
        try:
            os.link(draft, path)
        except FileExistsError:
            return None
        except OSError:  # a file system without links
            with path.open("x") as file:
                file.write(content)
        return path
    except FileExistsError:
        return None
    finally:
        draft.unlink(missing_ok=True)


def _numbered(folder: Path, number: int) -> Path:
    return folder / f"lease.{number:06d}.json"


def _number(path: Path) -> int:
    return int(path.name.split(".")[1])
