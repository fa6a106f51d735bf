"""ClariNet's weights: random ones, and checkpoints of the open implementation.

ksw0306/ClariNet saves teacher (``front_conv``, ``res_blocks``, ``final_conv``, ``upsample_conv``)
and student (``iafs``) in two files; neither runs ``clarinet`` alone, because the student is
conditioned through the teacher's upsampler. Their names never meet, so both are imported as one
(``weights import STUDENT --with TEACHER``); the teacher's alone makes ``clarinet_teacher``.
"""

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from vocoders.clarinet_network import (
    CausalConv,
    ClariNetConfig,
    ClariNetNetwork,
    GaussianConfig,
    GaussianWaveNet,
    Teacher,
)
from vocoders.layers import set_weight
from vocoders.layouts import CheckpointLayout, Recognised, Setting, not_recognised
from vocoders.published_settings import require_no_settings
from vocoders.tensor_names import has_weight_norm, to_module_names

__all__ = [
    "CHECKPOINT",
    "TEACHER_CHECKPOINT",
    "card_settings",
    "config_from_card",
    "load_clarinet",
    "load_teacher",
    "random_clarinet",
    "to_own_names",
]

_MEL = "clarinet"


def random_clarinet(config: ClariNetConfig | None = None, *, seed: int) -> ClariNetNetwork:
    """Make both networks of random weights: quiet noise, coloured by the past and the mel."""
    network, source = ClariNetNetwork(config), torch.Generator().manual_seed(seed)
    for layer in network.teacher.upsample_conv:
        if isinstance(layer, nn.ConvTranspose2d):
            _set_upsampling(layer)
    flows = [cast("GaussianWaveNet", flow) for flow in network.student.iafs]
    # About -2.3 in all: noise of standard deviation 0.1.
    _randomise(network.teacher, -2.3, source)
    for flow in flows:
        _randomise(flow, -2.3 / len(flows), source)
    return network


def load_clarinet(config: ClariNetConfig, tensors: Mapping[str, Tensor]) -> ClariNetNetwork:
    """Build both networks around tensors under own names."""
    network = ClariNetNetwork(config)
    network.load_state_dict(to_module_names(tensors))
    return network


def load_teacher(config: ClariNetConfig, tensors: Mapping[str, Tensor]) -> Teacher:
    """Build the teacher around its tensors, under published names."""
    network = Teacher(config)
    network.load_state_dict(to_module_names(tensors))
    return network


def to_own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put published tensors of both networks under ``student.`` and ``teacher.``.

    >>> sorted(to_own_names({"iafs.0.front_conv.0.conv.bias": torch.zeros(1),
    ...                      "upsample_conv.0.bias": torch.zeros(1)}))
    ['student.iafs.0.front_conv.0.conv.bias', 'teacher.upsample_conv.0.bias']
    """
    own = {}
    for name, tensor in tensors.items():
        if name.startswith(("student.", "teacher.")):
            own[name] = tensor
        else:
            own[f"{'student' if name.startswith('iafs.') else 'teacher'}.{name}"] = tensor
    return own


def card_settings(config: ClariNetConfig) -> dict[str, Setting]:
    """Give the architecture as a weights card holds it, flat."""
    settings: dict[str, Setting] = {
        "n_mels": config.n_mels,
        "ratios": " ".join(map(str, config.ratios)),
        "n_flows": config.n_flows,
        "weight_norm": config.weight_norm,
    }
    for part in ("teacher", "flow"):
        network = cast("GaussianConfig", getattr(config, part))
        settings |= {f"{part}_{name}": value for name, value in vars(network).items()}
    return settings


def config_from_card(settings: Mapping[str, Setting]) -> ClariNetConfig:
    """Read the architecture back from a weights card."""
    parts = {
        part: GaussianConfig(
            **{
                name.removeprefix(f"{part}_"): int(value)
                for name, value in settings.items()
                if name.startswith(f"{part}_")
            }
        )
        for part in ("teacher", "flow")
    }
    return ClariNetConfig(
        n_mels=int(settings["n_mels"]),
        ratios=tuple(int(ratio) for ratio in str(settings["ratios"]).split()),
        teacher=parts["teacher"],
        flow=parts["flow"],
        n_flows=int(settings["n_flows"]),
        weight_norm=bool(settings["weight_norm"]),
    )


def _recognise_both(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    require_no_settings(settings, "ksw0306/ClariNet")
    own = to_own_names(tensors)
    if not any(name.startswith("student.iafs.") for name in own) or not any(
        name.startswith("teacher.upsample_conv.") for name in own
    ):
        raise not_recognised(
            "clarinet",
            tensors,
            known="student (iafs.*) and teacher (front_conv.*, upsample_conv.*, ...) of "
            "ksw0306/ClariNet together (--with): the student runs on the teacher's upsampler",
        )
    config = ClariNetConfig(weight_norm=has_weight_norm(tensors))
    with torch.device("meta"):
        network = ClariNetNetwork(config)
    return Recognised(own, network, card_settings(config), _MEL, layout="ksw0306/ClariNet")


def _recognise_teacher(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    require_no_settings(settings, "ksw0306/ClariNet")
    if not any(name.startswith("res_blocks.") for name in tensors):
        raise not_recognised("clarinet_teacher", tensors, known="the teacher of ksw0306/ClariNet")
    config = ClariNetConfig(weight_norm=has_weight_norm(tensors))
    with torch.device("meta"):
        network = Teacher(config)
    return Recognised(tensors, network, card_settings(config), _MEL)


def _randomise(network: GaussianWaveNet, log_sigma: float, source: torch.Generator) -> None:
    for name, layer in network.named_modules():
        if not isinstance(layer, nn.Conv1d):
            continue
        # The softened gates shrink what passes them, and skips of many layers add up.
        gain = 0.3 if name.endswith("skip_conv") else 1.0
        _draw(layer, gain / math.sqrt(layer.in_channels * layer.kernel_size[0]), source)
    head = cast("CausalConv", network.final_conv[3]).conv
    assert isinstance(head, nn.Conv1d)
    # Little of the past comes back, so that the free-running teacher stays stable.
    _draw(head, 0.05 / math.sqrt(head.in_channels), source)
    with torch.no_grad():
        cast("Tensor", head.bias)[1] = log_sigma


def _draw(layer: nn.Conv1d, scale: float, source: torch.Generator) -> None:
    set_weight(layer, torch.randn(layer.weight.shape, generator=source) * scale)
    nn.init.normal_(cast("Tensor", layer.bias), std=0.02, generator=source)


def _set_upsampling(layer: nn.ConvTranspose2d) -> None:
    """Interpolate linearly between frames; nothing is random here."""
    ratio = layer.stride[1]
    distance = (torch.arange(2 * ratio) + 0.5 - ratio).abs() / ratio
    kernel = torch.zeros(1, 1, 3, 2 * ratio)
    kernel[:, :, 1] = 1 - distance
    set_weight(cast("nn.ConvTranspose1d", layer), kernel)
    nn.init.zeros_(cast("Tensor", layer.bias))


#: How the published student is recognised, together with its teacher.
CHECKPOINT = CheckpointLayout("clarinet", recognise=_recognise_both)
#: How the published teacher is recognised on its own.
TEACHER_CHECKPOINT = CheckpointLayout("clarinet_teacher", recognise=_recognise_teacher)
