"""Every preset against a computation of its own: librosa, or the formula spelt out."""

import dataclasses
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
import pytest

from evalsuite.audio import read_wave
from evalsuite.errors import AudioError, ConfigError, UnknownName
from evalsuite.mel import (
    PRESETS,
    MelSpec,
    extract_mel,
    frame_count,
    mel_filter_bank,
    mel_spec,
    minimum_samples,
)
from evalsuite.types import Waveform

RATE, N_FFT, HOP = 22050, 1024, 256


def librosa_bank(f_min: float, f_max: float) -> np.ndarray:
    return librosa.filters.mel(
        sr=RATE, n_fft=N_FFT, n_mels=80, fmin=f_min, fmax=f_max, dtype=np.float64
    )


def librosa_magnitudes(samples: np.ndarray, *, pad: int) -> np.ndarray:
    padded = np.pad(samples.astype(np.float64), pad, mode="reflect")
    return np.abs(librosa.stft(padded, n_fft=N_FFT, hop_length=HOP, center=False))


def to_peak(samples: np.ndarray, peak: float) -> np.ndarray:
    return samples.astype(np.float64) * (peak / np.abs(samples.astype(np.float64)).max())


def melgan(samples: np.ndarray) -> np.ndarray:
    magnitudes = librosa_magnitudes(to_peak(samples, 0.95), pad=384)
    return np.log10(np.maximum(librosa_bank(0, 11025) @ magnitudes, 1e-5))


def tacotron2(samples: np.ndarray) -> np.ndarray:
    """As a strided product with float32 cosine and sine kernels, the way the release does it."""
    n = np.arange(N_FFT)
    angles = 2 * np.pi * np.outer(np.arange(N_FFT // 2 + 1), n) / N_FFT
    window = 0.5 * (1 - np.cos(2 * np.pi * n / N_FFT))
    kernels = (np.concatenate([np.cos(angles), -np.sin(angles)]) * window).astype(np.float32)
    padded = np.pad(samples, 512, mode="reflect")
    starts = range(0, len(padded) - N_FFT + 1, HOP)
    parts = kernels @ np.stack([padded[start : start + N_FFT] for start in starts], axis=1)
    magnitudes = np.sqrt(parts[:513] ** 2 + parts[513:] ** 2)
    mel = librosa_bank(0, 8000).astype(np.float32) @ magnitudes
    return np.log(np.clip(mel, 1e-5, None))


def hifigan(samples: np.ndarray) -> np.ndarray:
    padded = np.pad(to_peak(samples, 0.95), 384, mode="reflect")
    spectra = librosa.stft(padded, n_fft=N_FFT, hop_length=HOP, center=False)
    magnitudes = np.sqrt(spectra.real**2 + spectra.imag**2 + 1e-9)
    return np.log(np.maximum(librosa_bank(0, 8000) @ magnitudes, 1e-5))


def wavenet(samples: np.ndarray) -> np.ndarray:
    """The framing of the lws package, spelt out frame by frame."""
    window = np.sin(np.pi * (np.arange(N_FFT) + 0.5) / N_FFT) / np.sqrt(2)
    n_frames = math.ceil(len(samples) / HOP) + 3
    line = np.zeros((n_frames - 1) * HOP + N_FFT)
    line[768 : 768 + len(samples)] = to_peak(samples, 0.999)
    frames = [line[k * HOP : k * HOP + N_FFT] * window for k in range(n_frames)]
    magnitudes = np.abs(np.fft.fft(frames)[:, :513]).T
    decibels = 20 * np.log10(np.maximum(librosa_bank(125, 7600) @ magnitudes, 1e-5)) - 20
    return np.clip((decibels + 100) / 100, 0, 1)


def wavenet_master(samples: np.ndarray) -> np.ndarray:
    magnitudes = librosa_magnitudes(samples, pad=512)
    return np.log10(np.maximum(librosa_bank(125, 7600) @ magnitudes, 1e-10))


def clarinet(samples: np.ndarray) -> np.ndarray:
    mel = librosa.feature.melspectrogram(
        y=to_peak(samples, 0.999), sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=80,
        fmin=125, fmax=7600, power=2, pad_mode="reflect", dtype=np.float64,
    )  # fmt: skip
    return np.clip((20 * np.log10(np.maximum(mel, 1e-4)) - 20 + 100) / 100, 0, 1)


def pwg(samples: np.ndarray) -> np.ndarray:
    magnitudes = np.abs(
        librosa.stft(samples.astype(np.float64), n_fft=N_FFT, hop_length=HOP, pad_mode="reflect")
    )
    return np.log10(np.maximum(librosa_bank(80, 7600) @ magnitudes, 1e-10))


ORACLES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "melgan": (melgan, 1e-5),
    "tacotron2": (tacotron2, 5e-4),
    "waveglow": (tacotron2, 5e-4),
    "hifigan": (hifigan, 1e-5),
    "wavenet": (wavenet, 1e-5),
    "wavenet_master": (wavenet_master, 1e-5),
    "clarinet": (clarinet, 1e-5),
    "pwg": (pwg, 1e-5),
}


def test_every_preset_has_an_oracle() -> None:
    assert set(ORACLES) == set(PRESETS)


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("n_samples", [1024, 22050, 22273, 22272])
def test_preset_agrees_with_its_oracle(speech: Waveform, name: str, n_samples: int) -> None:
    oracle, tolerance = ORACLES[name]
    wave = Waveform(speech.samples[:n_samples], RATE, "a")
    features = extract_mel(wave, mel_spec(name))
    assert features.values.dtype == np.float32
    assert (features.n_samples, features.id) == (n_samples, "a")
    np.testing.assert_allclose(features.values, oracle(wave.samples), rtol=0, atol=tolerance)


@pytest.mark.speech
@pytest.mark.parametrize("name", ORACLES)
def test_preset_agrees_with_its_oracle_on_a_recording(data: Path, name: str) -> None:
    oracle, tolerance = ORACLES[name]
    wave = read_wave(data / "lj" / "wavs" / "LJ001-0011.wav")
    features = extract_mel(wave, mel_spec(name))
    np.testing.assert_allclose(features.values, oracle(wave.samples), rtol=0, atol=tolerance)


FRAMES = {
    "melgan": lambda n: n // 256,
    "hifigan": lambda n: n // 256,
    "tacotron2": lambda n: n // 256 + 1,
    "waveglow": lambda n: n // 256 + 1,
    "clarinet": lambda n: n // 256 + 1,
    "pwg": lambda n: n // 256 + 1,
    "wavenet": lambda n: -(-n // 256) + 3,
    "wavenet_master": lambda n: n // 256 + 1,
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("n_samples", [1023, 1024, 1025, 1279, 1280, 5000])
def test_frame_counts(name: str, n_samples: int) -> None:
    wave = Waveform(np.zeros(n_samples, np.float32), RATE)
    features = extract_mel(wave, mel_spec(name))
    assert features.values.shape == (80, FRAMES[name](n_samples))
    assert frame_count(n_samples, mel_spec(name)) == FRAMES[name](n_samples)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("melgan", -5),
        ("tacotron2", math.log(1e-5)),
        ("waveglow", -11.5129),
        ("hifigan", -11.5129),
        ("pwg", -10),
        ("wavenet", 0),
        ("clarinet", 0),
    ],
)
def test_digital_silence(name: str, value: float) -> None:
    features = extract_mel(Waveform(np.zeros(4096, np.float32), RATE), mel_spec(name))
    np.testing.assert_allclose(features.values, value, atol=1e-4)
    assert features.gain == 1


@pytest.mark.parametrize(
    ("name", "peak"), [("melgan", 0.95), ("hifigan", 0.95), ("wavenet", 0.999), ("clarinet", 0.999)]
)
def test_peak_conventions_hide_the_level_and_report_the_gain(
    speech: Waveform, name: str, peak: float
) -> None:
    quiet = Waveform(speech.samples / 8, RATE)
    loud, soft = (extract_mel(wave, mel_spec(name)) for wave in (speech, quiet))
    np.testing.assert_array_equal(loud.values, soft.values)
    assert loud.gain * np.abs(speech.samples).max() == pytest.approx(peak, rel=1e-6)
    assert soft.gain == pytest.approx(8 * loud.gain, rel=1e-6)


@pytest.mark.parametrize("name", ["tacotron2", "pwg"])
def test_level_conventions_keep_the_level(speech: Waveform, name: str) -> None:
    features = extract_mel(speech, mel_spec(name))
    louder = extract_mel(Waveform(speech.samples * 2, RATE), mel_spec(name))
    assert features.gain == louder.gain == 1
    step = math.log(2) if name == "tacotron2" else math.log10(2)
    loudest = features.values > features.values.max() - 3
    np.testing.assert_allclose((louder.values - features.values)[loudest], step, atol=1e-5)


@pytest.mark.parametrize("name", PRESETS)
def test_shortest_waveform(name: str) -> None:
    spec = mel_spec(name)
    shortest = minimum_samples(spec)
    expected = {"centred": 513, "hop_aligned": 385, "lws": 1}[spec.framing]
    assert shortest == expected
    assert extract_mel(Waveform(np.ones(shortest, np.float32), RATE), spec).values.size
    with pytest.raises(AudioError, match=rf"{shortest - 1} samples.*at least {shortest} samples"):
        extract_mel(Waveform(np.ones(shortest - 1, np.float32), RATE), spec)


def test_another_rate_is_refused_with_both_named(speech: Waveform) -> None:
    with pytest.raises(AudioError, match=r"a is at 16000 Hz.*22050 Hz for melgan"):
        extract_mel(Waveform(speech.samples, 16000, "a"), mel_spec("melgan"))


def test_input_is_not_changed(speech: Waveform) -> None:
    before = speech.samples.copy()
    extract_mel(speech, mel_spec("melgan"))
    np.testing.assert_array_equal(speech.samples, before)


@pytest.mark.parametrize(
    ("scale", "norm"), [("slaney", "slaney"), ("htk", None), ("htk", "slaney"), ("slaney", None)]
)
@pytest.mark.parametrize(
    ("rate", "n_fft", "n_mels", "f_min", "f_max"),
    [
        (22050, 1024, 80, 0.0, 11025.0),
        (24000, 1024, 100, 0.0, 12000.0),
        (44100, 2048, 128, 30, 9e3),
    ],
)
def test_filter_banks_are_librosas(
    scale: str, norm: str | None, rate: int, n_fft: int, n_mels: int, f_min: float, f_max: float
) -> None:
    spec = MelSpec(
        "x", sample_rate=rate, n_fft=n_fft, win_length=n_fft, n_mels=n_mels,
        f_min=f_min, f_max=f_max, mel_scale=scale, mel_norm=norm,
    )  # fmt: skip
    bank = librosa.filters.mel(
        sr=rate, n_fft=n_fft, n_mels=n_mels, fmin=f_min, fmax=f_max, htk=scale == "htk", norm=norm
    )
    np.testing.assert_allclose(mel_filter_bank(spec), bank, rtol=0, atol=1e-6 * bank.max())


def test_filter_bank_is_cached_and_read_only() -> None:
    bank = mel_filter_bank(mel_spec("melgan"))
    assert mel_filter_bank(mel_spec("melgan")) is bank
    assert bank.shape == (80, 513)
    with pytest.raises(ValueError, match="read-only"):
        bank[0, 0] = 1


def test_a_shorter_window_stands_in_the_middle(speech: Waveform) -> None:
    spec = MelSpec("short", win_length=600)
    magnitudes = np.abs(
        librosa.stft(
            speech.samples.astype(np.float64), n_fft=1024, win_length=600, hop_length=256,
            pad_mode="reflect",
        )
    )  # fmt: skip
    expected = np.log(np.maximum(librosa_bank(0, 8000) @ magnitudes, 1e-5))
    np.testing.assert_allclose(extract_mel(speech, spec).values, expected, rtol=0, atol=1e-5)


def test_digest_is_over_every_setting_but_the_name() -> None:
    spec = mel_spec("tacotron2")
    assert spec.digest == mel_spec("waveglow").digest
    others = {
        "sample_rate": 24000, "n_fft": 2048, "win_length": 800, "hop_length": 200,
        "window": "half_sine", "framing": "hop_aligned", "f_min": 80.0, "f_max": 7600.0,
        "n_mels": 100, "mel_scale": "htk", "mel_norm": None, "power": 2,
        "magnitude_epsilon": 1e-9, "log_base": "10", "log_scale": 20.0, "log_offset": -20.0,
        "floor": 1e-7, "affine_scale": 0.01, "affine_offset": 1.0, "clip": (0.0, 1.0),
        "input_peak": 0.9,
    }  # fmt: skip
    assert set(others) == {field.name for field in dataclasses.fields(MelSpec)} - {"name"}
    digests = {
        dataclasses.replace(spec, **{setting: value}).digest for setting, value in others.items()
    }
    assert len(digests | {spec.digest}) == len(others) + 1
    assert dataclasses.replace(spec, f_max=8000).digest == spec.digest
    assert len({PRESETS[name].digest for name in PRESETS}) == len(PRESETS) - 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hop_length": 0}, "hop 0"),
        ({"win_length": 2048}, "window 2048"),
        ({"n_fft": 1025}, "n_fft 1025"),
        ({"framing": "lws", "hop_length": 300}, "hop 300"),
        ({"framing": "hop_aligned", "hop_length": 255}, "hop 255"),
        ({"f_max": 12000.0}, "to 12000"),
        ({"f_min": 8000.0}, "from 8000"),
        ({"f_max": math.nan}, "nan"),
        ({"n_mels": 0}, "0 mel bands"),
        ({"floor": 0.0}, "floor 0"),
        ({"input_peak": 1.5}, r"input_peak 1\.5"),
        ({"clip": (1.0, 0.0)}, "clip"),
    ],
)
def test_contradictory_settings_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(mel_spec("tacotron2"), name="mine", **change)


def test_unknown_preset_suggests_a_near_one() -> None:
    with pytest.raises(UnknownName, match=r"'melgam'.*clarinet, hifigan.*write 'melgan'"):
        mel_spec("melgam")


def test_long_audio_is_computed_in_blocks(speech: Waveform) -> None:
    """The blocks' borders leave no trace: a frame deep inside equals the same frame alone."""
    long = Waveform(np.tile(speech.samples, 14), RATE)
    values = extract_mel(long, mel_spec("tacotron2")).values
    start = 2040 * HOP
    piece = Waveform(long.samples[start : start + 30 * HOP], RATE)
    alone = extract_mel(piece, mel_spec("tacotron2")).values
    np.testing.assert_allclose(values[:, 2043:2067], alone[:, 3:27], atol=1e-6)


def test_import_needs_neither_librosa_nor_torch() -> None:
    code = "import sys, evalsuite.mel; print({'librosa', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
