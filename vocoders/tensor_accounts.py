"""Every tensor of a checkpoint accounted for: where each came from, and what does not fit."""

from collections.abc import Mapping

from torch import Tensor

from evalsuite.errors import CheckpointError
from vocoders.layouts import Recognised
from vocoders.tensor_names import to_official_names

__all__ = ["require_every_tensor"]

# Of each kind; a wrong network has hundreds, which say no more than forty.
_LISTED = 40


def require_every_tensor(
    where: str, source: Mapping[str, Tensor], found: Recognised
) -> dict[str, tuple[str, ...]]:
    """Match source tensors, recognised tensors and the network's, one by one.

    Parameters
    ----------
    where : file and container, for the message.
    source : what the layout was given.

    Returns
    -------
    Own name -> the source names it came from.

    Raises
    ------
    CheckpointError listing what is missing, unexpected, misshapen, not finite or without direction.
    """
    wanted = to_official_names(found.network.state_dict())
    sources = _sources(source, found)
    used = {name for names in sources.values() for name in names} | found.ignored.keys()
    both = [name for name in wanted if name in found.tensors]
    faults = {
        "missing": [name for name in wanted if name not in found.tensors],
        "unexpected": [name for name in found.tensors if name not in wanted]
        + [name for name in source if name not in used],
        "wrong": [
            fault for name in both for fault in _faults(name, found.tensors[name], wanted[name])
        ],
    }
    n_faults = sum(map(len, faults.values()))
    if n_faults:
        raise CheckpointError(
            f"{where} does not fit in {n_faults} places: {_listing(faults)}",
            wanted=f"exactly the {len(wanted)} tensors of the network, finite",
            do="check that it is the generator of this network, in its published size",
        )
    return sources


def _sources(source: Mapping[str, Tensor], found: Recognised) -> dict[str, tuple[str, ...]]:
    """Where own tensors came from: the same object, or what the layout says it was made from."""
    names = {id(tensor): name for name, tensor in source.items()}
    return {
        own: found.derived.get(own) or ((names[id(tensor)],) if id(tensor) in names else ())
        for own, tensor in found.tensors.items()
    }


def _faults(name: str, given: Tensor, wanted: Tensor) -> list[str]:
    if given.shape != wanted.shape:
        return [f"{name} has shape {tuple(given.shape)} instead of {tuple(wanted.shape)}"]
    if given.dtype != wanted.dtype:
        return [f"{name} is {given.dtype} instead of {wanted.dtype}"]
    if given.is_floating_point() and not bool(given.isfinite().all()):
        return [f"{name} has NaN or infinite values"]
    if name.endswith(".weight_v") and not bool(given.flatten(1).norm(dim=1).all()):
        # Weight norm divides by it: the layer's weights would be NaN.
        return [f"{name} has directions of length 0"]
    return []


def _listing(faults: Mapping[str, list[str]]) -> str:
    parts = []
    for kind, names in faults.items():
        if names:
            more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
            label = "" if kind == "wrong" else f"{kind} "
            parts.append(label + ", ".join(sorted(names)[:_LISTED]) + more)
    return "; ".join(parts)
