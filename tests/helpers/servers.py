"""Programs that are asked over HTTP on this machine: started on a free port, stopped by their process id."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds that a program may take to answer for the first time: machines are slow at times."""


class Server:
    """A program that answers at http://127.0.0.1:port."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._ask(urllib.request.Request(f"http://127.0.0.1:{self.port}{path}"))

    def post(self, path: str, told: Mapping[str, Any]) -> Any:
        """The JSON that a path answers to this one."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(told).encode(),
            headers={"Content-Type": "application/json"},
        )
        return self._ask(request)

    def _ask(self, request: urllib.request.Request) -> Any:
        # Without a proxy: what is asked is this machine.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=30) as answer:
            return json.loads(answer.read())


@contextmanager
def serving(folder: Path, path: str, *command: str | Path) -> Iterator[Server]:
    """The program `python -m command`, with "PORT" in it replaced, once it answers at `path`. It runs in
    `folder`, where its log is left."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [str(word).replace("PORT", str(port)) for word in command]
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, *words], stdout=file, stderr=file, cwd=folder, start_new_session=True
        )
    try:
        server = Server(port)
        _wait(process, server, path, log)
        yield server
    finally:
        # Its own session: what it started itself goes with it.
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def _wait(process: subprocess.Popen[bytes], server: Server, path: str, log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            server.get(path)
        except (urllib.error.URLError, ConnectionError, TimeoutError, ValueError) as error:
            assert process.poll() is None, f"it ended: {log.read_text()}"
            assert time.monotonic() < end, f"no answer ({error}): {log.read_text()}"
            time.sleep(0.1)
        else:
            return
