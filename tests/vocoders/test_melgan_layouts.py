"""MelGAN under three code bases' names: the same audio as the official checkpoint."""

import math
import re
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import official_melgan  # noqa: E402

from evalsuite.errors import CheckpointError  # noqa: E402
from evalsuite.mel import extract_mel, mel_spec  # noqa: E402
from evalsuite.registry import create_vocoder, parse_system  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from evalsuite.vocoder import Vocoder  # noqa: E402
from vocoders.checkpoints import import_weights  # noqa: E402
from vocoders.melgan import CHECKPOINT  # noqa: E402
from vocoders.melgan_generator import GeneratorConfig  # noqa: E402
from vocoders.melgan_layouts import card_config, config_from_card  # noqa: E402

State = dict[str, torch.Tensor]

STATE = official_melgan.random_state(7)
# Written out: where seungwonpark's list of layers has what the official list has.
SEUNGWONPARK = {
    **{1: "1", 3: "3", 8: "6", 13: "9", 18: "12", 24: "16"},
    **{index: f"{n}.{i}" for n, first in ((4, 4), (7, 9), (10, 14), (13, 19))
       for i, index in enumerate(range(first, first + 3))},
}  # fmt: skip


def as_seungwonpark(state: State) -> State:
    renamed = {}
    for name, tensor in state.items():
        _, index, *rest = name.split(".")
        place, _, block = SEUNGWONPARK[int(index)].partition(".")
        if not block:
            new = [place, *rest]
        elif rest[0] == "block":
            new = [place, "blocks", block, *rest[1:]]
        else:
            new = [place, "shortcuts", block, *rest[1:]]
        renamed[".".join(["generator", *new])] = tensor
    return renamed


def as_kan_bayashi(state: State) -> State:
    renamed = {}
    for name, tensor in state.items():
        new = name.replace("model.", "melgan.", 1)
        renamed[new.replace(".block.", ".stack.").replace(".shortcut.", ".skip_layer.")] = tensor
    return renamed


HP_STR = """
audio:
  n_mel_channels: 80
  filter_length: 1024
  hop_length: 256
  win_length: 1024
  sampling_rate: 22050
  mel_fmin: 0.0
  mel_fmax: 8000.0
"""


def imported(content: object, folder: Path, statistics: Path | None = None) -> Vocoder:
    torch.save(content, folder / "checkpoint.pt")
    import_weights(folder / "checkpoint.pt", "melgan", folder / "w", statistics=statistics)
    return create_vocoder(parse_system(f"melgan:{folder / 'w'}"))


def short(speech: Waveform) -> Waveform:
    return Waveform(speech.samples[8000:10100], 22050, "u1")


def test_names_written_out() -> None:
    theirs = as_seungwonpark(STATE)
    assert {"generator.1.bias", "generator.4.blocks.2.4.weight_g"} <= theirs.keys()
    assert {"generator.13.shortcuts.0.weight_v", "generator.16.bias"} <= theirs.keys()
    theirs = as_kan_bayashi(STATE)
    assert {"melgan.4.stack.2.weight_v", "melgan.21.skip_layer.bias"} <= theirs.keys()


def test_seungwonpark(tmp_path: Path, speech: Waveform) -> None:
    """Tacotron 2's mel, scaled, ten frames of silence appended and cut: as its inference does."""
    content = {
        "model_g": as_seungwonpark(STATE),
        "model_d": {},
        "step": 1,
        "epoch": 3200,
        "hp_str": HP_STR,
        "githash": "a3df5b0",
    }
    system = imported(content, tmp_path)
    wave = short(speech)
    features = system.analyse(wave)
    assert features.gain == 1.0
    np.testing.assert_array_equal(features.values, extract_mel(wave, mel_spec("tacotron2")).values)
    with_tail = np.pad(features.values, ((0, 0), (0, 10)), constant_values=math.log(1e-5))
    theirs = official_melgan.synthesise(STATE, (with_tail + 5) / 5)[: -10 * 256]
    ours = system.generate([features], seed=0)[0].samples
    assert ours.shape == (256 * 9,)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    without_tail = official_melgan.synthesise(STATE, (features.values + 5) / 5)
    assert np.abs(ours - without_tail)[-1000:].max() > 1e-3


def test_kan_bayashi(tmp_path: Path, speech: Waveform) -> None:
    source = np.random.default_rng(0)
    mean, scale = source.uniform(-3, -1, 80), source.uniform(0.5, 1.5, 80)
    np.save(tmp_path / "stats.npy", np.stack([mean, scale]).astype(np.float32))
    content = {"model": {"generator": as_kan_bayashi(STATE)}, "steps": 400_000}
    system = imported(content, tmp_path, tmp_path / "stats.npy")
    wave = short(speech)
    features = system.analyse(wave)
    np.testing.assert_array_equal(features.values, extract_mel(wave, mel_spec("pwg")).values)
    ours = system.generate([features], seed=0)[0].samples
    normalised = (features.values - mean[:, None]) / scale[:, None]
    np.testing.assert_allclose(ours, official_melgan.synthesise(STATE, normalised), atol=1e-5)


def test_kan_bayashi_needs_its_statistics(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="--stats"):
        imported({"model": {"generator": as_kan_bayashi(STATE)}}, tmp_path)


@pytest.mark.parametrize("rename", [dict, as_seungwonpark, as_kan_bayashi])
def test_every_layout_gives_the_same_tensors(rename: type[State]) -> None:
    found = CHECKPOINT.recognised(rename(STATE), {})
    assert found.tensors.keys() == STATE.keys()
    assert all(found.tensors[name] is tensor for name, tensor in STATE.items())
    assert config_from_card(found.settings) == GeneratorConfig()


def test_unknown_names_are_refused() -> None:
    with pytest.raises(CheckpointError, match="no known layout of 'melgan'"):
        CHECKPOINT.recognised({"net.0.bias": torch.zeros(3)}, {})


def test_a_mel_that_contradicts_the_layout_is_refused() -> None:
    audio = {"audio": {"mel_fmax": 11025.0, "sampling_rate": 22050}}
    with pytest.raises(CheckpointError, match=re.escape("mel_fmax 11025.0 (the convention has")):
        CHECKPOINT.recognised(as_seungwonpark(STATE), audio)
    with pytest.raises(CheckpointError, match="hop_size 300"):
        CHECKPOINT.recognised(as_kan_bayashi(STATE), {"hop_size": 300, "win_length": None})


def test_the_configuration_says_the_size() -> None:
    params = {"channels": 256, "upsample_scales": [4, 8, 8], "stacks": 4}
    found = CHECKPOINT.recognised(as_kan_bayashi(STATE), {"generator_params": params})
    config = config_from_card(found.settings)
    assert (config.base_channels, config.ratios, config.n_residual_layers) == (32, (4, 8, 8), 4)
    args = {"n_mel_channels": 80, "ngf": 16, "n_residual_layers": 2}
    config = config_from_card(CHECKPOINT.recognised(STATE, args).settings)
    assert (config.n_mels, config.base_channels, config.n_residual_layers) == (80, 16, 2)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"use_causal_conv": True}, "use_causal_conv True"),
        ({"stack_kernel_size": 5}, "stack_kernel_size 5"),
        ({"channels": 100}, r"100 channels for \(8, 8, 2, 2\)"),
    ],
)
def test_other_networks_under_these_names_are_refused(params: object, said: str) -> None:
    with pytest.raises(CheckpointError, match=said):
        CHECKPOINT.recognised(as_kan_bayashi(STATE), {"generator_params": params})


def test_the_card_holds_the_whole_architecture() -> None:
    for config in (
        GeneratorConfig(),
        GeneratorConfig(n_mels=64, ratios=(5, 4), dilated=False, weight_norm=False),
    ):
        assert config_from_card(card_config(config)) == config


def test_what_shapes_the_mel_is_part_of_a_sample_s_identity(tmp_path: Path) -> None:
    system = imported({"model_g": as_seungwonpark(STATE)}, tmp_path)
    assert system.info.config["silent_frames_after"] == 10
    assert (system.info.config["mel_mean"], system.info.config["mel_scale"]) == (-5.0, 5.0)
