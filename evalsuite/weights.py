"""Folders of imported weights: ``weights.safetensors`` and the card that says what they are.

Reading a card needs no torch, so listings stay fast; `vocoders.checkpoints` writes and loads the
tensors. Weights lie under ``$EVALSUITE_WEIGHTS``, or ``weights/`` of the working directory; where
none are, those that come with the package stand in (`evalsuite.shipped_weights`).

*Reads* ``ROOT/<name>/weights.json``: see `WeightsCard`.
"""

import os
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from evalsuite.errors import CheckpointError, Unavailable
from evalsuite.shipped_weights import SHIPPED, require_fit_for_default, shipped_folder

__all__ = [
    "CARD_NAME",
    "TENSORS_NAME",
    "WeightsCard",
    "find_weights",
    "list_weights",
    "read_card",
    "weights_root",
]

CARD_NAME = "weights.json"
TENSORS_NAME = "weights.safetensors"


class WeightsCard(BaseModel):
    """What a weights folder holds and where it comes from.

    Parameters
    ----------
    schema_version : of this card.
    vocoder : registered name of the network.
    source_file : name of the checkpoint it was made from.
    source_sha256 : of that checkpoint's bytes.
    weights_sha256 : of ``weights.safetensors``; verified at every load.
    layout : naming scheme recognised in the source.
    key_map : source tensor name -> stored tensor name, for those that differ.
    config : architecture settings.
    mel : name of the mel convention the network was trained on.
    mel_digest : of that convention, so that a changed preset is noticed.
    licence, source : as given by whoever imported it; empty = unknown.
    container : what the source file was and where in it the tensors were.
    companions : name -> SHA-256 of further files the import read (architecture, statistics).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    vocoder: str
    source_file: str
    source_sha256: str
    weights_sha256: str
    layout: str
    key_map: dict[str, str]
    config: dict[str, int | float | bool | str]
    mel: str
    mel_digest: str
    licence: str = ""
    source: str = ""
    container: str = ""
    companions: dict[str, str] = {}


def weights_root() -> Path:
    """Folder that holds one folder per set of weights."""
    return Path(os.environ.get("EVALSUITE_WEIGHTS", "weights"))


def read_card(folder: Path) -> WeightsCard:
    """Read and check the card of a weights folder.

    Raises
    ------
    CheckpointError if the folder has no card or the card is not one.
    """
    path = folder / CARD_NAME
    wanted = "a folder made by 'evalsuite weights import'"
    remedy = "import the checkpoint: evalsuite weights import FILE --vocoder NAME -o FOLDER"
    try:
        return WeightsCard.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise CheckpointError(f"{path}: {reason}", wanted=wanted, do=remedy) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "JSON"
        raise CheckpointError(
            f"{path} is not a weights card: {where}: {first['msg']}", wanted=wanted, do=remedy
        ) from error


def list_weights(root: Path | None = None) -> dict[Path, WeightsCard]:
    """Cards of all weights folders below `root` (default: `weights_root`), by folder.

    Raises
    ------
    CheckpointError if one of the cards is damaged.
    """
    root = root or weights_root()
    return {card.parent: read_card(card.parent) for card in sorted(root.rglob(CARD_NAME))}


def find_weights(vocoder: str, argument: str | None, *, root: Path | None = None) -> Path:
    """Find the weights folder a system asks for.

    Parameters
    ----------
    argument : a folder, the name of one below `root`, or ``shipped`` for the weights that came
        with the package; None takes the only one below `root`, else the shipped ones if they
        may be used unasked.

    Raises
    ------
    Unavailable if there is none, or several and none was chosen.
    """
    root = root or weights_root()
    shipped = shipped_folder(vocoder)
    if argument is not None:
        candidates = [Path(argument), root / argument]
        if argument == SHIPPED and shipped is not None:
            candidates.append(shipped)
        return next((path for path in candidates if path.is_dir()), candidates[0])
    fitting = [path for path, card in list_weights(root).items() if card.vocoder == vocoder]
    if len(fitting) == 1:
        return fitting[0]
    if not fitting and shipped is not None:
        return require_fit_for_default(vocoder, shipped)
    if not fitting:
        raise Unavailable(
            f"no trained weights for {vocoder!r} below {root}",
            wanted=f"an imported checkpoint: {vocoder}:FOLDER",
            do=f"run: evalsuite weights import FILE --vocoder {vocoder} -o {root}/NAME; "
            "--untrained runs random weights and marks everything they touch",
        )
    raise Unavailable(
        f"{len(fitting)} sets of weights fit {vocoder!r} below {root}",
        wanted="one of them: " + ", ".join(f"{vocoder}:{path}" for path in fitting),
        do="name it after a colon",
    )
