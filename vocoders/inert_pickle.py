"""An unpickler that runs nothing: for checkpoints that hold a whole network.

Early WaveGlow releases are ``torch.save({'model': network, ...})``: a pickle that names classes of
NVIDIA's code and of torch, which `torch.load(weights_only=True)` refuses. `InertUnpickler` goes
through the same bytes but can call nothing except ordered dicts, counters, sets and the classes of
this module, which only remember what they are given; it imports and looks up nothing. Tensors stay
descriptions (`StoredTensor`) until `vocoders.network_pickle` has checked them.
"""

import io
import mmap
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import torch

__all__ = ["InertObject", "InertUnpickler", "StoredTensor", "StoredValues"]

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
# Classes below these modules may be named; what stands for them is an InertObject.
_NETWORKS = ("glow", "glow_old", "torch.nn.modules", "torch.nn.backends")
_NETWORK_CLASSES = {("torch.nn.utils.weight_norm", "WeightNorm")}


class InertObject:
    """Stands for an object of a class that is not loaded: remembers its state, does nothing."""

    __slots__ = ("state",)
    state: object

    def __new__(cls, *_: object) -> "InertObject":
        """Make one without state, whatever it is given."""
        self = super().__new__(cls)
        self.state = None
        return self

    def __setstate__(self, state: object) -> None:
        self.state = state


class StoredValues:
    """A stretch of a storage of the file, counted in elements.

    Parameters
    ----------
    key : which storage.
    first, n_elements : the stretch.
    """

    __slots__ = ("dtype", "first", "key", "n_elements")

    def __init__(self, dtype: torch.dtype, key: str, first: int, n_elements: int) -> None:
        self.dtype, self.key, self.first, self.n_elements = dtype, key, first, n_elements


class StoredTensor:
    """A tensor as the file describes it; nothing is checked yet."""

    __slots__ = ("offset", "shape", "strides", "values")

    def __init__(
        self, values: object, offset: object, shape: object, strides: object, *_: object
    ) -> None:
        self.values, self.offset, self.shape, self.strides = values, offset, shape, strides


class _StorageType:
    """What a pickle calls ``torch.FloatStorage`` and the like; cannot be called."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


class _Function:
    """A function that a pickle may call, but not alter: pickles can set attributes."""

    __slots__ = ("_call",)
    _call: Callable[..., object]

    def __init__(self, call: Callable[..., object]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *arguments: object) -> object:
        return self._call(*arguments)

    def __setattr__(self, name: str, value: object) -> None:
        raise pickle.UnpicklingError(f"it tries to set {name}")


def _parameter(data: object, *_: object) -> object:
    return data


_FUNCTIONS: Mapping[tuple[str, str], Callable[..., object]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
    ("torch._utils", "_rebuild_tensor"): StoredTensor,
    ("torch._utils", "_rebuild_tensor_v2"): StoredTensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch.nn.parameter", "Parameter"): _parameter,
}


# The one in Python: the one in C makes room for as many objects as a file announces.
class InertUnpickler(pickle._Unpickler):
    """Unpickles containers, numbers, text, tensors as descriptions and inert objects.

    Parameters
    ----------
    stream : read from its position on.

    Attributes
    ----------
    element_sizes : storage key -> bytes per element; the older file format says it only here.
    """

    def __init__(self, stream: io.BytesIO | mmap.mmap) -> None:
        # Strings of Python 2 are bytes.
        super().__init__(stream, encoding="utf-8")
        self.element_sizes: dict[str, int] = {}
        self._classes: dict[tuple[str, str], type[InertObject]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands for a class or function, or refuse it.

        Raises
        ------
        pickle.UnpicklingError naming it.
        """
        if (module, name) in _FUNCTIONS:
            return _Function(_FUNCTIONS[module, name])
        if module in ("torch", "torch.cuda") and name in _DTYPES:
            return _StorageType(_DTYPES[name])
        below = any(module == known or module.startswith(f"{known}.") for known in _NETWORKS)
        if below or (module, name) in _NETWORK_CLASSES:
            return self._inert_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> object:
        """Describe a storage, or pass on a class that has its source text beside it.

        Raises
        ------
        pickle.UnpicklingError if it is neither.
        """
        match pid:
            case ("module", type() as kind, *_) if issubclass(kind, InertObject):
                return kind
            case ("storage", _StorageType(dtype=dtype), str(key), _, int(n_elements)):
                first = 0
            case ("storage", _StorageType(dtype=dtype), str(key), _, int(n_elements), None):
                first = 0
            case ("storage", _StorageType(dtype=dtype), str(key), _, _, (_, int(), int()) as view):
                _, first, n_elements = view
            case _:
                raise pickle.UnpicklingError("it refers to something that is no tensor")
        self.element_sizes[key] = dtype.itemsize
        return StoredValues(dtype, key, first, n_elements)

    def _inert_class(self, module: str, name: str) -> type[InertObject]:
        # Made for this file alone, so that no pickle can change what another one finds.
        if (module, name) not in self._classes:
            members: dict[str, object] = {"__slots__": (), "__module__": module}
            self._classes[module, name] = type(name, (InertObject,), members)
        return self._classes[module, name]
