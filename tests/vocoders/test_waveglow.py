"""WaveGlow as a system: contract, noise, settings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import ConfigError, Unavailable  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.waveglow import WaveGlow  # noqa: E402
from vocoders.waveglow_denoiser import subtract_spectrum  # noqa: E402
from vocoders.waveglow_network import WaveGlowConfig  # noqa: E402
from vocoders.waveglow_synthesis import draw_noise  # noqa: E402
from vocoders.waveglow_weights import random_network  # noqa: E402

SMALL = WaveGlowConfig(n_layers=3, channels=16)


def small(**options: object) -> WaveGlow:
    return WaveGlow(random_network(SMALL, seed=0), mel_spec("waveglow"), **options)  # type: ignore[arg-type]


@pytest.fixture
def short(speech: Waveform) -> Waveform:
    return Waveform(speech.samples[4000:7000], 22050, "short")


@pytest.mark.parametrize("engine", ["gemm", "eager"])
def test_contract(engine: str) -> None:
    failed = [r for r in check_vocoder(small(engine=engine)) if not r.passed]
    assert failed == []


def test_contract_without_noise(short: Waveform) -> None:
    """Sigma zero is deterministic, and the card says so."""
    vocoder = small(sigma=0.0, denoiser_strength=0.1)
    assert vocoder.info.deterministic
    assert [r for r in check_vocoder(vocoder, wave=short) if not r.passed] == []


def test_full_size_random_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: Waveform
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    with pytest.raises(Unavailable, match="--untrained"):
        WaveGlow.create(Setup())
    vocoder = WaveGlow.create(Setup(untrained=True))
    info = vocoder.info
    assert (info.n_parameters, info.n_parameters_with_weight_norm) == (87_731_816, 87_879_272)
    assert (info.trained, info.source, info.start_offset) == (False, "random weights", 0)
    assert info.config["sigma"] == 0.6
    features = vocoder.analyse(Waveform(short.samples[:1024], 22050, "short"))
    audio = vocoder.generate([features], seed=0)[0].samples
    assert audio.shape == (5 * 256,)
    assert 0.05 < audio.std() < 1


def test_noise_can_be_given(short: Waveform) -> None:
    vocoder = small()
    features = vocoder.analyse(short)
    mel = torch.from_numpy(features.values)
    noise = draw_noise(SMALL, mel.shape[1] * 32, seed=9)
    with torch.inference_mode():
        given = vocoder.synthesise_from(mel, noise)
    made = vocoder.generate([features], seed=9)[0].samples
    np.testing.assert_array_equal(made, given)


def test_noise_grows_with_sigma(short: Waveform) -> None:
    """For a network of zero couplings the audio is the rotated noise: its level is sigma."""
    for sigma in (0.1, 0.2):
        network = random_network(SMALL, seed=0)
        with torch.no_grad():
            for coupling in network.WN:
                coupling.end.weight.zero_()
                coupling.end.bias.zero_()
        vocoder = WaveGlow(network, mel_spec("waveglow"), sigma=sigma)
        audio = vocoder.generate([vocoder.analyse(short)], seed=0)[0].samples
        assert audio.std() == pytest.approx(sigma, rel=0.05)


def test_engines_agree(short: Waveform) -> None:
    made = []
    for engine in ("gemm", "eager"):
        vocoder = small(engine=engine, denoiser_strength=0.01)
        made.append(vocoder.generate([vocoder.analyse(short)], seed=0)[0].samples)
    np.testing.assert_allclose(*made, atol=5e-6)


def test_the_denoiser_is_applied_with_the_network_s_own_hum(short: Waveform) -> None:
    noisy, cleaned = small(sigma=0.1), small(sigma=0.1, denoiser_strength=0.3)
    features = noisy.analyse(short)
    audio = torch.from_numpy(noisy.generate([features], seed=0)[0].samples)
    expected = subtract_spectrum(audio, cleaned.bias, 0.3)
    made = cleaned.generate([features], seed=0)[0].samples
    assert (expected - audio).abs().max() > 1e-3
    np.testing.assert_allclose(made, expected, atol=1e-6)
    assert cleaned.bias is cleaned.bias  # computed once


def test_loud_outputs_are_scaled_and_not_clipped(short: Waveform) -> None:
    quiet, loud = small(sigma=0.05), small(sigma=20.0)
    features = quiet.analyse(short)
    assert np.abs(quiet.generate([features], seed=0)[0].samples).max() < 1
    audio = loud.generate([features], seed=0)[0].samples
    assert np.abs(audio).max() == 1
    assert np.count_nonzero(np.abs(audio) == 1) == 1


def test_old_networks_keep_their_halves(short: Waveform) -> None:
    """The setting reaches the sound and the cache's key."""
    config = replace(SMALL, alternate_halves=True)
    old = WaveGlow(random_network(config, seed=0), mel_spec("waveglow"))
    assert old.info.config["alternate_halves"] is True
    features = old.analyse(short)
    difference = old.generate([features], seed=0)[0].samples
    difference = difference - small().generate([features], seed=0)[0].samples
    assert np.abs(difference).max() > 0.01


@pytest.mark.parametrize(
    "options", [{"sigma": -0.1}, {"sigma": float("nan")}, {"denoiser_strength": -1.0}]
)
def test_impossible_settings_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        small(**options)


def test_half_precision_needs_a_gpu() -> None:
    with pytest.raises(ConfigError, match="float16 on a CPU"):
        small(precision="float16")


@pytest.mark.gpu
@pytest.mark.parametrize("engine", ["gemm", "eager"])
def test_a_gpu_gives_what_the_cpu_gives(short: Waveform, engine: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    features = small().analyse(short)
    expected = small().generate([features], seed=0)[0].samples
    for precision, atol in (("float32", 1e-3), ("float16", 5e-2)):
        vocoder = small(engine=engine, precision=precision, device="cuda")
        made = vocoder.generate([features], seed=0)[0].samples
        vocoder.synchronize()
        np.testing.assert_allclose(made, expected, atol=atol)
