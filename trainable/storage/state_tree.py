"""The state of a training as safetensors and JSON can hold it: arrays by name, and plain values.

Arrays at the top level, and values that JSON holds as they are, are stored as such. Everything else (tensors,
tuples, keys that are no text, numbers that are not finite) is a table with the key `TAG` in the plain values,
which names its array if it has one. Nothing is pickled.
"""

from __future__ import annotations

import base64
import math
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

TAG = "benchsweep:kind"
"""The key of what JSON could not give back as it was."""
_RESERVED = "__metadata__"
_DTYPES = frozenset(
    np.dtype(name)
    for name in [
        *("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"),
        *("float16", "float32", "float64"),
    ]
)
"""Those that safetensors holds. Arrays of other types are stored as their bytes."""
_NUMBERS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_WHERE = "the state_dict of Training must be storable, but its entry"
_STORABLE = (
    "store arrays, tensors, numbers, text, booleans, None, and lists, tuples and dicts of these, and of "
    "other objects what their own state_dict() returns"
)


def encode(state: Any) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Returns the arrays of a state, and its plain values. Raises TypeError or ValueError for what `decode`
    could not give back as it was, and names the entry."""
    if not isinstance(state, Mapping):
        raise TypeError(f"the state_dict of Training must return a dict, but returned {state!r}; {_STORABLE}")
    encoder = _Encoder()
    others: dict[str, Any] = {}
    for name, value in state.items():
        where = f"{_WHERE} {name!r}"
        if not isinstance(name, str):
            raise TypeError(f"{where} has a key that is no text; name entries with text")
        if isinstance(value, np.ndarray | np.generic) and value.dtype.newbyteorder("=") in _DTYPES:
            if name == _RESERVED:
                raise ValueError(f"{where} has the name that safetensors reserves; rename it")
            encoder.arrays[name] = np.asarray(value, value.dtype.newbyteorder("="), order="C")
        else:
            others[name] = value
    # Afterwards, so that the arrays inside of them take no name of an entry.
    plain = {name: encoder.plain(value, f"{_WHERE} {name!r}", name) for name, value in others.items()}
    return encoder.arrays, plain


def decode(arrays: Mapping[str, NDArray[Any]], plain: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the state that `encode` was given."""
    decoder = _Decoder(arrays)
    values = {name: decoder.value(value) for name, value in plain.items()}
    return {**{name: array for name, array in arrays.items() if name not in decoder.used}, **values}


class _Encoder:
    """Collects the arrays of a state."""

    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}

    def plain(self, value: Any, where: str, path: str) -> Any:
        """The value as JSON holds it. where: of errors. path: a name for its array."""
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, np.ndarray | np.generic):
            return self._array(np.asarray(value), where, path)
        if isinstance(value, float):
            return value if math.isfinite(value) else {TAG: "float", "value": str(value)}
        if isinstance(value, bytes | bytearray):
            return {TAG: "bytes", "value": base64.b64encode(value).decode()}
        if isinstance(value, Mapping):
            return self._mapping(value, where, path)
        if isinstance(value, list | tuple):
            items = [
                self.plain(item, f"{where}[{index}]", f"{path}/{index}") for index, item in enumerate(value)
            ]
            return items if isinstance(value, list) else {TAG: "tuple", "items": items}
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(value, torch.Tensor):
            return self._tensor(torch, value, where, path)
        kind = type(value)
        raise TypeError(f"{where} is a {kind.__module__}.{kind.__qualname__}; {_STORABLE}")

    def _mapping(self, value: Mapping[Any, Any], where: str, path: str) -> Any:
        items = [(key, self.plain(item, f"{where}[{key!r}]", f"{path}/{key}")) for key, item in value.items()]
        if isinstance(value, Counter):
            return {TAG: "counter", "items": self._pairs(items, where)}
        if all(isinstance(key, str) for key, _ in items) and TAG not in value:
            return dict(items)
        return {TAG: "dict", "items": self._pairs(items, where)}

    def _pairs(self, items: list[tuple[Any, Any]], where: str) -> list[list[Any]]:
        for key, _ in items:
            if not isinstance(key, str | bool | int | float | tuple | None):
                raise TypeError(
                    f"{where}[{key!r}] has a key of type {type(key).__name__}; use text or numbers"
                )
        return [[self.plain(key, f"{where}[{key!r}]", "key"), item] for key, item in items]

    def _array(self, array: NDArray[Any], where: str, path: str) -> Any:
        dtype = array.dtype.newbyteorder("=")
        if dtype in _DTYPES:
            return {TAG: "array", "name": self._store(path, np.asarray(array, dtype, order="C"))}
        if dtype.hasobject:
            raise TypeError(
                f"{where} is an array of {array.dtype}, which only pickle could store; {_STORABLE}"
            )
        content = np.frombuffer(array.astype(dtype).tobytes(), dtype=np.uint8)
        name = self._store(path, content)
        return {TAG: "array", "name": name, "dtype": _described(dtype), "shape": list(array.shape)}

    def _tensor(self, torch: Any, tensor: Any, where: str, path: str) -> Any:
        kind = str(tensor.dtype).removeprefix("torch.")
        try:
            flat = tensor.detach().cpu().contiguous()
            if kind in {dtype.name for dtype in _DTYPES}:
                return {TAG: "tensor", "name": self._store(path, flat.numpy())}
            content = flat.reshape(-1).view(torch.uint8).numpy()
        except (RuntimeError, TypeError) as error:
            raise TypeError(f"{where} is a tensor of {kind} that cannot be stored: {error}") from error
        name = self._store(path, content)
        return {TAG: "tensor", "name": name, "dtype": kind, "shape": list(tensor.shape)}

    def _store(self, path: str, array: NDArray[Any]) -> str:
        name, number = path, 2
        while name in self.arrays or name == _RESERVED:
            name, number = f"{path}#{number}", number + 1
        self.arrays[name] = array
        return name


class _Decoder:
    """Puts the arrays of a state back in their places."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays = arrays
        self.used: set[str] = set()
        """Names of the arrays that have a place inside of an entry."""

    def value(self, plain: Any) -> Any:
        if isinstance(plain, list):
            return [self.value(item) for item in plain]
        if not isinstance(plain, dict):
            return plain
        kind = plain.get(TAG)
        if kind is None:
            return {key: self.value(item) for key, item in plain.items()}
        if kind == "float":
            return _NUMBERS[plain["value"]]
        if kind == "bytes":
            return base64.b64decode(plain["value"])
        if kind == "tuple":
            return tuple(self.value(plain["items"]))
        if kind in ("dict", "counter"):
            pairs = {self.value(key): self.value(item) for key, item in plain["items"]}
            return Counter(pairs) if kind == "counter" else pairs
        self.used.add(plain["name"])
        array = self._arrays[plain["name"]]
        return self._tensor(plain, array) if kind == "tensor" else self._array(plain, array)

    def _array(self, plain: Mapping[str, Any], array: NDArray[Any]) -> NDArray[Any]:
        if "dtype" not in plain:
            return array
        dtype = _dtype_of(plain["dtype"])
        return np.frombuffer(bytearray(array.tobytes()), dtype=dtype).reshape(plain["shape"])

    def _tensor(self, plain: Mapping[str, Any], array: NDArray[Any]) -> Any:
        """The tensor, on the CPU; an array where no torch was imported, for readers that show it."""
        torch = sys.modules.get("torch")
        if torch is None:
            return array
        tensor = torch.from_numpy(np.array(array))  # of its own memory, which may be written to
        if "dtype" not in plain:
            return tensor
        return tensor.view(getattr(torch, plain["dtype"])).reshape(plain["shape"])


def _described(dtype: np.dtype[Any]) -> Any:
    return dtype.str if dtype.names is None else [list(field) for field in dtype.descr]


def _dtype_of(described: Any) -> np.dtype[Any]:
    return np.dtype(described if isinstance(described, str) else [_field(each) for each in described])


def _field(described: list[Any]) -> tuple[Any, ...]:
    """A field of a structured type, whose lists JSON made of tuples."""
    name, kind, *shape = described
    kind = kind if isinstance(kind, str) else [_field(each) for each in kind]
    return (name, kind, *(tuple(each) for each in shape))
