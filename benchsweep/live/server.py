"""The server of the live page: on loopback, for who knows its address, and read-only."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from benchsweep.live.observer import LiveRuns
from reports.formatting.wording import plain_json
from reports.page.live import live_page
from search.records.sweep import Sweep

HOST = "127.0.0.1"
_KEEP_ALIVE = 5.0
"""Seconds without a change after which a comment is sent, so that a lost reader is noticed."""
_POLICY = "frame-ancestors 'none'"
"""Of every answer, beside what the pages say themselves."""


class LiveServer(ThreadingHTTPServer):
    """Answers GET below the path of its token; everything else is not found."""

    daemon_threads = True  # a reader may stay connected for hours
    allow_reuse_address = True

    def __init__(self, runs: LiveRuns, port: int) -> None:
        """port: 0 for any that is free. Raises OSError if it is taken."""
        super().__init__((HOST, port), _Handler)
        self.runs = runs
        self.token = secrets.token_urlsafe(24)
        self.stopped = threading.Event()

    @property
    def address(self) -> str:
        """The page's address, with the token."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"


@contextmanager
def serving(runs: LiveRuns, port: int = 0) -> Iterator[LiveServer]:
    """The server, answering while inside, and the observation of its runs. Raises OSError if the port is
    taken."""
    runs.look()
    with LiveServer(runs, port) as server:
        threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True),
            threading.Thread(target=runs.observe, args=(server.stopped,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            yield server
        finally:
            server.stopped.set()
            server.shutdown()
            for thread in threads:
                thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    server_version = "benchsweep"
    sys_version = ""

    def do_GET(self) -> None:
        server = cast(LiveServer, self.server)
        names = {f"{HOST}:{server.server_port}", f"localhost:{server.server_port}"}
        token, _, rest = self.path.removeprefix("/").partition("/")
        known = secrets.compare_digest(token.encode(), server.token.encode())
        # Another name that leads here is a page elsewhere that rebinds its own name to this machine.
        if not known or self.headers.get("Host") not in names:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        if rest == "":
            self._send(live_page([run.name for run in server.runs.folders]))
        elif rest == "events":
            self._stream(server)
        elif rest.startswith("report/") and rest.removeprefix("report/") in map(
            str, range(len(server.runs.folders))
        ):
            self._send(_report(server.runs, int(rest.removeprefix("report/"))))
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _head(self, kind: str) -> None:
        self.send_response(HTTPStatus.OK)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Cache-Control": "no-store",
            "Content-Security-Policy": _POLICY,
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, page: str) -> None:
        self._head("text/html")
        with suppress(ConnectionError):
            self.wfile.write(page.encode("utf-8", "backslashreplace"))

    def _stream(self, server: LiveServer) -> None:
        """Server-sent events: first all runs, or what changed since the last event that the reader had."""
        last = self.headers.get("Last-Event-ID", "0")
        version = int(last) if last.isdecimal() and len(last) < 12 else 0
        self._head("text/event-stream")
        with suppress(ConnectionError, TimeoutError):
            while not server.stopped.is_set():
                before = version
                version, runs = server.runs.changes(version, _KEEP_ALIVE)
                if version == before:
                    self.wfile.write(b": still here\n\n")
                else:
                    data = json.dumps(plain_json(runs), separators=(",", ":"))
                    self.wfile.write(f"id: {version}\ndata: {data}\n\n".encode("utf-8", "backslashreplace"))
                self.wfile.flush()

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing: a request holds the token."""


def _report(runs: LiveRuns, index: int) -> str:
    """The report of a run as it is now."""
    # They take seconds to import, which the live page need not wait for.
    from reports.analysis.benchmarks import read_benchmarks
    from reports.page.report import Report, html

    return html(Report.of(Sweep.read(runs.folders[index].path), read_benchmarks()))
