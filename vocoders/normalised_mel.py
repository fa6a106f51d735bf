"""What kan-bayashi's vocoders share: a mel normalised per band, and audio that is not bounded."""

from collections.abc import MutableMapping

import torch
from torch import Tensor

from evalsuite.errors import CheckpointError
from evalsuite.weights import WeightsCard
from vocoders.band_statistics import BandStatistics, take_statistics

__all__ = ["bounded", "stored_statistics", "typical_statistics"]

#: Log10 magnitudes of speech lie around here: good enough for random weights, which know none.
_TYPICAL_MEAN, _TYPICAL_DEVIATION = -2.0, 0.8


def typical_statistics(n_mels: int) -> BandStatistics:
    """Stand in for the statistics of a training set where there was no training."""
    mean, scale = (torch.full((n_mels,), v) for v in (_TYPICAL_MEAN, _TYPICAL_DEVIATION))
    return BandStatistics(mean, scale)


def stored_statistics(tensors: MutableMapping[str, Tensor], card: WeightsCard) -> BandStatistics:
    """Take the statistics out of loaded weights that cannot do without.

    Raises
    ------
    CheckpointError if there are none.
    """
    statistics = take_statistics(tensors)
    if statistics is None:
        raise CheckpointError(
            f"the weights of {card.source_file} were imported without band statistics",
            wanted=f"mean and deviation of each mel band: {card.vocoder} hears normalised mels",
            do="import the checkpoint again with --stats",
        )
    return statistics


def bounded(audio: Tensor) -> Tensor:
    """Scale audio down as a whole if its peak exceeds full scale, as levels are matched later."""
    peak = audio.abs().max().clamp(min=1.0)
    return (audio / peak).clamp(-1.0, 1.0)
