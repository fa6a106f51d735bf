import numpy as np
import pytest

from evalsuite.telephone import mu_law_8_bit, telephone
from evalsuite.types import Waveform


def band_power(wave: Waveform, low_hz: float, high_hz: float) -> float:
    spectrum = np.abs(np.fft.rfft(wave.samples)) ** 2
    frequency_hz = np.fft.rfftfreq(len(wave.samples), 1 / wave.sample_rate)
    return float(spectrum[(frequency_hz >= low_hz) & (frequency_hz < high_hz)].sum())


def tone(frequency_hz: float) -> Waveform:
    time_s = np.arange(22050) / 22050
    return Waveform(
        (0.5 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.float32), 22050, "tone"
    )


def test_speech_band_passes_and_high_band_dies() -> None:
    low, high = tone(1000), tone(6000)
    assert band_power(telephone(low), 900, 1100) == pytest.approx(
        band_power(low, 900, 1100), rel=0.02
    )
    assert band_power(telephone(high), 5000, 7000) < 1e-6 * band_power(high, 5000, 7000)


def test_length_rate_and_id_are_kept() -> None:
    wave = Waveform(tone(500).samples[:21999], 22050, "odd")
    coded = telephone(wave)
    assert (len(coded.samples), coded.sample_rate, coded.id) == (21999, 22050, "odd")


def test_mu_law_has_256_levels_and_a_constant_relative_error() -> None:
    ramp = np.linspace(-1, 1, 100_001).astype(np.float32)
    coded = mu_law_8_bit(ramp)
    assert len(np.unique(coded)) == 256
    # With mu = 255 a step is ln(256) / 127.5 of the level, so half a step is 2.2 %.
    loud = np.abs(ramp) > 0.1
    assert np.max(np.abs(coded[loud] - ramp[loud]) / np.abs(ramp[loud])) < 0.024
