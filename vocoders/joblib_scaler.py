"""Mean and deviation out of a ``StandardScaler`` saved by joblib, without running anything in it.

A joblib file is a pickle with the bytes of each numpy array standing right after the few words that
describe it. The unpickler here knows exactly those words and scikit-learn's scaler; each becomes a
record of what it was given, and any other name is refused.
"""

import pickle
from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["read_joblib_scaler"]

_TYPES = {f"{kind}{size}" for kind, sizes in {"f": "248", "i": "1248"}.items() for size in sizes}
# Longer than any mel filter bank.
_LARGEST_ELEMENTS = 1_000_000


class _Record:
    """Remembers what it was made with and the state it was given."""

    __slots__ = ("arguments", "state")

    def __init__(self, *arguments: object) -> None:
        self.arguments, self.state = arguments, None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Scaler(_Record):
    """Stands for scikit-learn's StandardScaler."""

    __slots__ = ()


class _ArrayHeader(_Record):
    """Stands for joblib's NumpyArrayWrapper: the array's bytes follow it."""

    __slots__ = ()


class _DType(_Record):
    """Stands for a numpy dtype: ``dtype('f8', ...)``, then its byte order as state."""

    __slots__ = ()


class _NumpyScalar(_Record):
    """Stands for a numpy number, such as the count of frames; never read."""

    __slots__ = ()


class _Bytes(_Record):
    """Stands for the bytes of a numpy number as older pickles spell them; never read."""

    __slots__ = ()


class _ArrayType(_Record):
    """Stands for ``numpy.ndarray`` as the class of what follows."""

    __slots__ = ()


_KNOWN: Mapping[tuple[str, str], type[_Record]] = {
    ("sklearn.preprocessing.data", "StandardScaler"): _Scaler,
    ("sklearn.preprocessing._data", "StandardScaler"): _Scaler,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _ArrayHeader,
    ("sklearn.externals.joblib.numpy_pickle", "NumpyArrayWrapper"): _ArrayHeader,
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _ArrayType,
    ("_codecs", "encode"): _Bytes,
    ("numpy.core.multiarray", "scalar"): _NumpyScalar,
    ("numpy._core.multiarray", "scalar"): _NumpyScalar,
}


# The pure-Python unpickler: arrays stand between its opcodes, so one of them must be replaced.
class _ScalerUnpickler(pickle._Unpickler):
    """Reads records and arrays; refuses every other name."""

    stack: list[Any]

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(stream)
        self._stream = stream

    def find_class(self, module: str, name: str) -> type[_Record]:
        """Return the record for a known name."""
        if (module, name) not in _KNOWN:
            raise pickle.UnpicklingError(f"it names {module}.{name}")
        # Of this file alone: a pickle may set attributes of what it names.
        known = _KNOWN[module, name]
        return type(known.__name__, (known,), {"__slots__": ()})

    def persistent_load(self, _: object) -> None:
        """Refuse references out of the file."""
        raise pickle.UnpicklingError("it refers to something outside of the file")

    def load_build(self) -> None:
        """Set the state of the last object; an array's header is replaced by the array."""
        state, header = self.stack.pop(), self.stack[-1]
        if not isinstance(header, _Record):
            raise pickle.UnpicklingError("it sets the state of something that has none")
        header.__setstate__(state)
        if isinstance(header, _ArrayHeader):
            self.stack[-1] = _read_array(state, self._stream)

    dispatch: ClassVar[dict[int, Callable[..., Any]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: load_build,
    }


def read_joblib_scaler(path: Path) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Read ``mean_`` and ``scale_`` of a StandardScaler.

    Returns
    -------
    Two arrays, shape (n_features,), as stored (usually float64).

    Raises
    ------
    ValueError if the file is damaged, compressed, or holds anything but a scaler; OSError.
    """
    with path.open("rb") as stream:
        try:
            scaler = _ScalerUnpickler(stream).load()
            state = scaler.state if isinstance(scaler, _Scaler) else None
            mean, scale = state["mean_"], state["scale_"]  # type: ignore[index]
        except OSError:
            raise
        except Exception as error:
            # Damaged and hostile files fail in any way at all.
            reason = str(error) if isinstance(error, pickle.UnpicklingError) else repr(error)
            raise ValueError(
                f"it is no uncompressed joblib file of a fitted StandardScaler: {reason}"
            ) from error
    if not isinstance(mean, np.ndarray) or not isinstance(scale, np.ndarray):
        raise ValueError("its scaler was fitted without mean or deviation")
    return mean, scale


def _read_array(header: Any, stream: BinaryIO) -> NDArray[Any]:
    """Read the bytes that stand after an array's header, where the stream is now."""
    shape, dtype = tuple(int(n) for n in header["shape"]), _dtype(header["dtype"])
    if min(shape, default=0) < 0 or prod(shape) > _LARGEST_ELEMENTS:
        raise pickle.UnpicklingError(f"it announces an array of shape {shape}")
    # Newer files pad to an aligned position and say by how many bytes.
    if header.get("numpy_array_alignment_bytes") is not None:
        stream.read(stream.read(1)[0])
    raw = stream.read(prod(shape) * dtype.itemsize)
    values: NDArray[Any] = np.frombuffer(raw, dtype, prod(shape)).reshape(shape)
    return values


def _dtype(record: object) -> np.dtype[Any]:
    if not isinstance(record, _DType) or record.arguments[:1] == ():
        raise pickle.UnpicklingError("an array has no type")
    name = record.arguments[0]
    if name not in _TYPES:
        raise pickle.UnpicklingError(f"it has an array of type {name!r}")
    big_endian = isinstance(record.state, tuple) and record.state[1] == ">"
    return np.dtype(f"{'>' if big_endian else '<'}{name}")
