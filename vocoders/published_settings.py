"""Sizes in the configurations published with checkpoints, each checked as it is read.

A configuration is a file that anyone may have edited: a number may be a list, negative, not finite
or so large that building the network would never end. A setting that is missing or null says
nothing, so the published default stands.
"""

import math
from collections.abc import Mapping
from typing import Any

from evalsuite.errors import CheckpointError
from evalsuite.mel import mel_spec

__all__ = [
    "LARGEST_SIZE",
    "published_number",
    "published_section",
    "published_size",
    "published_sizes",
    "require_network_of_mel",
    "require_no_settings",
    "require_settings",
    "size_of",
]

#: Of channels, kernels and strides: beyond any network, within what tensors can have.
LARGEST_SIZE = 65_536
_LONGEST_LIST = 64
_DO = "give the file that was published beside the checkpoint"


def published_section(settings: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return a part of the settings; empty if it is not there.

    Raises
    ------
    CheckpointError if it is no mapping.
    """
    section = settings.get(name)
    if section is None:
        return {}
    if not isinstance(section, Mapping):
        raise _odd(name, section, "settings of its own")
    return section


def published_size(
    settings: Mapping[str, Any],
    name: str,
    default: int,
    *,
    least: int = 1,
    most: int = LARGEST_SIZE,
) -> int:
    """Return a whole number of the settings, or the default.

    Raises
    ------
    CheckpointError if it is anything else, or out of bounds.

    >>> published_size({"channels": 512}, "channels", 256), published_size({}, "channels", 256)
    (512, 256)
    """
    value = settings.get(name)
    return default if value is None else size_of(value, name, least=least, most=most)


def published_sizes(
    settings: Mapping[str, Any], name: str, default: tuple[int, ...]
) -> tuple[int, ...]:
    """Return a list of whole numbers above 0, or the default.

    Raises
    ------
    CheckpointError if it is anything else, empty or endless.
    """
    values = settings.get(name)
    if values is None:
        return default
    if not isinstance(values, list | tuple) or not 1 <= len(values) <= _LONGEST_LIST:
        raise _odd(name, values, f"a list of 1 to {_LONGEST_LIST} whole numbers")
    return tuple(size_of(value, name) for value in values)


def published_number(settings: Mapping[str, Any], name: str, default: float) -> float:
    """Return a finite number of the settings, or the default.

    Raises
    ------
    CheckpointError if it is anything else.
    """
    value = settings.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        raise _odd(name, value, "a finite number")
    return float(value)


def size_of(value: object, name: str, *, least: int = 1, most: int = LARGEST_SIZE) -> int:
    """Return a whole number within bounds; 512.0 is one too.

    Raises
    ------
    CheckpointError naming the setting.
    """
    whole = int(value) if isinstance(value, float) and value.is_integer() else value
    if not isinstance(whole, int) or isinstance(whole, bool) or not least <= whole <= most:
        raise _odd(name, value, f"a whole number from {least} to {most}")
    return whole


def require_settings(
    settings: Mapping[str, Any],
    published: Mapping[str, object],
    *,
    wanted: str,
    whose: str = "this network has",
) -> None:
    """Refuse a configuration of another network.

    Parameters
    ----------
    published : setting -> the value it must have if it is said.
    wanted : the network these values make, for the message.
    whose : what has the published values, for the message.

    Raises
    ------
    CheckpointError naming each setting that differs.
    """
    given = {name: settings[name] for name in published if settings.get(name) is not None}
    other = [
        f"{name} {_shown(value)} ({whose} {published[name]})"
        for name, value in given.items()
        if value != published[name]
    ]
    if other:
        raise CheckpointError(
            f"its configuration has {', '.join(other)}",
            wanted=wanted,
            do=f"{_DO}; with these settings it is another network",
        )


def require_no_settings(settings: Mapping[str, Any], code: str) -> None:
    """Refuse a configuration for a network that was published in one size, without any.

    Raises
    ------
    CheckpointError
    """
    if settings:
        raise CheckpointError(
            f"a configuration with {', '.join(list(settings)[:4])} came with it",
            wanted=f"none: {code} has one architecture and no file that says it",
            do="leave out --config, or check --vocoder",
        )


def require_network_of_mel(mel: str, *, n_mels: int, hop_length: int) -> None:
    """Refuse a network that hears other bands, or makes another number of samples of a frame.

    No tensor need show it: a stride leaves no trace in a kernel.

    Raises
    ------
    CheckpointError
    """
    spec = mel_spec(mel)
    if (n_mels, hop_length) != (spec.n_mels, spec.hop_length):
        raise CheckpointError(
            f"it turns each frame of {n_mels} mel bands into {hop_length} samples",
            wanted=f"{spec.n_mels} bands and {spec.hop_length} samples, as the convention {mel!r} "
            "has",
            do="take the release of this convention; others need a preset of their own",
        )


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _odd(name: str, value: object, wanted: str) -> CheckpointError:
    return CheckpointError(f"its configuration has {name} {_shown(value)}", wanted=wanted, do=_DO)


def _shown(value: object) -> str:
    """A value as a message can hold it."""
    try:
        text = repr(value)
    except ValueError:  # more digits than Python writes out
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
