"""The command line: parses and prints, decides nothing."""

import importlib.util
import sys
from pathlib import Path

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
