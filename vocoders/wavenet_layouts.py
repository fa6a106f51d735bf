"""Published WaveNet checkpoints, recognised by their keys.

r9y9/wavenet_vocoder at 2092a64 has ``upsample_conv``, master ``upsample_net``; all sizes are in the
shapes of the tensors, except how often the dilations start again.
"""

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from evalsuite.errors import CheckpointError
from vocoders.layouts import CheckpointLayout, Recognised, not_recognised
from vocoders.published_mel import require_mel
from vocoders.published_settings import (
    published_number,
    require_settings,
)
from vocoders.tensor_names import has_weight_norm
from vocoders.wavenet_config import OutputKind, Revision, WaveNetConfig
from vocoders.wavenet_network import WaveNet

__all__ = ["CHECKPOINT", "recognise"]

_UPSAMPLERS: Mapping[str, Revision] = {"upsample_conv.": "2092a64", "upsample_net.": "master"}
_MELS: Mapping[Revision, str] = {"2092a64": "wavenet", "master": "wavenet_master"}
#: Stacks of the published presets by their number of layers.
_STACKS = {24: 4, 30: 3}
_MEL_SETTINGS = {
    "sample_rate": "sample_rate",
    "n_fft": "fft_size",
    "hop_length": "hop_size",
    "f_min": "fmin",
    "f_max": "fmax",
    "n_mels": "num_mels",
}


def recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Understand a published checkpoint; see `vocoders.layouts`.

    Parameters
    ----------
    settings : the preset's hparams, if they were given.

    Raises
    ------
    CheckpointError if names are of neither revision, or the settings say something else.
    """
    found = [rev for name, rev in _UPSAMPLERS.items() if any(t.startswith(name) for t in tensors)]
    if len(found) != 1:
        raise _unknown(tensors)
    revision = found[0]
    config = _config(revision, tensors, settings)
    _require_same_sizes(config, settings)
    require_mel(settings, _MELS[revision], _MEL_SETTINGS)
    with torch.device("meta"):
        network = WaveNet(config)
    return Recognised(
        tensors,
        network,
        config.as_card(),
        mel=_MELS[revision],
        layout=f"r9y9 {revision}",
        needs_statistics=revision == "master",
    )


def _config(
    revision: Revision, tensors: Mapping[str, Tensor], settings: Mapping[str, Any]
) -> WaveNetConfig:
    gate, residual, _ = _shape(tensors, "conv_layers.0.conv", rank=3)
    n_out, skip, _ = _shape(tensors, "last_conv_layers.3", rank=3)
    n_layers = len({name.split(".")[1] for name in tensors if name.startswith("conv_layers.")})
    output = _output(_shape(tensors, "first_conv", rank=3)[1], n_out)
    clamped = revision == "2092a64" and output == "logistics"
    default = WaveNetConfig()
    least = _least_log_scale(settings) if clamped else None
    return WaveNetConfig(
        revision=revision,
        output=output,
        n_layers=n_layers,
        n_stacks=_stacks(n_layers, settings),
        residual_channels=residual,
        gate_channels=gate,
        skip_channels=skip,
        n_mixtures=n_out // 3 if output == "logistics" else default.n_mixtures,
        n_mels=_shape(tensors, "conv_layers.0.conv1x1c", rank=3)[1],
        upsample_scales=_scales(revision, tensors),
        least_log_scale=least,
        weight_norm=has_weight_norm(tensors),
    )


def _shape(tensors: Mapping[str, Tensor], layer: str, *, rank: int) -> tuple[int, ...]:
    """Shape of a layer's weight, which has `rank` dimensions, none of them empty."""
    found = (name for name in (f"{layer}.weight_v", f"{layer}.weight") if name in tensors)
    name = next(found, None)
    if name is None:
        raise _unknown(tensors)
    shape = tuple(tensors[name].shape)
    if len(shape) != rank or min(shape) < 1:
        raise CheckpointError(
            f"{name} has shape {shape}",
            wanted=f"{rank} dimensions, as this layer of r9y9/wavenet_vocoder has",
            do="check --vocoder, and download the checkpoint again",
        )
    return shape


def _least_log_scale(settings: Mapping[str, Any]) -> float:
    default = cast("float", WaveNetConfig().least_log_scale)
    least = published_number(settings, "log_scale_min", default)
    if least > 0:
        raise CheckpointError(
            f"its configuration has log_scale_min {least}",
            wanted="the logarithm of the narrowest scale, below 0: -32.2 or -7 as published",
            do="give the JSON file that was published with this checkpoint, or none",
        )
    return least


def _output(n_in: int, n_out: int) -> OutputKind:
    if (n_in, n_out) == (256, 256):
        return "mulaw"
    if n_in == 1 and n_out == 2:
        return "gaussian"
    if n_in == 1 and n_out % 3 == 0:
        return "logistics"
    raise CheckpointError(
        f"a WaveNet that hears {n_in} channels and predicts {n_out}",
        wanted="1 and three per logistic, 1 and 2 for a Gaussian, or 256 classes of the mu-law",
        do="take a network with one of these outputs",
    )


def _stacks(n_layers: int, settings: Mapping[str, Any]) -> int:
    stacks = settings.get("stacks", _STACKS.get(n_layers))
    if isinstance(stacks, int) and stacks > 0 and n_layers % stacks == 0:
        return stacks
    raise CheckpointError(
        f"a WaveNet of {n_layers} layers in {stacks or 'an unknown number of'} stacks",
        wanted="a number of stacks that divides the layers, which no tensor shows",
        do="add --config with the preset's JSON file, which has 'layers' and 'stacks'",
    )


def _scales(revision: Revision, tensors: Mapping[str, Tensor]) -> tuple[int, ...]:
    """Time strides of the up-sampling stages, from the width of their kernels."""
    prefix, first = "upsample_net.upsample.up_layers.", 1
    if revision == "2092a64":
        prefix, first = "upsample_conv.", 0
    stages = {name[len(prefix) :].split(".")[0] for name in tensors if name.startswith(prefix)}
    layers = [f"{prefix}{first + 2 * n}" for n in range(len(stages))]
    widths = [_shape(tensors, layer, rank=4)[-1] for layer in layers]
    return tuple(width if revision == "2092a64" else width // 2 for width in widths)


def _require_same_sizes(config: WaveNetConfig, settings: Mapping[str, Any]) -> None:
    """Refuse hparams of another network."""
    sizes = {
        "layers": config.n_layers,
        "stacks": config.n_stacks,
        "residual_channels": config.residual_channels,
        "gate_channels": config.gate_channels,
        "skip_out_channels": config.skip_channels,
        "out_channels": config.out_channels,
        "cin_channels": config.n_mels,
        "kernel_size": 3,
    }
    require_settings(
        settings, sizes, whose="the tensors have", wanted="the configuration of the same network"
    )


def _unknown(tensors: Mapping[str, Tensor]) -> CheckpointError:
    return not_recognised(
        "wavenet", tensors, known="r9y9/wavenet_vocoder, revision 2092a64 or master"
    )


CHECKPOINT = CheckpointLayout("wavenet", recognise=recognise)
