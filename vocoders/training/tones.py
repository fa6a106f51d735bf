"""Something to train on where no recordings are: harmonic glides in syllables.

Not speech, not even synthetic speech, but voice-like enough (pitch, envelope, pauses, noise) for
meters and mels, for tests and for trying the trainer out. Mark what is made from it as synthetic.
"""

from pathlib import Path

import numpy as np

from evalsuite.audio import write_wave
from evalsuite.types import Waveform

__all__ = ["write_tone_corpus", "write_tones"]

_HARMONICS = range(1, 30)


def write_tones(path: Path, *, duration_s: float, sample_rate: int = 22050, seed: int = 0) -> None:
    """Write one clip, 16 bit, peak 0.3; each seed has a pitch and a rhythm of its own."""
    random = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    pitch_hz = 110 + 10 * seed + 30 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate
    voice = np.sum([np.sin(k * phase) / k for k in _HARMONICS], axis=0)
    syllables = np.clip(np.sin(2 * np.pi * 3 * time_s + seed), 0, 1) ** 0.5
    audio = voice * syllables + random.normal(0, 1e-3, len(time_s))
    samples = (0.3 * audio / np.abs(audio).max()).astype(np.float32)
    write_wave(path, Waveform(samples, sample_rate, path.stem), dither_seed=seed)


def write_tone_corpus(folder: Path, *, n_clips: int = 6) -> Path:
    """Write clips of 1.0 s, 1.1 s, … and return the folder."""
    for number in range(n_clips):
        write_tones(folder / f"clip{number}.wav", duration_s=1 + 0.1 * number, seed=number)
    return folder
