"""Counts what becomes of a run with anything in place of a file, or of a part of a record.

    uv run python benchmarks/damaged_runs.py --seconds 1500
    uv run python benchmarks/damaged_runs.py --seconds 3000 --whole

Makes two small confirmed runs, of the embedded digits and of a trainable of one's own. In every file that a
command reads, each part of each kind of record is replaced by each value of `tests/helpers/wrong_shapes.py`
or left out, one at a time, and each file by each thing that may lie in its place. Every command that reads a
run is then carried out, in this process. Counts

    faults    what ended in anything else than a result, a sentence or an exit code
    hangs     what took more than 30 s
    imports   what imported the module `x`, which the wrong text names, or the run's own trainable. `evaluate`
              imports what the run names, `reproduce --from` only what the report recorded

The contents are tried in rounds, each of one content of every part of every file, drawn from --seed: first
with `list`, `doctor` and `Sweep.read`, and with `show` and `status` once for all contents that are read as
the same `Sweep`, since where it is refused they would say the same; then with the other commands, which take
longer, once for each different `Sweep`. Of the second run, each part is tried in the first round alone. What
--seconds left untried is counted.
Exit code 1 if anything was counted.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import hashlib
import io
import json
import pickle
import random
import shutil
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import tomli_w
import typer

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
from searches import LOCAL, NOWHERE, formula_plan, plan, search
from time_limit import Hangs, within
from wrong_shapes import FILES, places, wrong_documents

from benchsweep.actions.check import check_accuracy
from benchsweep.actions.compare import compare_runs
from benchsweep.actions.evaluate import evaluate_model
from benchsweep.actions.list_runs import list_runs
from benchsweep.actions.report import write_reports
from benchsweep.actions.reproduce import _check_code, _originals
from benchsweep.actions.show import show_run
from benchsweep.actions.status import show_status
from benchsweep.formats.runs import RUN_FORMATS
from benchsweep.report_record import read_report
from search.confirm import confirming
from search.doctor.run_files import inspect
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.lock import owning
from search.records.sweep import Sweep
from search.start import plan_of
from search.test_set import open_test_set
from trainable.errors import BenchsweepError

LIMIT = 30.0
"""Time after which a command hangs, in seconds."""
JSON_FILES = (
    *("study.journal", "confirmation/study.journal", "test_openings.json", "trials/00000/epochs.jsonl"),
    *("confirmation/trials/00000/epochs.jsonl", "environment.json", "trials/00000/claim.json"),
    *("stop.json", "warm_start.json", "lease.000001.json", "page/results.json"),
)
OTHER_FILES = (
    *("lock", "trials", "trials/00000", "trials/00000/lock", "trials/00000/checkpoint.safetensors"),
    *("confirmation", "confirmation/environment.json", "confirmation/lock", "confirmation/trials"),
    *("model.safetensors", "mnist_model.pth", "report.html", "results.json", "page"),
)
TOML_VALUES: dict[str, Any] = {
    **{"list": [], "list of lists": [[1]], "table": {}, "table of tables": {"x": {"y": 1}}},
    **{"negative": -3, "fraction": 2.5, "text": "x", "many digits": 10**400},
    **{"NaN": float("nan"), "infinity": -float("inf"), "truth": True},
}
MARKER = "x"
"""The module that the wrong text names."""
Reader = Callable[[], object]


@dataclass(frozen=True)
class Wrong:
    """A wrong content of a file of a run."""

    run: str
    """The folder's name."""
    file: str
    """Path within the run's folder."""
    place: str
    """The part that is replaced; "" for the whole file."""
    shape: str
    """What stands there."""
    content: str | None
    """The file's; None if FILES[shape] makes it."""

    def __str__(self) -> str:
        return " ".join(filter(None, (f"{self.run}/{self.file}", self.place, self.shape)))


def confirmed(folder: Path, given: Plan) -> RunFolder:
    """A run with a confirmation, an opening of the test set, and a report in its folder "page"."""
    run = RunFolder(folder)
    search(run, given)
    with confirming(run, NOWHERE, LOCAL) as race:
        list(race)
    with owning(run.lock):
        open_test_set(run, NOWHERE)
    with contextlib.redirect_stdout(io.StringIO()):
        write_reports([str(folder)], False, folder / "page", "cdn", folder.parent)
    return run


def contents(run: RunFolder) -> list[Wrong]:
    """Every wrong content of every file of the run."""
    made = []
    for file in JSON_FILES:
        path = run.path / file
        if path.exists():
            for place, shape, content in wrong_lines(path):
                made.append(Wrong(run.name, file, place, shape, content))
    table = tomllib.loads(run.plan.read_text())
    for keys in places(table):
        if keys and isinstance(keys[-1], str):
            for shape, value in TOML_VALUES.items():
                made.append(Wrong(run.name, "plan.toml", str(keys), shape, with_value(table, keys, value)))
    for file in dict.fromkeys([*JSON_FILES, "plan.toml", *OTHER_FILES]):
        made += [Wrong(run.name, file, "", shape, None) for shape in FILES]
    return made


def wrong_lines(path: Path) -> Iterator[tuple[str, str, str]]:
    """(what was replaced, by what, the file's content with it), in a line of each kind of a JSON file."""
    text = path.read_text()
    lines = text.splitlines() if path.suffix in (".journal", ".jsonl") else [text]
    kinds = set()
    for number, line in enumerate(lines):
        log = json.loads(line)
        kind = (log.get("op_code"), *log, *log.get("user_attr", ())) if isinstance(log, dict) else ()
        if kind not in kinds:
            kinds.add(kind)
            for what, wrong in wrong_documents(log):
                place, _, shape = what.rpartition(": ")
                content = "\n".join([*lines[:number], wrong, *lines[number + 1 :]]) + "\n"
                yield f"line {number + 1} {place}", shape, content


def with_value(table: dict[str, Any], keys: tuple[str | int, ...], value: Any) -> str:
    """The table as TOML, with another value at `keys`."""
    changed = copy.deepcopy(table)
    parent: Any = changed
    for key in keys[:-1]:
        parent = parent[key]
    parent[keys[-1]] = value
    return tomli_w.dumps(changed)


@contextlib.contextmanager
def in_place(run: RunFolder, wrong: Wrong, kept: Path) -> Iterator[None]:
    """The run with that content, and as before afterwards. kept: a copy of the whole run."""
    path = run.path / wrong.file
    if wrong.content is None:
        remove(path)
        FILES[wrong.shape](path)
    else:
        path.write_text(wrong.content)
    try:
        yield
    finally:
        original = kept / wrong.file
        if wrong.content is None or not original.exists():
            remove(path)
        if original.is_dir():
            shutil.copytree(original, path)
        elif original.exists():
            shutil.copyfile(original, path)


def remove(path: Path) -> None:
    """Remove a file, a folder or nothing."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def direct(run: RunFolder) -> dict[str, Reader]:
    """Commands that read files themselves."""
    runs = run.path.parent
    return {
        "list": lambda: list_runs(runs, json=True),
        "doctor": lambda: examined(run),
    }


def of_part(run: RunFolder) -> dict[str, Reader]:
    """Commands that depend on what is read of a run whose confirmation may be damaged."""
    runs = run.path.parent
    return {
        "status": lambda: show_status(run.name, False, runs, json=False),
        "show": lambda: show_run(run.name, None, runs, json=False),
        "show --json": lambda: show_run(run.name, None, runs, json=True),
        "show RUN TRIAL": lambda: show_run(run.name, "0", runs, json=False),
    }


def at_length(run: RunFolder, other: RunFolder, folder: Path) -> dict[str, Reader]:
    """Commands that begin with `Sweep.read` and take longer. other: to compare with. folder: for what they
    write."""
    runs = run.path.parent
    tables = [(form, table) for form in ("csv", "parquet") for table in ("trials", "epochs", "reruns")]
    others = [(form, "trials") for form in ("json", "optuna-sqlite", "tensorboard", "mlflow")]
    return {
        "check": lambda: check_accuracy(run.name, "origin-improved", 0.05, runs, json=False),
        "evaluate": lambda: evaluate_model(run.name, "validation", None, None, runs, json=False),
        "report": lambda: write_reports([run.name], False, folder / "page", "cdn", runs),
        "compare": lambda: compare_runs([run.name, str(other.path)], folder / "compare", False, runs, False),
        **{
            f"export {form} {table}": exporting(run, form, table, folder)
            for form, table in [*tables, *others]
        },
    }


def exporting(run: RunFolder, form: str, table: str, folder: Path) -> Reader:
    """A reader that makes an export."""
    return lambda: RUN_FORMATS[form].make(run, table, folder / "export")


def examined(run: RunFolder) -> None:
    """Makes all findings about the run. Raises AssertionError if a check itself failed, except on an
    OSError."""
    for finding in inspect(run):
        failed = "the check itself failed: " in finding.message
        assert not failed or "Error: [Errno" in finding.message, finding.message


def reproduced(path: Path) -> None:
    """What `reproduce --from` does before it trains."""
    sweep = read_report(path)
    _check_code(sweep, path, any_code=False)
    if sweep.plan.trainable != MARKER:
        plan_of(sweep)
    _originals(sweep, "best", 1)
    _originals(sweep, "default", 1)


class Count:
    """What became of everything that was tried so far."""

    def __init__(self, own: str) -> None:
        """own: the trainable that a run names, which no command may import."""
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """By command and outcome."""
        self.seconds: Counter[str] = Counter()
        """By command."""
        self.found: list[str] = []
        """Each fault, hang and import."""
        self._modules = (own, MARKER)

    def tried(self, wrong: object, command: str, read: Reader) -> str:
        """Carry out a command; returns its outcome."""
        began = time.perf_counter()
        outcome, fault = "read", ""
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
                within(LIMIT),
            ):
                read()
        except (BenchsweepError, OSError):
            outcome = "refused"
        except (SystemExit, typer.Exit):
            pass  # an exit code
        except Hangs as error:
            outcome, fault = "hangs", str(error)
        except Exception as error:
            frames = [
                f"{Path(f.filename).name}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)
            ]
            outcome = "faults"
            fault = f"{type(error).__name__}: {str(error)[:150]} at {' '.join(frames[-5:])}"
        self.outcomes[command, outcome] += 1
        self.seconds[command] += time.perf_counter() - began
        if fault:
            self.found.append(f"{outcome}: {command}, {wrong}: {fault}")
        allowed = {"evaluate": self._modules, "reproduce --from": self._modules[:1]}.get(command, ())
        for module in self._modules:
            if sys.modules.pop(module, None) is not None and module not in allowed:
                self.outcomes[command, "imports"] += 1
                self.found.append(f"imports: {command}, {wrong}: {module}")
        return outcome


class Trial:
    """Carries out the commands on wrong contents of the runs."""

    def __init__(self, folder: Path, count: Count, runs: dict[str, RunFolder], kept: dict[str, Path]) -> None:
        """folder: for what commands write. kept: whole copies of the runs, by name."""
        self._folder, self._count, self._runs, self._kept = folder, count, runs, kept
        self._seen: set[bytes] = set()
        self.longer: list[Wrong] = []
        """Contents tried at short that are to be tried at length."""

    def at_short(self, wrong: Wrong) -> bool:
        """Carry out the commands that take little time. Returns True."""
        run = self._runs[wrong.run]
        with in_place(run, wrong, self._kept[wrong.run]):
            if wrong.file.startswith("page"):
                self._count.tried(
                    wrong, "reproduce --from", lambda: reproduced(run.path / "page/results.json")
                )
                return True
            self._carry_out(wrong, direct(run))
            found: list[Sweep] = []
            self._count.tried(wrong, "Sweep.read", lambda: found.append(Sweep.read(run.path, partly=True)))
            if found and (self._is_new(found[0]) or wrong.content is None):
                self._carry_out(wrong, of_part(run))
                if found[0].damage is None:  # otherwise the others refuse it
                    self.longer.append(wrong)
        return True

    def at_length(self, wrong: Wrong) -> bool:
        """Carry out the others. Returns True."""
        run, other = self._runs[wrong.run], RunFolder(self._kept[wrong.run])
        with in_place(run, wrong, self._kept[wrong.run]):
            self._carry_out(wrong, at_length(run, other, self._folder))
        return True

    def _carry_out(self, wrong: Wrong, commands: dict[str, Reader]) -> None:
        for command, read in commands.items():
            self._count.tried(wrong, command, read)

    def _is_new(self, sweep: Sweep) -> bool:
        """Whether no content was read as the same sweep before."""
        digest = hashlib.sha256(pickle.dumps(sweep)).digest()
        known = digest in self._seen
        self._seen.add(digest)
        return not known


class Round(NamedTuple):
    """How far a round came."""

    contents: int
    """Its contents."""
    tried: int
    """Those tried with the commands that take little time."""
    different: int
    """Those of them that were read as a `Sweep` of their own, or stand for a whole file that was read."""
    at_length: int
    """Those of them tried with the other commands."""

    @property
    def sentence(self) -> str:
        return (
            f"{self.tried:,} of {self.contents:,} contents, and {self.at_length:,} of {self.different:,} "
            f"different runs at length"
        )


def in_rounds(contents: list[Wrong]) -> list[list[Wrong]]:
    """Rounds, each of one content of each place of each file, in their order."""
    rounds: list[list[Wrong]] = []
    taken: Counter[tuple[str, str, str]] = Counter()
    for wrong in contents:
        place = (wrong.run, wrong.file, wrong.place)
        if taken[place] == len(rounds):
            rounds.append([])
        rounds[taken[place]].append(wrong)
        taken[place] += 1
    return rounds


@contextlib.contextmanager
def tables_copied(folder: Path) -> Iterator[None]:
    """Lets MLflow copy the tables of an empty store, which it would otherwise make anew in 40 steps for each
    export, in more time than everything else takes."""
    from mlflow.store.db import utils

    made, empty = utils._initialize_tables, folder / "empty.db"

    def copied(engine: Any) -> None:
        if not empty.exists():
            made(engine)
            shutil.copyfile(engine.url.database, empty)
        else:
            shutil.copyfile(empty, engine.url.database)

    utils._initialize_tables = copied
    try:
        yield
    finally:
        utils._initialize_tables = made


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=1500, help="maximum time")
    parser.add_argument("--seed", type=int, default=0, help="of the order")
    parser.add_argument("--file", action="append", help="of a run, such as study.journal; default: every one")
    parser.add_argument(
        "--whole", action="store_true", help="replace whole files alone, and no parts of them"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):  # `failing` writes there
        result = counted(Path(folder), arguments.seconds, arguments.seed, arguments.file, arguments.whole)
    if arguments.json:
        print(json.dumps(result, indent=1))
    else:
        for line in result["found"]:
            print(line)
        for command, outcomes in result["commands"].items():
            print(f"{command:24} {'  '.join(f'{count:,} {name}' for name, count in outcomes.items())}")
        for number, figures in enumerate(result["rounds"], 1):
            print(f"round {number}: {Round(**figures).sentence}")
        print(
            f"{result['tried']:,} of {result['contents']:,} contents in {result['seconds']:.0f} s, seed "
            f"{arguments.seed}: {result['faults']} faults, {result['hangs']} hangs, "
            f"{result['imports']} imports"
        )
    return 1 if result["found"] else 0


def counted(folder: Path, seconds: float, seed: int, files: list[str] | None, whole: bool) -> dict[str, Any]:
    """Counts for at most so many seconds. Returns what is printed. whole: whether to replace whole files
    alone."""
    marker = folder / "modules"
    marker.mkdir()
    (marker / f"{MARKER}.py").touch()
    sys.path.append(str(marker))
    confirmation = {"candidates": 1, "seeds": 2}
    plans = {
        "small": plan(budget={"trials": 2}, confirmation=confirmation),
        "own": formula_plan(name="own", budget={"trials": 2}, confirmation=confirmation),
    }
    runs = {name: confirmed(folder / name / name, given) for name, given in plans.items()}
    kept = {name: Path(shutil.copytree(run.path, folder / "kept" / name)) for name, run in runs.items()}
    own = plans["own"].trainable
    sys.modules.pop(own, None)
    drawn = random.Random(seed)
    todo = [wrong for run in runs.values() for wrong in contents(run)]
    todo = [wrong for wrong in todo if files is None or wrong.file in files]
    todo = [wrong for wrong in todo if wrong.content is None or not whole]
    drawn.shuffle(todo)
    rounds = in_rounds(todo)
    for later in rounds[1:]:
        later[:] = [wrong for wrong in later if wrong.run == "small" or wrong.content is None]
    count = Count(own)
    trial = Trial(folder / "written", count, runs, kept)
    began = time.perf_counter()

    def time_left() -> bool:
        return time.perf_counter() - began < seconds

    done = []
    with tables_copied(folder):
        for number, contents_of_round in enumerate(rounds, 1):
            tried = [wrong for wrong in contents_of_round if time_left() and trial.at_short(wrong)]
            longer, trial.longer = trial.longer, []
            at_length = [wrong for wrong in longer if time_left() and trial.at_length(wrong)]
            done.append(Round(len(contents_of_round), len(tried), len(longer), len(at_length)))
            print(f"round {number}: {done[-1].sentence}", file=sys.stderr, flush=True)
            if not time_left():
                break
    commands: dict[str, dict[str, Any]] = {}
    for (command, outcome), number in sorted(count.outcomes.items()):
        commands.setdefault(command, {})[outcome] = number
    for command, outcomes in commands.items():
        outcomes["seconds"] = round(count.seconds[command])
    totals = {
        name: sum(number for (_, outcome), number in count.outcomes.items() if outcome == name)
        for name in ("faults", "hangs", "imports")
    }
    return {
        "seed": seed,
        "contents": sum(len(contents_of_round) for contents_of_round in rounds),
        "tried": sum(round_.tried for round_ in done),
        "rounds": [round_._asdict() for round_ in done],
        "seconds": time.perf_counter() - began,
        "commands": commands,
        **totals,
        "found": count.found,
    }


if __name__ == "__main__":
    sys.exit(main())
