"""Torch and Ray, tried in processes of their own: one that crashes or hangs is a finding."""

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

_ROOT = Path(__file__).parents[2]
_PATIENCE = 120.0
"""Seconds after which either, which takes up to ten, is taken to hang."""


class _Answer(NamedTuple):
    """What a script printed as its last line, which is JSON; else why there is none. seconds: of it all."""

    told: dict[str, Any] | None
    error: str
    seconds: float

    @classmethod
    def of(cls, script: str) -> _Answer:
        """Run it in a session of its own, and end all of that when it takes too long."""
        began = time.perf_counter()
        path = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        # Files, not pipes: a daemon that lives on would keep a pipe open.
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", script],
                stdout=out,
                stderr=err,
                env={**os.environ, "PYTHONPATH": path},
                start_new_session=True,
            )
            try:
                process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                return cls(None, f"it hung, and was ended after {_PATIENCE:.0f} s", _PATIENCE)
            finally:
                if process.poll() != 0:  # Ray's daemons may outlive the one that started them
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
            out.seek(0)
            err.seek(0)
            printed, complained = out.read().decode(errors="replace"), err.read().decode(errors="replace")
        seconds = time.perf_counter() - began
        if process.returncode == 0:
            with suppress(ValueError, IndexError):
                return cls(json.loads(printed.strip().splitlines()[-1]), "", seconds)
        if process.returncode < 0:
            return cls(None, f"it was ended by {signal.Signals(-process.returncode).name}", seconds)
        return cls(None, last_line(complained) or f"it ended with {process.returncode}", seconds)


def last_line(text: str) -> str:
    """The last line with anything on it, cut at 300 characters: where Python tells an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""


_TORCH = """
import json
import torch, torchvision
told = {"torch": torch.__version__, "torchvision": torchvision.__version__, "built": torch.version.cuda}
told["mps"] = torch.backends.mps.is_available()
told["gpus"], told["fault"] = [], None
try:
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(index)
        told["gpus"].append([found.name, found.total_memory])
        assert torch.ones(8, device=f"cuda:{index}").sum().item() == 8
except Exception as error:
    told["fault"] = f"{type(error).__name__}: {error}".splitlines()[0]
print(json.dumps(told))
"""


def torch() -> Iterator[Finding]:
    """Whether torch and torchvision load together, and what device they find."""
    answer = _Answer.of(_TORCH)
    yield checked("torch", lambda: _torch(answer))
    if answer.told is not None:
        yield checked("device", lambda: _device(answer))


def _torch(answer: _Answer) -> Finding:
    if answer.told is None:
        return failed(
            "torch",
            f"torch and torchvision cannot be imported together: {answer.error}",
            "both must be of one build, CPU or CUDA: `uv sync --reinstall-package torch --reinstall-package "
            "torchvision`",
        )
    both = f"torch {answer.told['torch']} and torchvision {answer.told['torchvision']}"
    return passed("torch", f"{both} are imported together, in {answer.seconds:.1f} s")


def _device(answer: _Answer) -> Finding:
    told = answer.told
    assert told is not None
    if told["fault"] is not None:
        return failed(
            "device",
            f"a CUDA device is there, but cannot be used: {told['fault']}",
            "install the torch build for its driver, or set resources.gpus = 0",
        )
    if told["gpus"]:
        gpus = ", ".join(f"{name} with {size / 10**9:.0f} GB" for name, size in told["gpus"])
        return passed("device", f"{gpus}: ask for a share with resources.gpus")
    if told["mps"]:
        return passed("device", 'the GPU of an Apple chip: resources.device = "mps" uses it')
    if Path("/dev/nvidiactl").exists():
        build = f"built for CUDA {told['built']}" if told["built"] else "built for the CPU alone"
        return warned(
            "device",
            f"an NVIDIA driver is there, but torch {told['torch']}, {build}, sees no GPU",
            "install torch's CUDA build for this driver, as `nvidia-smi` names it",
        )
    return passed("device", "CPU only")


_RAY = """
import json, time
from search.plan.budget import Resources
from search.engine.connection import connected, ray
began = time.perf_counter()
with connected(Resources()) as engine:
    assert not list(engine.gather(lambda: False))
    answer = ray.get(ray.remote(lambda: 6 * 7).remote())
    address = ray.nodes()[0]["NodeManagerAddress"]
assert answer == 42
seconds = time.perf_counter() - began
print(json.dumps({"workers": engine.places.cluster.workers, "address": address, "seconds": seconds}))
"""


def ray(folder: Path) -> Finding:
    """Bring Ray up as a search does, and run one task. folder: where it keeps its logs."""
    answer = _Answer.of(_RAY)
    if answer.told is None:
        return failed(
            "ray",
            f"Ray could not be started, or ran no task: {answer.error}",
            f"look at {folder}/session_latest/logs; too little disk, memory or /dev/shm is the usual cause",
        )
    address, seconds, room = (answer.told[name] for name in ("address", "seconds", "workers"))
    told = f"up on {address}, one task and down in {seconds:.1f} s; room for {room} trials at once"
    if address != "127.0.0.1":
        return warned("ray", told, "it should listen on 127.0.0.1 alone: other hosts may reach it")
    return passed("ray", told)
