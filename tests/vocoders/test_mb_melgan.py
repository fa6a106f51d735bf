"""Multi-band MelGAN: counts, names, parity with a plain implementation, engines."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

torch = pytest.importorskip("torch")

from plain_network import (  # noqa: E402
    Array,
    State,
    conformance_bit,
    convolution,
    leaky,
    randomised,
    reflected,
    transposed,
)

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import AudioError, CheckpointError  # noqa: E402
from evalsuite.registry import BUILT_IN, BuiltIn, Setup  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders.checkpoints import import_weights  # noqa: E402
from vocoders.layers import count_parameters, remove_weight_norm  # noqa: E402
from vocoders.mb_melgan import CHECKPOINT, MBMelGAN  # noqa: E402
from vocoders.mb_melgan_generator import MB_MELGAN_V2, MBMelGANGenerator  # noqa: E402
from vocoders.melgan_generator import GeneratorConfig  # noqa: E402
from vocoders.melgan_layouts import config_from_card  # noqa: E402
from vocoders.pqmf import PQMF  # noqa: E402
from vocoders.tensor_names import to_module_names, to_official_names  # noqa: E402

RATIOS, BLOCKS = (8, 4, 2), 4


def published_shapes(channels: int = 384) -> dict[str, tuple[int, ...]]:
    """Names and shapes of kan-bayashi's preset v2, written out from its list of layers."""
    shapes: dict[str, tuple[int, ...]] = {"melgan.1": (channels, 80, 7)}
    index = 3
    for ratio in RATIOS:
        shapes[f"melgan.{index}"] = (channels, channels // 2, 2 * ratio)
        channels //= 2
        for block in range(index + 1, index + 1 + BLOCKS):
            shapes[f"melgan.{block}.stack.2"] = (channels, channels, 3)
            shapes[f"melgan.{block}.stack.4"] = (channels, channels, 1)
            shapes[f"melgan.{block}.skip_layer"] = (channels, channels, 1)
        index += BLOCKS + 2
    # A transposed convolution would follow a LeakyReLU; the last one follows a padding as well.
    shapes[f"melgan.{index + 1}"] = (4, channels, 7)
    return shapes


def published_state(channels: int, seed: int) -> dict[str, torch.Tensor]:
    state = {}
    for name, shape in published_shapes(channels).items():
        up = name.count(".") == 1 and name in ("melgan.3", "melgan.9", "melgan.15")
        state[f"{name}.bias"] = torch.empty(shape[1] if up else shape[0])
        state[f"{name}.weight_g"] = torch.empty(shape[0], 1, 1)
        state[f"{name}.weight_v"] = torch.empty(shape)
    return randomised(state, seed, quiet={"melgan.22": 5e-5})


def test_parameter_counts_are_the_published_ones() -> None:
    generator = MBMelGANGenerator()
    assert count_parameters(generator) == 2_539_448
    remove_weight_norm(generator)
    assert count_parameters(generator) == 2_534_356
    assert generator.hop_length == 256


def test_the_published_tensors_are_those_of_preset_v2() -> None:
    state = published_state(384, seed=0)
    assert sum(t.numel() for t in state.values()) == 2_539_448
    found = CHECKPOINT.recognised(state, {})
    wanted = to_official_names(found.network.state_dict())
    assert {n: t.shape for n, t in found.tensors.items()} == {n: t.shape for n, t in wanted.items()}
    assert config_from_card(found.settings) == MB_MELGAN_V2
    assert found.needs_statistics
    assert found.mel == "pwg"


def plain_synthesis(state: State, mel: Array) -> Array:
    x = convolution(state, "melgan.1", reflected(mel, 3))
    index = 3
    for ratio in RATIOS:
        x = transposed(
            state, f"melgan.{index}", leaky(x, 0.2), ratio, ratio // 2, ratio * x.shape[1]
        )
        for depth in range(BLOCKS):
            name, d = f"melgan.{index + 1 + depth}", 3**depth
            inner = convolution(state, f"{name}.stack.2", reflected(leaky(x, 0.2), d), dilation=d)
            inner = convolution(state, f"{name}.stack.4", leaky(inner, 0.2))
            x = convolution(state, f"{name}.skip_layer", x) + inner
        index += BLOCKS + 2
    bands = np.tanh(convolution(state, f"melgan.{index + 1}", reflected(leaky(x, 0.2), 3)))
    return joined(bands)


def joined(bands: Array) -> Array:
    """Zeros between the samples, four times as loud, then the four filters."""
    n = np.arange(63) - 31
    prototype = signal.firwin(63, 0.142, window=("kaiser", 9.0), scale=False)
    total = np.zeros(4 * bands.shape[1])
    for k, band in enumerate(bands):
        stuffed = np.zeros(4 * len(band))
        stuffed[::4] = 4 * band
        angle = (2 * k + 1) * np.pi / 8 * n - (-1) ** k * np.pi / 4
        total += np.correlate(np.pad(stuffed, 31), 2 * prototype * np.cos(angle), mode="valid")
    return total


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    line = BuiltIn("vocoders.mb_melgan:MBMelGAN", "MB-MelGAN", "neural", needs_weights=True)
    monkeypatch.setitem(BUILT_IN, "mb_melgan", line)  # type: ignore[arg-type]


CONFIG_YML = """
fft_size: 1024
fmin: 80
fmax: 7600
generator_params:
    in_channels: 80
    out_channels: 4
    kernel_size: 7
    channels: 32
    upsample_scales: [8, 4, 2]
    stack_kernel_size: 3
    stacks: 4
    use_weight_norm: true
    use_causal_conv: false
"""


@pytest.mark.usefixtures("registered")
@pytest.mark.parametrize("engine", ["eager", "gemm", "channels_last", "official"])
def test_from_a_published_checkpoint_to_audio(
    tmp_path: Path, speech: Waveform, engine: str
) -> None:
    state = published_state(32, seed=3)
    content = {"model": {"generator": state}, "steps": 1_000_000}
    torch.save(content, tmp_path / "checkpoint.pkl")
    (tmp_path / "config.yml").write_text(CONFIG_YML)
    source = np.random.default_rng(1)
    mean, scale = source.uniform(-3, -1, 80), source.uniform(0.5, 1, 80)
    np.save(tmp_path / "stats.npy", np.stack([mean, scale]).astype(np.float32))
    files = {"config": tmp_path / "config.yml", "statistics": tmp_path / "stats.npy"}
    import_weights(tmp_path / "checkpoint.pkl", "mb_melgan", tmp_path / "lj", **files)
    system = MBMelGAN.create(Setup(str(tmp_path / "lj")), engine=engine)  # type: ignore[arg-type]
    assert system.info.config["engine"] == engine
    features = system.analyse(Waveform(speech.samples[:2000], 22050, "u1"))
    ours = system.generate([features], seed=0)[0].samples
    theirs = plain_synthesis(state, (features.values - mean[:, None]) / scale[:, None])
    assert ours.shape == (256 * 8,)
    assert 0.05 < theirs.std() < 0.7
    np.testing.assert_allclose(ours, theirs / max(1, np.abs(theirs).max()), atol=1e-5)


def test_contract() -> None:
    system = MBMelGAN.create(Setup(untrained=True))
    assert system.info.config["engine"] == "gemm"
    assert [r for r in check_vocoder(system, wave=conformance_bit()) if not r.passed] == []


def test_random_weights_sound_in_every_band(speech: Waveform) -> None:
    system = MBMelGAN.create(Setup(untrained=True))
    short = Waveform(speech.samples[8000:16000], 22050)
    audio = system.generate([system.analyse(short)], seed=0)[0].samples
    bands = PQMF().analyse(torch.from_numpy(audio)[None, None])[0]
    assert bands.std(dim=1).min() > 0.02


def test_three_frames_are_too_few() -> None:
    system = MBMelGAN.create(Setup(untrained=True))
    with pytest.raises(AudioError, match="at least 4 frames"):
        system.analyse(Waveform(np.full(700, 0.1, np.float32), 22050, "u1"))


def test_other_networks_are_refused() -> None:
    state = published_state(32, seed=0)
    with pytest.raises(CheckpointError, match=r"1 output channels.*--vocoder melgan"):
        CHECKPOINT.recognised(state, {"generator_params": {"out_channels": 1}})
    with pytest.raises(CheckpointError, match="use_causal_conv True"):
        CHECKPOINT.recognised(state, {"generator_params": {"use_causal_conv": True}})
    with pytest.raises(CheckpointError, match="no known layout"):
        CHECKPOINT.recognised({"model.1.bias": torch.zeros(3)}, {})


def test_removing_weight_norm_keeps_the_output() -> None:
    generator = MBMelGANGenerator(replace(GeneratorConfig(base_channels=4), ratios=(4, 4))).eval()
    state = randomised(to_official_names(generator.state_dict()), seed=0)
    generator.load_state_dict(to_module_names(state))
    mel = torch.randn(1, 80, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = generator(mel)
        remove_weight_norm(generator)
        torch.testing.assert_close(generator(mel), before, atol=1e-6, rtol=0)
