"""Shared fixtures: where real recordings lie, and synthetic speech where they do not."""

import os
from pathlib import Path

import numpy as np
import pytest

from evalsuite.types import Waveform

ROOT = Path(__file__).resolve().parents[1]


def speech_folder() -> Path:
    """Folder of real recordings: $EVALSUITE_DATA, or ../shared/data beside the checkout."""
    return Path(os.environ.get("EVALSUITE_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def data() -> Path:
    """Real recordings; the test is skipped where there are none."""
    folder = speech_folder()
    if not folder.is_dir():
        pytest.skip(f"no recordings in {folder}; set EVALSUITE_DATA")
    return folder


def make_speech(*, duration_s: float = 2.0, sample_rate: int = 22050, seed: int = 0) -> np.ndarray:
    """Speech-like audio: a gliding harmonic voice through three formants, syllables and pauses.

    float32, peak 0.5. It has what meters and aligners look for: pitch, envelope, band limits.
    """
    generator = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * sample_rate)) / sample_rate
    pitch_hz = 120 + 30 * np.sin(2 * np.pi * 0.7 * time_s + generator.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch_hz) / sample_rate
    formants_hz = generator.uniform([400, 1200, 2300], [700, 1800, 2800])
    voice = np.zeros_like(time_s)
    for harmonic in range(1, 60):
        frequency_hz = harmonic * 120.0
        gain = sum(1 / (1 + ((frequency_hz - f) / 150) ** 2) for f in formants_hz)
        voice += (gain + 0.01) / harmonic**0.5 * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * 2.1 * time_s + generator.uniform(0, 6)), 0, 1) ** 0.5
    audio = voice * syllables + generator.normal(0, 1e-3, len(time_s))
    return (0.5 * audio / np.abs(audio).max()).astype(np.float32)


@pytest.fixture
def speech() -> Waveform:
    """Two seconds of synthetic speech at 22.05 kHz."""
    return Waveform(make_speech(), 22050, "synthetic")
