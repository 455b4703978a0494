"""How long a worker waits for its next recipe, drawn when it asks and drawn ahead.

    python benchmarks/ask_wait.py                               # 1,000 trials on record, 4 workers
    python benchmarks/ask_wait.py --epoch 0.5 --sampler tpe

The record is that of long_records.py. The workers are virtual: their trials take epochs that pass in so many
seconds, and this process reports them as an engine does. Waiting is the time that `Study.ask` takes. Two
cases: trials without work, of one epoch, as many a second as Ray starts (--rate); and trials of ten epochs.
The arms of each case take turns; the figures are medians over the rounds, with the range.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import long_records
from long_records import Epoch, loss, write_record


def waits(folder: Path, ahead: bool, epoch: float, epochs: int, workers: int, asks: int) -> list[float]:
    """Milliseconds of each of `asks` calls, of which the first ones, of all workers at once, do not count."""
    from search.records.folder import RunFolder
    from search.records.sweep import State
    from search.study.base import Suggestion
    from search.study.search import SearchStudy

    run = RunFolder.named("long", folder)
    table = json.loads((folder / "plan.json").read_text())
    study = SearchStudy(run, long_records.plan(table["sampler"], table["pruner"]))
    study.begin_session({})
    if ahead:
        study.draw_ahead()
    queue: list[tuple[float, int, Any, int]] = []
    taken: list[float] = []
    order = 0
    free = workers
    while len(taken) < asks + workers:
        while free:
            began = time.perf_counter()
            asked = study.ask()
            taken.append(1000 * (time.perf_counter() - began))
            if not isinstance(asked, Suggestion):
                continue
            free -= 1
            order += 1
            first = asked.reported + 1
            heapq.heappush(queue, (time.perf_counter() + epoch, order, asked, first))
        at, _, trial, number = heapq.heappop(queue)
        time.sleep(max(0.0, at - time.perf_counter()))
        last = number >= min(epochs, trial.epochs)
        measured = Epoch(number, {"loss": loss(json.loads(trial.recipe), number)}, epoch)
        stopped = study.record(trial.number, measured, "here:1", over=last)
        if stopped is None and not last:
            order += 1
            heapq.heappush(queue, (time.perf_counter() + epoch, order, trial, number + 1))
            continue
        if stopped is None:
            study.end(trial.number, State.COMPLETE)
        free += 1
    study.stop_drawing()
    return taken[workers:]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=1000, help="on record")
    parser.add_argument("--sampler", default="auto")
    parser.add_argument("--pruner", default="none")
    parser.add_argument("--epoch", type=float, default=0.3, help="seconds")
    parser.add_argument("--rate", type=float, default=25, help="trials a second, of those without work")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--asks", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    print(long_records._processor())
    print(f"{given.trials:,} trials on record, {given.sampler}, {given.pruner}, {given.workers} workers; ms")
    pace = f"10 epochs of {given.epoch} s"
    cases = {"without work": (given.workers / given.rate, 1), pace: (given.epoch, 10)}
    for case, (epoch, epochs) in cases.items():
        found: dict[bool, list[list[float]]] = {False: [], True: []}
        for number in range(given.rounds):
            for ahead in (bool(number % 2), not number % 2):
                with tempfile.TemporaryDirectory() as folder:
                    copy = Path(folder)
                    write_record(copy, given.trials, given.sampler, given.pruner)
                    table = {"sampler": given.sampler, "pruner": given.pruner}
                    (copy / "plan.json").write_text(json.dumps(table))
                    found[ahead].append(waits(copy, ahead, epoch, epochs, given.workers, given.asks))
        medians = {ahead: [statistics.median(one) for one in rounds] for ahead, rounds in found.items()}
        for ahead, name in ((False, "when asked"), (True, "ahead")):
            rounds = medians[ahead]
            longest = max(max(one) for one in found[ahead])
            middle = statistics.median(rounds)
            span = f"({min(rounds):.1f} to {max(rounds):.1f})"
            print(f"  {case:22} {name:11} {middle:8.1f} {span:20} longest {longest:8.1f}", flush=True)


if __name__ == "__main__":
    import ask_wait

    ask_wait.main()
