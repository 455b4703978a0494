"""A program that a fork server started does what Python's own start of it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fork_server import PIPE, ForkServer


@pytest.fixture(scope="module")
def server() -> Iterator[ForkServer]:
    """One that has imported something small."""
    made = ForkServer(["fractions"])
    yield made
    made.close()


PROGRAM = """
import atexit, os, signal, sys
from pathlib import Path
atexit.register(print, "at the end")
print(sys.argv[1:], Path.cwd(), sys.path[0] in ("", str(Path.cwd())))
print([path for path in sys.path if path.endswith("mine")])
print(sys.stdin.read(), __name__, sys.modules["__main__"].__dict__ is globals())
print({name: os.environ.get(name) for name in ("PATH", "GIVEN", "INHERITED", "HOME")})
print("wrong", file=sys.stderr)
print(os.isatty(1), [stream.fileno() for stream in (sys.stdin, sys.stdout, sys.stderr)])
print(os.getsid(0) == os.getpid(), signal.getsignal(signal.SIGCHLD))
"""


@pytest.mark.parametrize(
    ("kind", "end", "session"),
    [
        ("-c", "", True),
        ("-c", "sys.exit(3)", False),
        ("-c", "os.kill(os.getpid(), 9)", False),
        ("-m", "sys.exit('a sentence')", False),
        ("-m", "1 / 0", False),
        ("file", "", False),
        (
            "file",
            "sys.stdout.flush(); [os.dup2(os.open('/dev/full', 1), number) for number in (1, 2)]",
            False,
        ),
        ("-c", "import threading; threading.Timer(0.3, print, ['from a thread']).start()", False),
        ("file", "raise KeyboardInterrupt", False),
    ],
)
def test_it_ends_and_prints_as_python_does(
    server: ForkServer, tmp_path: Path, kind: str, end: str, session: bool
) -> None:
    (tmp_path / "program.py").write_text(PROGRAM + end)
    words = {"-c": ["-c", PROGRAM + end], "-m": ["-m", "program"], "file": [str(tmp_path / "program.py")]}
    command = [*words[kind], "one", "-m"]
    environment = {"PATH": os.environ["PATH"], "GIVEN": "1", "PYTHONPATH": "mine"}
    real = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        input="asked",
        cwd=tmp_path,
        env=environment,
        start_new_session=session,
    )
    forked = server.run(*command, input="asked", cwd=tmp_path, env=environment, start_new_session=session)
    assert forked.stdout.splitlines() == real.stdout.splitlines()
    assert forked.returncode == real.returncode
    last = real.stderr.splitlines()[-1:]
    assert forked.stderr.splitlines()[-1:] == last and forked.stderr.startswith(real.stderr[:6])


WAITING = """
import time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    print("interrupted")
    raise
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_signal_reaches_it_and_it_alone(server: ForkServer, signum: int) -> None:
    with server.start("-c", WAITING, stdout=PIPE) as other:
        with server.start("-c", WAITING, stdout=PIPE, stderr=PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            assert process.poll() is None
            process.send_signal(signum)
            out, err = process.communicate(timeout=30)
        assert process.poll() == process.returncode == -signum
        assert (out == "interrupted\n") is ("KeyboardInterrupt" in err) is (signum == signal.SIGINT)
        with pytest.raises(ProcessLookupError):
            os.kill(process.pid, 0)
        assert other.poll() is None
        other.kill()
    assert other.returncode == -signal.SIGKILL


def test_what_takes_too_long_is_killed(server: ForkServer) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        server.run("-c", "import time; time.sleep(60)", timeout=0.2)


def test_what_is_piped_to_it_ends_where_it_ends(server: ForkServer) -> None:
    """Nobody else holds the pipes: neither the server nor what it started meanwhile."""
    code = "import sys; sys.stdout.write(sys.stdin.read())"
    with (
        server.start("-c", code, stdin=PIPE, stdout=PIPE) as first,
        server.start("-c", code, stdin=PIPE, stdout=PIPE) as second,
    ):
        assert first.communicate("first", timeout=20)[0] == "first"
        assert second.communicate("second", timeout=20)[0] == "second"


def test_a_file_takes_its_output(server: ForkServer, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as file, server.start("-c", "print('written')", stdout=file) as process:
        assert process.wait(20) == 0
    assert (tmp_path / "out").read_text() == "written\n"
