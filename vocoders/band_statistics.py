"""Mean and deviation of each mel band over a training set: networks hear ``(x - mean) / scale``.

Parallel WaveGAN and today's WaveNet publish them in a file of their own; an import stores them
among the weights, so that one hash covers everything the output depends on.

*Reads* ``stats.h5`` (data sets ``mean`` and ``scale``; kan-bayashi), ``stats.npy`` (rows mean and
scale) and ``meanvar.joblib`` (a pickled StandardScaler; r9y9), the last without unpickling objects.
"""

import importlib
import importlib.util
from collections.abc import MutableMapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalsuite.errors import CheckpointError, Unavailable
from vocoders.joblib_scaler import read_joblib_scaler

__all__ = ["BandStatistics", "read_statistics", "statistics_tensors", "take_statistics"]

_MEAN, _SCALE = "statistics.mean", "statistics.scale"
_WANTED = "a mean and a positive deviation for each mel band"


@dataclass(frozen=True, eq=False)
class BandStatistics:
    """What a log-mel is normalised with: ``(x - mean) / scale``.

    Parameters
    ----------
    mean, scale : float32, shape (n_mels,), in the unit of the log-mel.
    """

    mean: Tensor
    scale: Tensor

    def normalise(self, mel: Tensor) -> Tensor:
        """Normalise a log-mel of shape (..., n_mels, frames)."""
        mean, scale = self.mean.to(mel.device), self.scale.to(mel.device)
        return (mel - mean[:, None]) / scale[:, None]


def read_statistics(path: Path) -> BandStatistics:
    """Read a published file of statistics.

    Raises
    ------
    CheckpointError if it is missing, damaged or holds something else; Unavailable if it is HDF5 and
    h5py is not installed.
    """
    try:
        mean, scale = _READERS[path.suffix](path)
    except KeyError as error:
        raise CheckpointError(
            f"{path} is no file of band statistics",
            wanted=f"one of {', '.join(_READERS)}",
            do="give the file that was published beside the checkpoint",
        ) from error
    except (OSError, ValueError, EOFError) as error:
        raise _wrong(path, str(error)) from error
    _require_statistics(path, mean, scale)
    return BandStatistics(_tensor(mean), _tensor(scale))


def statistics_tensors(statistics: BandStatistics) -> dict[str, Tensor]:
    """Name the statistics as they are stored among the weights."""
    return {_MEAN: statistics.mean, _SCALE: statistics.scale}


def take_statistics(tensors: MutableMapping[str, Tensor]) -> BandStatistics | None:
    """Take the statistics out of loaded weights; None if there are none."""
    if _MEAN not in tensors:
        return None
    return BandStatistics(tensors.pop(_MEAN), tensors.pop(_SCALE))


_Pair = tuple[NDArray[np.floating], NDArray[np.floating]]


def _read_hdf5(path: Path) -> _Pair:
    if importlib.util.find_spec("h5py") is None:
        raise Unavailable(
            f"{path.name} is HDF5, and h5py is not installed",
            wanted="h5py, for this one conversion",
            do="pip install h5py, or give a .npy of shape (2, n_mels): means, then deviations",
        )
    h5py = importlib.import_module("h5py")
    with h5py.File(path, "r") as file:
        names = sorted(file)
        if not {"mean", "scale"} <= set(names):
            raise ValueError(f"its data sets are {', '.join(names) or 'none'}")
        return np.ravel(file["mean"][()]), np.ravel(file["scale"][()])


def _read_npy(path: Path) -> _Pair:
    values = np.load(path, allow_pickle=False)
    if values.ndim != 2 or len(values) != 2:
        raise ValueError(f"it has shape {values.shape} instead of (2, n_mels)")
    return values[0], values[1]


_READERS = {
    ".h5": _read_hdf5,
    ".hdf5": _read_hdf5,
    ".npy": _read_npy,
    ".joblib": read_joblib_scaler,
}


def _require_statistics(
    path: Path, mean: NDArray[np.floating], scale: NDArray[np.floating]
) -> None:
    if mean.ndim != 1 or mean.shape != scale.shape or not len(mean):
        raise _wrong(path, f"mean has shape {mean.shape}, deviation {scale.shape}")
    numeric = all(np.issubdtype(values.dtype, np.floating) for values in (mean, scale))
    if not numeric or not np.isfinite([mean, scale]).all() or not (scale > 0).all():
        raise _wrong(path, "a value is not finite, or a deviation not positive")


def _tensor(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))


def _wrong(path: Path, reason: str) -> CheckpointError:
    return CheckpointError(
        f"{path} has no usable statistics: {reason}",
        wanted=_WANTED,
        do="give the file that was published beside the checkpoint, or a .npy of shape (2, n_mels)",
    )
