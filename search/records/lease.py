"""Who owns a run where locks do not reach: on a network file system that keeps each machine's to itself.

The owner writes a file of the next number, which a link makes for one alone, and touches it every two
seconds. Another machine that finds it waits until it has not been touched for twelve. An owner that stood
still, as a closed laptop does, trusts itself for six seconds only, then looks again before it writes.
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

from trainable.errors import BenchsweepError

BEAT, TRUST, PATIENCE = 2.0, 6.0, 12.0
"""Seconds between two touches; that the owner trusts the last one; that another waits for the next."""
_SETTLING = 1.0
"""Seconds after which what two machines did at the same moment is seen by both."""
_NAME = re.compile(r"lease\.(\d{6})\.json")


class Disowned(BenchsweepError, RuntimeError):
    """Another process owns the run now, since this one was not heard of; says which."""


@dataclass(frozen=True)
class Owner:
    """The process that holds a run: host, process id, and when it took it (UTC, ISO 8601). kernel: which
    one's locks it sees; "" where that is not known."""

    host: str
    pid: int
    since: str
    kernel: str = field(default="", repr=False)

    @classmethod
    def of_this_process(cls) -> Owner:
        """From now on."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), now, _kernel())

    @property
    def reached_by_locks(self) -> bool:
        """Whether it runs on this very machine, so that the kernel tells whether it lives."""
        return self.kernel in ("", _kernel())

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since}"


def _now() -> float:
    """Seconds that have passed, those that a closed laptop slept among them."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)  # Linux's, on which alone the other one stands still
    return time.monotonic() if clock is None else time.clock_gettime(clock)


def _kernel() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:  # not Linux
        return socket.gethostname()


class Lease:
    """One owner's hold of a folder, for as long as it is renewed."""

    held: ClassVar[dict[Path, Lease]] = {}
    """Those of this process, by folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _identity(path)
        self._next = _numbered(path.parent, _number(path) + 1)
        self._touched = _now()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise Disowned unless the folder is still this process's to write to."""
        if _now() - self._touched > TRUST:
            self._touch()
            time.sleep(_SETTLING)
        if not (self._path.parent / "study.journal").exists():
            return  # the folder has gone, which the write that is to come tells better
        if _identity(self._path) != self._file or self._next.exists():
            found = newest(self._path.parent)
            raise Disowned(
                f"{self._path.parent.name} is owned by {found[1] if found else 'nobody'} now: this process "
                f"was not heard of for {PATIENCE:.0f} s, and has written nothing since"
            )

    def _touch(self) -> None:
        with suppress(OSError):  # that of a folder which cannot be reached is told by what is written there
            os.utime(self._path)
            self._touched = _now()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self._touch()

    def end(self) -> None:
        """Let the folder go, unless another owner has it."""
        self._over.set()
        self._thread.join()
        if _identity(self._path) == self._file:
            self._path.unlink(missing_ok=True)


@contextmanager
def leased(folder: Path, owner: Owner, say: Callable[[str], None]) -> Iterator[Owner | None]:
    """Hold the folder for `owner`, this process, which has its lock; yields None. Where another machine's
    process holds it, yields that one, and nothing is held. say: told what is being waited for."""
    while True:
        found = newest(folder)
        if found is not None and not found[1].reached_by_locks and _lives(*found, say):
            yield found[1]
            return
        path = _made(folder, 1 if found is None else _number(found[0]) + 1, owner)
        if path is not None:
            break
    if found is not None:
        found[0].unlink(missing_ok=True)
        if not found[1].reached_by_locks:
            time.sleep(_SETTLING)  # what it was writing is there, or is never written
    lease = Lease.held[folder.resolve()] = Lease(path)
    try:
        yield None
    finally:
        del Lease.held[folder.resolve()]
        lease.end()


def guard(folder: Path) -> Callable[[], None]:
    """What raises Disowned once the folder is not this process's any more: its lease's `check`. Nothing to
    ask where it has none."""
    lease = Lease.held.get(folder.resolve())
    return _free if lease is None else lease.check


def _free() -> None:
    pass


def newest(folder: Path) -> tuple[Path, Owner] | None:
    """The lease in force on a folder, and whose it is."""
    names = sorted((name for name in _names(folder) if _NAME.fullmatch(name)), reverse=True)
    for name in names:
        with suppress(OSError, ValueError, TypeError, KeyError):  # ended just now
            told = json.loads((folder / name).read_text())
            return folder / name, Owner(**{key: told[key] for key in ("host", "pid", "since", "kernel")})
    return None


def elsewhere(folder: Path) -> Owner | None:
    """The owner of a folder on another machine, as far as is seen without waiting."""
    found = newest(folder)
    if found is None or found[1].reached_by_locks:
        return None
    with suppress(OSError):
        if time.time() - found[0].stat().st_mtime < PATIENCE:
            return found[1]
    return None


def _names(folder: Path) -> list[str]:
    with suppress(FileNotFoundError):
        return os.listdir(folder)  # noqa: PTH208  not a stat a file, on what may be far away
    return []


def _lives(path: Path, owner: Owner, say: Callable[[str], None]) -> bool:
    """Whether the lease is touched within PATIENCE."""
    before, until = _touched(path), _now() + PATIENCE
    say(f"{path.parent.name} was last held by {owner}; waiting {PATIENCE:.0f} s to see whether it still is")
    while _now() < until:
        time.sleep(0.2)
        now = _touched(path)
        if now is None:
            return False  # it was let go
        if now != before:
            return True
    return False


def _touched(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def _made(folder: Path, number: int, owner: Owner) -> Path | None:
    """The lease of that number, made whole; None where another process was first."""
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


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
