"""Checkpoints of a training: whole or absent, the previous one kept.

*Writes* ``OUT/checkpoints/step_<number>.pt``: numbers, texts and tensors only, read back with
``torch.load(weights_only=True)``.
"""

import errno
import io
import pickle
import random
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evalsuite.errors import CheckpointError, TrainingError
from evalsuite.files import atomic_path
from vocoders.first_line import first_line

__all__ = [
    "Checkpoints",
    "explain_full_disk",
    "random_state",
    "restore_random_state",
    "why_unreadable",
]

_FORMAT = 1
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Checkpoints:
    """The checkpoints of one training folder.

    Parameters
    ----------
    folder : made at the first save.
    keep : how many of the newest stay.
    """

    def __init__(self, folder: Path, *, keep: int = 2) -> None:
        self._folder, self._keep = folder, keep

    def paths(self) -> list[Path]:
        """All checkpoints, oldest first."""
        return sorted(self._folder.glob("step_*.pt"))

    def save(self, n_steps: int, content: Mapping[str, Any]) -> Path:
        """Write a checkpoint, then remove those that are too old.

        Raises
        ------
        TrainingError if the disk is full; earlier checkpoints are still there then.
        """
        path = self._folder / f"step_{n_steps:09d}.pt"
        # In memory first: torch reports a full disk as a failed assertion about positions.
        buffer = io.BytesIO()
        torch.save({"format": _FORMAT, "n_steps": n_steps, **content}, buffer)
        before = self.paths()
        left = f"goes on from {before[-1].name}" if before else "begins anew: nothing is saved yet"
        with explain_full_disk(path, then=f"it {left}"), atomic_path(path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        for old in self.paths()[: -self._keep]:
            old.unlink(missing_ok=True)
        return path

    def remove_leftovers(self, *, all_of_them: bool = False) -> None:
        """Remove what killed processes left half-written, or all checkpoints."""
        for path in self._folder.glob("*.pt" if all_of_them else ".step_*.tmp.pt"):
            path.unlink(missing_ok=True)

    def load_newest(self) -> tuple[dict[str, Any] | None, list[str]]:
        """Load the newest checkpoint that can be read.

        Returns
        -------
        Its content, None if there is no checkpoint; and a line about each damaged one passed over.

        Raises
        ------
        CheckpointError if there are checkpoints, and none of them can be read.
        """
        damaged: list[str] = []
        for path in reversed(self.paths()):
            try:
                return _read(path), damaged
            except Exception as error:  # a torn pickle can raise anything
                damaged.append(f"{path} cannot be read ({why_unreadable(path, error)})")
        if damaged:
            raise CheckpointError(
                "; ".join(damaged),
                wanted="one whole checkpoint",
                do="copy one back into the folder, or start anew with --fresh",
            )
        return None, damaged


@contextmanager
def explain_full_disk(
    path: Path, *, then: str = "it goes on from the newest checkpoint, if there is one"
) -> Iterator[None]:
    """Turn a full disk into a `TrainingError`; other errors pass.

    Parameters
    ----------
    then : what the same command does once there is room.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise TrainingError(
            f"{path} could not be written: {error.strerror}",
            wanted="free space for checkpoints, weights and samples",
            do=f"make room and give the same command again: {then}",
        ) from error


def random_state(device: torch.device) -> dict[str, Any]:
    """State of the global generators of torch, numpy and Python."""
    name, keys, *rest = np.random.get_state(legacy=True)
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "python": list(random.getstate()),
    }
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: Mapping[str, Any], device: torch.device) -> None:
    """Set the global generators as they were."""
    torch.set_rng_state(state["torch"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if device.type == "cuda" and "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"], device)


def _read(path: Path) -> dict[str, Any]:
    content = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict) or content.get("format") != _FORMAT:
        raise ValueError("not a checkpoint of this version")
    return content


def why_unreadable(path: Path, error: Exception) -> str:
    """Say why torch could not load a file.

    Its own words are of pickles and archives, or advise to load the file unsafely.
    """
    try:
        if path.stat().st_size == 0:
            return "it is empty"
        if not zipfile.is_zipfile(path):
            return "it is cut off, or no file of torch.save"
    except OSError as at_once:
        return at_once.strerror or first_line(at_once)
    if isinstance(error, pickle.UnpicklingError):
        return "it holds something else than numbers, texts and tensors"
    if isinstance(error, ValueError):
        return first_line(error)
    return f"its content is damaged: {type(error).__name__}"
