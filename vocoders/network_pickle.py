"""Files of ``torch.save`` that hold a whole network, read without running anything in them.

Both formats are read: the zip archive (since torch 1.6) and the sequence of pickles before it.
`vocoders.inert_pickle` goes through the pickles; tensors are made here, last, from the raw bytes
of the file, after every offset and shape was checked.
"""

import io
import mmap
import pickle
import struct
import zipfile
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from vocoders.inert_pickle import InertObject, InertUnpickler, StoredTensor, StoredValues

__all__ = ["network_tensors", "read_network_pickle"]

_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001
# Networks are a few levels deep; one that contains itself is endless.
_DEEPEST = 64


def read_network_pickle(path: Path) -> object:
    """Read a file of ``torch.save``, running nothing.

    Returns
    -------
    Its content: tensors on the CPU, networks as `InertObject`.

    Raises
    ------
    pickle.UnpicklingError naming the first thing that is neither a tensor nor a known network's;
    ValueError if the file is damaged; OSError.
    """
    with path.open("rb") as stream:
        try:
            read = _read_zip if zipfile.is_zipfile(stream) else _read_legacy
            stream.seek(0)
            content, storages = read(stream)
            return _with_tensors(content, storages, {})
        except (OSError, pickle.UnpicklingError):
            raise
        except Exception as error:
            # Damaged and hostile files fail in any way at all.
            raise ValueError(f"{type(error).__name__}: {error}") from error


def network_tensors(network: InertObject) -> dict[str, Tensor]:
    """List a network's parameters and buffers by name, as its ``state_dict()`` would.

    Raises
    ------
    ValueError if its parts are not what torch's modules have.
    """
    return dict(_walk(network, "", 0))


def _walk(network: object, prefix: str, depth: int) -> Iterator[tuple[str, Tensor]]:
    state = network.state if isinstance(network, InertObject) else None
    if not isinstance(state, dict) or depth > _DEEPEST:
        raise ValueError(f"{prefix.rstrip('.') or 'the pickled object'} is no network of torch")
    transient = state.get("_non_persistent_buffers_set", ())
    for kind in ("_parameters", "_buffers"):
        for name, tensor in state.get(kind, {}).items():
            if isinstance(tensor, Tensor) and name not in transient:
                yield f"{prefix}{name}", tensor
    for name, part in state.get("_modules", {}).items():
        if part is not None:
            yield from _walk(part, f"{prefix}{name}.", depth + 1)


def _read_zip(stream: BinaryIO) -> tuple[object, Mapping[str, bytes]]:
    """Read ``TOP/data.pkl`` and the storages ``TOP/data/KEY``."""
    with zipfile.ZipFile(stream) as archive:
        names = archive.namelist()
        top = next((name[:-8] for name in names if name.endswith("/data.pkl")), None)
        if top is None:
            raise ValueError("the archive has no data.pkl")
        if any(info.compress_type != zipfile.ZIP_STORED for info in archive.infolist()):
            raise ValueError("the archive is compressed, which torch.save never does")
        if f"{top}byteorder" in names and archive.read(f"{top}byteorder") != b"little":
            raise ValueError("it was saved on a big-endian machine")
        content = InertUnpickler(io.BytesIO(archive.read(f"{top}data.pkl"))).load()
        prefix = f"{top}data/"
        storages = {
            name.removeprefix(prefix): archive.read(name)
            for name in names
            if name.startswith(prefix)
        }
    return content, storages


def _read_legacy(file: BinaryIO) -> tuple[object, Mapping[str, bytes]]:
    """Read five pickles (magic, protocol, machine, content, keys), then the storages."""
    # Mapped, because a file's read(n) makes room for n bytes before it sees that they are missing.
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
        return _read_mapped(stream)


def _read_mapped(stream: mmap.mmap) -> tuple[object, Mapping[str, bytes]]:
    magic, protocol = InertUnpickler(stream).load(), InertUnpickler(stream).load()
    if (magic, protocol) != (_MAGIC, _PROTOCOL):
        raise pickle.UnpicklingError("it is no file of torch.save")
    machine = InertUnpickler(stream).load()
    if isinstance(machine, dict) and machine.get("little_endian") is False:
        raise ValueError("it was saved on a big-endian machine")
    unpickler = InertUnpickler(stream)
    content, keys = unpickler.load(), InertUnpickler(stream).load()
    storages: dict[str, bytes] = {}
    for key in keys:
        (n_elements,) = struct.unpack("<q", stream.read(8))
        n_bytes = n_elements * unpickler.element_sizes[key]
        # A negative count would read the rest of the file.
        storages[key] = stream.read(max(n_bytes, 0))
        if len(storages[key]) != n_bytes:
            raise ValueError(f"storage {key} should have {n_bytes} bytes, the file ends before")
    return content, storages


def _with_tensors(
    value: object, storages: Mapping[str, bytes], done: dict[int, object], depth: int = 0
) -> object:
    """Replace descriptions by tensors, all the way down; what was shared stays shared."""
    if depth > 8 * _DEEPEST:
        raise ValueError("it is nested too deeply")
    if id(value) in done:
        return done[id(value)]
    if isinstance(value, StoredTensor):
        done[id(value)] = _tensor(value, storages)
        return done[id(value)]
    done[id(value)] = value
    if isinstance(value, dict):
        for key in list(value):
            value[key] = _with_tensors(value[key], storages, done, depth + 1)
    elif isinstance(value, list):
        value[:] = [_with_tensors(part, storages, done, depth + 1) for part in value]
    elif isinstance(value, InertObject):
        value.state = _with_tensors(value.state, storages, done, depth + 1)
    return value


def _tensor(stored: StoredTensor, storages: Mapping[str, bytes]) -> Tensor:
    values, offset, shape, strides = stored.values, stored.offset, stored.shape, stored.strides
    if not isinstance(values, StoredValues) or not isinstance(offset, int) or offset < 0:
        raise ValueError("a tensor has no storage")
    if not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise ValueError("a tensor has no shape")
    if min((*shape, *strides), default=0) < 0 or len(shape) != len(strides):
        raise ValueError(f"a tensor has the impossible shape {shape}, strides {strides}")
    if prod(shape) == 0:
        return torch.empty(shape, dtype=values.dtype)
    # One past the last element that the strides reach, within the stretch of the storage.
    end = offset + sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + 1
    size, storage = values.dtype.itemsize, storages[values.key]
    start_byte, end_byte = (values.first + offset) * size, (values.first + end) * size
    # Strides of zero would make much out of little.
    too_many = max(end, prod(shape)) > values.n_elements
    if values.first < 0 or too_many or end_byte > len(storage):
        raise ValueError(f"a tensor of shape {shape} reaches beyond its storage")
    flat = torch.frombuffer(bytearray(storage[start_byte:end_byte]), dtype=values.dtype)
    return flat.as_strided(shape, strides).contiguous()
