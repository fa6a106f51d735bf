"""HiFi-GAN: counts, names, parity with a plain implementation, recognition by shape and by file."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from plain_network import (  # noqa: E402
    Array,
    State,
    conformance_bit,
    convolution,
    leaky,
    randomised,
    transposed,
)

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import CheckpointError, ConfigError  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import BUILT_IN, BuiltIn, Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.checkpoints import import_weights  # noqa: E402
from vocoders.hifigan import CHECKPOINT, HiFiGAN, card_config, config_from_card  # noqa: E402
from vocoders.hifigan_generator import (  # noqa: E402
    VARIANTS,
    HiFiGANConfig,
    HiFiGANGenerator,
    randomise,
)
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.tensor_names import to_module_names, to_official_names  # noqa: E402

SMALL = {
    "pairs": HiFiGANConfig(
        n_mels=5,
        initial_channels=8,
        ratios=(4, 2),
        up_kernels=(8, 4),
        block_kernels=(3, 7),
        dilations=((1, 3, 5), (1, 3)),
    ),
    "single": HiFiGANConfig(
        n_mels=5,
        initial_channels=8,
        ratios=(2, 3),
        up_kernels=(6, 5),
        block_kernels=(3, 5),
        dilations=((1, 2), (2, 6)),
        block_type=2,
    ),
}


def official_state(generator: HiFiGANGenerator) -> dict[str, torch.Tensor]:
    return to_official_names(generator.state_dict())


def empty(config: HiFiGANConfig) -> HiFiGANGenerator:
    with torch.device("meta"):
        return HiFiGANGenerator(config)


@pytest.mark.parametrize(
    ("variant", "with_norm", "without"),
    [
        ("v1", 13_936_130, 13_926_017),
        ("v2", 928_514, 925_985),
        ("v3", 1_464_322, 1_462_273),
    ],
)
def test_parameter_counts_are_the_published_ones(
    variant: str, with_norm: int, without: int
) -> None:
    generator = HiFiGANGenerator(VARIANTS[variant])
    assert count_parameters(generator) == with_norm
    remove_weight_norm(generator)
    assert count_parameters(generator) == without
    assert VARIANTS[variant].hop_length == 256


def test_names_and_shapes_are_the_official_ones() -> None:
    shapes = {n: tuple(t.shape) for n, t in official_state(empty(VARIANTS["v1"])).items()}
    assert len(shapes) == 3 * (2 + 4 + 12 * 6)
    assert shapes["conv_pre.weight_v"] == (512, 80, 7)
    assert shapes["ups.1.weight_v"] == (256, 128, 16)
    assert shapes["ups.1.weight_g"] == (256, 1, 1)
    assert shapes["resblocks.2.convs1.2.weight_v"] == (256, 256, 11)
    assert shapes["resblocks.11.convs2.0.weight_v"] == (32, 32, 11)
    assert shapes["conv_post.weight_v"] == (1, 32, 7)
    single = {n: tuple(t.shape) for n, t in official_state(empty(VARIANTS["v3"])).items()}
    assert single["resblocks.8.convs.1.weight_v"] == (32, 32, 7)
    assert not any("convs1" in name for name in single)


def plain_synthesis(state: State, config: HiFiGANConfig, mel: Array) -> Array:
    x = convolution(state, "conv_pre", mel, zeros=3)
    n_blocks = len(config.block_kernels)
    for stage, (ratio, kernel) in enumerate(zip(config.ratios, config.up_kernels, strict=True)):
        n_out = ratio * x.shape[1]
        x = transposed(state, f"ups.{stage}", leaky(x, 0.1), ratio, (kernel - ratio) // 2, n_out)
        total = np.zeros_like(x)
        for j in range(n_blocks):
            total += plain_block(state, f"resblocks.{stage * n_blocks + j}", config, j, x)
        x = total / n_blocks
    return np.tanh(convolution(state, "conv_post", leaky(x, 0.01), zeros=3))


def plain_block(state: State, name: str, config: HiFiGANConfig, j: int, x: Array) -> Array:
    reach = config.block_kernels[j] // 2
    for i, dilation in enumerate(config.dilations[j]):
        first = "convs1" if config.block_type == 1 else "convs"
        inner = convolution(
            state, f"{name}.{first}.{i}", leaky(x, 0.1), dilation=dilation, zeros=reach * dilation
        )
        if config.block_type == 1:
            inner = convolution(state, f"{name}.convs2.{i}", leaky(inner, 0.1), zeros=reach)
        x = x + inner
    return x


@pytest.mark.parametrize("kind", SMALL)
def test_parity_with_the_plain_implementation(kind: str) -> None:
    config = SMALL[kind]
    generator = HiFiGANGenerator(config)
    state = randomised(official_state(generator), seed=1, quiet={"conv_post": 0.3})
    generator.load_state_dict(to_module_names(state))
    mel = np.random.default_rng(0).normal(size=(5, 12))
    with torch.inference_mode():
        ours = generator(torch.from_numpy(mel[None]).float())[0]
    theirs = plain_synthesis(state, config, mel)
    assert ours.shape == (1, config.hop_length * 12)
    assert 0.05 < theirs.std() < 0.7
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("weight_norm", [True, False])
def test_shapes_tell_the_variant(variant: str, weight_norm: bool) -> None:
    config = replace(VARIANTS[variant], weight_norm=weight_norm)
    found = CHECKPOINT.recognised(official_state(empty(config)), {})
    assert config_from_card(found.settings) == config
    assert found.mel == "hifigan"


def published_json(config: HiFiGANConfig) -> dict[str, object]:
    return {
        "resblock": str(config.block_type),
        "upsample_rates": list(config.ratios),
        "upsample_kernel_sizes": list(config.up_kernels),
        "upsample_initial_channel": config.initial_channels,
        "resblock_kernel_sizes": list(config.block_kernels),
        "resblock_dilation_sizes": [list(row) for row in config.dilations],
        "num_mels": 80,
        "n_fft": 1024,
        "hop_size": 256,
        "win_size": 1024,
        "sampling_rate": 22050,
        "fmin": 0,
        "fmax": 8000,
        "fmax_for_loss": None,
    }


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BuiltIn("vocoders.hifigan:HiFiGAN", "HiFi-GAN", "neural", needs_weights=True)
    monkeypatch.setitem(BUILT_IN, "hifigan", line)  # type: ignore[arg-type]


@pytest.mark.usefixtures("registered")
def test_from_a_published_checkpoint_to_audio(tmp_path: Path, speech: Waveform) -> None:
    """An unpublished size, which needs its config.json."""
    config = replace(VARIANTS["v2"], initial_channels=32, block_kernels=(3,), dilations=((1, 2),))
    state = official_state(HiFiGANGenerator(config))
    state = randomised(state, seed=2, scale=0.1, quiet={"conv_post": 0.05})
    torch.save({"generator": state}, tmp_path / "g_02500000")
    (tmp_path / "config.json").write_text(json.dumps(published_json(config)))
    card = import_weights(
        tmp_path / "g_02500000", "hifigan", tmp_path / "lj", config=tmp_path / "config.json"
    )
    assert config_from_card(card.config) == config
    system = HiFiGAN.create(Setup(str(tmp_path / "lj")))
    short = Waveform(speech.samples[:3000], 22050, "u1")
    features = system.analyse(short)
    ours = system.generate([features], seed=0)[0].samples
    theirs = plain_synthesis(state, config, features.values.astype(np.float64))[0]
    assert features.gain * np.abs(short.samples).max() == pytest.approx(0.95)
    assert ours.shape == (256 * (3000 // 256),)
    assert 0.05 < theirs.std() < 0.7
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    with pytest.raises(ConfigError, match="variant 'v2'"):
        HiFiGAN.create(Setup(str(tmp_path / "lj")), variant="v2")


def test_a_configuration_of_another_mel_is_refused() -> None:
    state = official_state(empty(VARIANTS["v2"]))
    settings = published_json(VARIANTS["v2"]) | {"fmax": 11025, "sampling_rate": 24000}
    with pytest.raises(CheckpointError, match=r"sampling_rate 24000.*fmax 11025"):
        CHECKPOINT.recognised(state, settings)
    del settings["fmax"], settings["sampling_rate"], settings["upsample_rates"]
    with pytest.raises(CheckpointError, match="upsample_rates"):
        CHECKPOINT.recognised(state, settings)


def test_other_networks_are_not_recognised() -> None:
    with pytest.raises(CheckpointError, match="no known layout of 'hifigan'"):
        CHECKPOINT.recognised({"model.1.bias": torch.zeros(512)}, {})


@pytest.mark.parametrize(
    "change",
    [
        {"up_kernels": (16, 16, 4)},
        {"up_kernels": (16, 15, 4, 4)},
        {"block_kernels": (3, 7, 10)},
        {"ratios": (0, 0, 0, 0)},
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, tuple[int, ...]]) -> None:
    with pytest.raises(ConfigError, match=r"config\.json"):
        HiFiGANConfig(**change)  # type: ignore[arg-type]


def test_the_card_holds_the_whole_architecture() -> None:
    for config in (*VARIANTS.values(), *SMALL.values()):
        assert config_from_card(card_config(config)) == config


def test_contract() -> None:
    generator = HiFiGANGenerator(replace(VARIANTS["v3"], initial_channels=64))
    randomise(generator, seed=0)
    system = HiFiGAN(generator, mel_spec("hifigan"))
    assert [r for r in check_vocoder(system, wave=conformance_bit()) if not r.passed] == []


@pytest.mark.parametrize("variant", ["v2", "v3"])
def test_random_weights_are_audible_and_do_not_saturate(variant: str, speech: Waveform) -> None:
    system = HiFiGAN.create(Setup(untrained=True), variant=variant)  # type: ignore[arg-type]
    assert system.info.trained is False
    short = Waveform(speech.samples[8000:16000], 22050)
    audio = system.generate([system.analyse(short)], seed=0)[0].samples
    assert audio.std() > 0.05
    assert np.mean(np.abs(audio) > 0.99) < 0.01


def test_the_official_engine_keeps_weight_norm(speech: Waveform) -> None:
    short = Waveform(speech.samples[:4096], 22050)
    made = []
    for engine in ("eager", "official"):
        system = HiFiGAN.create(Setup(untrained=True), variant="v3", engine=engine)  # type: ignore[arg-type]
        assert (system.info.n_parameters, system.info.n_parameters_with_weight_norm) == (
            1_462_273,
            1_464_322,
        )
        made.append(system.generate([system.analyse(short)], seed=0)[0].samples)
    np.testing.assert_allclose(*made, atol=1e-5)
