"""WaveGlow's weights: random ones, and published checkpoints of all ages.

Three layouts are known, told apart by their names (NVIDIA/waveglow):

- today's (``cond_layer``), as `vocoders.waveglow_network` has it;
- before commit 883651d (``cond_layers.i``): one conditioning convolution per layer, put on top of
  each other here, which is exact with weight norm too, because it is one norm per output;
- the oldest (``res_layers.i``, ``skip_layers.i``): likewise, residual before skip.

The two older ones also swap the halves of odd flows (glow_old.py), which no reordering of weights
can undo, because channels leave early in between: `WaveGlowConfig.alternate_halves`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn

from evalsuite.errors import CheckpointError
from vocoders.layers import set_weight
from vocoders.layouts import CheckpointLayout, Recognised, Setting, not_recognised
from vocoders.published_mel import require_mel
from vocoders.published_settings import published_section, require_settings
from vocoders.tensor_names import has_weight_norm, to_module_names
from vocoders.waveglow_network import CouplingNetwork, WaveGlowConfig, WaveGlowNetwork

__all__ = [
    "CHECKPOINT",
    "config_from_card",
    "load_network",
    "merged_names",
    "random_network",
    "to_own_names",
]

# As NVIDIA's config.json calls them, in its parts data_config and waveglow_config.
_MEL_SETTINGS = {
    "sample_rate": "sampling_rate",
    "n_fft": "filter_length",
    "hop_length": "hop_length",
    "win_length": "win_length",
    "n_mels": "n_mel_channels",
    "f_min": "mel_fmin",
    "f_max": "mel_fmax",
}
_OLD = re.compile(r"(WN\.\d+)\.(cond|res|skip)_layers\.(\d+)\.(weight|weight_g|weight_v|bias)")


def random_network(config: WaveGlowConfig | None = None, *, seed: int) -> WaveGlowNetwork:
    """Make a network of random weights whose flows all do something.

    As initialised, the last convolution of every coupling is zero and every flow a mere rotation,
    which would hide an error and let a test pass that reads no mel.
    """
    source = torch.Generator().manual_seed(seed)
    network = WaveGlowNetwork(config)
    config = network.config
    # The spread mel keeps a tenth of its size: log-mels are large.
    taps = config.upsample_kernel / config.hop_length
    _draw(network.upsample, 0.1 / math.sqrt(config.n_mels * taps), source)
    for module in network.WN:
        coupling = cast("CouplingNetwork", module)
        for layer in coupling.modules():
            if isinstance(layer, nn.Conv1d):
                _draw(layer, 0.7 / math.sqrt(layer.in_channels * layer.kernel_size[0]), source)
        _draw(coupling.end, 0.1 / math.sqrt(config.channels), source)
    with torch.no_grad():
        for module in network.convinv:
            weight = cast("nn.Conv1d", module.conv).weight
            drawn = torch.randn(weight.shape[:2], generator=source)
            weight[:, :, 0] = torch.linalg.qr(drawn).Q
    return network


def load_network(config: WaveGlowConfig, tensors: Mapping[str, Tensor]) -> WaveGlowNetwork:
    """Build a network around tensors under own names."""
    # Not on the meta device, although its weights are thrown away: weight norm there makes torch
    # import its compiler, which takes longer than drawing 88 million numbers.
    network = WaveGlowNetwork(config)
    network.load_state_dict(to_module_names(tensors), assign=True)
    return network


def to_own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Merge the layers of older checkpoints; other tensors, and today's layout, stay as they are.

    A residual convolution of the last layer, which feeds nothing, is left out.
    """
    own = {name: tensor for name, tensor in tensors.items() if not _OLD.fullmatch(name)}
    for name, sources in merged_names(tensors).items():
        own[name] = torch.cat([tensors[source] for source in sources])
    return own


def merged_names(tensors: Mapping[str, Tensor]) -> dict[str, tuple[str, ...]]:
    """Name the tensors of older checkpoints that go on top of each other, by own name."""
    merged: dict[str, tuple[str, ...]] = {}
    for name in tensors:
        match = _OLD.fullmatch(name)
        if match is None:
            continue
        flow, kind, depth, part = match.groups()
        if kind == "cond":
            own = f"{flow}.cond_layer.{part}"
            count = sum(f"{flow}.cond_layers.{i}.{part}" in tensors for i in range(len(tensors)))
            merged[own] = tuple(f"{flow}.cond_layers.{i}.{part}" for i in range(count))
        elif kind == "skip":
            last = f"{flow}.skip_layers.{int(depth) + 1}.{part}" not in tensors
            residual = f"{flow}.res_layers.{depth}.{part}"
            sources = (name,) if last else (residual, name)
            merged[f"{flow}.res_skip_layers.{depth}.{part}"] = sources
    return merged


def config_from_card(settings: Mapping[str, Setting]) -> WaveGlowConfig:
    """Read the architecture back from a weights card."""
    flags = ("alternate_halves", "weight_norm")
    return WaveGlowConfig(
        **{name: bool(v) if name in flags else int(v) for name, v in settings.items()}  # type: ignore[arg-type]
    )


def _recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Tell the layout by its names and the size by its shapes; the settings must say the same."""
    old = any(_OLD.fullmatch(name) for name in tensors)
    if not old and not any(name.startswith("WN.0.cond_layer.") for name in tensors):
        raise not_recognised("waveglow", tensors, known="NVIDIA's glow.py, now and before 883651d")
    _require_partners(tensors)
    own, merged = to_own_names(tensors), merged_names(tensors)
    start = own.get("WN.0.start.bias")
    # A bias of another form is listed with all that does not fit.
    config = WaveGlowConfig(
        channels=256 if start is None or start.ndim != 1 else len(start),
        alternate_halves=old,
        weight_norm=has_weight_norm(tensors),
    )
    _require_same(config, settings)
    with torch.device("meta"):
        network = WaveGlowNetwork(config)
    used = {source for sources in merged.values() for source in sources}
    unused = [n for n in tensors if (m := _OLD.fullmatch(n)) and m[2] == "res" and n not in used]
    return Recognised(
        own,
        network,
        asdict(config),
        mel="waveglow",
        layout="NVIDIA glow_old.py" if old else "",
        derived=merged,
        ignored=dict.fromkeys(unused, "a residual of the last layer feeds nothing"),
    )


def _require_same(config: WaveGlowConfig, settings: Mapping[str, Any]) -> None:
    """Refuse the configuration of another network or another mel."""
    # The whole config.json, or the waveglow_config that later checkpoints carry.
    said = dict(settings)
    for part in ("data_config", "waveglow_config"):
        said |= published_section(settings, part)
    said |= published_section(said, "WN_config")
    require_mel(said, "waveglow", _MEL_SETTINGS)
    sizes = {
        "n_flows": config.n_flows,
        "n_group": config.n_group,
        "n_early_every": config.early_every,
        "n_early_size": config.early_size,
        "n_layers": config.n_layers,
        "n_channels": config.channels,
        "kernel_size": 3,
    }
    require_settings(said, sizes, wanted="NVIDIA's WaveGlow of 12 flows, as the tensors are")


def _require_partners(tensors: Mapping[str, Tensor]) -> None:
    wanted = {source for sources in merged_names(tensors).values() for source in sources}
    if missing := sorted(wanted - tensors.keys()):
        raise CheckpointError(
            f"the older WaveGlow layout is incomplete: missing {', '.join(missing)}",
            wanted="cond_layers.i, res_layers.i and skip_layers.i of every layer",
            do="download the checkpoint again",
        )


def _draw(layer: nn.Conv1d | nn.ConvTranspose1d, scale: float, source: torch.Generator) -> None:
    set_weight(layer, torch.randn(layer.weight.shape, generator=source) * scale)
    nn.init.normal_(cast("Tensor", layer.bias), std=0.05, generator=source)


#: How a published WaveGlow is recognised.
CHECKPOINT = CheckpointLayout("waveglow", recognise=_recognise)
