"""Griffin-Lim: as good as librosa from the same spectrogram, and exact in length."""

import librosa
import numpy as np
import pytest

from evalsuite.errors import AudioError, ConfigError, Unavailable
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup, create_vocoder, fingerprint, parse_system
from evalsuite.types import FloatArray, Waveform
from vocoders.griffin_lim import GriffinLim, fast_griffin_lim, fused_griffin_lim

HANN = np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(1024) / 1024), np.float32)


def spectrogram(samples: FloatArray) -> FloatArray:
    """Librosa's magnitudes, shape (bins, frames), centred with zeros."""
    return np.abs(librosa.stft(samples, n_fft=1024, hop_length=256))


def convergence(wanted: FloatArray, samples: FloatArray) -> float:
    """Spectral convergence: relative error of the magnitudes, smaller is better."""
    return float(np.linalg.norm(wanted - spectrogram(samples)) / np.linalg.norm(wanted))


def reconstruct(
    target: FloatArray, n_samples: int, *, n_iterations: int, seed: int = 0, momentum: float = 0.99
) -> FloatArray:
    padded = fast_griffin_lim(
        np.ascontiguousarray(target.T), HANN, 256,
        n_iterations=n_iterations, momentum=momentum, seed=seed,
    )  # fmt: skip
    return padded[512 : 512 + n_samples]


@pytest.mark.parametrize("n_iterations", [32, 60])
def test_it_converges_at_least_as_far_as_librosa(speech: Waveform, n_iterations: int) -> None:
    """Mean of three random starts each; single starts differ by about 2 percent."""
    target, n_samples = spectrogram(speech.samples), len(speech.samples)
    ours = [
        convergence(target, reconstruct(target, n_samples, n_iterations=n_iterations, seed=seed))
        for seed in range(3)
    ]
    theirs = [
        convergence(
            target,
            librosa.griffinlim(
                target, n_iter=n_iterations, hop_length=256, length=n_samples, random_state=seed
            ),
        )
        for seed in range(3)
    ]
    assert np.mean(ours) <= 1.02 * np.mean(theirs)
    assert np.mean(ours) < 0.08


def test_the_magnitudes_fit_better_with_every_round(speech: Waveform) -> None:
    target, n_samples = spectrogram(speech.samples), len(speech.samples)
    errors = [
        convergence(target, reconstruct(target, n_samples, n_iterations=n)) for n in (1, 8, 32, 128)
    ]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < errors[0] / 5


def test_momentum_converges_faster_than_the_plain_algorithm(speech: Waveform) -> None:
    target, n_samples = spectrogram(speech.samples), len(speech.samples)
    fast, plain = (
        convergence(target, reconstruct(target, n_samples, n_iterations=32, momentum=momentum))
        for momentum in (0.99, 0.0)
    )
    assert fast < 0.8 * plain


def test_the_blocks_leave_no_seam(monkeypatch: pytest.MonkeyPatch, speech: Waveform) -> None:
    """The same signal whether frames are worked on together or in blocks."""
    target = spectrogram(speech.samples)
    in_blocks = reconstruct(target, 20000, n_iterations=2)
    monkeypatch.setattr("vocoders.griffin_lim._FRAMES_AT_ONCE", 100_000)
    at_once = reconstruct(target, 20000, n_iterations=2)
    # Two rounds only: the rounding of sums in another order grows with each.
    np.testing.assert_allclose(in_blocks, at_once, atol=1e-4)


@pytest.mark.parametrize("mel", ["griffin_lim", "melgan", "tacotron2", "wavenet"])
@pytest.mark.parametrize("n_samples", [4096, 4097, 4351])
def test_the_length_is_exact_for_every_framing(speech: Waveform, mel: str, n_samples: int) -> None:
    system = create_vocoder(parse_system(f"griffin_lim?mel={mel}&n_iterations=1"))
    features = system.analyse(Waveform(speech.samples[:n_samples], 22050, "u1"))
    assert system.generate([features], seed=0)[0].samples.shape == (n_samples,)


@pytest.mark.parametrize("mel", ["griffin_lim", "melgan", "tacotron2", "wavenet"])
def test_syllables_come_back_in_their_place(speech: Waveform, mel: str) -> None:
    """A framing misread by one hop would move them by 256 samples."""
    system = create_vocoder(parse_system(f"griffin_lim?mel={mel}"))
    features = system.analyse(speech)
    made = system.generate([features], seed=0)[0].samples / features.gain
    kernel = np.hanning(401) / 200
    ours, theirs = (
        np.convolve(np.abs(samples), kernel, mode="same") for samples in (made, speech.samples)
    )
    lags = range(-512, 513, 32)
    fits = [np.corrcoef(np.roll(ours, -lag)[1024:-1024], theirs[1024:-1024])[0, 1] for lag in lags]
    assert abs(lags[int(np.argmax(fits))]) <= 64
    assert max(fits) > 0.95
    assert 0.7 < np.std(made) / np.std(speech.samples) < 1.3


def test_the_default_mel_is_its_own_at_the_rate_of_the_run() -> None:
    system = create_vocoder(parse_system("griffin_lim"), sample_rate=16000)
    assert system.info.sample_rate == 16000
    assert isinstance(system.info.spec, MelSpec)
    assert (system.info.spec.f_min, system.info.spec.f_max) == (0, 8000)
    assert system.info.spec.input_peak is None
    assert system.info.conditioning == "mel"


@pytest.mark.parametrize("option", ["n_iterations=0", "momentum=1.0", "mel_iterations=-1"])
def test_impossible_settings_are_refused(option: str) -> None:
    with pytest.raises(ConfigError, match=option.partition("=")[0]):
        create_vocoder(parse_system(f"griffin_lim?{option}"))


def test_a_window_that_is_no_whole_number_of_hops_is_refused() -> None:
    odd = MelSpec("odd", hop_length=300)
    with pytest.raises(ConfigError, match="hop 300"):
        GriffinLim(odd, n_iterations=1, momentum=0.5, mel_iterations=0)


def test_a_clip_too_short_for_its_framing_is_refused() -> None:
    system = create_vocoder(parse_system("griffin_lim"))
    with pytest.raises(AudioError, match="u1 has 100 samples"):
        system.analyse(Waveform(np.zeros(100, np.float32), 22050, "u1"))


def test_silence_stays_silent() -> None:
    system = create_vocoder(parse_system("griffin_lim"))
    features = system.analyse(Waveform(np.zeros(8000, np.float32), 22050, "u1"))
    assert np.abs(system.generate([features], seed=0)[0].samples).max() < 1e-4


def test_the_mel_is_all_it_sees() -> None:
    """Two waves of one mel give one output: a wave and its negative."""
    wave = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    system = create_vocoder(parse_system("griffin_lim?n_iterations=2"))
    made = [
        system.generate([system.analyse(Waveform(w, 22050))], seed=0)[0].samples
        for w in (wave, -wave)
    ]
    np.testing.assert_array_equal(*made)
    assert mel_spec("melgan").digest != system.info.spec.digest


def test_the_fused_steps_are_the_same_up_to_rounding(speech: Waveform) -> None:
    """Two rounds only: rounding grows with each, to another phase that fits as well."""
    pytest.importorskip("numba")
    target = np.ascontiguousarray(spectrogram(speech.samples).T)
    for n_iterations, momentum in ((2, 0.99), (2, 0.0)):
        settings = {"n_iterations": n_iterations, "momentum": momentum, "seed": 3}
        plain, fused = (
            search(target, HANN, 256, **settings)
            for search in (fast_griffin_lim, fused_griffin_lim)
        )
        np.testing.assert_allclose(fused, plain, atol=1e-4)
        assert np.abs(plain).max() > 0.1


def test_the_fused_search_converges_as_far(speech: Waveform) -> None:
    pytest.importorskip("numba")
    target, n_samples = spectrogram(speech.samples), len(speech.samples)
    found = [
        convergence(
            target,
            search(np.ascontiguousarray(target.T), HANN, 256, n_iterations=32, seed=0)[
                512 : 512 + n_samples
            ],
        )
        for search in (fast_griffin_lim, fused_griffin_lim)
    ]
    assert found[0] == pytest.approx(found[1], rel=0.01)


def test_from_the_mel_it_fits_better_than_librosa_in_as_many_rounds(speech: Waveform) -> None:
    fits = {}
    for engine in ("scipy", "librosa"):
        system = create_vocoder(parse_system(f"griffin_lim?engine={engine}&n_iterations=32"))
        features = system.analyse(speech)
        made = system.generate([features], seed=0)[0].samples
        assert made.shape == speech.samples.shape
        fits[engine] = convergence(spectrogram(speech.samples), made)
    assert fits["scipy"] < fits["librosa"] < 1


def test_auto_is_what_runs_here_and_part_of_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    fused = create_vocoder(parse_system("griffin_lim")).info
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    without = GriffinLim.create(Setup()).info
    assert (fused.config["engine"], without.config["engine"]) == ("fused", "scipy")
    assert fingerprint(fused) != fingerprint(without)
    with pytest.raises(Unavailable, match="needs numba"):
        GriffinLim.create(Setup(), engine="fused")


def test_librosa_refuses_frames_that_it_cannot_invert() -> None:
    with pytest.raises(ConfigError, match="'librosa' with mel 'melgan'"):
        create_vocoder(parse_system("griffin_lim?engine=librosa&mel=melgan"))
