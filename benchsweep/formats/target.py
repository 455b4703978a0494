"""What an export contains, and where it may be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchsweep.errors import UsageError
from benchsweep.saved_model import ModelLocation
from search.records.folder import RunFolder

_APPLICATION_ID = 0x62737770.to_bytes(4, "big")
"""Marks an SQLite file as an export of ours. "bswp"."""

_APPLICATION_ID_OFFSET = 68  # https://www.sqlite.org/fileformat.html#application_id


@dataclass(frozen=True)
class Exported:
    """An export that has not been written yet."""

    content: bytes | Mapping[str, bytes]
    """Of a file; or of the files of a folder, by their paths in it."""
    notes: tuple[str, ...] = ()
    """Sentences for the user."""

    @property
    def size(self) -> int:
        """Bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return sum(map(len, self.content.values()))


@dataclass(frozen=True)
class ModelFormat:
    """A format of a saved model."""

    suffix: str
    """Of the file's name."""
    make: Callable[[ModelLocation, Path], Exported]
    """Takes the model and the data folder."""


@dataclass(frozen=True)
class RunFormat:
    """A format of a run."""

    suffix: str
    """Of the file's or folder's name."""
    make: Callable[[RunFolder, str, Path], Exported]
    """Takes the run's folder, the table ("trials", "epochs" or "reruns") and the path of the export."""
    has_tables: bool = False
    """Whether an export contains one table, rather than the complete run."""
    is_own_export: Callable[[Path], bool] | None = None
    """Whether a path holds an export of this kind, which may be replaced; None if any file may be."""


def marked(content: bytes) -> bytes:
    """An SQLite file's content, marked as an export of ours."""
    return content[:_APPLICATION_ID_OFFSET] + _APPLICATION_ID + content[_APPLICATION_ID_OFFSET + 4 :]


def is_marked(path: Path) -> bool:
    """Whether a file has that mark."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_APPLICATION_ID_OFFSET + 4)[_APPLICATION_ID_OFFSET:] == _APPLICATION_ID


def model_target(location: ModelLocation, form: ModelFormat, output: Path | None) -> Path:
    """The file to write. Raises UsageError if it is the model itself."""
    name = f"{location.name}{form.suffix}"
    target = Path(name) if output is None else output / name if output.is_dir() else output
    sources = (location.path, location.folder / "model.safetensors", *location.folder.glob("*_model.pth"))
    if target.exists() and any(source.exists() and target.samefile(source) for source in sources):
        raise UsageError(
            f"an export must not overwrite its model, but {target} is the model itself",
            "name another --output",
        )
    return target.absolute()


def run_target(run: RunFolder, form: RunFormat, table: str, output: Path | None) -> Path:
    """The file or folder to write. Raises UsageError if it is a record of the run, or anything else that is
    not an export of this kind."""
    suffix = form.suffix if table == "trials" else f".{table}{form.suffix}"
    target = Path(f"{run.name}{suffix}") if output is None else output
    replaces = form.is_own_export is not None and form.is_own_export(target)
    if output is not None and output.is_dir() and not replaces:
        target = output / f"{run.name}{suffix}"
        replaces = form.is_own_export is not None and form.is_own_export(target)
    target = target.absolute()
    if any(target.resolve().is_relative_to(record.resolve()) for record in run.records):
        raise UsageError(
            f"an export must not replace a run's record, but {target} is a record of {run.name}",
            "name another --output",
        )
    if target.exists() and not replaces and (form.is_own_export is not None or target.is_dir()):
        raise UsageError(
            f"an export replaces only an earlier export of the same format, but {target} is something else",
            "move it away or name another --output",
        )
    return target
