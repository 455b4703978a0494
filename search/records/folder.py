"""The run directory: the path of everything in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from search.plan.naming import NAME
from trainable.contract import refuse_code_in
from trainable.errors import InputError
from trainable.storage.checkpoint import CheckpointLocation, best_of, remove
from trainable.storage.epochs import EpochLog
from trainable.storage.remote import RemoteFolder


class NotARun(InputError):
    """The folder holds no run."""


def subfolder(storage: str | None, *names: str) -> str | None:
    """The address of a folder in the one at `storage`; None if that is None."""
    if storage is None:
        return None
    folder = RemoteFolder(storage)
    for name in names:
        folder = folder / name
    return folder.url


@dataclass(frozen=True)
class TrialFolder:
    """What one trial leaves: only its own worker writes here, or with remote storage only the driver."""

    path: Path
    """Absolute."""
    storage: str | None = None
    """The address of the folder that holds its checkpoint; None if that is this one."""

    @property
    def checkpoint(self) -> CheckpointLocation:
        """The complete state of the training after its last epoch."""
        if self.storage is not None:
            return RemoteFolder(self.storage)
        return self.path / "checkpoint.safetensors"

    @property
    def epochs(self) -> Path:
        """One line of JSON per epoch (`trainable.epoch.Epoch`)."""
        return EpochLog(self.path).path

    @property
    def error(self) -> Path:
        """The traceback of a FAILED trial."""
        return self.path / "error.txt"

    @property
    def lock(self) -> Path:
        """Locked by the worker that trains the trial, until its process ends."""
        return self.path / "lock"

    def drop_checkpoint(self) -> None:
        """Remove the checkpoint of a trial that will not go on. Raises OSError if remote storage does not
        answer within seconds."""
        for checkpoint in (self.checkpoint, best_of(self.checkpoint)):
            remove(checkpoint.with_timeout(5.0) if isinstance(checkpoint, RemoteFolder) else checkpoint)


@dataclass(frozen=True)
class RunFolder:
    """One run's directory and the names inside it."""

    path: Path
    """Absolute."""
    storage: str | None = None
    """The address of the folder that holds its trials' checkpoints; None if they lie here."""

    @classmethod
    def named(cls, name: str, runs: Path) -> RunFolder:
        """The folder of the run `name` in `runs`, whether or not it exists. Raises ValueError for a name that
        cannot be a folder's."""
        if not NAME.fullmatch(name):
            raise ValueError(
                f"a run's name must be 1 to 100 letters, digits, dots, dashes or underscores and "
                f"start with a letter or digit, but got {name!r}"
            )
        return cls((runs / name).absolute())

    @classmethod
    def existing(cls, folder: Path) -> RunFolder:
        """The run in `folder`, whose code is not imported from now on. Raises NotARun if there is none."""
        run = cls(folder.absolute())
        if not run.begun:
            raise NotARun(
                f"a run's folder must hold a plan.toml, but {run.path} "
                f"{'has none' if run.path.is_dir() else 'does not exist'}",
                "`benchsweep list` shows the runs",
            )
        refuse_code_in(run.path)
        return run

    @classmethod
    def all(cls, runs: Path) -> list[RunFolder]:
        """Every run in `runs`, by name."""
        if not runs.is_dir():
            return []
        return [cls(plan.parent.absolute()) for plan in sorted(runs.glob("*/plan.toml"))]

    @property
    def begun(self) -> bool:
        """Whether there is a run: a plan, or a journal, which holds the plan too."""
        return self.plan.is_file() or (self.journal.is_file() and self.journal.stat().st_size > 0)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def owned(self) -> Path:
        """The folder of the run that a process must own to write here."""
        return self.path

    @property
    def reference(self) -> str:
        """The run as a command takes it here: its name if it lies in ./runs, else its path."""
        if self.path.parent == Path("runs").absolute():
            return self.name
        inside = self.path.is_relative_to(Path.cwd())
        return str(self.path.relative_to(Path.cwd()) if inside else self.path)

    @property
    def plan(self) -> Path:
        return self.path / "plan.toml"

    @property
    def environment(self) -> Path:
        return self.path / "environment.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal of the study, which everything else is read from."""
        return self.path / "study.journal"

    @property
    def lock(self) -> Path:
        """Locked by the process that owns the run."""
        return self.path / "lock"

    @property
    def enqueued(self) -> Path:
        """The folder of the recipes that a user asked for and no trial has yet."""
        return self.path / "enqueued"

    @property
    def stop_request(self) -> Path:
        """Who asked the owner to stop: host, pid and time, as JSON. The owner removes it."""
        return self.path / "stop.json"

    @property
    def warm_start(self) -> Path:
        """The trials of another run that this one's sampler learns from."""
        return self.path / "warm_start.json"

    @property
    def final(self) -> Path:
        """The folder of the model that was trained on the validation images too."""
        return self.path / "final"

    @property
    def openings(self) -> Path:
        """Each time that models were evaluated on the test set."""
        return self.path / "test_openings.json"

    @property
    def saved(self) -> Path:
        """Which model was saved of a trainable without a test split."""
        return self.path / "saved.json"

    @property
    def log(self) -> Path:
        """What Ray and the workers printed."""
        return self.path / "ray.log"

    @property
    def engine(self) -> Path:
        """Ray Tune's own files, which nothing reads."""
        return self.path / "ray"

    @property
    def confirmation(self) -> RunFolder:
        """Where the best trials are trained again, with a journal of their own."""
        return _ConfirmationFolder(self.path / "confirmation", subfolder(self.storage, "confirmation"))

    @property
    def records(self) -> tuple[Path, ...]:
        """The run's own files and folders: an option that names a file to write must not name one of them."""
        own = (self.plan, self.environment, self.journal, self.lock, self.stop_request, self.warm_start)
        folders = (self.path / "trials", self.path / "confirmation", self.final, self.engine, self.enqueued)
        models = (self.path / "model.safetensors", *self.path.glob("*_model.pth"))
        return (*own, self.openings, self.log, *folders, *models)

    def clear(self) -> None:
        """Remove what a start left that suggested no trial."""
        for path in (self.journal, self.environment, self.warm_start, self.saved):
            path.unlink(missing_ok=True)

    def trial(self, number: int) -> TrialFolder:
        """The folder of trial `number`."""
        name = f"{number:05d}"
        return TrialFolder(self.path / "trials" / name, subfolder(self.storage, "trials", name))


class _ConfirmationFolder(RunFolder):
    """A folder like a run's, inside the run's, with the same owner."""

    @property
    def owned(self) -> Path:
        return self.path.parent

    @property
    def name(self) -> str:
        return self.path.parent.name

    @property
    def stop_request(self) -> Path:
        return self.owned / "stop.json"
