"""`benchsweep replay`: what another pruner or sampler would have made of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchsweep import terminal
from benchsweep.find import run_or_newest
from reports.formatting.wording import listing, plural
from search.plan.fault import Fault
from search.plan.override import Override
from search.plan.plan import PlanError
from search.plan.pruner import NoPruner, parse_pruner
from search.plan.sampler import parse_sampler
from search.records.sweep import Sweep
from search.replay import Replay, replay
from trainable.errors import InputError


def replay_run(run: str | None, pruner: str | None, sampler: str | None, runs: Path, json: bool) -> None:
    """Prints what would have been trained, stopped and found. Raises PlanError for a wrong option."""
    sweep = Sweep.read(run_or_newest(run, runs).path)
    faults: list[Fault] = []
    judge, chooser = sweep.plan.pruner or NoPruner(), None
    if pruner is not None:
        parsed, found = parse_pruner(_table(pruner))
        faults += found
        judge = parsed or judge
    if sampler is not None:
        chooser, found = parse_sampler(_table(sampler))
        faults += found
    if faults:
        raise PlanError.of(faults, "benchsweep replay")
    if not any(trial.epochs for trial in sweep.trials):
        raise InputError(
            f"a run must have trained an epoch to be replayed, but {sweep.name} has none",
            f"`benchsweep show {sweep.run.reference}` shows what it has",
        )
    played = replay(sweep, judge, chooser)
    sentences = sentences_of(played, sweep)
    if json:
        terminal.print_json({**vars(played), "keeps_best": played.keeps_best, "sentences": sentences})
        return
    out = terminal.out()
    for sentence in sentences:
        terminal.say(out, sentence)


def _table(written: str) -> Any:
    """The table of a name, or of a TOML table."""
    parsed = Override.parse(f"value={written}")
    value = written if isinstance(parsed, Fault) else parsed.value
    return {"name": value} if isinstance(value, str) else value


def sentences_of(played: Replay, sweep: Sweep) -> list[str]:
    """What would have been trained, stopped and found."""
    saved = played.recorded - played.epochs
    share = 100 * saved / played.recorded if played.recorded else 0.0
    sentences = [
        f"{played.epochs:,} of {plural(played.recorded, 'recorded epoch')} would have been trained: "
        f"{saved:,} saved, or {share:.0f} %"
    ]
    if played.stopped:
        count = plural(len(played.stopped), "trial")
        sentences.append(f"{count} would have been stopped earlier: {_some(played.stopped)}")
    if played.beyond:
        count = plural(len(played.beyond), "trial")
        sentences.append(
            f"{count} would have been trained beyond the record, to an unknown end: {_some(played.beyond)}"
        )
    if played.left_out:
        count = plural(played.left_out, "trial")
        sentences.append(f"{count} were left out, because the run's space no longer has their recipes")
    best = played.best_on_record
    if best is None:
        sentences.append("the run has no complete trial")
    elif played.keeps_best:
        sentences.append(
            f"trial {best}, the best, would have been complete after {played.epochs_until_best:,} epochs; on "
            f"record, one trial after the other, it was after {played.recorded_until_best:,}"
        )
    else:
        other = f"trial {played.best} would be the best"
        if played.best is None:
            other = "no trial would be complete"
        sentences.append(f"trial {best}, the best, would not have been trained to its end; {other}")
    return sentences


def _some(numbers: list[int], shown: int = 12) -> str:
    names = [str(number) for number in numbers[:shown]]
    return listing(names) if len(numbers) <= shown else f"{', '.join(names)}, …"
