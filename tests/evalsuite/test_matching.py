"""Matched samples: same time, same length, same level, by constant gains only."""

import math

import numpy as np
import pyloudnorm
import pytest
import soxr

from evalsuite.errors import AudioError, VocoderError
from evalsuite.manifest import LevelMeter, Settings
from evalsuite.matching import (
    Measured,
    RawOutput,
    gains_db,
    measure,
    measure_level_db,
    place,
    reference_from,
)
from evalsuite.types import Waveform

NO_FADE = Settings(fade_s=0.0)


def raw(samples: np.ndarray, rate: int = 22050, gain: float = 1.0, offset: int = 0) -> RawOutput:
    return RawOutput(Waveform(samples.astype(np.float32), rate, "u"), gain, offset)


@pytest.fixture
def reference(speech: Waveform) -> Waveform:
    return reference_from(speech, 22050)


@pytest.mark.parametrize(("length", "kept"), [(1024, 1024), (1279, 1024), (44100, 44032)])
def test_reference_is_cut_to_whole_frames(length: int, kept: int) -> None:
    samples = np.arange(length, dtype=np.float32)
    reference = reference_from(Waveform(samples, 22050, "u"), 22050)
    np.testing.assert_array_equal(reference.samples, samples[:kept])


def test_reference_shorter_than_four_frames_is_refused() -> None:
    with pytest.raises(AudioError, match="has 1023 samples"):
        reference_from(Waveform(np.ones(1023, np.float32), 22050, "u"), 22050)


def test_reference_is_resampled_once_with_the_very_high_quality_recipe(speech: Waveform) -> None:
    at_48_khz = Waveform(soxr.resample(speech.samples, 22050, 48000, "VHQ"), 48000, "u")
    expected = soxr.resample(at_48_khz.samples, 48000, 22050, "VHQ")
    reference = reference_from(at_48_khz, 22050)
    np.testing.assert_array_equal(reference.samples, expected[: len(reference.samples)])


def test_input_gain_is_divided_out(reference: Waveform) -> None:
    placed = place(raw(reference.samples * 1.7, gain=1.7), reference, NO_FADE)
    np.testing.assert_allclose(placed.wave.samples, reference.samples, rtol=1e-6)


def test_declared_start_offset_is_dropped(reference: Waveform) -> None:
    late = np.concatenate([np.full(768, 0.3), reference.samples])
    placed = place(raw(late, offset=768), reference, NO_FADE)
    np.testing.assert_array_equal(placed.wave.samples, reference.samples)
    assert (placed.missing_samples, placed.extra_samples) == (0, 0)


@pytest.mark.parametrize(("difference", "missing", "extra"), [(-136, 136, 0), (200, 0, 200)])
def test_length_becomes_that_of_the_reference(
    reference: Waveform, difference: int, missing: int, extra: int
) -> None:
    n = len(reference.samples)
    output = np.full(n + difference, 0.25)
    placed = place(raw(output), reference, NO_FADE)
    assert len(placed.wave.samples) == n
    assert (placed.missing_samples, placed.extra_samples) == (missing, extra)
    kept = min(n, n + difference)
    assert (placed.wave.samples[:kept] == 0.25).all()
    assert (placed.wave.samples[kept:] == 0).all()


def test_output_at_another_rate_is_resampled_to_the_run(reference: Waveform) -> None:
    output = soxr.resample(reference.samples, 22050, 24000, "VHQ")
    placed = place(raw(output, rate=24000), reference, NO_FADE)
    assert placed.wave.sample_rate == 22050
    residual = placed.wave.samples[500:-500] - reference.samples[500:-500]
    # Only what lies between the two transition bands, close to 11 kHz, is lost.
    assert np.sqrt((residual**2).mean()) < 1e-3


def test_fades_touch_both_ends_and_nothing_else(reference: Waveform) -> None:
    ones = np.ones(len(reference.samples))
    faded = place(raw(ones), reference, Settings(fade_s=0.01)).wave.samples
    length = round(0.01 * 22050)
    assert (np.diff(faded[:length]) > 0).all()
    assert faded[0] < 1e-4
    assert faded[length // 2] == pytest.approx(0.5, abs=0.01)
    assert (faded[length:-length] == 1).all()
    np.testing.assert_allclose(faded[-length:], faded[:length][::-1])


def test_a_late_output_is_measured_and_never_shifted(reference: Waveform) -> None:
    late = np.concatenate([np.zeros(110), reference.samples])[: len(reference.samples)]
    output = raw(late)
    placed = place(output, reference, NO_FADE)
    measured = measure(output, placed, reference, "lufs")
    assert measured.delay_s == pytest.approx(110 / 22050, abs=2e-4)
    np.testing.assert_array_equal(placed.wave.samples, late.astype(np.float32))


@pytest.mark.parametrize("meter", ["lufs", "p56"])
def test_gains_bring_every_system_to_the_target(reference: Waveform, meter: str) -> None:
    settings = Settings(level_meter=meter, level_target_db=-26.0, fade_s=0.0)
    waves, measured = {}, {}
    for name, factor in (("quiet", 0.05), ("loud", 0.9)):
        output = raw(reference.samples * factor)
        placed = place(output, reference, settings)
        waves[name], measured[name] = placed.wave, measure(output, placed, reference, meter)
    gains, common = gains_db(measured, settings)
    assert common == 0
    assert gains["quiet"] - gains["loud"] == pytest.approx(20 * math.log10(0.9 / 0.05), abs=1e-4)
    for name, wave in waves.items():
        levelled = wave.samples.astype(float) * 10 ** (gains[name] / 20)
        if meter == "lufs":
            level = pyloudnorm.Meter(22050).integrated_loudness(levelled)
        else:
            level = measure_level_db(Waveform(levelled.astype(np.float32), 22050), "p56")[0]
        assert level == pytest.approx(-26.0, abs=0.01)


def a_measurement(level_db: float, peak_dbtp: float) -> Measured:
    return Measured(level_db, "bs1770", peak_dbtp, 0.0, 1.0, 0, 0, 22050, 0.5, 0.0, 1, 0.5, 0)


def test_a_peak_over_the_limit_lowers_all_systems_alike() -> None:
    measured = {"calm": a_measurement(-20.0, -8.0), "peaky": a_measurement(-30.0, -3.0)}
    gains, common = gains_db(measured, Settings(level_target_db=-23.0))
    # 'peaky' would reach -3 + 7 = +4 dBTP; -1 is allowed, so both go down by 5.
    assert common == pytest.approx(-5.0)
    assert gains == pytest.approx({"calm": -3.0 - 5.0, "peaky": 7.0 - 5.0})


def test_no_peak_over_the_limit_leaves_the_target() -> None:
    gains, common = gains_db({"a": a_measurement(-20.0, -8.0)}, Settings())
    assert (gains, common) == ({"a": -3.0}, 0.0)


def test_a_clip_shorter_than_a_gating_block_has_the_level_of_its_repetition() -> None:
    time_s = np.arange(4410) / 22050  # 0.2 s
    short = Waveform((0.1 * np.sin(2 * np.pi * 1000 * time_s)).astype(np.float32), 22050, "u")
    level, method = measure_level_db(short, "lufs")
    assert method == "bs1770-repeated"
    # A sine of 1 kHz reads 3.01 dB below its peak level (ITU-R BS.1770-4, with K near 0 dB).
    assert level == pytest.approx(20 * math.log10(0.1) - 3.01, abs=0.1)


def test_silence_is_refused_because_no_gain_gives_it_a_level(reference: Waveform) -> None:
    output = raw(np.zeros(len(reference.samples)))
    with pytest.raises(AudioError, match=r"output for 'synthetic' is silent.*weights"):
        measure(output, place(output, reference, NO_FADE), reference, "lufs")


@pytest.mark.parametrize("meter", ["lufs", "p56"])
def test_a_silent_recording_is_not_blamed_on_the_vocoder(
    reference: Waveform, meter: LevelMeter
) -> None:
    silent = Waveform(np.zeros_like(reference.samples), reference.sample_rate, "u1")
    output = raw(np.zeros(len(reference.samples)))
    with pytest.raises(AudioError, match="recording 'u1' is silent") as found:
        measure(output, place(output, silent, NO_FADE), silent, meter)
    assert "weights" not in str(found.value)


@pytest.mark.parametrize(
    ("samples", "offset", "says"),
    [
        (np.array([0.1, np.nan, np.inf]), 0, "2 NaN or infinite"),
        (np.zeros((2, 50)), 0, r"shape \(2, 50\)"),
        (np.zeros(100), 100, "start offset of 100"),
    ],
)
def test_unusable_output_is_the_vocoders_fault(
    reference: Waveform, samples: np.ndarray, offset: int, says: str
) -> None:
    with pytest.raises(VocoderError, match=says):
        place(raw(samples, offset=offset), reference, NO_FADE)


def test_faults_of_the_raw_output_are_measured_before_the_gain(reference: Waveform) -> None:
    clipped = np.clip(reference.samples * 4, -1, 1)
    output = raw(clipped + 0.0)
    measured = measure(output, place(output, reference, NO_FADE), reference, "lufs")
    assert measured.raw_flat_top_level == 1.0
    assert measured.raw_flat_top >= 3
    assert measured.raw_peak == 1.0
