"""Where a function or class that was given in Python is found again, by its name and its file: workers and a
resume from the command line import it."""

from __future__ import annotations

import inspect
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from benchsweep.python.cells import write_cells
from trainable.errors import InputError
from trainable.user_modules import imported_as, is_ours

Given = Callable[..., Any] | type | ModuleType | str
"""A function, a class, a module, or the name of one as a plan has it: "mine:train"."""


class NotFindable(InputError):
    """A function or class that no other process could import."""


class Located(NamedTuple):
    """A trainable as a plan names it."""

    name: str
    """As in "mine:train"."""
    folder: Path | None
    """The folder in which its module lies; None for one that is installed."""
    title: str
    """What a run of it is called unless it is given a name: that of the script or module."""


def located(trainable: Given, run: str | None) -> Located:
    """What a plan calls the trainable, and its folder. run: the name of the run, after which the file is
    called that a notebook's function is written to.

    Raises NotFindable for what has no name in a file, such as a lambda.
    """
    if isinstance(trainable, str):
        return Located(trainable, None, trainable.partition(":")[0].rpartition(".")[2])
    if isinstance(trainable, ModuleType):
        return _in_module(trainable, "")
    if not isinstance(trainable, FunctionType | type):
        raise NotFindable(
            f"a trainable must be a function, a class or a module, but is a {type(trainable).__name__}",
            "write def train(recipe): … in a file, and give that",
        )
    _check_named(trainable)
    module = sys.modules.get(trainable.__module__)
    if module is None or (module.__name__ == "__main__" and _file(module) is None):
        name = run or trainable.__name__
        return Located(f"{write_cells(trainable, name)}:{trainable.__name__}", Path.cwd(), name)
    if getattr(module, trainable.__name__, None) is not trainable:
        raise NotFindable(
            f"a trainable must be found under its own name, but {module.__name__}.{trainable.__name__} is "
            f"another object",
            "give what the module has under that name, without a decorator that returns something else",
        )
    return _in_module(module, f":{trainable.__name__}")


def _check_named(trainable: FunctionType | type) -> None:
    if trainable.__name__ == "<lambda>":
        raise NotFindable("a trainable must have a name, but is a lambda", "write def train(recipe): …")
    if trainable.__qualname__ != trainable.__name__:
        raise NotFindable(
            f"workers import a trainable by its name, so it must stand at the top level of its file, but "
            f"{trainable.__qualname__} is defined in a function or class",
            "move it to the top level",
        )


def _in_module(module: ModuleType, attribute: str) -> Located:
    """The trainable of a module with a file."""
    file = _file(module)
    if file is None:
        raise NotFindable(
            f"a trainable's module must be a file, but {module.__name__} has none", "write it to a file"
        )
    name = module.__name__
    if name == "__main__":
        # With `python -m package.module` it knows its name.
        name = module.__spec__.name if module.__spec__ is not None else file.stem
        if "." in name and module.__spec__ is None:
            raise NotFindable(
                f"a script must have a name without dots to be imported by workers, but is {file.name}",
                "rename it",
            )
    folder = file.parents[name.count(".") + (file.name == "__init__.py")]
    installed = any(
        folder.is_relative_to(sysconfig.get_path(each)) for each in ("purelib", "platlib", "stdlib")
    )
    if installed or ("." in name and is_ours(name)):
        return Located(f"{name}{attribute}", None, file.stem)
    if module.__name__ == "__main__":
        # It has run already; whoever imports it by its name in this process gets it.
        sys.modules.setdefault(imported_as(folder, name), module)
    return Located(f"{name}{attribute}", folder, name.rpartition(".")[2])


def _file(module: ModuleType) -> Path | None:
    """The module's source file; None if there is none, as of a notebook or a prompt."""
    try:
        file = inspect.getsourcefile(module)
    except TypeError:
        return None
    return Path(file).absolute() if file is not None and Path(file).is_file() else None
