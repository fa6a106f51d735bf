import io

import numpy as np
import pyloudnorm
import soundfile

from dashboard.level_signal import SAMPLE_RATE, level_signal, level_signal_wav
from evalsuite.manifest import Settings


def band_level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    """Power per hertz in a band, by an independent estimate: the periodogram of a segment."""
    segment = samples[: SAMPLE_RATE * 2] * np.hanning(SAMPLE_RATE * 2)
    power = np.abs(np.fft.rfft(segment)) ** 2
    hz = np.fft.rfftfreq(len(segment), 1 / SAMPLE_RATE)
    return float(10 * np.log10(power[(hz >= low_hz) & (hz < high_hz)].mean()))


def test_is_as_loud_as_the_samples_of_a_run() -> None:
    loudness = pyloudnorm.Meter(SAMPLE_RATE).integrated_loudness(np.tile(level_signal(), 2))
    assert abs(loudness - Settings().level_target_db) < 0.5


def test_has_the_spectrum_of_speech() -> None:
    signal = level_signal().astype(float)
    reference = band_level_db(signal, 200, 400)
    assert abs(band_level_db(signal, 400, 500) - reference) < 1
    for low_hz in (1000, 2000, 4000):
        # power-averaged over a third of an octave that starts at low_hz
        octaves = np.log2(low_hz * 2 ** (1 / 6) / 500)
        measured = band_level_db(signal, low_hz, low_hz * 2 ** (1 / 3))
        assert abs(measured - reference + 9 * octaves) < 1
    assert band_level_db(signal, 20, 80) < reference - 40


def test_loops_without_a_click() -> None:
    signal = level_signal().astype(float)
    steps = np.abs(np.diff(signal))
    assert abs(signal[0] - signal[-1]) <= steps.max()


def test_wav_holds_the_signal_without_clipping() -> None:
    samples, rate = soundfile.read(io.BytesIO(level_signal_wav()))
    assert rate == SAMPLE_RATE
    np.testing.assert_allclose(samples, level_signal(), atol=1 / 32768)
    assert np.abs(samples).max() < 0.9
