import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.audio import probe, read_wave, resample, write_wave
from evalsuite.errors import AudioError
from evalsuite.types import Waveform

RATE = 22050


def noise(n: int, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, n).astype(np.float32)


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_16_bit_files_are_read_exactly(write_recording: Callable[..., Path], suffix: str) -> None:
    steps = np.array([-32768, -1, 0, 1, 32767], np.int16)
    wave = read_wave(write_recording(f"a.{suffix}", steps), id="a")
    assert wave.samples.dtype == np.float32
    assert (wave.sample_rate, wave.id) == (RATE, "a")
    np.testing.assert_array_equal(wave.samples * 32768, steps)


def test_ogg_is_read(write_recording: Callable[..., Path], speech: Waveform) -> None:
    wave = read_wave(write_recording("a.ogg", speech.samples))
    assert np.corrcoef(wave.samples, speech.samples)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("name", "samples", "message"),
    [
        ("empty.wav", np.zeros(0), "holds no samples"),
        ("stereo.wav", np.stack([noise(9000), noise(9000, seed=1)], 1), "2 channels (not equal)"),
        ("twin.wav", np.stack([noise(9000)] * 2, 1), "2 channels (all equal)"),
        ("nan.wav", np.where(np.arange(9000) == 7, np.nan, 0.1), "1 NaN or infinite"),
        ("inf.wav", np.where(np.arange(9000) < 2, np.inf, 0.1), "2 NaN or infinite"),
    ],
)
def test_unusable_recordings_are_named(
    write_recording: Callable[..., Path], name: str, samples: np.ndarray, message: str
) -> None:
    path = write_recording(name, samples, subtype="FLOAT")
    with pytest.raises(AudioError) as caught:
        read_wave(path)
    assert str(path) in caught.value.got
    assert message in caught.value.got
    assert caught.value.do


@pytest.mark.parametrize("name", ["absent.wav", "text.wav", "headerless.raw", "cut.flac", "."])
def test_unreadable_files_raise_typed_errors(
    write_recording: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    (tmp_path / "text.wav").write_text("not audio")
    (tmp_path / "headerless.raw").write_bytes(bytes(100))
    whole = write_recording("whole.flac", noise(30000)).read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(AudioError, match="To fix"):
        read_wave(tmp_path / name)


def test_probe_reads_the_header(write_recording: Callable[..., Path], tmp_path: Path) -> None:
    facts = probe(write_recording("a.wav", np.zeros((48000, 2)), sample_rate=48000))
    assert (facts.sample_rate, facts.channels, facts.n_samples) == (48000, 2, 48000)
    assert (facts.duration_s, facts.subtype) == (1.0, "PCM_16")
    with pytest.raises(AudioError, match="does not exist"):
        probe(tmp_path / "absent.wav")


def test_written_file_is_plain_pcm_without_metadata(tmp_path: Path) -> None:
    wave = Waveform(noise(1001), RATE)
    write_wave(tmp_path / "deep" / "a.wav", wave, dither_seed=0)
    raw = (tmp_path / "deep" / "a.wav").read_bytes()
    assert len(raw) == 44 + 2 * 1001
    assert raw[:4] + raw[8:16] == b"RIFFWAVEfmt "
    assert struct.unpack("<IHHIIHH", raw[16:36]) == (16, 1, 1, RATE, 2 * RATE, 2, 16)
    assert raw[36:40] == b"data"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["a.wav"]


def test_dither_is_triangular_and_independent_of_the_signal(tmp_path: Path) -> None:
    """TPDF theory: error variance 1/4 step squared for any level (1/6 dither + 1/12 rounding)."""
    path = tmp_path / "a.wav"
    for level_steps in (0.0, 0.25, 0.5, 100.3):
        samples = np.full(200_000, level_steps / 32768, np.float32)
        write_wave(path, Waveform(samples, RATE), dither_seed=1)
        steps = soundfile.read(path, dtype="int16")[0].astype(float)
        error = steps - level_steps
        assert abs(error.mean()) < 0.01
        assert error.var() == pytest.approx(0.25, abs=0.005)
        assert np.abs(error).max() <= 1.5


def test_equal_seeds_give_equal_bytes(tmp_path: Path) -> None:
    wave = Waveform(noise(5000), RATE)
    files = [tmp_path / name for name in ("a.wav", "b.wav", "c.wav")]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_wave(path, wave, dither_seed=seed)
    first, same, other = (path.read_bytes() for path in files)
    assert first == same
    assert first != other


def test_full_scale_saturates_by_at_most_two_steps(tmp_path: Path) -> None:
    samples = np.repeat(np.float32([1, -1]), 2000)
    write_wave(tmp_path / "a.wav", Waveform(samples, RATE), dither_seed=0)
    steps = soundfile.read(tmp_path / "a.wav", dtype="int16")[0].astype(int)
    assert np.abs(steps - samples * 32768).max() <= 2


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([0.1, np.nan], "NaN"),
        ([0.1, -np.inf], "NaN or infinite"),
        ([0.1, -1.0001], "peak is 1"),
        ([], "shape"),
        ([[0.1, 0.1]], "shape"),
    ],
)
def test_refused_audio_leaves_the_old_file(
    tmp_path: Path, samples: list[float], message: str
) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(AudioError, match=message):
        write_wave(path, Waveform(np.array(samples, np.float32), RATE), dither_seed=0)
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("n_samples", "old", "new"),
    [(88064, 22050, 16000), (88201, 22050, 24000), (7, 48000, 22050), (30001, 16000, 22050)],
)
def test_resampled_length_is_exact(n_samples: int, old: int, new: int) -> None:
    wave = resample(Waveform(noise(n_samples), old, "x"), new)
    assert len(wave.samples) == round(n_samples * new / old)
    assert (wave.samples.dtype, wave.sample_rate, wave.id) == (np.float32, new, "x")


def test_resampling_keeps_a_tone_and_its_time(tone: Callable[..., Waveform]) -> None:
    given = tone(1000, sample_rate=48000)
    resampled, expected = resample(given, 22050), tone(1000, sample_rate=22050)
    inner = slice(2000, -2000)
    assert np.abs(resampled.samples[inner] - expected.samples[inner]).max() < 1e-5


def test_resampling_removes_what_would_alias(tone: Callable[..., Waveform]) -> None:
    resampled = resample(tone(15000, sample_rate=48000), 22050)
    assert np.abs(resampled.samples[2000:-2000]).max() < 1e-5


def test_equal_rate_is_identity() -> None:
    wave = Waveform(noise(100), RATE)
    assert resample(wave, RATE) is wave
    with pytest.raises(AudioError, match="to 0 Hz"):
        resample(wave, 0)
