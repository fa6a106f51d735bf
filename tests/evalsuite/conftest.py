"""Fixtures of the core's tests: recordings written by libsndfile, not by the code under test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.types import Waveform

WriteRecording = Callable[..., Path]


@pytest.fixture
def write_recording(tmp_path: Path) -> WriteRecording:
    """Return ``write(name, samples=None, *, seed=0, sample_rate=22050, subtype=None) -> path``.

    Without samples it writes 0.5 s of noise, different for every seed.
    """

    def write(
        name: str,
        samples: np.ndarray | None = None,
        *,
        seed: int = 0,
        sample_rate: int = 22050,
        subtype: str | None = None,
    ) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if samples is None:
            samples = np.random.default_rng(seed).uniform(-0.1, 0.1, sample_rate // 2)
        soundfile.write(path, samples, sample_rate, subtype=subtype)
        return path

    return write


@pytest.fixture
def tone() -> Callable[..., Waveform]:
    """Return ``make(frequency_hz, amplitude=0.5, *, duration_s=2.0, sample_rate=22050, phase)``."""

    def make(
        frequency_hz: float,
        amplitude: float = 0.5,
        *,
        duration_s: float = 2.0,
        sample_rate: int = 22050,
        phase: float = 0.0,
    ) -> Waveform:
        time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
        samples = amplitude * np.sin(2 * np.pi * frequency_hz * time_s + phase)
        return Waveform(samples.astype(np.float32), sample_rate, "tone")

    return make
