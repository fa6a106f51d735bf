"""WaveGlow backwards: it undoes the forward direction, in every engine."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_waveglow  # noqa: E402
from official_waveglow import TINY, Sizes  # noqa: E402

from vocoders import waveglow_gemm  # noqa: E402
from vocoders.layers import remove_weight_norm  # noqa: E402
from vocoders.waveglow_gemm import GemmInversion  # noqa: E402
from vocoders.waveglow_network import WaveGlowConfig, WaveGlowNetwork  # noqa: E402
from vocoders.waveglow_synthesis import (  # noqa: E402
    EagerInversion,
    FlowInversion,
    draw_noise,
    split_latent,
)
from vocoders.waveglow_weights import load_network, random_network, to_own_names  # noqa: E402

ENGINES = [EagerInversion, GemmInversion]
MIDDLE = WaveGlowConfig(n_mels=20, hop_length=32, upsample_kernel=128, n_layers=4, channels=24)


def plain(network: WaveGlowNetwork) -> WaveGlowNetwork:
    remove_weight_norm(network.eval())
    return network.requires_grad_(False)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("sizes", [TINY, replace(TINY, old=True)], ids=["new", "old"])
def test_noise_to_audio_as_the_formulas_say(engine: type[FlowInversion], sizes: Sizes) -> None:
    """Also pins the order of the noise: the last flow's first, early parts last place first."""
    state = official_waveglow.random_state(sizes, seed=2)
    config = WaveGlowConfig(
        n_mels=5,
        hop_length=16,
        upsample_kernel=64,
        n_flows=6,
        early_every=2,
        n_layers=3,
        channels=6,
        alternate_halves=sizes.old,
    )
    network = plain(load_network(config, to_own_names(state)).double())
    source = np.random.default_rng(0)
    mel = source.normal(-3, 2, (5, 7))
    noise = [part.double() for part in draw_noise(config, 14, seed=0)]
    expected = official_waveglow.infer(state, sizes, mel, [part.numpy() for part in noise])
    audio = engine(network)(torch.tensor(mel), noise)
    np.testing.assert_allclose(audio, expected, atol=1e-5, rtol=1e-5)  # W^-1 is float32 by rule


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("alternate_halves", [False, True])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float64, 1e-10), (torch.float32, 2e-5)])
def test_backwards_undoes_forwards(
    engine: type[FlowInversion], alternate_halves: bool, dtype: torch.dtype, atol: float
) -> None:
    config = replace(MIDDLE, alternate_halves=alternate_halves)
    network = plain(random_network(config, seed=0).to(dtype))
    source = torch.Generator().manual_seed(0)
    mel = torch.randn(1, 20, 9, generator=source, dtype=dtype) - 4
    audio = torch.randn(1, 9 * 32, generator=source, dtype=dtype)
    latent = network(audio, mel)
    back = engine(network)(mel[0], split_latent(config, latent.z[0]))
    assert latent.z.sub(audio.view(1, -1, 8).transpose(1, 2)).abs().mean() > 0.1
    torch.testing.assert_close(back, audio[0], atol=atol, rtol=0)


@pytest.mark.parametrize("n_frames", [1, 2, 33])
def test_engines_agree(n_frames: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a block ends in the reach of a dilation."""
    network = plain(random_network(MIDDLE, seed=3))
    source = torch.Generator().manual_seed(0)
    mel = torch.randn(20, n_frames, generator=source) - 4
    noise = draw_noise(MIDDLE, n_frames * 4, seed=5)
    eager = EagerInversion(network)(mel, noise)
    gemm = GemmInversion(network)
    torch.testing.assert_close(gemm(mel, noise), eager, atol=5e-6, rtol=0)
    monkeypatch.setattr(waveglow_gemm, "BLOCK_ROWS", 7)
    torch.testing.assert_close(gemm(mel, noise), eager, atol=5e-6, rtol=0)


def test_every_part_of_the_noise_and_the_mel_reach_the_audio() -> None:
    network = plain(random_network(MIDDLE, seed=3))
    mel, noise = torch.full((20, 6), -4.0), draw_noise(MIDDLE, 24, seed=0)
    inversion = GemmInversion(network)
    audio = inversion(mel, noise)
    for part in range(len(noise)):
        other = [p + (0.1 if i == part else 0) for i, p in enumerate(noise)]
        assert (inversion(mel, other) - audio).abs().max() > 1e-3
    assert (inversion(mel + 1, noise) - audio).abs().max() > 1e-3


def test_matrices_are_inverted_in_float32_for_a_half_precision_network() -> None:
    network = plain(random_network(MIDDLE, seed=0))
    exact = [rotation.inverse() for rotation in network.convinv]
    rounded = EagerInversion(network).half().get_buffer("inverse_0")
    assert rounded.dtype == torch.float16
    assert torch.equal(rounded, exact[0].half())


def test_noise_repeats_by_seed() -> None:
    config = WaveGlowConfig()
    again = zip(draw_noise(config, 9, 1), draw_noise(config, 9, 1), strict=True)
    assert all(torch.equal(a, b) for a, b in again)
    assert not torch.equal(draw_noise(config, 9, 1)[0], draw_noise(config, 9, 2)[0])


def test_parts_of_a_latent_are_in_the_order_of_use() -> None:
    z = torch.arange(8.0)[:, None].expand(8, 3)
    parts = split_latent(WaveGlowConfig(), z)
    assert [part[:, 0].tolist() for part in parts] == [[4, 5, 6, 7], [2, 3], [0, 1]]
