"""Finds the modules of a user by their files, whatever they are called.

A module beside a plan may have the name of a package of benchsweep (`search.py`), of the standard library or
of an installed package. Then it is imported under another name, which ends with a digest of its folder, and
the modules of that folder get it where they import it by its own. All others get what they meant.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

PACKAGES = ("trainable", "search", "reports", "benchsweep", "configs")
"""The packages of benchsweep."""
_ROOT = Path(__file__).resolve().parents[1]
_finders: dict[str, _BesidePlan] = {}
"""One for each folder with a user's modules, by its path."""
_copies: dict[str, Path] = {}
"""Where the files of a folder of the driver lie on this machine, by the path that the driver has."""
_originals: dict[str, str] = {}
"""The inverse."""
_asked_for: ContextVar[str | None] = ContextVar("asked for", default=None)
"""The name of the trainable's module that is being imported; None while none is."""


class ScriptBegins(BaseException):
    """A module that is imported for its trainable came to the line that begins a search."""


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Inside, the module of this name is imported up to the line that begins a search, as when a worker
    imports the user's own script: what it trains stands above that line."""
    token = _asked_for.set(name)
    try:
        yield
    finally:
        _asked_for.reset(token)


def begin_search() -> None:
    """To be called first by whatever begins a search. Raises ScriptBegins in a module that is imported for
    its trainable."""
    if _asked_for.get() is not None:
        raise ScriptBegins(
            'it begins a search where it is imported; write that below `if __name__ == "__main__":`'
        )


def is_ours(name: str) -> bool:
    """Whether a module of this name is part of benchsweep. Imports nothing."""
    path = _ROOT.joinpath(*name.split("."))
    top = name.partition(".")[0]
    return top in PACKAGES and (path.is_dir() or path.with_suffix(".py").is_file())


def holds(folder: Path, name: str) -> bool:
    """Whether the folder has a module or package of this dotted name that is not part of benchsweep."""
    return _spec_in(folder, name.partition(".")[0]) is not None and not (
        "." in name and is_ours(name)  # "trainable.mlp" is ours, whatever folder is called trainable
    )


def imported_as(folder: Path, name: str) -> str:
    """The name under which the module `name` of the folder is imported: its own, or one that nothing else
    has. From now on, the modules of that folder are found."""
    finder = _finder(folder)
    top, dot, rest = name.partition(".")
    return f"{finder.alias(top)}{dot}{rest}" if top in finder.taken else name


def look_in(folder: str, name: str, shipped: bool) -> None:
    """Lets this process import and unpickle what the driver imported from the folder, where it found the
    module `name`. shipped: whether the driver sent the files of that folder, which are used instead."""
    here = Path(folder)
    if shipped or not here.is_dir():
        here = next((path for path in map(Path, sys.path) if holds(path, name)), here)
    _copies[folder], _originals[str(here)] = here, folder
    _finder(here)


def here(folder: Path) -> Path:
    """Where the files of a folder of the driver lie on this machine."""
    return _copies.get(str(folder), folder)


def _finder(folder: Path) -> _BesidePlan:
    key = str(folder)
    if key not in _finders:
        _finders[key] = finder = _BesidePlan(folder, _originals.get(key, key))
        sys.meta_path.insert(0, finder)
        if key not in sys.path:  # processes that a training starts look here
            sys.path.append(key)
    return _finders[key]


class _BesidePlan(MetaPathFinder):
    """Imports what lies in one folder."""

    def __init__(self, folder: Path, origin: str) -> None:
        """origin: the folder's path, on the machine of the driver."""
        self._folder = folder
        self._suffix = f"__{hashlib.sha256(origin.encode()).hexdigest()[:8]}"
        self.taken = {top for top in _tops(folder) if _taken(top, folder)}
        """Names of modules in the folder that belong to something else."""

    def alias(self, top: str) -> str:
        """Another name for a module of the folder."""
        return top + self._suffix

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:
            looked_at = self.taken or fullname == _asked_for.get()
            inside = looked_at and any(Path(each).is_relative_to(self._folder) for each in path)
            return self._own(PathFinder.find_spec(fullname, path)) if inside else None
        top = fullname.removesuffix(self._suffix)
        if top == fullname:
            return self._own(_spec_in(self._folder, top)) if self.taken - {top} == self.taken else None
        spec = _spec_in(self._folder, top)
        if spec is None:
            return None
        if spec.origin is None:
            renamed = ModuleSpec(fullname, None, is_package=True)
            renamed.submodule_search_locations = list(spec.submodule_search_locations or ())
            return renamed
        return importlib.util.spec_from_file_location(
            fullname,
            spec.origin,
            loader=_Loader(fullname, spec.origin, self),
            submodule_search_locations=spec.submodule_search_locations,
        )

    def _own(self, spec: ModuleSpec | None) -> ModuleSpec | None:
        """The spec of a module of the folder, which imports its neighbours first."""
        asked_for = spec is not None and spec.name == _asked_for.get()
        if spec is not None and type(spec.loader) is SourceFileLoader and (self.taken or asked_for):
            spec.loader = _Loader(spec.name, str(spec.origin), self)
        return spec

    def import_for(
        self,
        file: str,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What `import` does in the module of that file."""
        top, dot, rest = name.partition(".")
        if level == 0 and top in self.taken:
            spec = _spec_in(self._folder, top)
            itself = spec is not None and spec.origin == file
            if not itself and not (dot and is_ours(name)):
                name = f"{self.alias(top)}{dot}{rest}"
        return builtins.__import__(name, globals, locals, fromlist or (), level)


class _Loader(SourceFileLoader):
    """Loads a module whose imports look in its own folder first."""

    def __init__(self, name: str, path: str, finder: _BesidePlan) -> None:
        super().__init__(name, path)
        self._finder = finder

    def exec_module(self, module: ModuleType) -> None:
        if self._finder.taken:
            own = partial(self._finder.import_for, self.path)
            module.__dict__["__builtins__"] = {**vars(builtins), "__import__": own}
        try:
            super().exec_module(module)
        except ScriptBegins:
            if module.__name__ != _asked_for.get():
                raise


def _tops(folder: Path) -> set[str]:
    """Names of modules and packages in a folder, as far as they can be imported."""
    try:
        paths = list(folder.iterdir())
    except OSError:
        return set()
    names = {path.stem for path in paths if path.suffix == ".py"} | {
        path.name for path in paths if (path / "__init__.py").is_file() or path.name in PACKAGES
    }
    return {name for name in names if name.isidentifier() and _spec_in(folder, name) is not None}


def _spec_in(folder: Path, top: str) -> ModuleSpec | None:
    """The module or package of this name in a folder; None if there is none, or if it is benchsweep's."""
    spec = PathFinder.find_spec(top, [str(folder)])
    if spec is None:
        return None
    places = [Path(place).resolve() for place in spec.submodule_search_locations or ()]
    if _ROOT / top in places:  # a module `trainable.py` may lie beside our package, which hides it
        file = folder / f"{top}.py"
        return importlib.util.spec_from_file_location(top, file) if file.is_file() else None
    return spec


def _taken(top: str, folder: Path) -> bool:
    """Whether something else has the name of a module in the folder."""
    if top in PACKAGES:
        return True
    own = _spec_in(folder, top)
    try:
        other = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # the latter for a module without a spec, such as __main__
        return top in sys.modules
    return other is not None and own is not None and other.origin != own.origin
