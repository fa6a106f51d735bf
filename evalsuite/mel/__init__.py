"""Mel spectrograms in the convention of each vocoder release.

Released vocoders disagree on framing, band limits, logarithm and normalisation, and no
convention can be converted into another: a `MelSpec` states all of it, and its digest tells
whether two spectrograms may be interchanged.

*Conventions* Frequencies in hertz; spectrograms are float32 of shape (n_mels, frames).
"""

from evalsuite.mel.extract import extract_mel, frame_count, minimum_samples
from evalsuite.mel.filter_bank import mel_filter_bank
from evalsuite.mel.presets import PRESETS, mel_spec
from evalsuite.mel.spec import MelSpec

__all__ = [
    "PRESETS",
    "MelSpec",
    "extract_mel",
    "frame_count",
    "mel_filter_bank",
    "mel_spec",
    "minimum_samples",
]
