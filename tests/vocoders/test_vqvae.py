"""The VQ-VAE: counts, shapes at any length, what is random, and what can be refused."""

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.layers import count_parameters  # noqa: E402
from vocoders.melgan_generator import randomise  # noqa: E402
from vocoders.vector_quantizer import QuantizerConfig  # noqa: E402
from vocoders.vqvae import VQVAE, Code, VQVAEConfig  # noqa: E402
from vocoders.vqvae_encoder import Gaussian, GlobalEncoder, LocalEncoder  # noqa: E402

SMALL = VQVAEConfig(
    n_local=8,
    n_global=8,
    quantizer=QuantizerConfig(n_codes=16),
    base_channels=2,
    encoder_base_channels=2,
)
PLAIN = dataclasses.replace(SMALL, n_global=0, quantizer=None)


def model(config: VQVAEConfig = SMALL) -> VQVAE:
    torch.manual_seed(0)
    return VQVAE(config)


def audio(n_samples: int, *, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.2 * torch.randn(batch, 1, n_samples, generator=generator)


def test_the_paper_s_sizes() -> None:
    with torch.device("meta"):
        network = VQVAE()
    assert network.config.hop_length == 64
    assert network.quantizer.codebook.shape == (512, 256)
    assert network.global_encoder.output.out_features == 2 * 256
    # Section 3.5 has one decoder; which join it counts is not said.
    assert count_parameters(network.decoder) == 4_503_618


@pytest.mark.parametrize("config", [SMALL, dataclasses.replace(SMALL, join="sum"), PLAIN])
def test_training_output_has_the_shape_of_its_input(config: VQVAEConfig) -> None:
    made = model(config)(audio(512, batch=3), torch.Generator().manual_seed(0))
    assert made.audio.shape == (3, 1, 512)
    assert (made.quantized is None) == (config.quantizer is None)
    assert (made.divergence is None) == (config.n_global == 0)
    if made.quantized is not None:
        assert made.quantized.codes.shape == (3, 8)


@pytest.mark.parametrize("config", [SMALL, PLAIN])
def test_reconstructions_are_as_long_as_the_recording(config: VQVAEConfig) -> None:
    network = model(config).eval()
    for n_samples in (1, 63, 64, 255, 256, 257, 1000, 1024):
        code = network.encode(audio(n_samples))
        assert code.local.shape[-1] == max(-(-n_samples // 64), 4)
        assert network.decode(code).shape == (1, 1, 64 * code.local.shape[-1])
        assert network.reconstruct(audio(n_samples)).shape == (1, 1, n_samples)


@pytest.mark.parametrize("ratios", [(2, 2), (10, 2), (3, 5), (4, 4, 2, 2)])
def test_the_shortest_audio_passes_every_reflection(ratios: tuple[int, ...]) -> None:
    config = dataclasses.replace(SMALL, ratios=ratios)
    network = model(config).eval()
    assert config.minimum_samples % config.hop_length == 0
    assert network(audio(config.minimum_samples)).audio.shape[2] == config.minimum_samples
    assert network.reconstruct(audio(5)).shape == (1, 1, 5)


def test_encoding_is_deterministic_and_training_is_not() -> None:
    network = model().eval()
    first, again = network.encode(audio(512)), network.encode(audio(512))
    assert torch.equal(first.local, again.local)
    assert torch.equal(first.latent, again.latent)
    draws = [network(audio(512), torch.Generator().manual_seed(seed)).audio for seed in (0, 0, 1)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_without_latent_nothing_is_random() -> None:
    network = model(PLAIN)
    torch.testing.assert_close(network(audio(512)).audio, network(audio(512)).audio)


def test_the_audio_depends_on_codes_and_latent() -> None:
    network = model().eval()
    randomise(network.decoder, seed=0)
    network.quantizer.codebook *= 50  # codes of the size of log-mels, which the decoder hears
    code = network.encode(audio(1024))
    assert code.local.dtype == torch.int64
    made = network.decode(code)
    for other in (
        Code((code.local + 1) % 16, code.latent),
        Code(code.local, code.latent + 5),
    ):
        assert (network.decode(other) - made).norm() > 0.1 * made.norm()


def test_the_decoder_hears_codes_and_latent_as_joined() -> None:
    concat, added = model(), model(dataclasses.replace(SMALL, join="sum"))
    codes = torch.arange(24.0).view(1, 8, 3)
    latent = torch.arange(8.0)[None]
    beside = concat._joined(codes, latent)
    assert beside.shape == (1, 16, 3)
    assert torch.equal(beside[:, :8], codes)
    assert torch.equal(beside[0, 8:], latent[0, :, None].expand(8, 3))
    assert torch.equal(added._joined(codes, latent), codes + latent[..., None])


def test_gradients_reach_both_encoders_through_the_codes() -> None:
    network = model()
    network(audio(512), torch.Generator().manual_seed(0)).audio.square().sum().backward()
    for encoder in (network.local_encoder, network.global_encoder):
        norms = [float(p.grad.norm()) for p in encoder.parameters() if p.grad is not None]
        assert len(norms) == len(list(encoder.parameters()))
        assert max(norms) > 0


def test_encoders_tell_recordings_apart_from_the_start() -> None:
    """With torch's initial weights the vectors would be equal to five digits."""
    torch.manual_seed(0)
    encoder = LocalEncoder(64, base_channels=8)
    vectors = encoder(audio(4096)).detach().transpose(1, 2)[0]
    spread = float((vectors - vectors.mean(0)).square().sum(1).mean().sqrt())
    assert spread > 0.1 * float(vectors.square().sum(1).mean().sqrt())
    assert 0.02 < float(vectors.std()) / 0.2 < 5


def test_the_global_encoder_does_not_hear_length() -> None:
    torch.manual_seed(0)
    encoder = GlobalEncoder(4, base_channels=2)
    # Period 64, the hop: any whole number of periods has the same mean inside, edges apart.
    wave = torch.sin(2 * np.pi * torch.arange(64 * 256) / 64)[None, None]
    long, short = encoder(wave).mean, encoder(wave[..., : 64 * 128]).mean
    torch.testing.assert_close(long, short, atol=1e-2, rtol=0.02)


def test_divergence_from_the_standard_normal() -> None:
    """Monte Carlo estimate of E[log q - log p] under q."""
    random = np.random.default_rng(0)
    mean, log_variance = np.array([0.5, -1.0]), np.array([0.3, -0.7])
    x = mean + np.exp(log_variance / 2) * random.standard_normal((200_000, 2))
    log_q = -0.5 * (log_variance + (x - mean) ** 2 / np.exp(log_variance))
    estimate = (log_q + 0.5 * x**2).sum(axis=1).mean()
    gaussian = Gaussian(torch.tensor(mean)[None], torch.tensor(log_variance)[None])
    assert float(gaussian.divergence_from_standard()[0]) == pytest.approx(estimate, abs=0.01)
    standard = Gaussian(torch.zeros(1, 3), torch.zeros(1, 3))
    assert float(standard.divergence_from_standard()[0]) == 0


def test_the_latent_is_drawn_from_its_distribution() -> None:
    gaussian = Gaussian(torch.full((20_000, 1), 2.0), torch.full((20_000, 1), np.log(0.25)))
    drawn = gaussian.sample(torch.Generator().manual_seed(0))
    assert float(drawn.mean()) == pytest.approx(2, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"join": "sum", "n_global": 4}, "sum of 256 code channels and a global latent of 4"),
        ({"join": "sum", "n_global": 0}, "global latent of 0"),
        ({"n_local": 0}, "n_local 0"),
        ({"n_global": -1}, "n_global -1"),
    ],
)
def test_impossible_sizes_are_named(setting: dict[str, object], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        VQVAEConfig(**setting)
