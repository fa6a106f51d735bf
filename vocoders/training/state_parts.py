"""The newest training state, small enough to hand on: parts of 16 MB, 60 MB in all.

A MelGAN in training is 254 MB: generator (4.27 M numbers) and discriminator (16.9 M), each with
two moments of Adam. What does not fit is given up in this order, and only as far as needed:

1. moments become bfloat16 (float16 would turn the squares of small gradients into 0, and a
   division by it into a giant step);
2. weights become float16, wherever that changes a tensor by less than a thousandth;
3. the moments of an optimiser are left out, the largest first. With the release's decays of 0.5
   and 0.9 they remember some ten steps, and Adam's bias correction starts them anew.

*Writes* ``FOLDER/state.json`` (`StateIndex`) and ``FOLDER/state-<hash>-<n>.part``: pieces of one
safetensors file. The index is replaced last, so a stopped writer leaves the older state whole.
"""

import hashlib
import json
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from evalsuite.errors import CheckpointError
from evalsuite.files import atomic_path, write_json
from vocoders.training.checkpoint import explain_full_disk
from vocoders.training.config_file import first_fault
from vocoders.training.state_tree import MOMENTS, Path, build, flatten, optimiser_states

__all__ = ["INDEX_NAME", "RestoredState", "StateIndex", "restore_state", "save_state"]

INDEX_NAME = "state.json"
BUDGET_BYTES = 60_000_000
PART_BYTES = 16_000_000

# Rounding to 11 significant bits changes a tensor by at most 1/2048; more than this means that
# much of it lies below float16's range.
_LARGEST_ROUNDING_ERROR = 1e-3
_LEVELS = ("exact", "small_moments", "small")


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Record):
    """One file of the state."""

    file: str
    n_bytes: int
    sha256: str


class Dropped(_Record):
    """An optimiser state that was left out, and how many bytes it had."""

    path: str
    n_bytes: int


class StateIndex(_Record):
    """What the parts hold.

    Parameters
    ----------
    step : of the training.
    parts : in order; together one safetensors file.
    sha256 : of that file.
    numbers_by_format : how many numbers are stored as float16, bfloat16, float32, ...
    largest_rounding_error : over tensors, relative Euclidean norm; 0 if all are exact.
    dropped : optimiser states that did not fit.
    tree : the state without its tensors (`vocoders.training.state_tree`).
    """

    schema_version: Literal[1] = 1
    step: int
    parts: tuple[Part, ...]
    sha256: str
    numbers_by_format: dict[str, int]
    largest_rounding_error: float
    dropped: tuple[Dropped, ...]
    tree: dict[str, Any]

    def losses(self) -> list[str]:
        """Say in words what the state no longer has; empty if it is exact."""
        said = []
        for name in ("float16", "bfloat16"):
            if count := self.numbers_by_format.get(name):
                said.append(f"{count:,} numbers were rounded to {name}")
        if said:
            said.append(f"largest relative change of a tensor {self.largest_rounding_error:.2g}")
        said += [
            f"{one.path} ({one.n_bytes / 1e6:.1f} MB) was left out: its optimiser starts anew"
            for one in self.dropped
        ]
        return said


@dataclass(frozen=True, eq=False)
class RestoredState:
    """A state read back, and its index, which says what was lost."""

    state: dict[str, Any]
    index: StateIndex


def save_state(
    state: dict[str, Any],
    folder: FilePath,
    *,
    step: int,
    budget_bytes: int = BUDGET_BYTES,
    part_bytes: int = PART_BYTES,
) -> StateIndex:
    """Write a training state in parts, with as little loss as the budget allows.

    Parameters
    ----------
    state : nested dicts, lists, tensors and plain values; not changed.
    folder : made if it does not exist; an older state in it is replaced.
    budget_bytes : for all files together. part_bytes : for each of them.

    Raises
    ------
    CheckpointError if even the networks alone do not fit; TrainingError if the disk is full.
    """
    packed = _fit(state, budget_bytes)
    with explain_full_disk(folder, then="the older state in it is whole"):
        return _write(packed, folder, step, part_bytes)


def restore_state(folder: FilePath) -> RestoredState:
    """Read a state back after checking every part.

    Raises
    ------
    CheckpointError listing each part that is missing or changed, or if the index is damaged.
    """
    index = _read_index(folder)
    content = b"".join(_read_parts(folder, index))
    if hashlib.sha256(content).hexdigest() != index.sha256:
        raise _damaged(folder, "the parts are not in the order or number they were written in")
    try:
        state = build(index.tree, load(content))
    except (SafetensorError, LookupError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(folder, "the tensors do not fit the index") from error
    if not isinstance(state, dict):
        raise _damaged(folder, f"{INDEX_NAME} holds no training")
    return RestoredState(state, index)


@dataclass(frozen=True, eq=False)
class _Packed:
    content: bytes
    tree: dict[str, Any]
    numbers_by_format: dict[str, int]
    largest_rounding_error: float
    dropped: tuple[Dropped, ...]


def _write(packed: _Packed, folder: FilePath, step: int, part_bytes: int) -> StateIndex:
    content = packed.content
    parts = []
    folder.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha256(content).hexdigest()
    for number, start in enumerate(range(0, len(content), part_bytes)):
        piece = content[start : start + part_bytes]
        file = f"state-{name[:12]}-{number}.part"
        with atomic_path(folder / file) as temporary:
            temporary.write_bytes(piece)
        digest = hashlib.sha256(piece).hexdigest()
        parts.append(Part(file=file, n_bytes=len(piece), sha256=digest))
    index = StateIndex(
        step=step,
        parts=tuple(parts),
        sha256=name,
        numbers_by_format=packed.numbers_by_format,
        largest_rounding_error=packed.largest_rounding_error,
        dropped=packed.dropped,
        tree=packed.tree,
    )
    write_json(folder / INDEX_NAME, index.model_dump(mode="json"))
    _delete_others(folder, {part.file for part in parts})
    return index


def _fit(state: dict[str, Any], budget_bytes: int) -> _Packed:
    """Give up as little as the budget asks for."""
    for kept, dropped, level in _plans(state):
        tree, tensors = flatten(kept)
        stored = {path: _stored(tensor, path, level) for path, tensor in tensors.items()}
        if sum(tensor.nbytes for tensor in stored.values()) > budget_bytes:
            continue  # without the cost of writing it
        content = save({"/".join(path): tensor for path, tensor in stored.items()})
        if len(content) + _index_bytes(tree, len(content)) > budget_bytes:
            continue
        counts: dict[str, int] = {}
        for tensor in stored.values():
            kind = str(tensor.dtype).removeprefix("torch.")
            counts[kind] = counts.get(kind, 0) + tensor.numel()
        errors = [_relative_change(tensors[path], stored[path]) for path in tensors]
        return _Packed(content, tree, counts, max(errors, default=0.0), dropped)
    raise CheckpointError(
        f"the networks alone take over {budget_bytes / 1e6:.0f} MB in float16",
        wanted=f"at most {budget_bytes / 1e6:.0f} MB",
        do="raise the limit, or train smaller networks",
    )


def _plans(
    state: dict[str, Any],
) -> Iterator[tuple[dict[str, Any], tuple[Dropped, ...], str]]:
    """States to try, from the one without loss to the networks alone."""
    for level in _LEVELS:
        yield state, (), level
    sizes = {
        path: sum(tensor.nbytes for tensor in flatten(inner)[1].values())
        for path, inner in optimiser_states(state)
    }
    dropped: list[Dropped] = []
    for path in sorted(sizes, key=lambda path: -sizes[path]):
        dropped.append(Dropped(path="/".join(path), n_bytes=sizes[path]))
        state = _without(state, path)
        yield state, tuple(dropped), "small"


def _without(value: Any, path: Path) -> Any:
    """A copy of the containers along `path`, with an empty dict at its end."""
    if not path:
        return {}
    changed = copy(value)
    if isinstance(value, dict):
        key = next(key for key in value if str(key) == path[0])
        changed[key] = _without(value[key], path[1:])
    else:
        items = list(value)
        items[int(path[0])] = _without(items[int(path[0])], path[1:])
        changed = type(value)(items)
    return changed


def _stored(tensor: Tensor, path: Path, level: str) -> Tensor:
    """Return the tensor in the format it is stored in."""
    tensor = tensor.detach().cpu().contiguous()
    if tensor.dtype != torch.float32 or level == "exact" or tensor.ndim == 0:  # 0: a counter
        return tensor.clone()
    if path[-1] in MOMENTS:
        return tensor.bfloat16()
    if level == "small":
        small = tensor.half()
        if _relative_change(tensor, small) <= _LARGEST_ROUNDING_ERROR:
            return small
    return tensor.clone()


def _relative_change(tensor: Tensor, stored: Tensor) -> float:
    """Relative Euclidean norm of the difference; infinite if the small format overflows."""
    if stored.dtype == tensor.dtype:
        return 0.0
    exact = tensor.detach().cpu().double()
    norm = float(exact.norm())
    change = float((stored.double() - exact).norm())
    if norm == 0:
        return 0.0
    ratio = change / norm
    return ratio if ratio == ratio else float("inf")  # NaN: something was not finite


def _index_bytes(tree: dict[str, Any], n_bytes: int) -> int:
    """Size of the index, which is indented, and a little more."""
    return len(json.dumps(tree, indent=2)) + 300 * (n_bytes // 1_000_000 + 10)


def _read_index(folder: FilePath) -> StateIndex:
    path = folder / INDEX_NAME
    try:
        return StateIndex.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise _damaged(folder, f"{INDEX_NAME} cannot be read ({first_fault(error)})") from error


def _read_parts(folder: FilePath, index: StateIndex) -> list[bytes]:
    contents, faults = [], []
    for part in index.parts:
        # A name from a file must not lead out of the folder.
        path = folder / FilePath(part.file).name
        if not path.is_file():
            faults.append(f"{part.file} is missing")
            continue
        content = path.read_bytes()
        if len(content) != part.n_bytes:
            faults.append(f"{part.file} has {len(content)} bytes instead of {part.n_bytes}")
        elif hashlib.sha256(content).hexdigest() != part.sha256:
            faults.append(f"{part.file} was changed")
        contents.append(content)
    if faults:
        raise _damaged(folder, "; ".join(faults))
    return contents


def _damaged(folder: FilePath, what: str) -> CheckpointError:
    return CheckpointError(
        f"the training state in {folder}: {what}",
        wanted=f"{INDEX_NAME} and every part it lists, unchanged",
        do="copy the folder again from its source",
    )


def _delete_others(folder: FilePath, current: set[str]) -> None:
    for path in folder.glob("state-*.part"):
        if path.name not in current:
            path.unlink()
