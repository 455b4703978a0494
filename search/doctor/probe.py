"""Checks that load torch or start Ray, each in its own process: a crash or a hang becomes a finding."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from search.doctor.finding import Finding, checked, failed, passed, warned
from search.records.environment import CODE_FOLDER

_TIMEOUT = 120.0
"""Seconds after which a script counts as hanging; normally it takes up to ten."""


class _Answer(NamedTuple):
    """The outcome of a script that prints JSON as its last line."""

    values: dict[str, Any] | None
    """The parsed last line; None if the script failed."""
    error: str
    """Why it failed; empty otherwise."""
    seconds: float
    """Run time of the script in seconds."""

    @classmethod
    def of(cls, script: str) -> _Answer:
        """Run the script in a new session, and kill the session on a timeout or a failure."""
        began = time.perf_counter()
        path = os.pathsep.join(filter(None, [str(CODE_FOLDER), os.environ.get("PYTHONPATH")]))
        # Files, not pipes: a daemon that survives would keep a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", script],
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
            try:
                process.wait(_TIMEOUT)
            except subprocess.TimeoutExpired:
                return cls(None, f"it hung and was killed after {_TIMEOUT:.0f} s", _TIMEOUT)
            finally:
                if process.poll() != 0:  # Ray's daemons may outlive the process that started them
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            out.seek(0)
            err.seek(0)
            stdout, stderr = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        seconds = time.perf_counter() - began
        if process.returncode == 0:
            with suppress(ValueError, IndexError):
                return cls(json.loads(stdout.strip().splitlines()[-1]), "", seconds)
        if process.returncode < 0:
            return cls(None, f"it was killed by {signal.Signals(-process.returncode).name}", seconds)
        return cls(None, last_line(stderr) or f"it exited with code {process.returncode}", seconds)


def last_line(text: str) -> str:
    """The last line that is not blank, cut at 300 characters: the error message of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


_TORCH = """
import json
import torch, torchvision
values = {"torch": torch.__version__, "torchvision": torchvision.__version__, "built": torch.version.cuda}
values["mps"] = torch.backends.mps.is_available()
values["gpus"], values["fault"] = [], None
try:
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        device = torch.cuda.get_device_properties(index)
        values["gpus"].append([device.name, device.total_memory])
        assert torch.ones(8, device=f"cuda:{index}").sum().item() == 8
except Exception as error:
    values["fault"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(values))
"""


def torch() -> Iterator[Finding]:
    """Whether torch and torchvision can be imported together, and which devices they find."""
    answer = _Answer.of(_TORCH)
    yield checked("torch", lambda: _torch(answer))
    if answer.values is not None:
        yield checked("device", lambda: _device(answer))


def _torch(answer: _Answer) -> Finding:
    if answer.values is None:
        return failed(
            "torch",
            f"torch and torchvision cannot be imported together: {answer.error}",
            "install both from the same build, CPU or CUDA: `uv sync --reinstall-package torch "
            "--reinstall-package torchvision`",
        )
    versions = f"torch {answer.values['torch']} and torchvision {answer.values['torchvision']}"
    return passed("torch", f"{versions} were imported together in {answer.seconds:.1f} s")


def _device(answer: _Answer) -> Finding:
    values = answer.values
    assert values is not None
    if values["fault"] is not None:
        return failed(
            "device",
            f"a CUDA device was found, but it cannot be used: {values['fault']}",
            "install the torch build that matches its driver, or set resources.gpus = 0",
        )
    if values["gpus"]:
        gpus = ", ".join(f"{name} with {size / 10**9:.0f} GB" for name, size in values["gpus"])
        return passed("device", f"{gpus}; resources.gpus gives each trial a share of it")
    if values["mps"]:
        return passed("device", 'an Apple GPU; resources.device = "mps" uses it')
    if Path("/dev/nvidiactl").exists():
        build = f"built for CUDA {values['built']}" if values["built"] else "built for CPU only"
        return warned(
            "device",
            f"an NVIDIA driver is installed, but torch {values['torch']}, {build}, finds no GPU",
            "install the CUDA build of torch that matches the driver version shown by `nvidia-smi`",
        )
    return passed("device", "CPU only")


_RAY = """
import json, time
from search.plan.budget import Resources
from search.engine.ray_tune.connection import connected, ray
began = time.perf_counter()
with connected(Resources()) as connection:
    assert not list(connection.gather(lambda: False))
    answer = ray.get(ray.remote(lambda: 6 * 7).remote())
    address = ray.nodes()[0]["NodeManagerAddress"]
assert answer == 42
seconds = time.perf_counter() - began
print(json.dumps({"workers": connection.slots.cluster.workers, "address": address, "seconds": seconds}))
"""


def ray(folder: Path) -> Finding:
    """Start Ray as a search does, and run one task. folder: where Ray keeps its logs."""
    answer = _Answer.of(_RAY)
    if answer.values is None:
        return failed(
            "ray",
            f"Ray did not start, or did not run a task: {answer.error}",
            f"read the logs in {folder}/session_latest/logs; the usual cause is too little disk, memory or "
            f"/dev/shm",
        )
    address, seconds, workers = (answer.values[name] for name in ("address", "seconds", "workers"))
    message = (
        f"on {address} it started, ran a task and stopped in {seconds:.1f} s; there is room for {workers} "
        f"concurrent trials"
    )
    if address != "127.0.0.1":
        return warned(
            "ray", message, "it should listen on 127.0.0.1 only, or other hosts may be able to reach it"
        )
    return passed("ray", message)
