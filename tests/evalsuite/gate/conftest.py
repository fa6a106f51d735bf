"""Recordings with and without a vocoder's difference, as folders of files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.gate import Folder
from evalsuite.types import Waveform

RATE = 22050


@pytest.fixture(params=["synthetic", "real"])
def recordings(request: pytest.FixtureRequest, speech: Waveform) -> dict[str, np.ndarray]:
    """Three recordings of 1.5 to 2 s, peak 0.5: synthetic always, LJ Speech where it is."""
    if request.param == "synthetic":
        parts = {"a": speech.samples[:33075], "b": speech.samples[5000:], "c": speech.samples[:]}
    else:
        files = sorted((request.getfixturevalue("data") / "lj" / "wavs").glob("*.wav"))[:3]
        parts = {path.stem: soundfile.read(path, dtype="float32")[0][:44100] for path in files}
    return {id: samples * (0.5 / np.abs(samples).max()) for id, samples in parts.items()}


@pytest.fixture
def folders(recordings: dict[str, np.ndarray], tmp_path: Path) -> dict[str, Folder]:
    """The recordings, and a system that differs from them as a good vocoder does (30 dB)."""
    generator = np.random.default_rng(0)
    for id, samples in recordings.items():
        noise = generator.normal(0, np.sqrt((samples**2).mean() / 1000), len(samples))
        write(tmp_path / "original", f"{id}.wav", samples)
        write(tmp_path / "vocoder", f"vocoder_{id}.wav", samples + noise)
    return {
        "original": Folder(tmp_path / "original"),
        "vocoder": Folder(tmp_path / "vocoder", "vocoder_{id}.wav"),
    }


@pytest.fixture
def corpus(recordings: dict[str, np.ndarray], tmp_path: Path) -> Path:
    """The recordings as a corpus for `evalsuite.generate`."""
    for id, samples in recordings.items():
        write(tmp_path / "corpus", f"{id}.wav", samples)
    return tmp_path / "corpus"


def write(folder: Path, name: str, samples: np.ndarray) -> None:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / name, samples, RATE, subtype="PCM_16")
