"""What a run consists of: its search, its confirmation, and then the test set."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

from benchsweep.progress.confirmation import ConfirmationProgress
from benchsweep.progress.search import Progress
from search.cluster.access import Site
from search.confirm import confirmation_search, confirming
from search.engine.kept import KeptEngine
from search.engine.search import Search
from search.plan.plan import Plan
from search.records.folder import RunFolder
from search.records.sweep import Sweep
from search.start import starting
from search.test_set import open_test_set


@dataclass(frozen=True)
class Stage:
    """A search or a confirmation."""

    search: Search
    """Iterated for its events."""
    progress: Progress
    """Updated with each event."""
    is_last: bool
    """Whether the test set is opened after it."""

    @property
    def complete(self) -> bool:
        """Whether it ended because its budget is spent."""
        return self.progress.ended is not None and self.progress.ended.reason == "budget"

    def finish(self, data: Path) -> None:
        """Open the test set, if the stage is complete and the last one. data: the folder of the data sets."""
        if self.is_last and self.complete:
            if self.search.plan.has_test_split:
                self.progress.notice = "evaluating the finalists on the test set"
            open_test_set(RunFolder(self.search.run.owned), data)


def search_stages(
    run: RunFolder,
    plan: Plan | Callable[[Sweep], Plan],
    data: Path,
    site: Site,
    say: Callable[[str], None],
    *,
    extend: bool = False,
    warm_start: Path | None = None,
    notes: bool = False,
) -> Generator[Stage]:
    """The search, and then its confirmation unless the plan asks for none. The run is owned until the
    generator ends.

    plan, extend, warm_start, say: as in `search.start.starting`. notes: whether to say what limits the plan's
    sampler and pruner.
    """
    with (
        starting(run, plan, data, site, extend=extend, warm_start=warm_start, say=say) as search,
        KeptEngine() as kept,
    ):
        for note in search.plan.notes() if notes else ():
            say(f"note: {note}")
        progress = Progress.of(search.plan)
        if search.before is not None:
            progress.add_earlier(search.before)
        has_confirmation = search.plan.confirmation.candidates > 0
        search.use_engine(kept, another_follows=has_confirmation)
        yield Stage(search, progress, is_last=not has_confirmation)
        if has_confirmation:
            sweep = Sweep.read(run.path, search.study.journal)
            race = confirmation_search(run, search.plan, sweep, data, site, search.data)
            if race is not None:
                race.use_engine(kept, another_follows=False)
                yield Stage(race, ConfirmationProgress.of_race(race), is_last=True)


def confirmation_stages(
    run: RunFolder,
    data: Path,
    site: Site,
    say: Callable[[str], None],
    candidates: int | None = None,
    seeds: int | None = None,
) -> Generator[Stage]:
    """The confirmation of a run alone. candidates, seeds: replace the plan's; None keeps them."""
    with confirming(run, data, site, candidates, seeds, say) as race:
        yield Stage(race, ConfirmationProgress.of_race(race), is_last=True)
