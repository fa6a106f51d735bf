"""The discriminator: counts, official names, and parity with numpy for every map of every scale."""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_discriminator  # noqa: E402
from torch import nn  # noqa: E402

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.checkpoints import to_module_names, to_official_names  # noqa: E402
from vocoders.discriminator import Discriminator, DiscriminatorConfig  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402

SMALL = DiscriminatorConfig(n_scales=2, base_channels=8, n_layers=2, max_channels=64)


def noise(n_samples: int, *, batch: int = 1, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.2 * torch.randn(batch, 1, n_samples, generator=generator)


def count(**settings: object) -> int:
    with torch.device("meta"):
        return count_parameters(Discriminator(DiscriminatorConfig(**settings)))


@pytest.mark.parametrize(
    ("settings", "with_norm", "without"),
    [
        ({}, 16_924_086, 16_913_859),
        ({"window_based": False}, 16_924_086, 16_913_859),
        ({"n_scales": 1}, 16_924_086 // 3, 16_913_859 // 3),
        # Four to 256 times the weights in layers 1 to 4.
        ({"grouped": False}, 179_118_774, 179_108_547),
    ],
)
def test_parameter_counts(settings: dict[str, object], with_norm: int, without: int) -> None:
    assert count(**settings) == with_norm
    assert count(**settings, weight_norm=False) == without


def test_spectral_norm_adds_no_parameters() -> None:
    """It keeps its vectors in buffers."""
    plain, spectral = (
        Discriminator(dataclasses.replace(SMALL, weight_norm=False, spectral_norm=given))
        for given in (False, True)
    )
    assert count_parameters(spectral) == count_parameters(plain)


def test_the_count_follows_from_the_official_shapes() -> None:
    shapes = official_discriminator.shapes()
    assert len(shapes) == 63
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 16_924_086


@pytest.fixture(scope="module")
def official() -> Iterator[Discriminator]:
    network = Discriminator()
    network.load_state_dict(to_module_names(official_discriminator.random_state(0)))
    yield network.eval()


def test_official_names_and_shapes_load_and_come_back(official: Discriminator) -> None:
    state = to_official_names(official.state_dict())
    assert {name: tuple(t.shape) for name, t in state.items()} == official_discriminator.shapes()
    given = official_discriminator.random_state(0)
    assert all(torch.equal(state[name], given[name]) for name in given)


@pytest.mark.parametrize("n_samples", [2048, 1539])
def test_every_map_of_every_scale_equals_numpy(official: Discriminator, n_samples: int) -> None:
    audio = noise(n_samples)
    with torch.inference_mode():
        ours = official(audio)
    theirs = official_discriminator.judge(
        official_discriminator.random_state(0), audio[0, 0].double().numpy()
    )
    assert len(ours) == len(theirs) == 3
    for scale, maps in zip(ours, theirs, strict=True):
        assert len(scale.features) == 6
        for given, wanted in zip([*scale.features, scale.logits], maps, strict=True):
            assert wanted.std() > 1e-3
            np.testing.assert_allclose(given[0].numpy(), wanted, atol=1e-5 * np.abs(wanted).max())


def test_features_are_activated_and_logits_are_not(official: Discriminator) -> None:
    """A leaky ReLU of slope 0.2 leaves the negative side five times smaller; logits keep theirs."""
    with torch.inference_mode():
        scales = official(noise(8192, seed=1))
    for scale in scales:
        assert scale.logits.shape[:2] == (1, 1)
        for features in scale.features:
            assert features.max() > 2.5 * features.min().abs()
    windows = [scale.logits.shape[2] for scale in scales]
    assert windows == [32, 16, 8]


def test_the_windows_are_half_as_many_at_each_scale() -> None:
    scales = Discriminator(SMALL)(noise(2048, batch=3))
    assert [tuple(s.logits.shape) for s in scales] == [(3, 1, 128), (3, 1, 64)]


def test_without_windows_one_logit_is_the_mean_of_the_windows() -> None:
    windowed = Discriminator(SMALL)
    whole = Discriminator(dataclasses.replace(SMALL, window_based=False))
    whole.load_state_dict(windowed.state_dict())
    audio = noise(2048, batch=2)
    for one, many in zip(whole(audio), windowed(audio), strict=True):
        assert one.logits.shape == (2, 1, 1)
        torch.testing.assert_close(one.logits[:, :, 0], many.logits.mean(2))
        assert all(torch.equal(a, b) for a, b in zip(one.features, many.features, strict=True))


def test_a_single_discriminator_hears_the_full_rate_only() -> None:
    both, single = Discriminator(SMALL), Discriminator(dataclasses.replace(SMALL, n_scales=1))
    finest = {n: t for n, t in both.state_dict().items() if n.startswith("model.disc_0.")}
    single.load_state_dict(finest)
    audio = noise(2048)
    with torch.inference_mode():
        (ours,), (theirs, _) = single(audio), both(audio)
    torch.testing.assert_close(ours.logits, theirs.logits)


def test_a_group_hears_four_channels_and_ungrouped_layers_hear_all() -> None:
    grouped = Discriminator(SMALL).model["disc_0"].model["layer_1"][0]
    dense = Discriminator(dataclasses.replace(SMALL, grouped=False)).model["disc_0"].model
    assert grouped.weight.shape == (32, 4, 41)
    assert dense["layer_1"][0].weight.shape == (32, 8, 41)
    x = torch.zeros(1, 8, 64)
    x[:, :4] = 1.0
    silent = grouped(torch.zeros_like(x))
    heard = (grouped(x) - silent).abs().amax(dim=2)[0] > 1e-6
    assert heard[:16].all()
    assert not heard[16:].any()


def test_spectral_norm_sets_the_largest_singular_value_to_one() -> None:
    config = dataclasses.replace(SMALL, weight_norm=False, spectral_norm=True)
    network = Discriminator(config)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv1d)]
    assert len(layers) == 2 * 5
    for layer in layers:
        for _ in range(200):
            _ = layer.weight  # one power iteration each, in training
    network.eval()
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        assert float(largest) == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("norm", [{}, {"weight_norm": False, "spectral_norm": True}])
def test_removing_the_norm_keeps_the_judgement(norm: dict[str, bool]) -> None:
    network = Discriminator(dataclasses.replace(SMALL, **norm)).eval()
    with torch.inference_mode():
        before = network(noise(1024))
        remove_weight_norm(network)
        after = network(noise(1024))
    for ours, theirs in zip(after, before, strict=True):
        torch.testing.assert_close(ours.logits, theirs.logits, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"spectral_norm": True}, "weight_norm and spectral_norm"),
        ({"n_scales": 0}, "0 scales"),
        ({"n_layers": 0}, "0 layers"),
        ({"base_channels": 2}, "from 2 to 8 channels"),
        ({"base_channels": 6}, "from 6 to 24 channels"),
        ({"max_channels": 30}, "from 16 to 30 channels"),
    ],
)
def test_impossible_settings_are_named(settings: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        DiscriminatorConfig(**settings)


def test_ungrouped_widths_are_free() -> None:
    config = DiscriminatorConfig(base_channels=3, n_layers=1, max_channels=7, grouped=False)
    assert Discriminator(config)(noise(512))[0].features[1].shape[1] == 7
