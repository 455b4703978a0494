"""What `benchsweep export` makes, and where it may be written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchsweep.saved_model import FoundModel
    from search.records.folder import RunFolder

_APPLICATION = 0x62737770.to_bytes(4, "big")
"""SQLite keeps four bytes for the program a file is of: by these ours are known again. "bswp"."""

_APPLICATION_AT = 68  # https://www.sqlite.org/fileformat.html#application_id


@dataclass(frozen=True)
class Exported:
    """What is to be written: a file's content, or a folder's, by path inside it; and what is to be said."""

    content: bytes | Mapping[str, bytes]
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes."""
        if isinstance(self.content, bytes):
            return len(self.content)
        return sum(map(len, self.content.values()))


@dataclass(frozen=True)
class ModelFormat:
    """Of a model. suffix: of the file. make: from what was found and the data's folder."""

    suffix: str
    make: Callable[[FoundModel, Path], Exported]


@dataclass(frozen=True)
class RunFormat:
    """Of a run. suffix: of what is written. make: from the run's folder, a part of it ("trials", "epochs"
    or "reruns") and where it will lie. parts: whether it is of one of these, or of all. ours: whether what
    lies at a path may be replaced for being an export of this kind; None where any file may."""

    suffix: str
    make: Callable[[RunFolder, str, Path], Exported]
    parts: bool = False
    ours: Callable[[Path], bool] | None = None


def marked(content: bytes) -> bytes:
    """An SQLite file's content, with our mark in it."""
    return content[:_APPLICATION_AT] + _APPLICATION + content[_APPLICATION_AT + 4 :]


def is_marked(path: Path) -> bool:
    """Whether a file has that mark."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(_APPLICATION_AT + 4)[_APPLICATION_AT:] == _APPLICATION


def model_target(found: FoundModel, form: ModelFormat, output: Path | None) -> Path:
    """The file to write. Raises Mistake when it is the model itself."""
    from benchsweep.errors import UsageError

    name = f"{found.name}{form.suffix}"
    target = Path(name) if output is None else output / name if output.is_dir() else output
    held = (found.folder / each for each in ("model.safetensors", "mnist_model.pth"))
    if target.exists() and any(each.exists() and target.samefile(each) for each in (found.path, *held)):
        raise UsageError(f"{target} is the model itself, which is kept as it is; name another --output")
    return target.absolute()


def run_target(run: RunFolder, form: RunFormat, part: str, output: Path | None) -> Path:
    """The file or folder to write. Raises Mistake where the run's own record lies there, or what no export
    of this kind has left."""
    from benchsweep.errors import UsageError

    suffix = form.suffix if part == "trials" else f".{part}{form.suffix}"
    target = Path(f"{run.name}{suffix}") if output is None else output
    replaces = form.ours is not None and form.ours(target)
    if output is not None and output.is_dir() and not replaces:
        target = output / f"{run.name}{suffix}"
        replaces = form.ours is not None and form.ours(target)
    target = target.absolute()
    if any(target.resolve().is_relative_to(each.resolve()) for each in run.records):
        raise UsageError(
            f"an export must not replace what a run is read from, but {target} is the record of {run.name}; "
            f"name another --output"
        )
    if target.exists() and not replaces and (form.ours is not None or target.is_dir()):
        raise UsageError(
            f"an export replaces what an earlier one of its format wrote and nothing else, but {target} is "
            f"not of that kind; move it away or name another --output"
        )
    return target
