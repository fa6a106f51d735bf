"""The WaveGlow network from audio to noise: counts, names, values, determinants."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_waveglow  # noqa: E402
from official_waveglow import TINY, Sizes  # noqa: E402

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.waveglow_network import (  # noqa: E402
    Invertible1x1,
    Latent,
    WaveGlowConfig,
    WaveGlowNetwork,
    negative_log_likelihood,
)
from vocoders.waveglow_weights import load_network, random_network, to_own_names  # noqa: E402


def config_of(sizes: Sizes) -> WaveGlowConfig:
    return WaveGlowConfig(
        n_mels=sizes.n_mels,
        hop_length=sizes.hop,
        upsample_kernel=sizes.kernel,
        n_group=sizes.group,
        n_flows=sizes.flows,
        early_every=sizes.early_every,
        early_size=sizes.early_size,
        n_layers=sizes.layers,
        channels=sizes.channels,
        alternate_halves=sizes.old,
    )


def test_counts_and_tensors_are_those_of_the_official_network() -> None:
    network = WaveGlowNetwork()
    assert count_parameters(network) == 87_879_272
    official = official_waveglow.layer_shapes(Sizes())
    ours = {n: tuple(t.shape) for n, t in to_official_names(network.state_dict()).items()}
    assert ours == official
    assert len(official) == 686
    remove_weight_norm(network)
    assert count_parameters(network) == 87_731_816


@pytest.mark.parametrize("sizes", [TINY, replace(TINY, old=True, oldest=True)])
@pytest.mark.parametrize("seed", [0, 1])
def test_audio_to_noise_as_the_formulas_say(sizes: Sizes, seed: int) -> None:
    state = official_waveglow.random_state(sizes, seed)
    network = load_network(config_of(sizes), to_own_names(state)).double()
    noise = np.random.default_rng(seed)
    # Fewer samples than frames cover: training crops both, and frames may reach further.
    audio, mel = noise.normal(0, 0.3, (2, 4 * 16 - 8)), noise.normal(-5, 2, (2, 5, 4))
    with torch.no_grad():
        latent = network(torch.tensor(audio), torch.tensor(mel))
    for item in range(2):
        z, log_scales, log_determinant = official_waveglow.forward(
            state, sizes, audio[item], mel[item]
        )
        np.testing.assert_allclose(latent.z[item], z, atol=1e-10)
        assert latent.log_scales[item].item() == pytest.approx(log_scales, abs=1e-9)
        assert latent.log_determinant.item() == pytest.approx(log_determinant, abs=1e-9)


def test_the_determinant_is_that_of_the_jacobian() -> None:
    config = WaveGlowConfig(
        n_mels=2,
        hop_length=8,
        upsample_kernel=16,
        n_group=4,
        n_flows=4,
        early_every=2,
        n_layers=2,
        channels=5,
    )
    network = random_network(config, seed=1).double()
    with torch.no_grad():
        for coupling in network.WN:
            coupling.end.weight *= 20  # so that no term is near zero
        for rotation in network.convinv:
            rotation.conv.weight *= 1.2
    source = torch.Generator().manual_seed(0)
    mel = torch.randn(1, 2, 2, generator=source, dtype=torch.float64)
    audio = torch.randn(1, 16, generator=source, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: network(x, mel).z.flatten(), audio, vectorize=True
    )[:, 0]
    latent = network(audio, mel)
    expected = torch.linalg.slogdet(jacobian).logabsdet
    assert abs(latent.log_scales.item()) > 0.1
    assert latent.log_determinant.item() > 1
    total = latent.log_scales[0] + latent.log_determinant
    assert total.item() == pytest.approx(expected.item(), abs=1e-8)


def test_a_new_network_only_rotates() -> None:
    """The last convolutions are zero, so couplings are the identity and lengths are kept."""
    network = WaveGlowNetwork(config_of(TINY)).double()
    audio = torch.randn(1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    latent = network(audio, torch.randn(1, 5, 4, dtype=torch.float64))
    assert latent.log_scales.item() == 0
    assert latent.log_determinant.item() == pytest.approx(0, abs=1e-5)
    assert latent.z.norm().item() == pytest.approx(audio.norm().item(), rel=1e-6)


@pytest.mark.parametrize("seed", range(6))
def test_rotations_have_determinant_one(seed: int) -> None:
    torch.manual_seed(seed)
    assert torch.linalg.det(Invertible1x1(5).matrix).item() == pytest.approx(1, abs=1e-5)


def test_the_loss_is_the_likelihood_of_a_gaussian() -> None:
    """For the identity it is, up to a constant, what scipy says of the samples."""
    stats = pytest.importorskip("scipy.stats")
    z = np.random.default_rng(0).normal(0, 1, (2, 8, 5))
    latent = Latent(torch.tensor(z), torch.tensor([0.7, -0.2]), torch.tensor(0.3))
    constant = 0.5 * np.log(2 * np.pi * 0.8**2)
    gaussian = -stats.norm(0, 0.8).logpdf(z).sum()
    expected = (gaussian - (0.7 - 0.2) - 2 * 0.3) / z.size - constant
    loss = negative_log_likelihood(latent, sigma=0.8)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    "sizes", [{"n_group": 7}, {"upsample_kernel": 1000}, {"early_size": 1}, {"n_flows": 17}]
)
def test_sizes_that_do_not_fit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="whole groups in a hop"):
        WaveGlowConfig(**sizes)
