"""Batches of random crops, each a function of seed and position alone.

The order of the data has no state: crop number n of a training is the same whoever asks, so a
resumed training goes on exactly, and N processes share the batch that one process would take.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evalsuite.errors import AudioError, ConfigError
from vocoders.training.audio_store import FULL_SCALE_16_BIT, AudioStore
from vocoders.training.config import DataConfig
from vocoders.training.distributed import Processes

__all__ = ["CropStream"]

_ORDER, _CROP = 0, 1


class CropStream:
    """Crops out of clips; every clip once before any clip again, as in the release's epochs.

    Parameters
    ----------
    store : the decoded recordings.
    clips : numbers of those to cut from.
    config : length, batch and amplitude.
    seed : of order and crops.
    processes : this process takes its part of each batch.

    Raises
    ------
    AudioError for a clip shorter than a segment, if the configuration says so; in any case if all
    of them are.
    ConfigError if the batch cannot be shared evenly.
    """

    def __init__(
        self,
        store: AudioStore,
        clips: Sequence[int],
        config: DataConfig,
        *,
        seed: int,
        processes: Processes | None = None,
    ) -> None:
        processes = processes or Processes()
        if config.batch_size % processes.count:
            raise ConfigError(
                f"data.batch_size = {config.batch_size} for {processes.count} processes",
                wanted="a multiple of the number of processes",
                do=f"set it to {-(-config.batch_size // processes.count) * processes.count}",
            )
        self._store, self._clips, self._config = store, tuple(clips), config
        self._seed = seed
        part = config.batch_size // processes.count
        self._part = range(processes.rank * part, (processes.rank + 1) * part)
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        self._refuse_short_clips()

    def batch(self, step: int, device: torch.device) -> Tensor:
        """Crops of this process for one step, float32 of shape (part of batch, 1, samples)."""
        samples = np.empty((len(self._part), self._config.segment_samples), np.int16)
        gains = np.empty((len(self._part), 1, 1), np.float32)
        for row, place in enumerate(self._part):
            samples[row], gains[row] = self._crop(step * self._config.batch_size + place)
        audio = torch.from_numpy(samples)
        if device.type == "cuda":
            audio = audio.pin_memory()
        # 16 bit on the way to the device: half the traffic.
        scaled = audio.to(device, non_blocking=True).float()[:, None] / FULL_SCALE_16_BIT
        return scaled * torch.from_numpy(gains).to(device)

    def _crop(self, number: int) -> tuple[NDArray[np.int16], float]:
        n = self._config.segment_samples
        epoch, place = divmod(number, len(self._clips))
        clip = self._clips[int(self._epoch_order(epoch)[place])]
        random = np.random.default_rng((self._seed, _CROP, number))
        n_starts = max(self._store.clips[clip].n_samples - n, 0) + 1
        start = int(random.integers(n_starts))
        return self._store.read(clip, start, n), random.uniform(*self._config.amplitude)

    def _epoch_order(self, epoch: int) -> NDArray[np.int64]:
        if self._order[0] != epoch:
            random = np.random.default_rng((self._seed, _ORDER, epoch))
            self._order = (epoch, random.permutation(len(self._clips)))
        return self._order[1]

    def _refuse_short_clips(self) -> None:
        n = self._config.segment_samples
        short = [c for i in self._clips if (c := self._store.clips[i]).n_samples < n]
        if not short or (self._config.short_clips == "pad" and len(short) < len(self._clips)):
            return
        first, n_clips = short[0], len(self._clips)
        ways = "lower data.segment_samples, or leave them out"
        raise AudioError(
            f"{len(short)} of {n_clips} clips are shorter than a segment, such as "
            f"{first.utterance.path} ({first.n_samples} samples)",
            wanted=f"at least {n} samples at {self._store.sample_rate} Hz",
            do=ways if len(short) == n_clips else f"set data.short_clips: pad, {ways}",
        )
