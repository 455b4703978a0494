"""The run directory: where everything lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search.plan.naming import NAME
from trainable.errors import InputError
from trainable.storage.checkpoint import CheckpointLocation, remove
from trainable.storage.remote import RemoteFolder


class NotARun(InputError):
    """The folder named holds no run."""


def below(storage: str | None, *names: str) -> str | None:
    """The address of a folder in the one at `storage`; None where there is none."""
    if storage is None:
        return None
    folder = RemoteFolder(storage)
    for name in names:
        folder = folder / name
    return folder.url


@dataclass(frozen=True)
class TrialFolder:
    """What one trial leaves: only its own worker writes here, or with storage only the driver. storage: the
    address of its folder for checkpoints, where they do not lie here."""

    path: Path
    storage: str | None = None

    @property
    def checkpoint(self) -> CheckpointLocation:
        """The training's whole state after its last epoch."""
        if self.storage is not None:
            return RemoteFolder(self.storage)
        return self.path / "checkpoint.safetensors"

    @property
    def epochs(self) -> Path:
        """One JSON line an epoch."""
        return self.path / "epochs.jsonl"

    @property
    def error(self) -> Path:
        """The traceback of a FAILED trial."""
        return self.path / "error.txt"

    @property
    def lock(self) -> Path:
        """Held by the worker that trains the trial, as long as it lives."""
        return self.path / "lock"

    def drop_checkpoint(self) -> None:
        """Remove the state of a trial that will not go on. Raises OSError where remote storage does not
        answer within seconds."""
        place = self.checkpoint
        remove(place.within(5.0) if isinstance(place, RemoteFolder) else place)


@dataclass(frozen=True)
class RunFolder:
    """One run's directory and the names inside it. `path` is absolute. storage: the address of the folder
    where its trials' checkpoints lie, where that is not here."""

    path: Path
    storage: str | None = None

    @classmethod
    def named(cls, name: str, runs: Path) -> RunFolder:
        """The folder of the run `name` below `runs`, whether or not it exists.

        Raises ValueError for a name that would not be one plain folder.
        """
        if not NAME.fullmatch(name):
            raise ValueError(
                f"a run's name must be 1 to 100 letters, digits, dots, dashes or underscores and "
                f"start with a letter or digit, but got {name!r}"
            )
        return cls((runs / name).absolute())

    @classmethod
    def existing(cls, folder: Path) -> RunFolder:
        """The run in `folder`. Raises NotARun when there is none."""
        run = cls(folder.absolute())
        if not run.begun:
            raise NotARun(
                f"a run's folder holds a plan.toml, but {run.path} "
                f"{'has none' if run.path.is_dir() else 'does not exist'}; "
                f"`benchsweep list` shows the runs there are"
            )
        return run

    @classmethod
    def all(cls, runs: Path) -> list[RunFolder]:
        """Every run below `runs`, by name."""
        if not runs.is_dir():
            return []
        return [cls(plan.parent.absolute()) for plan in sorted(runs.glob("*/plan.toml"))]

    @property
    def begun(self) -> bool:
        """Whether there is a run: its plan, or a journal, which holds the plan too."""
        return self.plan.is_file() or (self.journal.is_file() and self.journal.stat().st_size > 0)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def owned(self) -> Path:
        """The folder of the run that is owned for what happens here."""
        return self.path

    @property
    def reference(self) -> str:
        """The run as commands take it from here: its name where it lies in ./runs, else its path."""
        if self.path.parent == Path("runs").absolute():
            return self.name
        below = self.path.is_relative_to(Path.cwd())
        return str(self.path.relative_to(Path.cwd()) if below else self.path)

    @property
    def plan(self) -> Path:
        return self.path / "plan.toml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal of the study: the truth."""
        return self.path / "study.journal"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the search."""
        return self.path / "lock"

    @property
    def stop_request(self) -> Path:
        """Who asked the owner to stop: host, pid and time, as JSON. Gone once it is heeded."""
        return self.path / "stop.json"

    @property
    def warm_start(self) -> Path:
        """The trials of another run that seed this one's sampler."""
        return self.path / "warm_start.json"

    @property
    def final(self) -> Path:
        """The folder of the model that was trained with the validation images too."""
        return self.path / "final"

    @property
    def openings(self) -> Path:
        """Every look at the test set."""
        return self.path / "test_openings.json"

    @property
    def log(self) -> Path:
        """What Ray and the workers printed."""
        return self.path / "ray.log"

    @property
    def engine(self) -> Path:
        """Ray Tune's own scratch; nothing here is read."""
        return self.path / "ray"

    @property
    def confirmation(self) -> RunFolder:
        """Where the best trials are trained again, with a study of their own."""
        return _ConfirmationFolder(self.path / "confirmation", below(self.storage, "confirmation"))

    @property
    def records(self) -> tuple[Path, ...]:
        """What the run is read from, files and folders: nothing else may write here."""
        own = (self.plan, self.environment, self.journal, self.lock, self.stop_request, self.warm_start)
        folders = (self.path / "trials", self.path / "confirmation", self.final, self.engine)
        models = (self.path / "model.safetensors", self.path / "mnist_model.pth")
        return (*own, self.openings, self.log, *folders, *models)

    def clear(self) -> None:
        """Remove what a start left that never came to a trial."""
        for path in (self.journal, self.environment, self.warm_start):
            path.unlink(missing_ok=True)

    def trial(self, number: int) -> TrialFolder:
        """The folder of trial `number`."""
        name = f"{number:05d}"
        return TrialFolder(self.path / "trials" / name, below(self.storage, "trials", name))


class _ConfirmationFolder(RunFolder):
    """A folder like a run's, inside a run's, whose owner it shares."""

    @property
    def owned(self) -> Path:
        return self.path.parent

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def stop_request(self) -> Path:
        return self.owned / "stop.json"
