"""Published checkpoints: read without running them, convert once, load with a verified hash.

A pickle can run any code, so checkpoints are read by ``torch.load(weights_only=True)`` alone, and
only once: `import_weights` writes plain tensors (safetensors) and a card beside them.

*Writes* ``FOLDER/weights.safetensors`` and ``FOLDER/weights.json`` (`evalsuite.weights`).
"""

import importlib
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from evalsuite.errors import CheckpointError, UnknownName
from evalsuite.files import atomic_path, sha256_file, write_json
from evalsuite.mel import mel_spec
from evalsuite.weights import CARD_NAME, TENSORS_NAME, WeightsCard, read_card

__all__ = [
    "IMPORTABLE",
    "CheckpointLayout",
    "import_weights",
    "load_weights",
    "read_state_dict",
    "to_module_names",
]

#: Vocoders whose published checkpoints can be imported, and where their layout stands.
IMPORTABLE: Mapping[str, str] = {"melgan": "vocoders.melgan:CHECKPOINT"}

# torch's two spellings of weight norm: of 2017, and of parametrizations since 2.0.
_LENGTH, _DIRECTION = "weight_g", "weight_v"
_NEW_LENGTH = "parametrizations.weight.original0"
_NEW_DIRECTION = "parametrizations.weight.original1"
_DATA_PARALLEL = "module."


@dataclass(frozen=True)
class CheckpointLayout:
    """What a network expects of a checkpoint.

    Parameters
    ----------
    mel : convention it was trained on.
    build_empty : weight norm or not -> network on torch's meta device, and its settings.
    """

    vocoder: str
    mel: str
    build_empty: Callable[[bool], tuple[nn.Module, dict[str, int | float | bool | str]]]


def read_state_dict(path: Path) -> dict[str, Tensor]:
    """Read a bare state dict from a ``.pt`` file (zip or legacy format) or safetensors.

    Raises
    ------
    CheckpointError if the file is missing or damaged, holds code, or is no bare state dict.
    """
    try:
        if path.suffix == ".safetensors":
            content = load_file(path)
        else:
            with warnings.catch_warnings():
                # torch asks to file an issue about unusual pickles; ours are refused or read.
                warnings.simplefilter("ignore", UserWarning)
                content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is not plain tensors: {_refused_by_torch(error)}",
            wanted="a file that torch.load(weights_only=True) accepts: a pickle with code is "
            "never run",
            do="ask its author for the bare state dict, and check that the download is whole",
        ) from error
    except (OSError, RuntimeError, EOFError, ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read: {_first_line(error)}",
            wanted="a whole .pt or .safetensors file",
            do="check the path, or download it again",
        ) from error
    return _require_state_dict(path, content)


def import_weights(
    path: Path,
    vocoder: str,
    folder: Path,
    *,
    licence: str = "",
    source: str = "",
    overwrite: bool = False,
) -> WeightsCard:
    """Convert a published checkpoint into a weights folder.

    Weight norm is kept as in the source; every tensor must find its place.

    Parameters
    ----------
    path : the checkpoint.
    vocoder : one of `IMPORTABLE`.
    folder : made if it does not exist.
    licence, source : what the author says of it, kept on the card.
    overwrite : replace other weights in `folder`.

    Raises
    ------
    UnknownName, CheckpointError listing each missing, unexpected or misshapen tensor.
    """
    layout = _layout(vocoder)
    tensors, key_map, naming = _official_names(read_state_dict(path))
    network, config = layout.build_empty(naming != "plain")
    _require_same_tensors(path, tensors, _official_names(network.state_dict())[0])
    source_sha256 = sha256_file(path)
    _refuse_other_weights(folder, source_sha256, overwrite=overwrite)
    with atomic_path(folder / TENSORS_NAME) as temporary:
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, temporary)
    card = WeightsCard(
        vocoder=vocoder,
        source_file=path.name,
        source_sha256=source_sha256,
        weights_sha256=sha256_file(folder / TENSORS_NAME),
        layout=naming,
        key_map=key_map,
        config=config,
        mel=layout.mel,
        mel_digest=mel_spec(layout.mel).digest,
        licence=licence,
        source=source,
    )
    write_json(folder / CARD_NAME, card.model_dump())
    return card


def load_weights(folder: Path, vocoder: str) -> tuple[WeightsCard, dict[str, Tensor]]:
    """Load a weights folder after checking its hash, network and mel convention.

    Raises
    ------
    CheckpointError if any of them is wrong.
    """
    card, path = read_card(folder), folder / TENSORS_NAME
    again = "import the checkpoint again: evalsuite weights import"
    if card.vocoder != vocoder:
        raise CheckpointError(
            f"{folder} holds weights of {card.vocoder!r}", wanted=repr(vocoder), do="name another"
        )
    if not path.is_file() or sha256_file(path) != card.weights_sha256:
        raise CheckpointError(
            f"{path} is missing or was changed after its import",
            wanted=f"SHA-256 {card.weights_sha256}, as {CARD_NAME} says",
            do=again,
        )
    if mel_spec(card.mel).digest != card.mel_digest:
        raise CheckpointError(
            f"{folder} was imported when the mel convention {card.mel!r} was another",
            wanted=f"the digest {card.mel_digest}",
            do=again,
        )
    return card, load_file(path)


def to_module_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename official tensor names to those of `torch.nn.utils.parametrizations.weight_norm`."""
    names = {_LENGTH: _NEW_LENGTH, _DIRECTION: _NEW_DIRECTION}
    return {_rename(name, names): tensor for name, tensor in tensors.items()}


def _official_names(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str], str]:
    """Tensors under official names, the renamed ones, and which spelling the source has."""
    parallel = all(name.startswith(_DATA_PARALLEL) for name in state)
    names = {_NEW_LENGTH: _LENGTH, _NEW_DIRECTION: _DIRECTION}
    tensors, key_map = {}, {}
    for name, tensor in state.items():
        official = _rename(name.removeprefix(_DATA_PARALLEL) if parallel else name, names)
        tensors[official] = tensor
        if official != name:
            key_map[name] = official
    naming = "plain"
    if any(name.endswith(_LENGTH) for name in tensors):
        renamed = any(name.endswith(_NEW_LENGTH) for name in state)
        naming = "parametrizations" if renamed else "weight_g, weight_v"
    return tensors, key_map, naming


def _rename(name: str, endings: Mapping[str, str]) -> str:
    for old, new in endings.items():
        if name.endswith("." + old):
            return name.removesuffix(old) + new
    return name


def _require_state_dict(path: Path, content: object) -> dict[str, Tensor]:
    if isinstance(content, dict) and content:
        odd = [key for key, value in content.items() if not isinstance(value, Tensor)]
        if not odd and all(isinstance(key, str) for key in content):
            return content
        found = f"a dict with {', '.join(repr(key) for key in [*odd, *content][:5])}"
    else:
        found = f"an empty {type(content).__name__}" if not content else type(content).__name__
    raise CheckpointError(
        f"{path} holds {found}",
        wanted="a bare state dict: tensor names and tensors, nothing else",
        do="save the generator's state_dict() alone",
    )


def _require_same_tensors(
    path: Path, given: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> None:
    faults = [f"missing {name}" for name in wanted if name not in given]
    faults += [f"unexpected {name}" for name in given if name not in wanted]
    for name in wanted.keys() & given.keys():
        shape, right = tuple(given[name].shape), tuple(wanted[name].shape)
        if shape != right:
            faults.append(f"{name} has shape {shape} instead of {right}")
        elif given[name].dtype != torch.float32 or not bool(given[name].isfinite().all()):
            faults.append(f"{name} is {given[name].dtype} or has NaN or infinite values")
    if faults:
        raise CheckpointError(
            f"{path} does not fit in {len(faults)} places: {'; '.join(sorted(faults))}",
            wanted=f"exactly the {len(wanted)} tensors of the network, finite float32",
            do="check that it is the generator of this network, in its published size",
        )


def _refuse_other_weights(folder: Path, source_sha256: str, *, overwrite: bool) -> None:
    if overwrite or not (folder / CARD_NAME).exists():
        return
    if read_card(folder).source_sha256 != source_sha256:
        raise CheckpointError(
            f"{folder} already holds other weights",
            wanted="an empty folder, or the same checkpoint",
            do="choose another folder or add --overwrite",
        )


def _layout(vocoder: str) -> CheckpointLayout:
    if vocoder not in IMPORTABLE:
        near = get_close_matches(vocoder, IMPORTABLE, n=1)
        raise UnknownName(
            f"no checkpoints of {vocoder!r} can be imported",
            wanted=f"one of {', '.join(sorted(IMPORTABLE))}",
            do=f"write {near[0]!r}" if near else "choose one of them",
        )
    module, _, attribute = IMPORTABLE[vocoder].partition(":")
    layout = getattr(importlib.import_module(module), attribute)
    assert isinstance(layout, CheckpointLayout)
    return layout


def _refused_by_torch(error: pickle.UnpicklingError) -> str:
    """What torch met, without its advice to load the file unsafely."""
    found = re.search(r"WeightsUnpickler error:\s*(.+?)( was not an allowed|\n|$)", str(error))
    return found.group(1) if found else "it is no pickle of tensors"


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
