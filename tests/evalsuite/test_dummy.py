"""The weightless vocoder makes what its mel says."""

import numpy as np

from evalsuite.dummy import Dummy
from evalsuite.types import Waveform


def test_a_tone_comes_back_near_its_frequency_and_level() -> None:
    time_s = np.arange(22050) / 22050
    wave = Waveform(np.float32(0.5 * np.sin(2 * np.pi * 1000 * time_s)), 22050, "tone")
    vocoder = Dummy()
    features = vocoder.analyse(wave)
    made = vocoder.generate([features], seed=0)[0].samples / features.gain
    spectrum = np.abs(np.fft.rfft(made * np.hanning(len(made))))
    loudest_hz = np.argmax(spectrum)  # one second: bins are hertz
    assert abs(loudest_hz - 1000) < 60
    assert 0.3 < np.sqrt(np.mean(made**2)) / np.sqrt(np.mean(wave.samples**2)) < 3


def test_silence_stays_silent() -> None:
    wave = Waveform(np.zeros(22050, np.float32), 22050, "silence")
    vocoder = Dummy()
    made = vocoder.generate([vocoder.analyse(wave)], seed=0)[0].samples
    assert np.abs(made).max() < 1e-3  # -60 dBFS: the floor of the logarithm, not silence itself


def test_the_envelope_follows_the_mel(speech: Waveform) -> None:
    vocoder = Dummy()
    made = vocoder.generate([vocoder.analyse(speech)], seed=0)[0].samples

    def envelope(samples: np.ndarray) -> np.ndarray:
        whole = samples[: len(samples) // 1024 * 1024].reshape(-1, 1024)
        return np.sqrt((whole.astype(np.float64) ** 2).mean(axis=1))

    assert np.corrcoef(envelope(made), envelope(speech.samples))[0, 1] > 0.9
