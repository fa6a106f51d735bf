"""The WaveNet networks: counts, published names, and parity with slow loops in numpy."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import reference_wavenet as reference  # noqa: E402
from small_wavenet import KINDS, plain, published, random_mel  # noqa: E402

from evalsuite.errors import ConfigError, UnknownName  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.wavenet_config import PRESETS, WaveNetConfig, preset  # noqa: E402
from vocoders.wavenet_network import WaveNet, randomise, skip_factors  # noqa: E402
from vocoders.wavenet_output import output_of  # noqa: E402
from vocoders.wavenet_upsampler import StretchUpsampler, upsample_window  # noqa: E402

COUNTS = {
    "ljspeech_mixture": (24_737_396, 24_693_586),
    "mol": (3_720_932, 3_702_210),
    "gaussian": (3_717_292, 3_698_598),
    "mulaw256": (4_699_944, 4_676_388),
}
FIELDS = {"ljspeech_mixture": 505, "mol": 505, "gaussian": 505, "mulaw256": 6139}


def on_meta(config: WaveNetConfig) -> WaveNet:
    with torch.device("meta"):
        return WaveNet(config)


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_the_published_ones(name: str) -> None:
    network = on_meta(PRESETS[name])
    with_norm = count_parameters(network)
    remove_weight_norm(network)
    assert (with_norm, count_parameters(network)) == COUNTS[name]
    assert PRESETS[name].receptive_field == FIELDS[name]


@pytest.mark.parametrize("sizes", [reference.PAPER, *KINDS.values()])
def test_tensors_have_the_published_names_and_shapes(sizes: reference.Sizes) -> None:
    network = on_meta(WaveNetConfig()) if sizes is reference.PAPER else published(sizes)
    wanted = {}
    for name, (shape, has_bias, has_norm) in reference.shapes(sizes).items():
        wanted[f"{name}.weight_v" if has_norm else f"{name}.weight"] = shape
        if has_norm:
            wanted[f"{name}.weight_g"] = (shape[0], *[1] * (len(shape) - 1))
        if has_bias:
            wanted[f"{name}.bias"] = shape[:1]
    given = to_official_names(network.state_dict())
    assert {name: tuple(tensor.shape) for name, tensor in given.items()} == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_forward_is_the_published_arithmetic(kind: str) -> None:
    """Within 1e-5 of double precision, weight norm included."""
    sizes, n_frames = KINDS[kind], 7
    network, state = published(sizes), reference.random_state(sizes, 0)
    mel = random_mel(sizes, n_frames)
    condition = reference.upsample(state, sizes, mel.numpy())
    output = output_of(network.config)
    source = torch.Generator().manual_seed(1)
    codes = torch.rand(1, n_frames * sizes.hop, generator=source) - 0.5
    if sizes.n_in == 256:
        codes = (256 * (codes + 0.5)).long()
    inputs = output.to_inputs(codes)
    theirs = reference.predict(state, sizes, inputs[0].double().numpy(), condition)
    assert theirs.std(axis=1).mean() > 0.01
    with torch.inference_mode():
        up = network.upsampler(mel[None])
        ours = network(inputs, up)[0]
    np.testing.assert_allclose(up[0], condition, atol=1e-6)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", ["ljspeech_mixture", "mulaw256"])
def test_an_output_depends_on_its_receptive_field_and_nothing_else(name: str) -> None:
    big = PRESETS[name]
    config = WaveNetConfig(
        revision=big.revision, n_layers=big.n_layers, n_stacks=big.n_stacks,
        residual_channels=4, gate_channels=4, skip_channels=4, n_mels=2,
    )  # fmt: skip
    network = WaveNet(config)
    randomise(network, 0)
    n_samples = config.receptive_field + 20
    inputs = torch.zeros(1, 1, n_samples, dtype=torch.float64, requires_grad=True)
    condition = torch.zeros(1, 2, n_samples, dtype=torch.float64)
    # In double precision the product of 60 small derivatives does not vanish.
    network.double()(inputs, condition)[0, :, -6].sum().backward()
    assert inputs.grad is not None
    heard = inputs.grad[0, 0].nonzero()[:, 0]
    assert heard.max() == n_samples - 6
    assert heard.min() == n_samples - 6 - (config.receptive_field - 1)


@pytest.mark.parametrize("kind", ["2092a64-logistics", "master-logistics"])
@pytest.mark.parametrize("n_frames", [1, 2, 5, 23])
def test_a_window_is_upsampled_as_the_whole_is(kind: str, n_frames: int) -> None:
    network, mel = plain(KINDS[kind]), random_mel(KINDS[kind], n_frames)
    hop = KINDS[kind].hop
    with torch.inference_mode():
        whole = network.upsampler(mel[None])[0].T
        for start, stop in ((0, 1), (0, n_frames), (n_frames // 2, n_frames), (3, 9), (9, 12)):
            if stop <= n_frames and start < stop:
                window = upsample_window(network.upsampler, mel, start, stop)
                torch.testing.assert_close(
                    window, whole[start * hop : stop * hop], atol=1e-6, rtol=0
                )


def test_the_context_of_master_s_upsampler_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    network, mel = plain(KINDS["master-logistics"]), random_mel(KINDS["master-logistics"], 23)
    hop = KINDS["master-logistics"].hop
    monkeypatch.setattr(StretchUpsampler, "context_frames", 2)
    with torch.inference_mode():
        whole = network.upsampler(mel[None])[0].T[9 * hop : 12 * hop]
        assert (upsample_window(network.upsampler, mel, 9, 12) - whole).abs().max() > 1e-3


@pytest.mark.parametrize("revision", ["2092a64", "master"])
def test_upsamplers_start_as_averages(revision: str) -> None:
    """A constant stays itself away from the edges, except for master's free first convolution."""
    config = WaveNetConfig(revision=revision, n_mels=5)  # type: ignore[arg-type]
    network = WaveNet(config)
    if revision == "master":
        torch.nn.init.dirac_(network.upsample_net.conv_in.weight)
    with torch.inference_mode():
        up = network.upsampler(torch.full((1, 5, 8), 0.7))
    assert up.shape == (1, 5, 8 * 256)
    # Bands at the edge have one neighbour less, at each of the four stages of 2092a64.
    torch.testing.assert_close(up[0, 2, 1024:1280].mean(), torch.tensor(0.7), atol=0.25, rtol=0)
    if revision == "master":
        torch.testing.assert_close(up[0, :, 1024:1280], torch.full((5, 256), 0.7))


def test_skip_factors_are_the_running_sum() -> None:
    outputs = [3.0, -1.0, 0.5, 2.0]
    running = outputs[0]
    for output in outputs[1:]:
        running = (running + output) * 0.5**0.5
    config = WaveNetConfig(n_layers=4, n_stacks=1)
    total = sum(f * o for f, o in zip(skip_factors(config), outputs, strict=True))
    assert total == pytest.approx(running)
    master = WaveNetConfig(revision="master", n_layers=4, n_stacks=2)
    assert skip_factors(master) == [0.5] * 4


def test_random_weights_are_equal_with_and_without_weight_norm() -> None:
    normed, bare = (WaveNet(WaveNetConfig(**SMALL, weight_norm=norm)) for norm in (True, False))
    for network in (normed, bare):
        randomise(network, seed=5)
    remove_weight_norm(normed)
    given = dict(normed.named_parameters())
    for name, parameter in bare.named_parameters():
        torch.testing.assert_close(given[name], parameter, atol=1e-6, rtol=1e-5)


SMALL = {"n_layers": 2, "n_stacks": 1, "residual_channels": 4, "gate_channels": 4}


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ConfigError, match="24 layers in 5 stacks"):
        WaveNetConfig(n_stacks=5)
    with pytest.raises(ConfigError, match="gate_channels is 7"):
        WaveNetConfig(gate_channels=7)
    with pytest.raises(UnknownName, match="write 'mulaw256'"):
        preset("mulaw")
