"""Names of tensors: the two spellings of weight norm, prefixes of wrappers, renaming by rule."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

__all__ = [
    "has_weight_norm",
    "name_samples",
    "rename_tensors",
    "to_module_names",
    "to_official_names",
    "without_wrapper",
]

# torch's two spellings of weight norm: of 2017, and of parametrizations since 2.0.
_LENGTH, _DIRECTION = "weight_g", "weight_v"
_NEW_LENGTH = "parametrizations.weight.original0"
_NEW_DIRECTION = "parametrizations.weight.original1"
# What DataParallel and DistributedDataParallel put before every name.
_WRAPPER = "module."


def to_module_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename official tensor names to those of `torch.nn.utils.parametrizations.weight_norm`."""
    names = {_LENGTH: _NEW_LENGTH, _DIRECTION: _NEW_DIRECTION}
    return {_respell(name, names): tensor for name, tensor in tensors.items()}


def to_official_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename a network's tensors to those of the official releases (``weight_g``, ``weight_v``)."""
    names = {_NEW_LENGTH: _LENGTH, _NEW_DIRECTION: _DIRECTION}
    return {_respell(name, names): tensor for name, tensor in state.items()}


def without_wrapper(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Drop the ``module.`` that data-parallel training puts before every name."""
    if not all(name.startswith(_WRAPPER) for name in state):
        return dict(state)
    return {name.removeprefix(_WRAPPER): tensor for name, tensor in state.items()}


def has_weight_norm(tensors: Mapping[str, Tensor]) -> bool:
    """Say whether official names hold weight norm (``weight_g``) or plain weights."""
    return any(name.endswith("." + _LENGTH) for name in tensors)


def rename_tensors(
    tensors: Mapping[str, Tensor], rules: Sequence[tuple[str, str]]
) -> dict[str, Tensor]:
    r"""Rename by the first rule whose pattern fits the whole name; other names stay.

    Parameters
    ----------
    rules : pairs of a regular expression and its replacement, as `re.Match.expand` reads it.

    >>> import torch
    >>> given = {"generator.1.bias": torch.zeros(1), "step": torch.zeros(1)}
    >>> sorted(rename_tensors(given, [(r"generator\.(\d+)\.(.+)", r"model.\1.\2")]))
    ['model.1.bias', 'step']
    """
    compiled = [(re.compile(pattern), replacement) for pattern, replacement in rules]
    renamed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        matches = ((rule.fullmatch(name), replacement) for rule, replacement in compiled)
        new = next((match.expand(text) for match, text in matches if match), name)
        renamed[new] = tensor
    return renamed


def name_samples(tensors: Mapping[str, Tensor], n_samples: int = 4) -> str:
    """Show a few names of a state dict, for messages."""
    names = ", ".join(repr(name) for name in list(tensors)[:n_samples])
    rest = len(tensors) - n_samples
    return f"{names} and {rest} more" if rest > 0 else names


def _respell(name: str, endings: Mapping[str, str]) -> str:
    for old, new in endings.items():
        if name.endswith("." + old):
            return name.removesuffix(old) + new
    return name
