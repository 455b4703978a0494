"""A function or class that was defined in a notebook, written to a file that workers can import.

The file holds its source and, of the notebook, what its code names: imports, other functions and classes, and
plain values. A notebook's data and models are not written; a name of such is refused.
"""

from __future__ import annotations
import __future__

import ast
import builtins
import inspect
import math
import re
import symtable
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from trainable.errors import InputError
from trainable.storage.durable import write_atomic

_HEADER = "# Written by benchsweep from a notebook or a prompt, whenever it begins a search there."


class NotWritable(InputError):
    """A notebook's function that cannot be written to a file."""


def write_cells(trainable: Callable[..., Any] | type, run: str) -> str:
    """Writes the trainable, and what its code names, to a file in the current folder. Returns the name of its
    module. run: the name of the run, after which the file is called.

    Raises NotWritable, and OSError.
    """
    name = re.sub(r"\W", "_", f"{run}_cells")
    name = name if name.isidentifier() else f"_{name}"
    path = Path.cwd() / f"{name}.py"
    notebook = sys.modules.get(trainable.__module__)
    source = cells_source(trainable, {} if notebook is None else vars(notebook))
    before = path.read_text() if path.is_file() else None
    if before is not None and not before.startswith(_HEADER):
        raise NotWritable(
            f"the cell's source is written to {path.name}, but that is a file of yours",
            "rename it, or give the run another name",
        )
    if before != source:
        write_atomic(path, source)
        sys.modules.pop(name, None)  # as it was before the cell was edited
    return name


def cells_source(trainable: Callable[..., Any] | type, names: Mapping[str, Any]) -> str:
    """The source of a module with the trainable and all that it needs. names: what the notebook defines.
    Raises NotWritable."""
    module = _Module(names)
    module.add(trainable.__name__, trainable, trainable.__name__)
    future = ["from __future__ import annotations"] if _annotations_are_text(trainable) else []
    head = "\n".join([_HEADER, *future, *sorted(module.imports)])
    parts = [head, "\n".join(module.values), *module.definitions.values()]
    return "\n\n\n".join(filter(None, parts)) + "\n"


class _Module:
    """Collects the statements of a module."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        self._names = names
        self._seen: set[str] = set()
        self.imports: set[str] = set()
        """Statements, in any order."""
        self.values: list[str] = []
        """Assignments of plain values."""
        self.definitions: dict[str, str] = {}
        """Functions and classes by name, each after those that it needs."""

    def add(self, name: str, value: Any, user: str) -> None:
        """Add what defines a name of the notebook. user: what uses it. Raises NotWritable."""
        if name in self._seen:
            return
        self._seen.add(name)
        own = getattr(value, "__module__", None)
        if isinstance(value, ModuleType):
            self.imports.add(f"import {value.__name__}" + _as(value.__name__, name))
        elif isinstance(value, FunctionType | type) and own == "__main__":
            self._add_definition(name, _source_of(value, self._names))
        elif isinstance(own, str) and _is_in(own, value):
            self.imports.add(f"from {own} import {value.__name__}" + _as(value.__name__, name))
        elif _is_plain(value):
            self.values.append(f"{name} = {value!r}")
        else:
            raise NotWritable(
                f"what a notebook's function uses must be imports, functions, classes or plain values, which "
                f"workers can have too, but {user} uses {name}, a {type(value).__name__} of the notebook",
                f"make {name} inside {user}, or write both to a file and import it here",
            )

    def _add_definition(self, name: str, source: str) -> None:
        for other in _free_names(source):
            if other in self._names:
                self.add(other, self._names[other], name)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = self._names.get(node.value.id)
                inner = f"{module.__name__}.{node.attr}" if isinstance(module, ModuleType) else ""
                if inner in sys.modules:  # `import concurrent` does not bring concurrent.futures
                    self.imports.add(f"import {inner}")
        self.definitions[name] = source


def _as(original: str, name: str) -> str:
    return f" as {name}" if name != original else ""


def _is_in(module: str, value: Any) -> bool:
    """Whether a module has a value under the value's own name."""
    return getattr(sys.modules.get(module), getattr(value, "__name__", ""), None) is value


def _source_of(value: Any, names: Mapping[str, Any]) -> str:
    """The source of a function or a class. names: what the notebook defines, among it IPython's `In`."""
    try:
        return inspect.getsource(value).rstrip()
    except (OSError, TypeError):  # the latter for a class of a module without a file
        cells = names.get("In", [])
    for cell in reversed(cells if isinstance(cells, list) else []):
        try:
            statements = ast.parse(str(cell)).body
        except SyntaxError:
            continue
        for node in statements:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == value.__name__:
                first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
                return "\n".join(str(cell).splitlines()[first - 1 : node.end_lineno])
    raise NotWritable(
        f"workers need the source of {value.__name__}, but it cannot be had here",
        "write it to a file and import it",
    )


def _free_names(source: str) -> list[str]:
    """The names that a definition reads from its module, without Python's own."""
    found: dict[str, None] = {}

    def visit(scope: symtable.SymbolTable) -> None:
        for symbol in scope.get_symbols():
            outer = symbol.is_global() if scope.get_type() != "module" else not symbol.is_assigned()
            if outer and symbol.is_referenced() and not hasattr(builtins, symbol.get_name()):
                found[symbol.get_name()] = None
        for inner in scope.get_children():
            visit(inner)

    visit(symtable.symtable(source, "a cell", "exec"))
    return list(found)


def _is_plain(value: Any) -> bool:
    """Whether the text of a value, as Python prints it, is the value again."""
    if type(value) in (list, tuple):
        return all(map(_is_plain, value))
    if type(value) is dict:
        return all(_is_plain(key) and _is_plain(inner) for key, inner in value.items())
    if type(value) is float:
        return math.isfinite(value)
    return value is None or type(value) in (bool, int, str, bytes)


def _annotations_are_text(value: Any) -> bool:
    """Whether the cell began with `from __future__ import annotations`."""
    flags: int = getattr(getattr(value, "__code__", None), "co_flags", 0)
    return bool(flags & __future__.annotations.compiler_flag)
