import csv
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import istft, stft

from evalsuite.align import estimate_delay_s
from evalsuite.audio import read_wave, resample
from evalsuite.errors import AudioError
from evalsuite.types import Waveform

RATE = 22050
TOLERANCE_S = 0.5e-3


def delayed(wave: Waveform, delay_s: float) -> Waveform:
    """Shift by any fraction of a sample, exactly, in the frequency domain; zeros come in."""
    n = len(wave.samples)
    spectrum = np.fft.rfft(wave.samples, 2 * n)
    frequency_hz = np.fft.rfftfreq(2 * n, 1 / wave.sample_rate)
    shifted = np.fft.irfft(spectrum * np.exp(-2j * np.pi * frequency_hz * delay_s))[:n]
    return Waveform(shifted.astype(np.float32), wave.sample_rate)


def with_random_phase(wave: Waveform, *, seed: int = 0) -> Waveform:
    """Keep the magnitudes of a short-time transform, draw new phases: no waveform correlation."""
    _, _, spectrum = stft(wave.samples, nperseg=512, noverlap=384)
    angles = np.random.default_rng(seed).uniform(0, 2 * np.pi, spectrum.shape)
    _, samples = istft(np.abs(spectrum) * np.exp(1j * angles), nperseg=512, noverlap=384)
    return Waveform(samples[: len(wave.samples)].astype(np.float32), wave.sample_rate)


def waveform_correlation(first: Waveform, second: Waveform) -> float:
    spectrum = np.conj(np.fft.rfft(first.samples)) * np.fft.rfft(second.samples)
    scale = np.linalg.norm(first.samples) * np.linalg.norm(second.samples)
    return float(np.abs(np.fft.irfft(spectrum)).max() / scale)


@pytest.mark.parametrize("delay_ms", [-80.0, -20.17, -0.8, 0.0, 0.31, 3.0, 11.61, 60.0])
def test_known_shifts(speech: Waveform, delay_ms: float) -> None:
    found = estimate_delay_s(speech, delayed(speech, delay_ms / 1000))
    assert found.delay_s == pytest.approx(delay_ms / 1000, abs=0.1e-3)
    assert found.correlation > 0.9


@pytest.mark.parametrize("delay_ms", [-7.3, 0.0, 0.4, 25.6])
def test_phase_does_not_matter(speech: Waveform, delay_ms: float) -> None:
    scrambled = with_random_phase(speech)
    assert waveform_correlation(speech, scrambled) < 0.35
    found = estimate_delay_s(speech, delayed(scrambled, delay_ms / 1000))
    assert found.delay_s == pytest.approx(delay_ms / 1000, abs=TOLERANCE_S)


@pytest.mark.parametrize("gain", [0.01, 0.2, 1.9])
def test_level_does_not_matter(speech: Waveform, gain: float) -> None:
    late = delayed(speech, 5e-3)
    plain = estimate_delay_s(speech, late)
    scaled = estimate_delay_s(speech, Waveform(late.samples * np.float32(gain), RATE))
    assert scaled.delay_s == pytest.approx(plain.delay_s, abs=1e-6)
    assert scaled.correlation == pytest.approx(plain.correlation, abs=1e-4)


def test_noise_does_not_matter(speech: Waveform) -> None:
    late = delayed(speech, -5e-3).samples
    noise = np.random.default_rng(0).normal(0, 0.1 * late.std(), len(late)).astype(np.float32)
    found = estimate_delay_s(speech, Waveform(late + noise, RATE))
    assert found.delay_s == pytest.approx(-5e-3, abs=TOLERANCE_S)


def test_unequal_lengths_and_other_rates(speech: Waveform) -> None:
    late = delayed(speech, 8e-3)
    shorter = Waveform(late.samples[:-136], RATE)
    assert estimate_delay_s(speech, shorter).delay_s == pytest.approx(8e-3, abs=0.1e-3)
    for sample_rate in (16000, 48000):
        found = estimate_delay_s(resample(speech, sample_rate), resample(late, sample_rate))
        assert found.delay_s == pytest.approx(8e-3, abs=0.2e-3)


def test_a_delay_beyond_the_search_is_reported_as_its_limit(speech: Waveform) -> None:
    late = delayed(speech, 30e-3)
    assert estimate_delay_s(speech, late, max_delay_s=0.01).delay_s == pytest.approx(0.01, abs=1e-3)


@pytest.mark.parametrize("n_samples", [0, 100, 2 * RATE])
def test_undefined_is_nan(speech: Waveform, n_samples: int) -> None:
    silent = Waveform(np.zeros(n_samples, np.float32), RATE)
    for pair in ((speech, silent), (silent, speech), (silent, silent)):
        found = estimate_delay_s(*pair)
        assert math.isnan(found.delay_s)
        assert math.isnan(found.correlation)


def test_different_rates_are_refused(speech: Waveform) -> None:
    with pytest.raises(AudioError, match="22050 Hz, degraded at 16000 Hz"):
        estimate_delay_s(speech, resample(speech, 16000))


@pytest.mark.speech
@pytest.mark.parametrize(
    "system", ["baseline", "no_dilations", "no_patch_gan", "no_weight_norm", "spectral_norm"]
)
def test_delays_of_the_papers_samples(data: Path, system: str) -> None:
    """Against energy-envelope lags measured independently, to a millisecond's rounding."""
    folder = data / "melgan-demo"
    with (folder / "manifest.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["system"] == system][:4]
    assert len(rows) == 4
    for row in rows:
        original = read_wave(folder / "ablation" / "original" / f"original_{row['utterance']}.wav")
        made = read_wave(folder / row["file"])
        found = estimate_delay_s(original, made)
        assert found.delay_s * 1000 == pytest.approx(float(row["envlag_ms"]), abs=3)
        assert found.correlation > 0.8
        # The same pair, the made one 12.3 ms later: the estimate follows.
        later = estimate_delay_s(original, delayed(made, 12.3e-3))
        assert later.delay_s - found.delay_s == pytest.approx(12.3e-3, abs=TOLERANCE_S)
