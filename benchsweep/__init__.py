"""The command line and the Python interface: parse and print, decide nothing.

import benchsweep
sweep = benchsweep.run(train, space={"x": (0.0, 1.0)}, budget=20, minimize="loss")
"""

import importlib.util
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchsweep.python.door import confirm, extend, load, open, report, reproduce, resume, run, stream
    from reports.notebook import Sweep
    from trainable.contract import Metric
    from trainable.errors import BenchsweepError
    from trainable.torch_training import TorchTraining

__all__ = [
    "BenchsweepError",
    "Metric",
    "Sweep",
    "TorchTraining",
    "confirm",
    "extend",
    "load",
    "open",
    "report",
    "reproduce",
    "resume",
    "run",
    "stream",
]

_MODULES = {
    "BenchsweepError": "trainable.errors",
    "Metric": "trainable.contract",
    "Sweep": "reports.notebook",
    "TorchTraining": "trainable.torch_training",
}
"""Imported when they are used, as everything of `benchsweep.python.door`."""

_ROOT = Path(__file__).resolve().parents[1]

for _name in ("trainable", "search", "reports"):
    # A module of such a name may lie in the current folder, which `python -m benchsweep` searches first.
    if _name not in sys.modules:
        _folder = _ROOT / _name
        _spec = importlib.util.spec_from_file_location(
            _name, _folder / "__init__.py", submodule_search_locations=[str(_folder)]
        )
        assert _spec is not None and _spec.loader is not None
        sys.modules[_name] = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(sys.modules[_name])


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(_MODULES.get(name, "benchsweep.python.door")), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
