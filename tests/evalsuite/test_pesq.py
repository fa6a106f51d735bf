"""PESQ: a known value, its physics, and what it must refuse instead of inventing a number."""

import math
import sys

import numpy as np
import pytest
import soundfile

from evalsuite.errors import AudioError, Unavailable
from evalsuite.metrics import MetricValue
from evalsuite.metrics.pesq import Pesq
from evalsuite.types import Waveform

WIDE, NARROW = Pesq("wb"), Pesq("nb")


@pytest.fixture(autouse=True)
def _needs_pesq(request) -> None:
    if request.node.name != "test_a_missing_package_says_how_to_get_it":
        pytest.importorskip("pesq")


def noisy(wave: Waveform, level_db: float) -> Waveform:
    noise = np.random.default_rng(0).normal(0, 10 ** (level_db / 20), len(wave.samples))
    return Waveform((wave.samples + noise).astype(np.float32), wave.sample_rate)


def demo(data, system: str) -> Waveform:
    path = data / "melgan-demo" / "ablation" / system
    name = "original_0.wav" if system == "original" else "generated_0.wav"
    samples, rate = soundfile.read(path / name, dtype="float32")
    return Waveform(samples, rate)


def test_known_value_of_a_real_pair(data) -> None:
    found = WIDE.compare(reference=demo(data, "original"), degraded=demo(data, "baseline"))
    assert found.value == pytest.approx(1.6207, abs=5e-4)


def test_swapped_recordings_give_another_value(data) -> None:
    original, baseline = demo(data, "original"), demo(data, "baseline")
    swapped = WIDE.compare(reference=baseline, degraded=original)
    assert swapped.value == pytest.approx(1.74, abs=0.01)
    with pytest.raises(TypeError):
        WIDE.compare(original, baseline)  # type: ignore[misc]


@pytest.mark.parametrize("metric", [WIDE, NARROW], ids=lambda metric: metric.name)
def test_more_noise_is_never_better(speech, metric: Pesq) -> None:
    levels_db = (-60, -50, -40, -30, -20)
    values = [
        metric.compare(reference=speech, degraded=noisy(speech, level)).value for level in levels_db
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] - values[-1] > 1


@pytest.mark.parametrize("metric", [WIDE, NARROW], ids=lambda metric: metric.name)
def test_a_recording_equals_itself_at_the_top_of_the_scale(speech, metric: Pesq) -> None:
    top = {"pesq_wb": 4.644, "pesq_nb": 4.549}[metric.name]
    assert metric.compare(reference=speech, degraded=speech).value == pytest.approx(top, abs=1e-3)


def test_level_is_invisible_to_it(speech) -> None:
    quiet = Waveform(noisy(speech, -40).samples * np.float32(0.1), speech.sample_rate)
    values = [WIDE.compare(reference=speech, degraded=w).value for w in (noisy(speech, -40), quiet)]
    assert values[0] == pytest.approx(values[1], abs=0.01)


def test_both_are_cut_to_the_common_length(speech) -> None:
    longer = Waveform(np.append(speech.samples, speech.samples[:3000]), speech.sample_rate)
    degraded = noisy(speech, -40)
    assert WIDE.compare(reference=longer, degraded=degraded) == WIDE.compare(
        reference=speech, degraded=degraded
    )


@pytest.mark.parametrize("metric", [WIDE, NARROW], ids=lambda metric: metric.name)
def test_silence_is_undefined_with_a_reason(speech, metric: Pesq) -> None:
    silence = Waveform(np.zeros_like(speech.samples), speech.sample_rate)
    for pair in ((silence, speech), (speech, silence), (silence, silence)):
        found = metric.compare(reference=pair[0], degraded=pair[1])
        assert math.isnan(found.value)
        assert "is silent (under -80 dBFS)" in found.reason


def test_short_and_speechless_recordings_are_undefined(speech) -> None:
    short = Waveform(speech.samples[:5000], speech.sample_rate)
    assert "shorter than 0.25 s" in WIDE.compare(reference=short, degraded=short).reason
    time_s = np.arange(44100) / 22050
    whistle = Waveform(0.5 * np.sin(2 * np.pi * 10500 * time_s).astype(np.float32), 22050)
    found = WIDE.compare(reference=whistle, degraded=whistle)  # nothing is left below 8 kHz
    assert math.isnan(found.value)
    assert "No utterances" in found.reason


def test_dithered_silence_is_silence(speech) -> None:
    dither = np.random.default_rng(0).integers(-1, 2, len(speech.samples)) / 32768
    silence = Waveform(dither.astype(np.float32), speech.sample_rate)
    assert "is silent" in WIDE.compare(reference=speech, degraded=silence).reason


def test_nan_and_unequal_rates_are_refused(speech) -> None:
    broken = Waveform(speech.samples.copy(), speech.sample_rate, "u1")
    broken.samples[7] = np.nan
    with pytest.raises(AudioError, match="degraded recording 'u1' holds NaN"):
        WIDE.compare(reference=speech, degraded=broken)
    with pytest.raises(AudioError, match="16000 Hz, the degraded recording 22050 Hz"):
        WIDE.compare(reference=Waveform(speech.samples, 16000), degraded=speech)
    telephone = Waveform(speech.samples, 8000)
    with pytest.raises(AudioError, match="at least 16000 Hz"):
        WIDE.compare(reference=telephone, degraded=telephone)
    assert NARROW.compare(reference=telephone, degraded=telephone).value > 4


def test_a_missing_package_says_how_to_get_it(speech, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pesq", None)
    with pytest.raises(Unavailable, match=r'C compiler.*pip install "evalsuite\[pesq\]"'):
        WIDE.compare(reference=speech, degraded=speech)


def test_a_value_needs_no_reason_and_nan_needs_one() -> None:
    for value, reason in ((math.nan, ""), (1.0, "why")):
        with pytest.raises(ValueError, match="either a value or a reason"):
            MetricValue(value, reason)
