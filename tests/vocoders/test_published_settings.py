"""Configurations that anyone may have edited: each odd setting is named, none is taken."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch import Tensor, nn  # noqa: E402

from evalsuite.errors import CheckpointError, ConfigError  # noqa: E402
from vocoders import (  # noqa: E402
    clarinet_weights,
    hifigan,
    mb_melgan,
    melgan,
    parallel_wavegan,
    waveglow_weights,
    wavenet_layouts,
)
from vocoders.clarinet_network import ClariNetConfig, Teacher  # noqa: E402
from vocoders.hifigan_generator import VARIANTS, HiFiGANGenerator  # noqa: E402
from vocoders.layouts import CheckpointLayout, Recognised  # noqa: E402
from vocoders.mb_melgan_generator import MBMelGANGenerator  # noqa: E402
from vocoders.melgan_generator import Generator  # noqa: E402
from vocoders.parallel_wavegan_generator import ParallelWaveGANGenerator  # noqa: E402
from vocoders.published_settings import (  # noqa: E402
    published_number,
    published_section,
    published_size,
    published_sizes,
    require_settings,
)
from vocoders.tensor_names import to_official_names  # noqa: E402
from vocoders.waveglow_network import WaveGlowNetwork  # noqa: E402
from vocoders.wavenet_config import PRESETS  # noqa: E402
from vocoders.wavenet_network import WaveNet  # noqa: E402

NOT_A_SIZE: list[Any] = [
    [512],
    [],
    {"a": 1},
    "512",
    True,
    0,
    -1,
    1.5,
    math.nan,
    math.inf,
    10**30,
    10**5000,
]
NO_SIZES: list[Any] = [*NOT_A_SIZE[1:], 8, [8, 0], [8, -8], [8, math.nan], [[8]], [8] * 1000]


def state(network: nn.Module) -> dict[str, Tensor]:
    return to_official_names(network.state_dict())


def kan_bayashi(network: nn.Module) -> dict[str, Tensor]:
    """Names of kan-bayashi's MelGANs, as far as they are looked at before the sizes."""
    return {f"melgan.4.stack.{name}": tensor for name, tensor in state(network).items()}


def networks() -> dict[str, tuple[CheckpointLayout, dict[str, Tensor]]]:
    with torch.device("meta"):
        return {
            "melgan": (melgan.CHECKPOINT, state(Generator())),
            "melgan-kan-bayashi": (melgan.CHECKPOINT, kan_bayashi(Generator())),
            "mb_melgan": (mb_melgan.CHECKPOINT, kan_bayashi(MBMelGANGenerator())),
            "hifigan": (hifigan.CHECKPOINT, state(HiFiGANGenerator(VARIANTS["v3"]))),
            "parallel_wavegan": (parallel_wavegan.CHECKPOINT, state(ParallelWaveGANGenerator())),
            "wavenet": (wavenet_layouts.CHECKPOINT, state(WaveNet(PRESETS["ljspeech_mixture"]))),
            "waveglow": (waveglow_weights.CHECKPOINT, state(WaveGlowNetwork())),
            "clarinet_teacher": (
                clarinet_weights.TEACHER_CHECKPOINT,
                state(Teacher(ClariNetConfig())),
            ),
        }


NETWORKS = networks()
V3 = {
    "resblock": "2",
    "upsample_rates": [8, 8, 4],
    "upsample_kernel_sizes": [16, 16, 8],
    "upsample_initial_channel": 256,
    "resblock_kernel_sizes": [3, 5, 7],
    "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
}
LJ_WAVEGLOW = {
    "train_config": {"sigma": 1.0},
    "data_config": {
        "sampling_rate": 22050,
        "filter_length": 1024,
        "hop_length": 256,
        "win_length": 1024,
        "mel_fmin": 0.0,
        "mel_fmax": 8000.0,
    },
    "waveglow_config": {
        "n_mel_channels": 80,
        "n_flows": 12,
        "n_group": 8,
        "n_early_every": 4,
        "n_early_size": 2,
        "WN_config": {"n_layers": 8, "n_channels": 256, "kernel_size": 3},
    },
}


def recognised(network: str, settings: Mapping[str, Any]) -> Recognised:
    layout, tensors = NETWORKS[network]
    return layout.recognised(tensors, settings)


def within(place: str, settings: dict[str, Any]) -> dict[str, Any]:
    """Put settings into nested sections, `place` from the outside in."""
    for section in reversed(place.split()):
        settings = {section: settings}
    return settings


@pytest.mark.parametrize(
    ("network", "place", "name", "odd"),
    [
        ("melgan", "", "n_mel_channels", NOT_A_SIZE),
        ("melgan", "", "ngf", NOT_A_SIZE),
        ("melgan", "", "n_residual_layers", NOT_A_SIZE),
        ("melgan-kan-bayashi", "generator_params", "channels", NOT_A_SIZE),
        ("melgan-kan-bayashi", "generator_params", "stacks", NOT_A_SIZE),
        ("melgan-kan-bayashi", "generator_params", "in_channels", NOT_A_SIZE),
        ("melgan-kan-bayashi", "generator_params", "upsample_scales", NO_SIZES),
        ("melgan-kan-bayashi", "", "generator_params", [[1], "x", 3]),
        ("mb_melgan", "generator_params", "out_channels", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "layers", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "stacks", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "residual_channels", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "gate_channels", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "skip_channels", NOT_A_SIZE),
        ("parallel_wavegan", "generator_params", "aux_channels", NOT_A_SIZE),
        (
            "parallel_wavegan",
            "generator_params",
            "aux_context_window",
            [n for n in NOT_A_SIZE if n != 0],
        ),
        ("parallel_wavegan", "generator_params upsample_params", "upsample_scales", NO_SIZES),
        ("parallel_wavegan", "generator_params", "upsample_params", [[1], "x", 3]),
        ("hifigan", "", "upsample_initial_channel", NOT_A_SIZE),
        ("hifigan", "", "upsample_rates", NO_SIZES),
        ("hifigan", "", "upsample_kernel_sizes", NO_SIZES),
        ("hifigan", "", "resblock_kernel_sizes", NO_SIZES),
        ("hifigan", "", "resblock_dilation_sizes", [3, "x", [[0]], [1, 3], [[math.inf]]]),
        ("hifigan", "", "resblock", ["3", 0, "banana", [1], True, 1.0]),
        ("wavenet", "", "log_scale_min", [[1], math.nan, -math.inf, "x", 3.0, True, -(10**400)]),
        ("waveglow", "", "data_config", [[1], "x"]),
    ],
)
def test_odd_settings_are_named(network: str, place: str, name: str, odd: list[Any]) -> None:
    whole = V3 if network == "hifigan" else {}
    for value in odd:
        with pytest.raises(CheckpointError, match=f"configuration has {name} "):
            recognised(network, whole | within(place, {name: value}))


@pytest.mark.parametrize(
    ("network", "settings", "said"),
    [
        ("waveglow", within("data_config", {"sampling_rate": 16000}), "sampling_rate 16000"),
        ("waveglow", within("data_config", {"hop_length": 200}), "hop_length 200"),
        ("waveglow", {"mel_fmax": 11025.0}, "mel_fmax 11025"),
        ("waveglow", within("waveglow_config", {"n_flows": 6}), "n_flows 6"),
        ("waveglow", within("waveglow_config", {"n_mel_channels": 40}), "n_mel_channels 40"),
        ("waveglow", within("waveglow_config", {"n_group": 16}), "n_group 16"),
        ("waveglow", {"n_early_size": 4}, "n_early_size 4"),
        ("waveglow", within("waveglow_config WN_config", {"n_channels": 512}), "n_channels 512"),
        ("clarinet_teacher", {"num_mels": 80}, "a configuration with num_mels"),
        # Strides that no tensor shows: the same kernels, another number of samples per frame.
        ("hifigan", V3 | {"upsample_rates": [4, 8, 4]}, "80 mel bands into 128 samples"),
        (
            "parallel_wavegan",
            within("generator_params upsample_params", {"upsample_scales": [4, 4, 4, 2]}),
            "into 128 samples",
        ),
        (
            "melgan-kan-bayashi",
            within("generator_params", {"upsample_scales": [8, 8]}),
            "into 64 samples",
        ),
        (
            "mb_melgan",
            within("generator_params", {"upsample_scales": [8, 4, 4]}),
            "into 512 samples",
        ),
        ("melgan", {"n_mel_channels": 40}, "40 mel bands"),
    ],
)
def test_configurations_of_other_networks_are_refused(
    network: str, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError, match=said):
        recognised(network, settings)


@pytest.mark.parametrize(
    ("network", "settings"),
    [
        ("parallel_wavegan", within("generator_params", {"layers": 10, "stacks": 3})),
        ("hifigan", V3 | {"upsample_kernel_sizes": [15, 16, 8]}),
        ("hifigan", {"resblock": "2"}),
        ("wavenet", {"stacks": 0}),
        ("wavenet", {"stacks": [4]}),
    ],
)
def test_sizes_that_make_no_network_are_refused(network: str, settings: dict[str, Any]) -> None:
    with pytest.raises((CheckpointError, ConfigError)):
        recognised(network, settings)


@pytest.mark.parametrize("network", NETWORKS)
def test_what_is_not_said_stands_as_published(network: str) -> None:
    silent = {} if network == "clarinet_teacher" else {"generator_params": None, "n_flows": None}
    assert recognised(network, silent).settings == recognised(network, {}).settings


def test_published_configurations_are_taken() -> None:
    assert recognised("waveglow", LJ_WAVEGLOW).settings["n_flows"] == 12
    assert recognised("waveglow", LJ_WAVEGLOW["waveglow_config"]).settings["channels"] == 256
    assert recognised("hifigan", V3).settings == recognised("hifigan", {}).settings
    assert recognised("hifigan", V3 | {"resblock": 2}).settings["block_type"] == 2
    assert recognised("wavenet", {"log_scale_min": -7}).settings["least_log_scale"] == -7.0
    wide = {"upsample_scales": [16, 16]}
    found = recognised("parallel_wavegan", within("generator_params upsample_params", wide))
    assert found.settings["ratios"] == "16 16"


def test_readers_take_what_is_right() -> None:
    given = {"n": 512.0, "list": (8, 2), "x": 3, "part": {"n": 1}, "none": None}
    assert published_size(given, "n", 1) == 512
    assert published_sizes(given, "list", ()) == (8, 2)
    assert published_number(given, "x", 0.5) == 3.0
    assert published_section(given, "part") == {"n": 1}
    assert published_section(given, "none") == {}
    assert [
        published_size(given, "none", 7),
        published_sizes(given, "none", (7,)),
        published_number(given, "absent", 0.5),
    ] == [7, (7,), 0.5]
    require_settings(given, {"x": 3, "none": 4, "absent": 5}, wanted="")
    with pytest.raises(CheckpointError, match=r"x 3 \(the tensors have 4\)\. Wanted: four"):
        require_settings(given, {"x": 4}, whose="the tensors have", wanted="four")
