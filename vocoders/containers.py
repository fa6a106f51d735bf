"""Whatever a checkpoint file holds, down to the generator's tensors. Nothing in it is ever run.

*Files* ``torch.save`` in both its formats, read by ``torch.load(weights_only=True)`` alone; whole
pickled networks, which that refuses, by `vocoders.network_pickle`; safetensors.

*Containers* as the releases have them: the bare state dict (MelGAN), ``model_g`` (seungwonpark's
MelGAN), ``generator`` (HiFi-GAN), ``model.generator`` (Parallel WaveGAN), ``state_dict`` (WaveNet,
ClariNet, NVIDIA's later WaveGlow), ``model`` with the whole network (NVIDIA's first WaveGlow).
An average of the weights over the training (``ema``) goes before the last ones.
"""

import pickle
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from evalsuite.errors import CheckpointError, ConfigError
from vocoders.architecture_files import plain_settings, settings_from_text
from vocoders.checkpoint_refusals import require_checkpoint_file, require_dense
from vocoders.first_line import first_line
from vocoders.inert_pickle import InertObject
from vocoders.network_pickle import network_tensors, read_network_pickle

__all__ = ["Container", "read_container", "read_state_dict"]

#: Where generators stand in published checkpoints; the first that is there is taken.
_PLACES = (
    ("ema",),
    ("state_dict_ema",),
    ("model_g",),
    ("generator",),
    ("model", "generator"),
    ("state_dict",),
    ("model",),
    (),
)


@dataclass(frozen=True, eq=False)
class Container:
    """A generator's tensors and where in the file they were.

    Parameters
    ----------
    tensors : by the name they have in the file.
    kind : such as ``'model.generator' of a dict``, for messages and the card.
    settings : architecture that the file says beside the tensors; empty if it does not.
    """

    tensors: Mapping[str, Tensor]
    kind: str
    settings: Mapping[str, Any]


def read_container(path: Path) -> Container:
    """Find the generator's tensors in a published checkpoint.

    Raises
    ------
    CheckpointError if the file is missing or damaged, holds code, or no generator is in it.
    """
    content = _read(path)
    for place in _PLACES:
        found = _follow(content, place)
        if isinstance(found, InertObject):
            tensors, what = _tensors_of_network(path, found), "the pickled network"
        elif _is_state_dict(found):
            tensors, what = found, "the state dict"
        else:
            continue
        require_dense(path, tensors)
        kind = f"{what} {'.'.join(place)!r} of a dict" if place else f"{what} alone"
        return Container(tensors, kind.removeprefix("the "), _settings(content))
    raise CheckpointError(
        f"{path} holds {_describe(content)}",
        wanted="a state dict (tensor names and tensors), alone or as "
        + ", ".join(repr(".".join(place)) for place in _PLACES if place),
        do="save the generator's state_dict() alone",
    )


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a bare state dict from a file of ``torch.save`` or safetensors.

    Raises
    ------
    CheckpointError if the file is missing or damaged, holds code, or is no bare state dict.
    """
    content = _read(path)
    if _is_state_dict(content):
        require_dense(path, content)
        return dict(content)
    raise CheckpointError(
        f"{path} holds {_describe(content)}",
        wanted="a bare state dict: tensor names and tensors, nothing else",
        do="save the generator's state_dict() alone",
    )


def _read(path: Path) -> Any:
    try:
        require_checkpoint_file(path)
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # torch asks to file an issue about unusual pickles; ours are refused or read.
            warnings.simplefilter("ignore", UserWarning)
            return torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except pickle.UnpicklingError as error:
        return _read_network(path, error)
    except Exception as error:
        # Damaged files fail in any way at all.
        raise _damaged(path, error) from error


def _read_network(path: Path, refusal: pickle.UnpicklingError) -> object:
    """Read what torch refused, if it is a whole network of a kind we know."""
    try:
        return read_network_pickle(path)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not plain tensors: {error} ({_refused_by_torch(refusal)})",
            wanted="tensors, or a whole WaveGlow of NVIDIA's glow.py; nothing else that a pickle "
            "names is ever imported or run",
            do="ask its author for the bare state dict, and check that the download is whole",
        ) from error
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{path} cannot be read: {first_line(error)}",
        wanted="a whole .pt, .pth, .pkl or .safetensors file",
        do="check the path, or download it again",
    )


def _follow(content: Any, place: tuple[str, ...]) -> Any:
    for key in place:
        content = content.get(key) if isinstance(content, Mapping) else None
    return content


def _is_state_dict(content: Any) -> bool:
    return (
        isinstance(content, Mapping)
        and bool(content)
        and all(isinstance(key, str) for key in content)
        and all(isinstance(value, Tensor) for value in content.values())
    )


def _tensors_of_network(path: Path, network: InertObject) -> dict[str, Tensor]:
    try:
        return network_tensors(network)
    except (ValueError, AttributeError, TypeError) as error:
        raise _damaged(path, error) from error


def _settings(content: Any) -> Mapping[str, Any]:
    """What stands beside the tensors: NVIDIA's ``config``, seungwonpark's ``hp_str`` (YAML)."""
    if not isinstance(content, Mapping):
        return {}
    config, text = content.get("config"), content.get("hp_str")
    try:
        if isinstance(config, Mapping):
            return plain_settings(config, "config")
        if isinstance(text, str):
            return settings_from_text(text, "YAML", "hp_str")
    except ConfigError:
        # Beside complete tensors it is a hint, not a need.
        pass
    return {}


def _describe(content: object) -> str:
    if isinstance(content, InertObject):
        return f"a pickled {type(content).__name__}"
    if not isinstance(content, Mapping):
        return f"a {type(content).__name__}"
    if not content:
        return "an empty dict"
    odd = [key for key, value in content.items() if not isinstance(value, Tensor)]
    keys = list(dict.fromkeys([*odd, *content]))
    return f"a dict with {', '.join(repr(key) for key in keys[:5])}"


def _refused_by_torch(error: pickle.UnpicklingError) -> str:
    """What torch met, without its advice to load the file unsafely."""
    found = re.search(r"WeightsUnpickler error:\s*(.+?)( was not an allowed|\n|$)", str(error))
    return f"torch: {found.group(1)}" if found else "torch: it is no pickle of tensors"
