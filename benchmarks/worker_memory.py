"""Peak memory of one worker over many trials on MNIST (Linux: it reads /proc).

    uv run python benchmarks/worker_memory.py --data-dir DIR

The peak resident memory includes, in full for each worker, the pages that workers share: Ray's object store
with the images, and torch's libraries.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
from pathlib import Path
from typing import Any

from search.engine.events import EpochReported
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.start import starting
from trainable.contract import data_folder

PLAN: dict[str, Any] = {
    "name": "memory",
    "recipe": {"batch_size": 256, "epochs": 2, "normalisation": "dataset"},
    "space": {
        "dropout": {"low": 0.1, "high": 0.4},
        "input_dropout": {"low": 0.1, "high": 0.3},
        "learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    },
    "sampler": {"name": "random"},
}


def status(process: str) -> dict[str, int]:
    """A process's memory in MiB, by the kernel's names; empty if it has ended."""
    memory = {}
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("VmHWM", "RssAnon", "RssFile", "RssShmem"):
                memory[name] = int(value.split()[0]) // 1024
    return memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--trials", type=int, default=60)
    arguments = parser.parse_args()
    plan = Plan.parse({**PLAN, "budget": {"trials": arguments.trials}}, "benchmark")
    seen: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder.named("memory", Path(folder))
        with starting(run, plan, data_folder(arguments.data_dir)) as search:
            for event in search:
                if isinstance(event, EpochReported):
                    for trial in Sweep.read(run.path).trials[-3:]:
                        process = (trial.worker or "").rpartition(":")[2]
                        seen[process] = status(process) or seen.get(process, {})
    for process, memory in seen.items():
        if memory:
            print(f"worker {process}: " + ", ".join(f"{name} {mib:,} MiB" for name, mib in memory.items()))
    peak = max(memory.get("VmHWM", 0) for memory in seen.values())
    print(f"peak of one worker over {arguments.trials} trials: {peak:,} MiB")


if __name__ == "__main__":
    main()
