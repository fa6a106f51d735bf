"""Log-mel distance: the mean absolute difference of two log10 mel spectrograms.

Spectrograms are those of the MelGAN release (80 bands up to half the rate, 1024-point window, hop
256, log10, floor 1e-5), at 22.05 kHz and without any input gain: level differences count.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from evalsuite.errors import AudioError
from evalsuite.mel import extract_mel, mel_spec, minimum_samples
from evalsuite.metrics import MetricValue
from evalsuite.types import Waveform

__all__ = ["LogMelL1"]

# The release scales every recording to one peak before analysis, which would hide level faults.
_SPEC = replace(mel_spec("melgan"), name="log_mel_l1", input_peak=None)


@dataclass(frozen=True)
class LogMelL1:
    """Mean over bands and frames of |difference| in decades; 0 is equal, lower is better.

    It compares frame by frame, so it does not forgive a delay.
    """

    name: str = "log_mel_l1"
    version: str = "1"
    higher_is_better: bool = False

    def compare(self, *, reference: Waveform, degraded: Waveform) -> MetricValue:
        """Return the distance over the common length; undefined if that is under one frame.

        Raises
        ------
        AudioError if either is not at 22.05 kHz.
        """
        spec = _SPEC
        for wave in (reference, degraded):
            if wave.sample_rate != spec.sample_rate:
                raise AudioError(
                    f"{wave.id!r} has {wave.sample_rate} Hz",
                    wanted=f"{spec.sample_rate} Hz, the rate of the spectrogram's convention",
                    do=f"make the run with --sample-rate {spec.sample_rate}",
                )
        n = min(len(reference.samples), len(degraded.samples))
        if n < minimum_samples(spec):
            return MetricValue(math.nan, f"shorter than {minimum_samples(spec)} samples")
        one, other = (
            extract_mel(Waveform(wave.samples[:n], wave.sample_rate, wave.id), spec).values
            for wave in (reference, degraded)
        )
        return MetricValue(float(np.mean(np.abs(one.astype(np.float64) - other))))
