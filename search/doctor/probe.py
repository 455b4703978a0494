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
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

from search.doctor.finding import Finding, checked, failed, passed, warned
from search.records.environment import CODE_FOLDER

_TIMEOUT = 120.0
"""Seconds after which a script counts as hanging; normally it takes up to ten."""


class _Answer(NamedTuple):
    """The outcome of a script that prints JSON as its last line."""

    values: dict[str, Any] | None
    """The parsed last line; None if the script failed."""
    error: str = ""
    """Why it failed; empty otherwise."""


class _Script:
    """A script that runs in a process and a session of its own. Leaving the block kills the session of one
    that failed, or was not waited for."""

    def __init__(self, script: str) -> None:
        path = os.pathsep.join(filter(None, [str(CODE_FOLDER), os.environ.get("PYTHONPATH")]))
        # Files, not pipes: a daemon that survives would keep a pipe open.
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()  # noqa: SIM115
        self._deadline = time.monotonic() + _TIMEOUT
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", script],
            stdout=self._out,
            stderr=self._err,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self._process.poll() != 0:  # Ray's daemons may outlive the process that started them
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._out.close()
        self._err.close()

    def answer(self) -> _Answer:
        """Wait for its end, at most `_TIMEOUT` seconds from its start."""
        try:
            code = self._process.wait(max(0.0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return _Answer(None, f"it hung and was killed after {_TIMEOUT:.0f} s")
        stdout, stderr = (self._text(file) for file in (self._out, self._err))
        if code == 0:
            with suppress(ValueError, IndexError):
                return _Answer(json.loads(stdout.strip().splitlines()[-1]))
        if code < 0:
            return _Answer(None, f"it was killed by {signal.Signals(-code).name}")
        return _Answer(None, last_line(stderr) or f"it exited with code {code}")

    @staticmethod
    def _text(file: IO[bytes]) -> str:
        file.seek(0)
        return file.read().decode(errors="replace")


@contextmanager
def started() -> Iterator[Probes]:
    """Both checks, under way: they take seconds, for which other checks need not wait."""
    with _Script(_RAY) as ray, _Script(_TORCH) as torch:
        yield Probes(torch, ray)


@dataclass(frozen=True)
class Probes:
    """The checks that run in processes of their own."""

    _torch: _Script
    _ray: _Script

    def torch(self) -> Iterator[Finding]:
        """Whether torch loads, with the compiled part of torchvision, and which devices and precisions they
        find."""
        answer = self._torch.answer()
        yield checked("torch", lambda: _torch(answer))
        if answer.values is not None:
            yield checked("device", lambda: _device(answer))
            yield checked("precision", lambda: _precision(answer))

    def ray(self, folder: Path) -> Finding:
        """Whether Ray starts as for a search, and runs a task. folder: where Ray keeps its logs."""
        return _ray(self._ray.answer(), folder)


def last_line(text: str) -> str:
    """The last line that is not blank, cut at 300 characters: the error message of a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


_TORCH = """
import importlib.metadata, importlib.util, json, pathlib, time
began = time.perf_counter()
import torch
# torchvision's compiled part is what fails next to another build of torch. Its Python takes seconds.
(folder,) = importlib.util.find_spec("torchvision").submodule_search_locations
for compiled in pathlib.Path(folder).glob("_C*"):
    torch.ops.load_library(compiled)
torch.ops.torchvision.nms
values = {"seconds": time.perf_counter() - began, "torch": torch.__version__, "built": torch.version.cuda}
values["torchvision"] = importlib.metadata.version("torchvision")
values["mps"] = torch.backends.mps.is_available()
flags = getattr(torch.cpu, "get_capabilities", dict)()
known = {"amx_bf16": "AMX", "avx512_bf16": "AVX512-BF16"}
values["bf16"] = [name for flag, name in known.items() if flags.get(flag)]
values["vectors"] = torch.backends.cpu.get_cpu_capability()
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


def _torch(answer: _Answer) -> Finding:
    if answer.values is None:
        return failed(
            "torch",
            f"torch and torchvision do not load together: {answer.error}",
            "install both from the same build, CPU or CUDA: `uv sync --reinstall-package torch "
            "--reinstall-package torchvision`",
        )
    versions = f"torch {answer.values['torch']} and torchvision {answer.values['torchvision']}"
    return passed("torch", f"{versions} load together in {answer.values['seconds']:.1f} s")


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


def _precision(answer: _Answer) -> Finding:
    values = answer.values
    assert values is not None
    if values["bf16"]:
        return passed("precision", f"the processor multiplies in bf16 ({', '.join(values['bf16'])})")
    return passed(
        "precision", f"the processor multiplies in float32 ({values['vectors']}), and has no bf16 of its own"
    )


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


def _ray(answer: _Answer, folder: Path) -> Finding:
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
