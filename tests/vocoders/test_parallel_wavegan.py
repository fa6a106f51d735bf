"""Parallel WaveGAN: counts, names, parity with a plain implementation, noise by seed."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from plain_network import (  # noqa: E402
    Array,
    State,
    bias,
    conformance_bit,
    convolution,
    randomised,
    weight,
)

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import CheckpointError, ConfigError  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import BUILT_IN, BuiltIn, Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.band_statistics import BandStatistics  # noqa: E402
from vocoders.checkpoints import import_weights  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.normalised_mel import bounded, typical_statistics  # noqa: E402
from vocoders.parallel_wavegan import (  # noqa: E402
    CHECKPOINT,
    ParallelWaveGAN,
    card_config,
    config_from_card,
)
from vocoders.parallel_wavegan_generator import (  # noqa: E402
    ParallelWaveGANConfig,
    ParallelWaveGANGenerator,
    randomise,
)
from vocoders.tensor_names import to_module_names, to_official_names  # noqa: E402

SMALL = ParallelWaveGANConfig(
    n_mels=3, layers=4, stacks=2, residual_channels=4, gate_channels=6, skip_channels=5,
    context_frames=1, ratios=(3, 2),
)  # fmt: skip
#: Real convention, few layers.
THIN = ParallelWaveGANConfig(
    layers=2, stacks=1, residual_channels=8, gate_channels=8, skip_channels=8
)


def official_state(config: ParallelWaveGANConfig) -> dict[str, torch.Tensor]:
    with torch.device("meta"):
        return to_official_names(ParallelWaveGANGenerator(config).state_dict())


def test_parameter_counts_are_the_published_ones() -> None:
    generator = ParallelWaveGANGenerator()
    assert count_parameters(generator) == 1_346_042
    remove_weight_norm(generator)
    assert count_parameters(generator) == 1_334_309
    assert generator.config.hop_length == 256


def test_names_and_shapes_are_the_published_ones() -> None:
    shapes = {n: tuple(t.shape) for n, t in official_state(ParallelWaveGANConfig()).items()}
    assert shapes["first_conv.weight_v"] == (64, 1, 1)
    assert shapes["upsample_net.conv_in.weight_v"] == (80, 80, 5)
    for index in (1, 3, 5, 7):
        assert shapes[f"upsample_net.upsample.up_layers.{index}.weight_v"] == (1, 1, 1, 9)
        assert shapes[f"upsample_net.upsample.up_layers.{index}.weight_g"] == (1, 1, 1, 1)
    assert shapes["conv_layers.29.conv.weight_v"] == (128, 64, 3)
    assert shapes["conv_layers.29.conv1x1_aux.weight_v"] == (128, 80, 1)
    assert shapes["conv_layers.0.conv1x1_out.weight_v"] == (64, 64, 1)
    assert shapes["last_conv_layers.3.weight_v"] == (1, 64, 1)
    without_bias = {n.rsplit(".", 1)[0] for n in shapes} - {
        n.removesuffix(".bias") for n in shapes if n.endswith(".bias")
    }
    assert len(without_bias) == 1 + 4 + 30  # conv_in, four smoothings, thirty aux


def plain_synthesis(state: State, config: ParallelWaveGANConfig, noise: Array, mel: Array) -> Array:
    """Noise (samples,) and normalised mel (n_mels, frames) to audio (samples,)."""
    c = np.pad(mel, ((0, 0), (config.context_frames,) * 2), mode="edge")
    c = convolution(state, "upsample_net.conv_in", c)
    for i, ratio in enumerate(config.ratios):
        taps = weight(state, f"upsample_net.upsample.up_layers.{2 * i + 1}")[0, 0, 0]
        c = np.repeat(c, ratio, axis=1)
        c = np.stack([np.convolve(row, taps[::-1], mode="same") for row in c])
    x = weight(state, "first_conv")[:, :, 0] @ noise[np.newaxis] + bias(state, "first_conv")
    skips = np.zeros((config.skip_channels, len(noise)))
    half = config.gate_channels // 2
    for layer in range(config.layers):
        name = f"conv_layers.{layer}"
        dilation = 2 ** (layer % (config.layers // config.stacks))
        both = convolution(state, f"{name}.conv", x, dilation=dilation, zeros=dilation)
        both += convolution(state, f"{name}.conv1x1_aux", c)
        gated = np.tanh(both[:half]) / (1 + np.exp(-both[half:]))
        skips += convolution(state, f"{name}.conv1x1_skip", gated)
        x = (convolution(state, f"{name}.conv1x1_out", gated) + x) / math.sqrt(2)
    out = skips / math.sqrt(config.layers)
    for index in (1, 3):
        out = convolution(state, f"last_conv_layers.{index}", np.maximum(out, 0))
    return out[0]


def test_parity_with_the_plain_implementation() -> None:
    generator = ParallelWaveGANGenerator(SMALL)
    state = randomised(to_official_names(generator.state_dict()), seed=0)
    generator.load_state_dict(to_module_names(state))
    source = np.random.default_rng(0)
    noise, mel = source.normal(size=42), source.normal(size=(3, 7))
    with torch.inference_mode():
        ours = generator(
            torch.from_numpy(noise[None, None]).float(), torch.from_numpy(mel[None]).float()
        )
    theirs = plain_synthesis(state, SMALL, noise, mel)
    assert theirs.std() > 0.05
    np.testing.assert_allclose(ours[0, 0].numpy(), theirs, atol=1e-5)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BuiltIn("vocoders.parallel_wavegan:ParallelWaveGAN", "PWG", "neural", True)
    monkeypatch.setitem(BUILT_IN, "parallel_wavegan", line)  # type: ignore[arg-type]


CONFIG_YML = """
sampling_rate: 22050
fft_size: 1024
hop_size: 256
win_length: null
window: "hann"
num_mels: 80
fmin: 80
fmax: 7600
generator_params:
    in_channels: 1
    out_channels: 1
    kernel_size: 3
    layers: 2
    stacks: 1
    residual_channels: 8
    gate_channels: 8
    skip_channels: 8
    aux_channels: 80
    aux_context_window: 2
    use_weight_norm: true
    upsample_net: "ConvInUpsampleNetwork"
    upsample_params:
        upsample_scales: [4, 4, 4, 4]
"""


@pytest.mark.usefixtures("registered")
def test_from_a_published_checkpoint_to_audio(tmp_path: Path, speech: Waveform) -> None:
    state = randomised(official_state(THIN), seed=2, scale=0.1)
    content = {"model": {"generator": state, "discriminator": {}}, "steps": 400_000}
    torch.save(content, tmp_path / "checkpoint-400000steps.pkl")
    (tmp_path / "config.yml").write_text(CONFIG_YML)
    source = np.random.default_rng(1)
    mean, scale = source.uniform(-3, -1, 80), source.uniform(0.5, 1, 80)
    np.save(tmp_path / "stats.npy", np.stack([mean, scale]).astype(np.float32))
    files = {"config": tmp_path / "config.yml", "statistics": tmp_path / "stats.npy"}
    card = import_weights(
        tmp_path / "checkpoint-400000steps.pkl", "parallel_wavegan", tmp_path / "lj", **files
    )
    assert config_from_card(card.config) == THIN
    system = ParallelWaveGAN.create(Setup(str(tmp_path / "lj")))
    short = Waveform(speech.samples[:1500], 22050, "u1")
    features = system.analyse(short)
    assert features.gain == 1.0
    ours = system.generate([features], seed=5)[0].samples
    drawn = torch.randn(1, 1, 256 * 6, generator=torch.Generator().manual_seed(5))
    normalised = (features.values - mean[:, None]) / scale[:, None]
    theirs = plain_synthesis(state, THIN, drawn[0, 0].double().numpy(), normalised)
    np.testing.assert_allclose(ours, theirs / max(1, np.abs(theirs).max()), atol=1e-5)


def thin_system() -> ParallelWaveGAN:
    generator = ParallelWaveGANGenerator(THIN)
    randomise(generator, seed=0)
    return ParallelWaveGAN(generator, mel_spec("pwg"), statistics=typical_statistics(80))


def test_contract() -> None:
    system = thin_system()
    assert system.info.deterministic is False
    assert [r for r in check_vocoder(system, wave=conformance_bit()) if not r.passed] == []


def test_the_statistics_change_the_output(speech: Waveform) -> None:
    generator = ParallelWaveGANGenerator(THIN)
    randomise(generator, seed=0)
    other = BandStatistics(torch.full((80,), -4.0), torch.ones(80))
    systems = [
        thin_system(),
        ParallelWaveGAN(generator, mel_spec("pwg"), statistics=other),
    ]
    short = Waveform(speech.samples[8000:10048], 22050)
    made = [s.generate([s.analyse(short)], seed=0)[0].samples for s in systems]
    assert np.abs(made[0] - made[1]).max() > 0.01


def test_random_weights_are_audible_and_marked(speech: Waveform) -> None:
    system = ParallelWaveGAN.create(Setup(untrained=True))
    assert system.info.trained is False
    assert (system.info.n_parameters, system.info.n_parameters_with_weight_norm) == (
        1_334_309,
        1_346_042,
    )
    short = Waveform(speech.samples[8000:10048], 22050)
    audio = system.generate([system.analyse(short)], seed=0)[0].samples
    assert audio.std() > 0.03
    assert system.workload().multiply_adds_per_sample == pytest.approx(1_295_545, abs=500)


def test_other_networks_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no known layout"):
        CHECKPOINT.recognised({"conv_pre.bias": torch.zeros(3)}, {})
    causal = {"generator_params": {"use_causal_conv": True}}
    with pytest.raises(CheckpointError, match="use_causal_conv True"):
        CHECKPOINT.recognised(official_state(THIN), causal)
    with pytest.raises(CheckpointError, match="fmax 8000"):
        CHECKPOINT.recognised(official_state(THIN), {"fmax": 8000})
    with pytest.raises(ConfigError, match="30 layers in 7 stacks"):
        ParallelWaveGANConfig(stacks=7)
    with pytest.raises(ConfigError, match="30 layers in 0 stacks"):
        ParallelWaveGANConfig(stacks=0)


def test_buffers_beside_the_weights_are_named_and_ignored() -> None:
    state = official_state(ParallelWaveGANConfig()) | {"mean": torch.zeros(80)}
    found = CHECKPOINT.recognised(state, {})
    assert found.needs_statistics
    assert set(found.ignored) == {"mean"}
    assert "mean" not in found.tensors


def test_the_card_holds_the_whole_architecture() -> None:
    for config in (SMALL, THIN, replace(THIN, weight_norm=False)):
        assert config_from_card(card_config(config)) == config


def test_audio_is_scaled_as_a_whole_and_only_if_it_must() -> None:
    quiet, loud = torch.tensor([0.5, -0.25]), torch.tensor([2.0, -1.0])
    assert bounded(quiet).tolist() == [0.5, -0.25]
    assert bounded(loud).tolist() == [1.0, -0.5]
