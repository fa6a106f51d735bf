"""Published checkpoints: read without running them, convert once, load with a verified hash.

A pickle can run any code, so `vocoders.containers` reads checkpoints without running any, and only
once: `import_weights` writes plain tensors (safetensors) and a card beside them. What a network
expects of its checkpoints stands in `vocoders.layouts`.

*Writes* ``FOLDER/weights.safetensors`` and ``FOLDER/weights.json`` (`evalsuite.weights`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from evalsuite.errors import CheckpointError
from evalsuite.files import atomic_path, sha256_file
from evalsuite.mel import mel_spec
from evalsuite.weights import CARD_NAME, TENSORS_NAME, WeightsCard, read_card
from vocoders.architecture_files import read_settings
from vocoders.band_statistics import (
    BandStatistics,
    read_statistics,
    statistics_tensors,
    take_statistics,
)
from vocoders.containers import Container, read_container, read_state_dict
from vocoders.first_line import first_line
from vocoders.importable import find_layout, importable
from vocoders.layouts import CheckpointLayout, Recognised, not_recognised
from vocoders.tensor_accounts import require_every_tensor
from vocoders.tensor_names import (
    has_weight_norm,
    name_samples,
    to_module_names,
    to_official_names,
    without_wrapper,
)

__all__ = [
    "BandStatistics",
    "CheckpointLayout",
    "Recognised",
    "import_weights",
    "importable",
    "load_weights",
    "not_recognised",
    "read_state_dict",
    "take_statistics",
    "to_module_names",
    "to_official_names",
]


def import_weights(
    path: Path,
    vocoder: str,
    folder: Path,
    *,
    further: Sequence[Path] = (),
    config: Path | None = None,
    statistics: Path | None = None,
    licence: str = "",
    source: str = "",
    overwrite: bool = False,
) -> WeightsCard:
    """Convert a published checkpoint into a weights folder.

    Weight norm is kept as in the source; every tensor must find its place.

    Parameters
    ----------
    path : the checkpoint.
    vocoder : one of `importable`.
    folder : made if it does not exist.
    further : checkpoints of other parts of the same system, such as ClariNet's teacher.
    config : architecture file published beside it; some layouts need none.
    statistics : mean and deviation of the mel bands, for networks that hear normalised mels.
    licence, source : what the author says of it, kept on the card.
    overwrite : replace other weights in `folder`.

    Raises
    ------
    UnknownName, CheckpointError listing each missing, unexpected or misshapen tensor, ConfigError
    if `config` cannot be read.
    """
    layout = find_layout(vocoder)
    checkpoint = _understood(_read_all(path, further), path, layout, config)
    found = checkpoint.found
    tensors = dict(found.tensors) | _statistics_tensors(path, found, statistics)
    source_sha256 = sha256_file(path)
    _refuse_other_weights(folder, source_sha256, overwrite=overwrite)
    card = WeightsCard(
        vocoder=vocoder,
        source_file=path.name,
        source_sha256=source_sha256,
        weights_sha256="",  # of a file that is yet to be written
        layout=checkpoint.layout,
        key_map=checkpoint.key_map,
        config=dict(found.settings),
        mel=found.mel,
        mel_digest=mel_spec(found.mel).digest,
        licence=licence,
        source=source,
        container=checkpoint.container,
        companions={
            file.name: sha256_file(file) for file in (*further, config, statistics) if file
        },
    )
    return _write(folder, card, tensors)


def _write(folder: Path, card: WeightsCard, tensors: Mapping[str, Tensor]) -> WeightsCard:
    """Write tensors and card, both or neither: weights that were there before stay whole.

    Raises
    ------
    CheckpointError if the disk is full or the folder cannot be written.
    """
    try:
        # Both are whole on the disk before either gets its name.
        with (
            atomic_path(folder / CARD_NAME) as card_path,
            atomic_path(folder / TENSORS_NAME) as tensors_path,
        ):
            # Clones, because safetensors refuses tensors that share memory.
            save_file(
                {
                    name: tensor.clone(memory_format=torch.contiguous_format)
                    for name, tensor in tensors.items()
                },
                tensors_path,
            )
            card = card.model_copy(update={"weights_sha256": sha256_file(tensors_path)})
            text = json.dumps(card.model_dump(), indent=2, ensure_ascii=False, allow_nan=False)
            card_path.write_text(f"{text}\n", encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"the weights cannot be written to {folder}: {first_line(error)}",
            wanted="a writable folder with room for them",
            do="make room or choose another folder with -o, then import again",
        ) from error
    return card


def load_weights(folder: Path, vocoder: str) -> tuple[WeightsCard, dict[str, Tensor]]:
    """Load a weights folder after checking its hash, network and mel convention.

    Returns
    -------
    The card, and the tensors under the network's names in the official spelling of weight norm,
    with band statistics among them if there are any (`take_statistics`).

    Raises
    ------
    CheckpointError if hash, network or convention is wrong.
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


@dataclass(frozen=True, eq=False)
class _Checkpoint:
    """A checkpoint whose every tensor found its place."""

    found: Recognised
    layout: str
    container: str
    key_map: dict[str, str]


def _read_all(path: Path, further: Sequence[Path]) -> Container:
    """Read one checkpoint, or several whose names do not meet, as one."""
    whole = read_container(path)
    for other in further:
        part = read_container(other)
        both = {name: whole.tensors[name] for name in part.tensors if name in whole.tensors}
        if both:
            raise CheckpointError(
                f"{path} and {other} both have {name_samples(both)}",
                wanted="checkpoints of different parts of one system",
                do="import them one by one",
            )
        tensors = without_wrapper(whole.tensors) | without_wrapper(part.tensors)
        whole = Container(tensors, f"{whole.kind} and {part.kind}", whole.settings)
    return whole


def _understood(
    container: Container, path: Path, layout: CheckpointLayout, config: Path | None
) -> _Checkpoint:
    settings = read_settings(config) if config else container.settings
    spelt = to_official_names(without_wrapper(container.tensors))
    raw_names = dict(zip(spelt, container.tensors, strict=True))
    tensors, converted = _as_float32(spelt)
    where = f"{path} ({container.kind}, {len(tensors)} tensors: {name_samples(container.tensors)})"
    try:
        found = layout.recognised(tensors, settings)
    except CheckpointError as error:
        raise CheckpointError(f"{where}: {error.got}", wanted=error.wanted, do=error.do) from error
    sources = require_every_tensor(where, tensors, found)
    key_map = {
        raw_names[source]: own
        for own, used in sources.items()
        for source in used
        if raw_names[source] != own
    }
    spelling = _spelling(container, tensors)
    return _Checkpoint(
        found,
        f"{found.layout}: {spelling}" if found.layout else spelling,
        ", ".join([container.kind, *converted]),
        key_map,
    )


def _as_float32(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """Bring all numbers with a point to float32, and say what that took.

    Widening half precision loses nothing; rounding double precision loses what the network, which
    computes in float32, would lose at its first use.
    """
    formats = {tensor.dtype for tensor in tensors.values() if tensor.is_floating_point()}
    narrow = {dtype for dtype in formats if dtype.itemsize < torch.float32.itemsize}
    words = [f"widened from {_names(narrow)}"] if narrow else []
    if torch.float64 in formats:
        words.append("rounded from float64")
    return {
        name: tensor.float() if tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
    }, words


def _names(formats: Iterable[torch.dtype]) -> str:
    return " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in formats))


def _spelling(container: Container, official: Mapping[str, Tensor]) -> str:
    if not has_weight_norm(official):
        return "plain"
    if has_weight_norm(container.tensors):
        return "weight_g, weight_v"
    return "parametrizations"


def _statistics_tensors(path: Path, found: Recognised, file: Path | None) -> dict[str, Tensor]:
    n_mels = mel_spec(found.mel).n_mels
    if file is None and found.needs_statistics:
        raise CheckpointError(
            f"{path} is of a network that hears normalised mels",
            wanted=f"mean and deviation of its {n_mels} bands, published beside it",
            do="add --stats stats.h5 (or .npy, meanvar.joblib)",
        )
    if file is None:
        return {}
    if not found.needs_statistics:
        raise CheckpointError(
            f"{path} is of a network that hears the log-mel as it is",
            wanted="no statistics",
            do="leave out --stats, or check that both files belong together",
        )
    if file.exists() and not file.is_file():  # opening a pipe would wait for its other end
        raise CheckpointError(
            f"{file} is no regular file", wanted="a file of statistics", do="check the path"
        )
    statistics = read_statistics(file)
    if len(statistics.mean) != n_mels:
        raise CheckpointError(
            f"{file} has statistics of {len(statistics.mean)} bands",
            wanted=f"{n_mels} bands, as the convention {found.mel!r} has",
            do="give the file that was published beside the checkpoint",
        )
    return statistics_tensors(statistics)


def _refuse_other_weights(folder: Path, source_sha256: str, *, overwrite: bool) -> None:
    if overwrite or not (folder / CARD_NAME).exists():
        return
    if read_card(folder).source_sha256 != source_sha256:
        raise CheckpointError(
            f"{folder} already holds other weights",
            wanted="an empty folder, or the same checkpoint",
            do="choose another folder or add --overwrite",
        )
