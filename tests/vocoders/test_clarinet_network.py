"""ClariNet's networks: counts, names, values, causality."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_clarinet  # noqa: E402
import small_clarinet as small  # noqa: E402

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.clarinet_network import (  # noqa: E402
    ClariNetConfig,
    ClariNetNetwork,
    GaussianConfig,
    upsample,
)
from vocoders.clarinet_weights import random_clarinet, to_own_names  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402


def test_counts_and_tensors_are_those_of_the_open_implementation() -> None:
    network = ClariNetNetwork()
    assert count_parameters(network) == 10_100_960
    assert count_parameters(network.teacher) == 4_824_008
    assert count_parameters(network.student) == 5_276_952
    shapes = official_clarinet.net_shapes(official_clarinet.TEACHER, 80)
    shapes |= official_clarinet.upsampler_shapes((16, 16))
    for flow in range(6):
        of_flow = official_clarinet.net_shapes(official_clarinet.FLOW, 80)
        shapes |= {f"iafs.{flow}.{name}": shape for name, shape in of_flow.items()}
    ours = {n: tuple(t.shape) for n, t in to_official_names(network.state_dict()).items()}
    assert ours == to_own_names(shapes)  # type: ignore[arg-type]
    remove_weight_norm(network)
    assert count_parameters(network) == 10_035_920
    assert count_parameters(network.teacher) == 4_798_148
    assert count_parameters(network.student) == 5_237_772


def test_receptive_fields_are_the_published_ones() -> None:
    config = ClariNetConfig()
    assert config.teacher.receptive_field == 2078
    assert (config.flow.receptive_field - 1) * 6 + 1 == 12463


@pytest.mark.parametrize("seed", [0, 1])
def test_teacher_as_the_formulas_say(seed: int) -> None:
    state = small.random_state(seed)
    teacher = small.network(state, torch.float64).teacher
    source = np.random.default_rng(seed)
    mel, audio = source.normal(size=(5, 6)), source.normal(0, 0.3, 48)
    condition = official_clarinet.upsample(state, mel, small.RATIOS)
    spread = upsample(teacher.upsample_conv, torch.tensor(mel)[None])[0]
    np.testing.assert_allclose(spread, condition, atol=1e-12)
    ours = teacher(torch.tensor(audio)[None, None], torch.tensor(mel)[None])[0]
    expected = official_clarinet.distribution(state, small.TEACHER, audio, condition, "")
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_student_as_the_formulas_say(seed: int) -> None:
    state = small.random_state(seed)
    source = np.random.default_rng(seed)
    mel, noise = source.normal(size=(5, 6)), source.normal(size=48)
    condition = official_clarinet.upsample(state, mel, small.RATIOS)
    expected = official_clarinet.student(state, small.FLOW, small.N_FLOWS, noise, condition)
    ours = small.network(state, torch.float64)(
        torch.tensor(noise)[None, None], torch.tensor(mel)[None]
    )
    for given, wanted in zip((ours.audio, ours.mean, ours.log_sigma), expected, strict=True):
        np.testing.assert_allclose(given[0, 0], wanted, atol=1e-11)


def test_the_student_s_totals_are_its_closed_form() -> None:
    """Six flows are one Gaussian: audio = noise * sigma + mean; the first sample is nothing."""
    network = random_clarinet(replace(small.CONFIG, n_flows=6), seed=0).double()
    noise = torch.randn(2, 1, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = network(noise, torch.rand(2, 5, 8, dtype=torch.float64))
    closed = noise[:, :, 1:] * output.log_sigma.exp() + output.mean
    torch.testing.assert_close(output.audio[:, :, 1:], closed, atol=1e-12, rtol=0)
    assert not output.audio[:, :, 0].any()
    assert output.mean.abs().max() > 1e-3


def test_the_student_s_jacobian_is_its_log_sigma() -> None:
    """Audio depends on noise triangularly, with exp(log sigma) on the diagonal."""
    network = random_clarinet(small.CONFIG, seed=3).double()
    noise = torch.randn(24, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mel = torch.rand(1, 5, 3, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda z: network(z[None, None], mel).audio[0, 0], noise, vectorize=True
    )
    assert not torch.triu(jacobian, 1).any()
    log_sigma = network(noise[None, None], mel).log_sigma[0, 0]
    torch.testing.assert_close(jacobian.diagonal()[1:].log(), log_sigma)


def test_the_teacher_hears_the_past_only_and_as_far_as_it_says() -> None:
    teacher = random_clarinet(small.CONFIG, seed=0).teacher.double()
    field = teacher.config.receptive_field
    assert field == 2 * (1 + 2 + 4 + 8) + 7
    audio = torch.zeros(1, 1, 64, dtype=torch.float64)
    mel = torch.rand(1, 5, 8, dtype=torch.float64)
    touched = audio.clone()
    touched[0, 0, 10] = 1.0
    with torch.no_grad():
        changed = (teacher(touched, mel) - teacher(audio, mel)).abs().sum((0, 1)) > 0
    assert changed[10 : 10 + field].all()
    assert not changed[:10].any()
    assert not changed[10 + field :].any()


def test_odd_ratios_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(16, 5\)"):
        ClariNetConfig(ratios=(16, 5))


def test_dilations_restart_in_every_block() -> None:
    assert GaussianConfig(2, 3).dilations == (1, 2, 4, 1, 2, 4)
