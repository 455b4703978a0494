"""Python programs that start at once, as forks of a process that has imported what they need (Linux).

Most of the time that the command takes to start goes into imports. A fork server does them once. What it
starts is a process of its own, with its own arguments, folder, environment, streams and signals. It runs as
`python -m module`, `python -c code` or `python file` does, ends as the interpreter ends, and can be killed.

Not for programs whose subject is what they import, or what is read when it is imported: the packages are
there already, and they saw the environment of the server. Not for closed streams either.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType, TracebackType
from typing import IO, Any, NamedTuple, NoReturn

PACKAGES = (
    "benchsweep.actions.report",
    "benchsweep.actions.reproduce",
    "benchsweep.actions.search",
    "benchsweep.actions.show",
    "benchsweep.actions.status",
    "plotly.graph_objs.scatter",
    "plotly.io",
    "reports.page.report",
    "search.engine.local",
    "search.engine.ray_tune.tuner",
    "search.study.search",
    "sklearn.datasets",
    "trainable.mlp",
    "trainable.mnist.training",
    "typer",
)
"""What a search, its report and its confirmation import."""
PIPE, DEVNULL = subprocess.PIPE, subprocess.DEVNULL
_LONGEST = 1 << 17  # bytes of a request: a command, and an environment
_NUMBER = 32  # bytes of a process id or an exit status


class ForkedProcess:
    """A program that a fork server started. It is used as a `subprocess.Popen` in text mode is."""

    def __init__(
        self, words: Sequence[str], channel: socket.socket, streams: Sequence[IO[str] | None]
    ) -> None:
        self.args = list(words)
        self.stdin, self.stdout, self.stderr = streams
        self.returncode: int | None = None
        """As of Popen: the exit status, or the negative number of the signal that ended it; None until `poll`
        or `wait` found its end."""
        self._channel = channel
        self.pid = int(channel.recv(_NUMBER))

    def poll(self) -> int | None:
        """Its exit status, None while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status, once it ended. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._channel, selectors.EVENT_READ)
                if not selector.select(timeout):
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
            with self._channel:
                self.returncode = int(self._channel.recv(_NUMBER))
        return self.returncode

    def communicate(self, given: str | None = None, timeout: float | None = None) -> tuple[str, str]:
        """What is left of its output and of its errors, once it ended; "" where not piped. given: all
        of its input."""
        end = None if timeout is None else time.monotonic() + timeout
        readers = ThreadPoolExecutor(2)
        read: list[Future[str]] = [
            readers.submit(stream.read if stream else str) for stream in (self.stdout, self.stderr)
        ]
        readers.shutdown(wait=False)
        if self.stdin is not None:
            with suppress(BrokenPipeError), self.stdin:
                self.stdin.write(given or "")
        try:
            out, err = (each.result(None if end is None else end - time.monotonic()) for each in read)
        except TimeoutError:
            raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
        self.wait(None if end is None else max(0.0, end - time.monotonic()))
        return out, err

    def send_signal(self, signum: int) -> None:
        """Send a signal, unless it ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> ForkedProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()


class ForkServer:
    """A process that has imported `modules` and forks. environment: what it imports them in."""

    def __init__(
        self, modules: Sequence[str] = PACKAGES, environment: Mapping[str, str] | None = None
    ) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno()), *modules],
                env=None if environment is None else {**environment},
                stdin=DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(
        self,
        *words: str,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | IO[Any] | None = None,
        stderr: int | IO[Any] | None = None,
        start_new_session: bool = False,
    ) -> ForkedProcess:
        """Start `python` with these words: -m module, -c code or a file, and arguments. The others are those
        of Popen, whose defaults they have. stdin: PIPE, DEVNULL or a file descriptor."""
        request = {
            "words": words,
            "folder": str(Path.cwd() if cwd is None else cwd.absolute()),
            "environment": dict(os.environ if env is None else env),
            "session": start_new_session,
        }
        channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ExitStack() as stack:
            stack.callback(theirs.close)
            ours: list[IO[str] | None] = []
            given = [theirs.fileno()]
            for number, stream in enumerate((stdin, stdout, stderr)):
                end, descriptor = _stream(number, stream, stack)
                ours.append(end)
                given.append(descriptor)
            message = json.dumps(request).encode()
            assert len(message) < _LONGEST
            socket.send_fds(self._requests, [message], given)
        return ForkedProcess(words, channel, ours)

    def run(
        self,
        *words: str,
        input: str | None = None,
        timeout: float | None = None,
        **options: Any,
    ) -> subprocess.CompletedProcess[str]:
        """Start it as `start` does, with its streams piped, and wait for its end. It is killed if that takes
        longer than `timeout` seconds."""
        piped = {"stdin": DEVNULL if input is None else PIPE, "stdout": PIPE, "stderr": PIPE}
        with self.start(*words, **{**piped, **options}) as process:
            try:
                out, err = process.communicate(input, timeout)
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(process.args, process.wait(), out, err)

    def close(self) -> None:
        """End the server. What it started goes on, but nobody hears of its end any more."""
        self._requests.close()
        self._process.wait()


def _stream(number: int, given: int | IO[Any] | None, stack: ExitStack) -> tuple[IO[str] | None, int]:
    """Our end of a piped stream, and the descriptor that the program gets. It is closed with the stack if it
    was made here."""
    if given is None:
        return None, number
    if given == DEVNULL:
        descriptor = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, descriptor)
        return None, descriptor
    if given != PIPE:
        return None, given if isinstance(given, int) else given.fileno()
    source, sink = os.pipe()
    stack.callback(os.close, source if number == 0 else sink)
    return (os.fdopen(sink, "w"), source) if number == 0 else (os.fdopen(source), sink)


class _Request(NamedTuple):
    """What a fork becomes."""

    words: list[str]
    folder: str
    environment: dict[str, str]
    session: bool

    def enter(self, streams: Sequence[int]) -> None:
        """Make this process the one that was asked for."""
        if self.session:
            os.setsid()
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            stream = open(  # noqa: SIM115  it is this process's own
                number,
                "w" if number else "r",
                buffering=1 if number == 2 or os.isatty(number) else -1,
                errors="backslashreplace" if number == 2 else "strict",
                closefd=False,
            )
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)

    def run(self, paths: Sequence[str]) -> None:
        """Run the program. paths: sys.path without what the command and PYTHONPATH add."""
        first, *rest = self.words
        named = self.environment.get("PYTHONPATH", "").split(os.pathsep)
        sys.path[:] = [*(str(Path(path).absolute()) for path in named if path), *paths]
        if first == "-m":
            sys.path.insert(0, self.folder)
            sys.argv[:] = rest
            runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        elif first == "-c":
            sys.path.insert(0, "")
            sys.argv[:] = ["-c", *rest[1:]]
            main = sys.modules["__main__"] = ModuleType("__main__")
            exec(compile(rest[0], "<string>", "exec"), main.__dict__)
        else:
            sys.path.insert(0, str(Path(first).resolve().parent))
            sys.argv[:] = self.words
            runpy.run_path(first, run_name="__main__")


def _serve(requests: socket.socket) -> _Request | None:
    """Fork at each request. Returns the request in the fork, and None once there are no more."""
    wake, waker = os.pipe()
    os.set_blocking(waker, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(waker)
    channels: dict[int, socket.socket] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(wake, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if wake in ready:
                os.read(wake, 1 << 12)
                _report_ends(channels)
            if requests.fileno() not in ready:
                continue
            message, descriptors, _, _ = socket.recv_fds(requests, _LONGEST, 4)
            if not message:
                return None
            channel, *streams = descriptors
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for descriptor in (wake, waker, channel):
                    os.close(descriptor)
                for other in channels.values():
                    other.close()
                requests.close()
                request = _Request(**json.loads(message))
                request.enter(streams)
                return request
            channels[pid] = socket.socket(fileno=channel)
            _tell(channels[pid], pid)
            for stream in streams:
                os.close(stream)


def _report_ends(channels: dict[int, socket.socket]) -> None:
    """Tell those who wait for a program that it ended."""
    while channels:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with channels.pop(pid) as channel:
            _tell(channel, os.waitstatus_to_exitcode(status))


def _tell(channel: socket.socket, number: int) -> None:
    with suppress(OSError):  # nobody waits for it any more
        channel.send(str(number).encode())


def _carry_out(program: Callable[[], None]) -> NoReturn:
    """Run a program and end this process as the interpreter would, but for what takes longest: it frees the
    objects of all modules, one by one."""
    status = 0
    try:
        program()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            status = -signal.SIGINT
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads
    atexit._run_exitfuncs()
    for stream in {sys.stdout, sys.__stdout__, sys.stderr, sys.__stderr__}:
        try:
            stream.flush()
        except (OSError, ValueError):
            status = 120
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status & 0xFF)


def main() -> None:
    descriptor, *modules = sys.argv[1:]
    inherited = {*os.environ.get("PYTHONPATH", "").split(os.pathsep), str(Path(__file__).resolve().parent)}
    paths = [path for path in sys.path if path not in inherited]
    sys.path[:] = paths
    gc.disable()  # what is imported stays
    for module in modules:
        import_module(module)
    gc.freeze()
    gc.enable()
    request = _serve(socket.socket(fileno=int(descriptor)))
    if request is not None:
        _carry_out(lambda: request.run(paths))


if __name__ == "__main__":
    main()
