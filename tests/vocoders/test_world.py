"""WORLD: pitch and envelope survive, and the length is exact."""

import numpy as np
import pytest

pyworld = pytest.importorskip("pyworld")

from evalsuite.errors import AudioError  # noqa: E402
from evalsuite.registry import create_vocoder, parse_system  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402


def pulses(pitch_hz: float, *, sample_rate: int = 22050) -> Waveform:
    """One second of a voice-like tone of constant pitch."""
    time_s = np.arange(sample_rate) / sample_rate
    harmonics = range(1, int(4000 / pitch_hz))
    voice = sum(np.sin(2 * np.pi * h * pitch_hz * time_s) / h for h in harmonics)
    return Waveform((0.1 * voice).astype(np.float32), sample_rate, "tone")


@pytest.mark.parametrize("f0", ["harvest", "dio"])
@pytest.mark.parametrize("pitch_hz", [110.0, 220.0])
def test_the_pitch_survives(f0: str, pitch_hz: float) -> None:
    system = create_vocoder(parse_system(f"world?f0={f0}"))
    features = system.analyse(pulses(pitch_hz))
    measured_hz = features.values[0]
    assert abs(np.median(measured_hz[measured_hz > 0]) - pitch_hz) < 0.01 * pitch_hz
    made = system.generate([features], seed=0)[0].samples
    # Independent of WORLD: the first peak of the autocorrelation.
    middle = made[5000:15000].astype(float)
    correlation = np.correlate(middle, middle, "full")[len(middle) - 1 :]
    period = 60 + int(np.argmax(correlation[60:400]))
    assert abs(22050 / period - pitch_hz) < 0.02 * pitch_hz


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100])
def test_features_are_pitch_envelope_and_aperiodicity_in_double_precision(
    sample_rate: int,
) -> None:
    system = create_vocoder(parse_system("world?f0=dio"), sample_rate=sample_rate)
    features = system.analyse(pulses(150.0, sample_rate=sample_rate))
    bins = pyworld.get_cheaptrick_fft_size(sample_rate) // 2 + 1
    assert features.values.shape == (1 + 2 * bins, 201)
    assert features.values.dtype == np.float64
    aperiodicity = features.values[1 + bins :]
    assert (features.values[1 : 1 + bins] > 0).all()
    assert ((aperiodicity >= 0) & (aperiodicity <= 1)).all()
    made = system.generate([features], seed=0)[0]
    assert (made.sample_rate, len(made.samples)) == (sample_rate, sample_rate)


@pytest.mark.parametrize("n_samples", [4000, 4409, 4410, 4411, 4520])
def test_the_length_is_exact(speech: Waveform, n_samples: int) -> None:
    system = create_vocoder(parse_system("world?f0=dio"))
    wave = Waveform(speech.samples[6000 : 6000 + n_samples], 22050, "u1")
    assert system.generate([system.analyse(wave)], seed=0)[0].samples.shape == (n_samples,)


def test_it_says_that_it_sees_more_than_a_mel() -> None:
    harvest, dio = (create_vocoder(parse_system(f"world?f0={f0}")) for f0 in ("harvest", "dio"))
    assert harvest.info.conditioning == "world"
    assert harvest.info.spec.digest != dio.info.spec.digest


def test_a_clip_of_a_few_periods_is_refused() -> None:
    system = create_vocoder(parse_system("world"))
    with pytest.raises(AudioError, match=r"u1 lasts 0\.005 s"):
        system.analyse(Waveform(np.zeros(100, np.float32), 22050, "u1"))


def test_silence_stays_silent() -> None:
    system = create_vocoder(parse_system("world"))
    features = system.analyse(Waveform(np.zeros(8000, np.float32), 22050, "u1"))
    assert np.abs(system.generate([features], seed=0)[0].samples).max() < 1e-4
