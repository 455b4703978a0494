"""The state of an object that is being trained: found in its attributes, and put back there."""

from __future__ import annotations

import random
import sys
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

_LARGE = 1 << 14
"""Bytes of a tensor or an array from which on it is stored only once it has changed: it may be the data."""
_PLAIN = (str, bool, int, float, bytes, type(None))
_OMITTED = object()
_ITEMS = "items that are stored"


class LiveState:
    """The attributes of an object that hold its state.

    Objects with state_dict and load_state_dict, tensors, arrays, generators of random numbers, plain values,
    lists, tuples and dicts of these, and objects of a class of the same module. What has none, such as a
    function or a data set, is left out; so is a large tensor or array that has not changed since `build`.
    """

    def __init__(self, owner: object, leave_out: Collection[str] = ()) -> None:
        """owner: as it was built. leave_out: names of attributes that hold no state."""
        self._owner = owner
        self._leave_out = frozenset(leave_out)
        self._as_built: dict[int, tuple[Any, Any]] = {}
        self._note(vars(owner), set())

    def stored(self) -> dict[str, Any]:
        """The state, as a checkpoint can hold it."""
        found = {name: self._state(value) for name, value in self._attributes(self._owner).items()}
        return {name: state for name, state in found.items() if state is not _OMITTED}

    def restore(self, stored: Mapping[str, Any]) -> None:
        """Puts back what `stored` returned, into an owner that was built in the same way."""
        current = vars(self._owner)
        for name, state in stored.items():
            setattr(self._owner, name, self._restored(current.get(name), state))

    def _attributes(self, holder: object) -> dict[str, Any]:
        return {name: value for name, value in vars(holder).items() if name not in self._leave_out}

    def _note(self, value: Any, seen: set[int]) -> None:
        """Remembers the large tensors and arrays in a value as they are now."""
        if id(value) in seen:
            return
        seen.add(id(value))
        if _is_array(value):
            if _size(value) >= _LARGE:
                self._as_built[id(value)] = value, _mark(value)
        elif isinstance(value, dict):
            for item in value.values():
                self._note(item, seen)
        elif isinstance(value, list | tuple):
            for item in value:
                self._note(item, seen)
        elif self._is_own(value):
            self._note(vars(value), seen)

    def _is_own(self, value: Any) -> bool:
        """Whether the class of the value is of the owner's module."""
        return hasattr(value, "__dict__") and type(value).__module__ == type(self._owner).__module__

    def _unchanged(self, value: Any) -> bool:
        known = self._as_built.get(id(value))
        return known is not None and known[0] is value and known[1] == _mark(value)

    def _state(self, value: Any) -> Any:
        """What to store of a value; `_OMITTED` for nothing."""
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, np.generic):
            return value.item() if not value.dtype.hasobject else _OMITTED
        if _is_array(value):
            return _OMITTED if self._unchanged(value) or _holds_objects(value) else value
        if _is_stateful(value):
            return value.state_dict()
        if (generator := _generator_state(value)) is not None:
            return generator
        if isinstance(value, dict | list | tuple) or (self._is_own(value) and not isinstance(value, type)):
            return self._items(value)
        return _OMITTED

    def _items(self, value: Any) -> Any:
        """The state of a container: its value if all of that is plain, else what is stored of each item."""
        if isinstance(value, dict):
            pairs = dict(value)
        elif isinstance(value, list | tuple):
            pairs = dict(enumerate(value))
        else:
            pairs = self._attributes(value)
        states = {key: self._state(item) for key, item in pairs.items()}
        if isinstance(value, dict | list | tuple) and all(
            states[key] is item or isinstance(item, np.generic) for key, item in pairs.items()
        ):
            return value
        kept = {key: state for key, state in states.items() if state is not _OMITTED}
        return {_ITEMS: kept} if kept else _OMITTED

    def _restored(self, current: Any, state: Any) -> Any:
        """The value with the state: `current` itself where it can be changed in place, since an optimizer
        may refer to it."""
        if _is_stateful(current):
            current.load_state_dict(state)
            return current
        if _generator_state(current) is not None:
            _set_generator(current, state)
            return current
        if isinstance(state, Mapping) and _ITEMS in state:
            return self._items_restored(current, state[_ITEMS])
        if _is_array(current) and _is_array(state) and current.shape == state.shape:
            return _filled(current, state)
        return state

    def _items_restored(self, current: Any, states: Mapping[Any, Any]) -> Any:
        if isinstance(current, tuple):
            return tuple(
                self._restored(item, states[at]) if at in states else item for at, item in enumerate(current)
            )
        if isinstance(current, dict | list):
            for key, state in states.items():
                inside = key in current if isinstance(current, dict) else key < len(current)
                current[key] = self._restored(current[key] if inside else None, state)
            return current
        for name, state in states.items():
            setattr(current, name, self._restored(vars(current).get(name), state))
        return current


def modules_of(owner: object) -> dict[str, Any]:
    """The models among the attributes of an object, by name: what has parameters and a state."""
    found: dict[str, Any] = {}
    for name, value in vars(owner).items():
        parts = value.items() if isinstance(value, dict) else enumerate(value) if _is_row(value) else ()
        for each, model in [(name, value), *((f"{name}.{key}", item) for key, item in parts)]:
            if _is_stateful(model) and callable(getattr(model, "parameters", None)):
                found[each] = model
    return found


def _is_row(value: Any) -> bool:
    return isinstance(value, list | tuple)


def _torch() -> Any:
    return sys.modules.get("torch")


def _is_stateful(value: Any) -> bool:
    methods = (getattr(value, name, None) for name in ("state_dict", "load_state_dict"))
    return not isinstance(value, type) and all(map(callable, methods))


def _is_tensor(value: Any) -> bool:
    torch = _torch()
    return torch is not None and isinstance(value, torch.Tensor)


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _holds_objects(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.hasobject


def _size(value: Any) -> int:
    return int(value.nbytes)


def _mark(value: Any) -> object:
    """Something that differs once the content does. torch counts the changes of a tensor itself."""
    if isinstance(value, np.ndarray):
        return None if value.dtype.hasobject else zlib.crc32(np.ascontiguousarray(value).view(np.uint8).data)
    return value._version, value.data_ptr()


def _filled(current: Any, state: Any) -> Any:
    """`current` with the content of `state`."""
    if isinstance(current, np.ndarray):
        if isinstance(state, np.ndarray) and current.dtype == state.dtype and current.flags.writeable:
            current[...] = state
            return current
        return state
    tensor = state if _is_tensor(state) else _torch().as_tensor(state)
    if tensor.dtype != current.dtype:
        return tensor.to(current.device)
    with _torch().no_grad():
        current.copy_(tensor)
    return current


def _generator_state(value: Any) -> Any:
    """The state of a generator of random numbers; None if it is none."""
    if isinstance(value, np.random.Generator):
        return dict(value.bit_generator.state)
    if isinstance(value, np.random.RandomState):
        return value.get_state(legacy=False)
    if isinstance(value, random.Random):
        return value.getstate()
    torch = _torch()
    return value.get_state() if torch is not None and isinstance(value, torch.Generator) else None


def _set_generator(generator: Any, state: Any) -> None:
    if isinstance(generator, np.random.Generator):
        generator.bit_generator.state = state
    elif isinstance(generator, random.Random):
        generator.setstate(state)
    else:
        generator.set_state(state)
