"""The anchor's frequency response, measured on what comes out."""

import numpy as np
import pytest

from evalsuite.errors import AudioError, ConfigError
from evalsuite.types import FloatArray, Waveform
from vocoders.anchor import Anchor


def filtered(samples: FloatArray, sample_rate: int, cutoff_hz: float = 3500.0) -> FloatArray:
    system = Anchor(cutoff_hz)
    features = system.analyse(Waveform(samples, sample_rate, "u1"))
    return system.generate([features], seed=0)[0].samples


def response_db(sample_rate: int, cutoff_hz: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in hertz and gain in dB, from the response to a unit pulse."""
    pulse = np.zeros(sample_rate // 2, np.float32)
    pulse[len(pulse) // 2] = 1
    spectrum = np.abs(np.fft.rfft(filtered(pulse, sample_rate, cutoff_hz)))
    return np.fft.rfftfreq(len(pulse), 1 / sample_rate), 20 * np.log10(spectrum + 1e-12)


@pytest.mark.parametrize("sample_rate", [16000, 22050, 24000, 48000])
def test_the_low_anchor_keeps_the_limits_of_bs_1534(sample_rate: int) -> None:
    frequency_hz, gain_db = response_db(sample_rate, 3500.0)
    assert np.abs(gain_db[frequency_hz <= 3500]).max() <= 0.1
    assert gain_db[frequency_hz >= 4000].max() <= -25
    assert gain_db[frequency_hz >= 4500].max() <= -50


def test_the_mid_anchor_passes_seven_kilohertz() -> None:
    frequency_hz, gain_db = response_db(22050, 7000.0)
    assert np.abs(gain_db[frequency_hz <= 7000]).max() <= 0.1
    assert gain_db[frequency_hz >= 8000].max() <= -50


def test_the_pulse_stays_where_it_is_and_symmetric() -> None:
    pulse = np.zeros(2001, np.float32)
    pulse[1000] = 1
    answer = filtered(pulse, 22050)
    assert np.argmax(answer) == 1000
    np.testing.assert_allclose(answer, answer[::-1], atol=1e-7)


def test_a_low_tone_passes_in_phase_and_a_high_one_does_not() -> None:
    time_s = np.arange(22050) / 22050
    low = (0.5 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32)
    high = (0.5 * np.sin(2 * np.pi * 6000 * time_s)).astype(np.float32)
    middle = slice(1000, -1000)
    np.testing.assert_allclose(filtered(low + high, 22050)[middle], low[middle], atol=2e-3)


@pytest.mark.parametrize("n_samples", [1, 7, 100])
def test_clips_shorter_than_the_filter_keep_their_length(n_samples: int) -> None:
    assert filtered(np.full(n_samples, 0.1, np.float32), 22050).shape == (n_samples,)


def test_a_telephone_recording_has_nothing_to_remove() -> None:
    with pytest.raises(AudioError, match="u1 is at 8000 Hz"):
        filtered(np.zeros(800, np.float32), 8000)


def test_a_cutoff_must_be_a_frequency() -> None:
    with pytest.raises(ConfigError, match="cutoff_hz is -1"):
        Anchor(-1)
