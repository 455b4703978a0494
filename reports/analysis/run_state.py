"""What a reader must know before any result: how far a search is, or why it failed, and what to do next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reports.analysis.failures import Failure, failures
from reports.analysis.verdict import run_argument
from reports.formatting.wording import duration, plural
from search.records.sweep import State, Sweep
from trainable.storage.record_file import read_record

_FRAME = re.compile(r'^ +File "(?P<path>.+)", line (?P<line>\d+), in (?P<function>.+)$')
_LIBRARIES = ("site-packages", "dist-packages", "/lib/python", "<frozen ")
_OWN = re.compile(r"/(?:trainable|search|benchsweep)/[a-z_/]+\.py$")
"""Files of this package; a trainable of the user has another name."""


@dataclass(frozen=True)
class RunState:
    """The state of a run, and the next step. All values are text as it is shown."""

    sentence: str
    """How far it is; "" for a finished search with a result."""
    cause: str = ""
    """The most frequent error, if every trial failed; "" otherwise."""
    where: str = ""
    """The last line of the user's own code in the traceback, and its place; "" if none is on record."""
    step: str = ""
    """What the command does; "" if there is nothing to do."""
    command: str = ""
    """What to type next; "" if there is nothing to do."""


def run_state(sweep: Sweep) -> RunState:
    """The state of a run in any state."""
    run = run_argument(sweep)
    lost = sweep.count(State.FAILED, State.DIVERGED)
    if sweep.status != "running" and sweep.trials and lost == sweep.count():
        return _all_failed(sweep, failures(sweep)[0])
    match sweep.status:
        case "empty":
            return RunState("Not started yet.", step="Start the search", command=f"benchsweep resume {run}")
        case "running":
            return RunState(f"Running: {_done(sweep)}{_remaining(sweep)}.")
        case "interrupted":
            waiting = sweep.count(State.INTERRUPTED, State.PAUSED)
            more = f", and {plural(waiting, 'started trial')} will be continued" if waiting else ""
            sentence = f"Interrupted: {_done(sweep)}{more}."
            return RunState(sentence, step="Continue the search", command=f"benchsweep resume {run}")
    confirmation = sweep.confirmation
    if confirmation is not None and not confirmation.decided:
        text = "The search is finished, but its confirmation is not."
        return RunState(text, step="Continue the confirmation", command=f"benchsweep confirm {run}")
    if confirmation is None and sweep.top() is not None:
        step = "Compare the best trials with the default recipe, over fresh seeds"
        return RunState("", step=step, command=f"benchsweep confirm {run}")
    if sweep.top() is None:
        step = "Continue with a larger budget"
        return RunState("No trial is complete.", step=step, command=f"benchsweep extend {run} --trials 20")
    return RunState("")


def _done(sweep: Sweep) -> str:
    """ "12 of 60 trials are finished"."""
    finished = sum(trial.state.is_finished() for trial in sweep.trials)
    plan = sweep.plan
    if plan.max_trials is not None:
        return (
            f"{finished:,} of {plural(plan.max_trials, 'trial')} {'is' if finished == 1 else 'are'} finished"
        )
    done = f"{plural(finished, 'trial')} {'is' if finished == 1 else 'are'} finished"
    if plan.budget.epochs is not None:
        return f"{done}, with {_epochs(sweep):,} of {plural(plan.budget.epochs, 'epoch')}"
    if plan.budget.wall_time is not None:
        return f"{done}, in {duration(sweep.seconds)} of {duration(plan.budget.wall_time)}"
    return done


def _epochs(sweep: Sweep) -> int:
    return sum(len(trial.epochs) for trial in sweep.trials)


def _remaining(sweep: Sweep) -> str:
    """ "; about 5 min 10 s remain", from the share of the budget that is spent; "" while that is unknown."""
    budget, seconds = sweep.plan.budget, sweep.seconds
    finished = sum(trial.state.is_finished() for trial in sweep.trials)
    limits = (
        (finished, sweep.plan.max_trials),
        (_epochs(sweep), budget.epochs),
        (seconds, budget.wall_time),
    )
    shares = [spent / limit for spent, limit in limits if limit]
    share = max(shares, default=0.0)
    if not 0 < share < 1 or seconds <= 0:
        return ""
    return f"; about {duration(seconds * (1 - share) / share)} remain at this rate"


def _all_failed(sweep: Sweep, failure: Failure) -> RunState:
    count, run = plural(sweep.count(), "trial"), run_argument(sweep)
    diverged = failure.state is State.DIVERGED
    return RunState(
        f"Every trial failed ({count})." if sweep.count() > 1 else "The only trial failed.",
        cause=failure.text,
        where=_own_line(sweep, failure.trials[0]),
        step="Show a trial that diverged, and narrow the search space"
        if diverged
        else "Show the traceback, mend the code or the plan, and search again",
        command=f"benchsweep show {run} {failure.trials[0]}",
    )


def _own_line(sweep: Sweep, trial: int) -> str:
    """ "model.py, line 12, in build: layers[width]", of the trial's traceback; "" without one on record."""
    try:
        text = read_record(sweep.run.trial(trial).error)
    except (OSError, ValueError):
        return ""
    frames = list(_frames(text))
    own = [text for path, text in frames if not _OWN.search(path) and not any(x in path for x in _LIBRARIES)]
    return own[-1] if own else ""


def _frames(traceback: str) -> Iterator[tuple[str, str]]:
    """(path, description) of each frame, the innermost last."""
    lines = traceback.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if match := _FRAME.match(line):
            code = "" if _FRAME.match(following) else following.strip()
            place = f"{match['path']}, line {match['line']}, in {match['function']}"
            yield match["path"], f"{place}: {code}" if code else place
