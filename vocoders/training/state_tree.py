"""A training state as a JSON tree and named tensors, so that no pickle is needed to carry it.

A state is what ``state_dict`` methods give: dicts, lists and tuples of tensors, numbers, texts,
truth values and None. In the tree a container is an object with one key that names its kind, and
a tensor is a reference; keys of dicts stay numbers or texts, as optimisers need them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from evalsuite.errors import CheckpointError

__all__ = ["MOMENTS", "Path", "build", "flatten", "optimiser_states"]

Path = tuple[str, ...]

#: Adam's running averages in the state dict of `torch.optim.Adam`.
MOMENTS = ("exp_avg", "exp_avg_sq")


def flatten(value: Any, path: Path = ()) -> tuple[Any, dict[Path, Tensor]]:
    """Split a state into its tree and its tensors, by path.

    Raises
    ------
    CheckpointError if it holds anything else, naming the place.
    """
    if isinstance(value, Tensor):
        return {"tensor": "/".join(path), "dtype": _dtype_name(value.dtype)}, {path: value}
    if isinstance(value, Mapping):
        return _flatten_dict(value, path)
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        nodes: list[Any] = []
        tensors: dict[Path, Tensor] = {}
        for position, item in enumerate(value):
            node, inner = flatten(item, (*path, str(position)))
            nodes.append(node)
            tensors |= inner
        return {kind: nodes}, tensors
    if isinstance(value, float):
        # JSON has no infinity, and a best loss begins there.
        return {"float": repr(value)}, {}
    if value is None or isinstance(value, bool | int | str):
        return {"value": value}, {}
    raise CheckpointError(
        f"the training state holds a {type(value).__name__} at {'/'.join(path)}",
        wanted="tensors, numbers, texts, lists and dicts",
        do="keep other objects out of state_dict()",
    )


def _flatten_dict(value: Mapping[Any, Any], path: Path) -> tuple[Any, dict[Path, Tensor]]:
    nodes: list[Any] = []
    tensors: dict[Path, Tensor] = {}
    names = [str(key) for key in value]
    if len(set(names)) < len(names) or not all(isinstance(key, int | str) for key in value):
        raise CheckpointError(
            f"the training state has the keys {sorted(names)} at {'/'.join(path)}",
            wanted="texts or whole numbers, each once",
            do="rename them in state_dict()",
        )
    for key, item in value.items():
        node, inner = flatten(item, (*path, str(key)))
        nodes.append([key, node])
        tensors |= inner
    return {"dict": nodes}, tensors


def build(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """Put a state together again; each tensor gets the number format it had.

    Raises
    ------
    KeyError, ValueError, TypeError if tree and tensors do not belong together.
    """
    ((kind, content), *more) = tree.items()
    if kind == "tensor":
        return tensors[content].to(_dtype(tree["dtype"]))
    if more:
        raise ValueError(f"a tree node with the keys {list(tree)}")
    if kind == "dict":
        return {key: build(node, tensors) for key, node in content}
    if kind in ("list", "tuple"):
        items = [build(node, tensors) for node in content]
        return items if kind == "list" else tuple(items)
    if kind not in ("float", "value"):
        raise ValueError(f"a tree node of kind {kind!r}")
    return float(content) if kind == "float" else content


def optimiser_states(value: Any, path: Path = ()) -> Iterator[tuple[Path, dict[Any, Any]]]:
    """Find the per-parameter states of all optimisers, with their paths."""
    if isinstance(value, Mapping):
        if "param_groups" in value and isinstance(value.get("state"), dict):
            yield (*path, "state"), value["state"]
            return
        for key, item in value.items():
            yield from optimiser_states(item, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from optimiser_states(item, (*path, str(position)))


def _dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name, None)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{name!r} is no number format")
    return found
