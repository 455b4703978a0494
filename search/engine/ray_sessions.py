"""Ray's sessions on this machine: each Ray that a search starts for itself keeps its logs and sockets in a
folder of its own, here below one that only this user can open.

Ray removes neither the folder nor, after a kill, all of its processes. Does not depend on Ray.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from search.engine import session_watcher
from trainable.errors import BenchsweepError

_NAME = re.compile(r"session_\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d+_(\d+)")
"""Ray's name of a session's folder: local time, of whatever zone, and the driver's process id."""
_SESSIONS = "ray"
"""The name of the folder that holds them."""
_SOCKETS = len("/session_2026-11-30_12-34-26_919741_4194304/sockets/plasma_store")
_MAX_SOCKET_PATH = 107 if sys.platform == "linux" else 103
"""Bytes that the path of a Unix socket may have."""
_FIRST_NAMESPACE = 0xEFFFFFFC
"""Inode of the process namespace outside of all containers."""
_ENDING = 10.0
"""Seconds within which a killed driver, and what it left, are gone."""
_MIN_FREE = 100 * 2**20
"""Bytes that must be free: Ray's logs and records of a search."""


class NoTemporaryFolder(BenchsweepError, OSError):
    """No folder can hold Ray's logs and sockets."""


def sessions_folder() -> Path:
    """The folder of this user's sessions. Ray opens it to everybody, so it is made in one of mode 0700.

    In RAY_TMPDIR if that is set, else in the system's temporary folder, /tmp or /var/tmp, whichever is the
    first that can hold it. Raises NoTemporaryFolder.
    """
    chosen = os.environ.get("RAY_TMPDIR")
    candidates = [chosen] if chosen else [tempfile.gettempdir(), "/tmp", "/var/tmp"]
    reasons = []
    for candidate in dict.fromkeys(candidates):
        folder = Path(candidate).absolute() / f"benchsweep-{os.getuid()}{_namespace()}"
        reason = _why_unfit(folder)
        if reason is None:
            return folder / _SESSIONS
        reasons.append(f"{candidate} {reason}")
    raise NoTemporaryFolder(
        f"Ray needs a folder for its logs and sockets, but {'; '.join(reasons)}",
        "set RAY_TMPDIR to a short path on a disk with room",
    )


def _namespace() -> str:
    """Distinguishes containers that share a temporary folder: a process id means nothing in another one."""
    with suppress(OSError):
        inode = Path("/proc/self/ns/pid").stat().st_ino
        return "" if inode == _FIRST_NAMESPACE else f"-{inode:x}"
    return ""


def _why_unfit(folder: Path) -> str | None:
    """Why the folder cannot hold sessions; None if it can, and exists."""
    if (length := len(os.fsencode(folder / _SESSIONS)) + _SOCKETS) > _MAX_SOCKET_PATH:
        return f"is too long: a socket's path may have {_MAX_SOCKET_PATH} bytes, and would have {length}"
    try:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        status = folder.lstat()
        if folder.is_symlink() or not folder.is_dir() or status.st_uid != os.getuid():
            return f"holds {folder.name}, which is not a folder of this user's"
        folder.chmod(0o700)
        (folder / _SESSIONS).mkdir(exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"cannot be used ({error.strerror})"
    if free < _MIN_FREE:
        return f"has {free / 2**20:.0f} MiB free and must have {_MIN_FREE / 2**20:.0f}"
    return None


@dataclass(frozen=True)
class RaySession:
    """One start of Ray by a search on this machine alone."""

    path: Path
    """Its folder."""
    driver: int
    """Process id of the search that started it."""
    changed: float
    """When its folder was last changed, in seconds since the epoch: not before its driver began."""

    @classmethod
    def at(cls, path: Path) -> RaySession | None:
        """The session whose folder this is; None if it is another folder."""
        named = _NAME.fullmatch(path.name)
        if named is None or not path.is_dir() or path.is_symlink():
            return None
        return cls(path, int(named[1]), path.stat().st_mtime)

    @property
    def dead(self) -> bool:
        """Whether the search that started it has ended."""
        try:
            process = psutil.Process(self.driver)
            # A process that began later only has the same id; a zombie has ended, unnoticed by its parent.
            return process.create_time() > self.changed + 2 or process.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    def processes(self) -> list[psutil.Process]:
        """Those of its processes that still run: they name its folder, or hold a file in it open."""
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        inside = f"{self.path}{os.sep}"
        try:
            if process.uids().real != os.getuid() or process.pid == os.getpid():
                return False
            words = process.cmdline()
            if any(inside in word or word.endswith(str(self.path)) for word in words):
                return True
            # Ray's agents replace their command line by a title.
            titled = bool(words) and words[0].startswith("ray::")
            return titled and any(file.path.startswith(inside) for file in process.open_files())
        except psutil.Error:
            return False

    def end(self) -> None:
        """Kill its processes."""
        left = self.processes()
        for process in left:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(left, timeout=5)

    def remove(self) -> None:
        """Kill its processes, and remove its folder."""
        self.end()
        shutil.rmtree(self.path, ignore_errors=True)


def session_of(folder: Path, driver: int) -> RaySession | None:
    """The newest session in a folder of sessions that the process `driver` started; None if there is none."""
    sessions = map(RaySession.at, sorted(folder.iterdir()))
    return max(
        (session for session in sessions if session is not None and session.driver == driver),
        key=lambda session: session.path.name,
        default=None,
    )


def dead_sessions(folder: Path) -> list[RaySession]:
    """What searches that were killed left in a folder of sessions, in the order of their start."""
    sessions = map(RaySession.at, sorted(folder.iterdir()))
    return [session for session in sessions if session is not None and session.dead]


def remove_dead_sessions(folder: Path) -> None:
    """Remove what searches that were killed left in a folder of sessions."""
    for session in dead_sessions(folder):
        session.remove()


@contextmanager
def watched(folder: Path) -> Iterator[None]:
    """Let a process of its own remove this process's session from a folder of sessions, within seconds, if
    this process is killed while inside."""
    command = [sys.executable, "-I", "-S", session_watcher.__file__, str(folder), str(os.getpid())]
    # In its own session and away from the terminal: Ctrl-C is not meant for it, and who reads this process's
    # output must see the end of it.
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    ) as watcher:
        try:
            yield
        finally:
            assert watcher.stdin is not None
            with suppress(BrokenPipeError):  # it was killed
                os.write(watcher.stdin.fileno(), b".")


def _remove_session(folder: Path, driver: int) -> None:
    """Remove the session of a driver that has just been killed."""
    until = time.monotonic() + _ENDING
    while (session := session_of(folder, driver)) is not None and time.monotonic() < until:
        if session.dead:
            left = session.processes()
            session.remove()
            if not left:
                return
        time.sleep(0.5)  # a daemon that was about to start another process may have done so


if __name__ == "__main__":
    _remove_session(Path(sys.argv[1]), int(sys.argv[2]))
