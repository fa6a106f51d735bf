"""A telephone channel: 8 kHz and 8-bit mu-law, as finished files for the ``recorded`` system.

The demo uses it as the system that somebody else made: a folder of files, nothing more.
"""

from pathlib import Path

import numpy as np

from evalsuite.audio import read_wave, resample, write_wave
from evalsuite.types import FloatArray, Utterance, Waveform

__all__ = ["mu_law_8_bit", "telephone", "write_telephone_folder"]

_MU = 255.0


def mu_law_8_bit(samples: FloatArray) -> FloatArray:
    """Quantise to 256 logarithmic steps and back.

    Parameters
    ----------
    samples : float32, shape (n,), in [-1, 1].

    Source: the continuous companding curve of ITU-T G.711, mu = 255; not its piecewise coding.

    >>> float(np.abs(mu_law_8_bit(np.float32([0.5])) - 0.5).max()) < 0.02
    True
    """
    compressed = np.sign(samples) * np.log1p(_MU * np.abs(samples)) / np.log1p(_MU)
    steps = np.round((compressed + 1) * 127.5) / 127.5 - 1
    expanded = np.sign(steps) * np.expm1(np.abs(steps) * np.log1p(_MU)) / _MU
    return np.asarray(expanded, dtype=np.float32)


def telephone(wave: Waveform) -> Waveform:
    """Band-limit to 4 kHz, code with 8 bits, and return at the original rate and length."""
    narrow = resample(wave, 8000)
    coded = mu_law_8_bit(np.clip(narrow.samples, -1, 1))
    wide = resample(Waveform(coded, 8000, wave.id), wave.sample_rate).samples[: len(wave.samples)]
    padded = np.zeros_like(wave.samples)
    padded[: len(wide)] = wide
    return Waveform(np.clip(padded, -1, 1), wave.sample_rate, wave.id)


def write_telephone_folder(utterances: list[Utterance], folder: Path) -> Path:
    """Write ``folder/<id>.wav`` for every utterance; files that exist are kept."""
    for number, utterance in enumerate(utterances):
        path = folder / f"{utterance.id}.wav"
        if not path.exists():
            wave = read_wave(utterance.path, id=utterance.id)
            write_wave(path, telephone(wave), dither_seed=number)
    return folder
