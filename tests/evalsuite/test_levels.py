import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evalsuite.audio import read_wave
from evalsuite.levels import loudness_lufs, sample_peak_dbfs, speech_level_dbov, true_peak_dbtp
from evalsuite.types import Waveform

RATE = 22050
METERS = (loudness_lufs, speech_level_dbov, true_peak_dbtp, sample_peak_dbfs)


def with_gain(wave: Waveform, gain_db: float) -> Waveform:
    return Waveform((wave.samples * 10 ** (gain_db / 20)).astype(np.float32), wave.sample_rate)


def silence(duration_s: float) -> np.ndarray:
    return np.zeros(round(duration_s * RATE), np.float32)


@pytest.mark.parametrize("sample_rate", [22050, 48000])
def test_loudness_of_the_standards_tone(tone: Callable[..., Waveform], sample_rate: int) -> None:
    """BS.1770-4: a 0 dBFS sine of 997 Hz in one channel reads -3.01; Tech 3341 allows 0.1 LU."""
    loud = tone(997, 1.0, sample_rate=sample_rate)
    assert loudness_lufs(loud) == pytest.approx(-3.01, abs=0.1)


def test_loudness_gates_leave_pauses_out(tone: Callable[..., Waveform]) -> None:
    loud = tone(997, 0.1, duration_s=4)
    gapped = Waveform(np.concatenate([loud.samples, silence(8)]), RATE)
    # Without the gates 8 s of silence would cost 4.8 dB; blocks across the edge cost a little.
    assert loudness_lufs(gapped) == pytest.approx(loudness_lufs(loud), abs=0.35)


@pytest.mark.parametrize("amplitude", [1.0, 0.1, 0.003])
def test_speech_level_of_a_tone_is_its_rms(tone: Callable[..., Waveform], amplitude: float) -> None:
    rms_db = 20 * math.log10(amplitude / math.sqrt(2))
    steady = tone(440, amplitude, duration_s=5)
    # The envelope's rise of 20 ms counts as inactive.
    assert speech_level_dbov(steady) == pytest.approx(rms_db, abs=0.03)


def test_speech_level_ignores_inserted_silence(speech: Waveform) -> None:
    samples = speech.samples
    pauses = Waveform(
        np.concatenate([silence(1.5), samples, silence(3), samples, silence(2)]), RATE
    )
    assert speech_level_dbov(pauses) == pytest.approx(speech_level_dbov(speech), abs=0.3)
    # The plain RMS does not: that is what the meter is for.
    rms_db = 10 * math.log10(np.mean(pauses.samples**2) / np.mean(samples**2))
    assert rms_db < -3


def test_speech_level_counts_half_of_a_half_active_signal_as_active(
    tone: Callable[..., Waveform],
) -> None:
    """Bursts of 1 s with gaps of 1 s: 0.2 s of hangover is active, 0.8 s is not."""
    burst = tone(440, 0.1, duration_s=1)
    wave = Waveform(np.tile(np.concatenate([burst.samples, silence(1)]), 5), RATE)
    active_share = 1.2 / 2
    expected_db = 20 * math.log10(0.1 / math.sqrt(2)) + 10 * math.log10(0.5 / active_share)
    # The envelope falls 15.9 dB in about 0.1 s more.
    assert expected_db - 0.5 < speech_level_dbov(wave) < expected_db


@pytest.mark.parametrize("gain_db", [-37.3, -6.0, 4.2])
@pytest.mark.parametrize("meter", [speech_level_dbov, true_peak_dbtp, sample_peak_dbfs])
def test_gain_shifts_a_level_exactly(
    speech: Waveform, meter: Callable[[Waveform], float], gain_db: float
) -> None:
    shifted = meter(with_gain(speech, gain_db))
    assert shifted - meter(speech) == pytest.approx(gain_db, abs=1e-3)


def test_gain_shifts_loudness_exactly(speech: Waveform) -> None:
    assert loudness_lufs(with_gain(speech, -9.0)) - loudness_lufs(speech) == pytest.approx(
        -9, abs=1e-3
    )


def test_true_peak_sees_between_samples(tone: Callable[..., Waveform]) -> None:
    """A quarter-rate sine sampled at 45 degrees peaks 3.01 dB above its samples."""
    between = tone(RATE / 4, 0.5, phase=math.pi / 4)
    assert sample_peak_dbfs(between) == pytest.approx(-9.03, abs=0.01)
    # Starting it abruptly rings, so the peak may lie a little above the sine's own.
    assert -6.03 < true_peak_dbtp(between) < -5.0


def test_true_peak_is_never_below_the_sample_peak(speech: Waveform) -> None:
    click = Waveform(np.float32([0, 0, 1, 0]), RATE)
    assert true_peak_dbtp(click) >= sample_peak_dbfs(click) == 0
    assert true_peak_dbtp(speech) >= sample_peak_dbfs(speech)


@pytest.mark.parametrize("n_samples", [0, 1, RATE])
def test_silence_has_no_level(n_samples: int) -> None:
    wave = Waveform(np.zeros(n_samples, np.float32), RATE)
    assert math.isnan(loudness_lufs(wave))
    assert math.isnan(speech_level_dbov(wave))
    assert true_peak_dbtp(wave) == sample_peak_dbfs(wave) == -math.inf


def test_undefined_levels_are_nan(tone: Callable[..., Waveform]) -> None:
    assert math.isnan(loudness_lufs(tone(440, duration_s=0.39)))
    assert math.isfinite(loudness_lufs(tone(440, duration_s=0.41)))
    assert math.isnan(loudness_lufs(tone(440, 1e-5)))
    click = np.zeros(RATE, np.float32)
    click[1000] = 1
    assert math.isnan(speech_level_dbov(Waveform(click, RATE)))


@pytest.mark.parametrize("meter", METERS)
def test_meters_do_not_touch_their_input(
    speech: Waveform, meter: Callable[[Waveform], float]
) -> None:
    before = speech.samples.copy()
    meter(speech)
    np.testing.assert_array_equal(speech.samples, before)


@pytest.mark.speech
@pytest.mark.parametrize(
    ("system", "lufs", "dbov"),
    [("original", -18.8, -19.0), ("baseline", -21.2, -21.2), ("no_patch_gan", -19.5, -19.6)],
)
def test_levels_of_the_papers_samples(data: Path, system: str, lufs: float, dbov: float) -> None:
    """Means over 8 utterances, against an earlier P.56 and BS.1770 measurement to 0.1 dB."""
    files = sorted((data / "melgan-demo" / "ablation" / system).glob("*.wav"))
    waves = [read_wave(path) for path in files]
    assert len(waves) == 8
    assert np.mean([loudness_lufs(wave) for wave in waves]) == pytest.approx(lufs, abs=0.051)
    assert np.mean([speech_level_dbov(wave) for wave in waves]) == pytest.approx(dbov, abs=0.051)
