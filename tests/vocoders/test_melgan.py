"""MelGAN: counts, lengths, and parity with an independent implementation."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_melgan  # noqa: E402
from torch import nn  # noqa: E402

from evalsuite.errors import AudioError, ConfigError, Unavailable  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import create_vocoder, parse_system  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.checkpoints import import_weights, to_module_names  # noqa: E402
from vocoders.layers import (  # noqa: E402
    choose_device,
    count_parameters,
    remove_weight_norm,
    set_weight,
)
from vocoders.melgan import MelGAN  # noqa: E402
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise  # noqa: E402


def test_parameter_counts_are_those_of_the_official_network() -> None:
    generator = Generator()
    assert count_parameters(generator) == 4_266_050
    remove_weight_norm(generator)
    assert count_parameters(generator) == 4_260_257
    assert count_parameters(Generator(GeneratorConfig(weight_norm=False))) == 4_260_257


def test_parameter_count_of_the_music_translation_decoder() -> None:
    """Ratios 10, 10, 2, 2, 2 for 64 latent channels, as the paper's section 3.4 lists them."""
    config = GeneratorConfig(n_mels=64, ratios=(10, 10, 2, 2, 2))
    assert count_parameters(Generator(config)) == 18_986_913 + weight_norm_lengths(config)


def weight_norm_lengths(config: GeneratorConfig) -> int:
    """Weight norm adds one length per first dimension of each weight."""
    network = Generator(config)
    with_norm = count_parameters(network)
    remove_weight_norm(network)
    return with_norm - count_parameters(network)


@pytest.mark.parametrize("seed", [0, 1])
def test_parity_with_the_official_arithmetic(tmp_path: Path, seed: int) -> None:
    """From a checkpoint file to audio, within 1e-5 of numpy in double precision."""
    state = official_melgan.random_state(seed)
    torch.save(state, tmp_path / "best_netG.pt")
    import_weights(tmp_path / "best_netG.pt", "melgan", tmp_path / "lj")
    system = create_vocoder(parse_system(f"melgan:{tmp_path / 'lj'}"))
    noise = np.random.default_rng(seed).normal(0, 0.1, 12 * 256).astype(np.float32)
    features = system.analyse(Waveform(noise, 22050, "noise"))
    ours = system.generate([features], seed=0)[0].samples
    theirs = official_melgan.synthesise(state, features.values)
    assert 0.05 < theirs.std() < 0.8
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_official_names_load_exactly() -> None:
    state = official_melgan.random_state(0)
    assert len(state) == 126
    generator = Generator()
    generator.load_state_dict(to_module_names(state))
    names = {f"{name}.bias" for name in official_melgan.layer_shapes()}
    assert names == {n for n, p in generator.named_parameters() if n.endswith("bias")}


@pytest.mark.parametrize("ratios", [(8, 8, 2, 2), (5, 3), (2, 7)])
def test_the_output_is_exactly_a_hop_per_frame(ratios: tuple[int, ...]) -> None:
    config = GeneratorConfig(n_mels=8, base_channels=2, ratios=ratios, n_residual_layers=1)
    for n_frames in (4, 5, 17):
        audio = Generator(config)(torch.zeros(2, 8, n_frames))
        assert audio.shape == (2, 1, config.hop_length * n_frames)


def test_removing_weight_norm_keeps_the_output() -> None:
    generator = Generator().eval()
    randomise(generator, seed=3)
    mel = torch.randn(1, 80, 8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        before = generator(mel)
    remove_weight_norm(generator)
    with torch.inference_mode():
        torch.testing.assert_close(generator(mel), before, atol=1e-6, rtol=0)


def test_random_weights_are_equal_with_and_without_weight_norm() -> None:
    normed, plain = Generator(), Generator(GeneratorConfig(weight_norm=False))
    for network in (normed, plain):
        randomise(network, seed=5)
    remove_weight_norm(normed)
    given = dict(normed.named_parameters())
    for name, parameter in plain.named_parameters():
        torch.testing.assert_close(given[name], parameter, atol=1e-6, rtol=1e-5)


def test_every_convolution_has_weight_norm_and_bias() -> None:
    convolutions = [
        layer
        for layer in Generator().modules()
        if isinstance(layer, nn.Conv1d | nn.ConvTranspose1d)
    ]
    assert len(convolutions) == 42
    assert all(nn.utils.parametrize.is_parametrized(layer) for layer in convolutions)
    assert all(layer.bias is not None for layer in convolutions)


def test_random_weights_need_permission_and_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    with pytest.raises(Unavailable, match="melgan:shipped"):
        create_vocoder(parse_system("melgan"))
    monkeypatch.setattr("evalsuite.weights.shipped_folder", lambda vocoder: None)
    with pytest.raises(Unavailable, match="--untrained"):
        create_vocoder(parse_system("melgan"))
    info = create_vocoder(parse_system("melgan"), untrained=True).info
    assert info.trained is False
    assert info.weights_sha256 is None
    assert info.source == "random weights"


def test_random_weights_are_audible_and_repeatable(speech: Waveform) -> None:
    made = []
    for _ in range(2):
        system = create_vocoder(parse_system("melgan"), untrained=True)
        made.append(system.generate([system.analyse(speech)], seed=0)[0].samples)
    np.testing.assert_array_equal(*made)
    assert made[0].std() > 0.01
    assert np.abs(made[0]).max() < 0.99


def test_named_weights_are_used_even_if_random_ones_are_allowed(tmp_path: Path) -> None:
    torch.save(official_melgan.random_state(0), tmp_path / "g.pt")
    card = import_weights(tmp_path / "g.pt", "melgan", tmp_path / "lj", licence="CC0", source="S")
    info = create_vocoder(parse_system(f"melgan:{tmp_path / 'lj'}"), untrained=True).info
    assert info.trained is True
    assert (info.weights_sha256, info.licence, info.source) == (card.weights_sha256, "CC0", "S")
    assert (info.n_parameters, info.n_parameters_with_weight_norm) == (4_260_257, 4_266_050)


def test_the_only_imported_weights_need_no_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVALSUITE_WEIGHTS", str(tmp_path))
    torch.save(official_melgan.random_state(0), tmp_path / "g.pt")
    import_weights(tmp_path / "g.pt", "melgan", tmp_path / "lj")
    assert create_vocoder(parse_system("melgan")).info.trained is True
    assert create_vocoder(parse_system("melgan:lj")).info.trained is True


def test_the_ablation_without_weight_norm_has_one_count(tmp_path: Path) -> None:
    generator = Generator(GeneratorConfig(weight_norm=False))
    torch.save(generator.state_dict(), tmp_path / "g.pt")
    card = import_weights(tmp_path / "g.pt", "melgan", tmp_path / "plain")
    assert card.config["weight_norm"] is False
    info = create_vocoder(parse_system(f"melgan:{tmp_path / 'plain'}")).info
    assert (info.n_parameters, info.n_parameters_with_weight_norm) == (4_260_257, 4_260_257)


def test_the_wave_is_scaled_to_the_peak_the_network_knows(speech: Waveform) -> None:
    system = create_vocoder(parse_system("melgan"), untrained=True)
    features = system.analyse(speech)
    assert features.gain * np.abs(speech.samples).max() == pytest.approx(0.95)


@pytest.mark.parametrize("n_samples", [600, 1023])
def test_three_frames_are_too_few(n_samples: int) -> None:
    system = create_vocoder(parse_system("melgan"), untrained=True)
    with pytest.raises(AudioError, match=r"mel of u1 has [23] frames.*at least 4"):
        system.analyse(Waveform(np.full(n_samples, 0.1, np.float32), 22050, "u1"))
    with pytest.raises(AudioError, match="at least 4 frames"):
        Generator()(torch.zeros(1, 80, 3))


@pytest.mark.parametrize(
    ("change", "minimum"),
    [
        ({}, 4),  # the first layer mirrors three
        ({"ratios": (2, 2)}, 5),  # dilation 9 mirrors nine samples, of which a frame has two
        ({"ratios": (3, 5)}, 4),
        ({"ratios": (2, 2), "n_residual_layers": 4}, 14),
        ({"ratios": (8, 2), "n_residual_layers": 5}, 11),
        ({"ratios": (2, 2), "dilated": False}, 4),
        ({"ratios": (2, 2), "n_residual_layers": 0}, 4),
        ({"ratios": ()}, 4),
    ],
    ids=str,
)
def test_the_shortest_mel_follows_from_the_architecture(
    change: dict[str, Any], minimum: int
) -> None:
    config = GeneratorConfig(n_mels=4, base_channels=2, **change)
    generator = Generator(config)
    assert config.minimum_frames == generator.minimum_frames == minimum
    audio = generator(torch.zeros(1, 4, minimum))
    assert audio.shape == (1, 1, minimum * config.hop_length)
    with pytest.raises(AudioError, match=f"at least {minimum} frames"):
        generator(torch.zeros(1, 4, minimum - 1))
    # The layers themselves take no less: the minimum is not too high.
    with pytest.raises(RuntimeError, match="Padding size should be less"):
        generator.model(torch.zeros(1, 4, minimum - 1))


def test_under_autocast_the_last_layer_is_computed_in_float32() -> None:
    generator = Generator(GeneratorConfig(n_mels=4, base_channels=4, ratios=(4, 2)))
    randomise(generator, 0)
    last = generator.model[-2]
    set_weight(last, 1e-4 * last.weight.detach())  # nearly silent
    mel = torch.randn(2, 4, 20, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        audio = generator(mel)
        heard = generator.model[:-2](mel)
    assert audio.dtype == torch.float32
    # By the definition of a convolution, in float64, on what the last layer heard.
    windows = heard.detach().double().unfold(2, 7, 1)
    exact = torch.tanh(torch.einsum("bctk,ock->bot", windows, last.weight.detach().double()))
    assert 1e-6 < exact.std() < 1e-3
    torch.testing.assert_close(audio.double(), exact, rtol=1e-4, atol=1e-10)
    rounded = audio.bfloat16().float()
    assert (rounded != audio).float().mean() > 0.9
    audio.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == p.dtype for p in generator.parameters())


def test_a_system_refuses_what_its_network_cannot_mirror() -> None:
    """Before it is too late: `analyse` knows the network's minimum."""
    config = GeneratorConfig(base_channels=2, ratios=(2, 8, 16))
    system = MelGAN(Generator(config), mel_spec("melgan"))
    with pytest.raises(AudioError, match=r"mel of u1 has 4 frames.*at least 5"):
        system.analyse(Waveform(np.full(1024, 0.1, np.float32), 22050, "u1"))
    features = system.analyse(Waveform(np.full(1280, 0.1, np.float32), 22050, "u1"))
    assert system.generate([features], seed=0)[0].samples.shape == (1280,)


def test_four_frames_are_enough() -> None:
    system = create_vocoder(parse_system("melgan"), untrained=True)
    features = system.analyse(Waveform(np.full(1024, 0.1, np.float32), 22050, "u1"))
    assert system.generate([features], seed=0)[0].samples.shape == (1024,)


def test_devices_that_are_not_here_are_refused() -> None:
    with pytest.raises(Unavailable, match="cuda:99"):
        create_vocoder(parse_system("melgan?device=cuda:99"), untrained=True)
    with pytest.raises(ConfigError, match="'gpu'"):
        create_vocoder(parse_system("melgan?device=gpu"), untrained=True)
    assert choose_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")


def test_the_option_beats_the_run_s_device() -> None:
    system = create_vocoder(parse_system("melgan?device=cpu"), device="cuda:99", untrained=True)
    assert system.info.config["device"] == "cpu"


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(speech: Waveform) -> None:
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    made = []
    for device in ("cpu", "cuda"):
        system = create_vocoder(parse_system("melgan"), device=device, untrained=True)
        assert isinstance(system, MelGAN)
        made.append(system.generate([system.analyse(speech)], seed=0)[0].samples)
        system.synchronize()
    np.testing.assert_allclose(*made, atol=1e-4)
