"""MelGAN checkpoints under the names of three code bases, and what each net hears besides.

====================  ==========================================  ==================================
names                 code                                        hears
====================  ==========================================  ==================================
``model.4.block.2``   descriptinc/melgan-neurips 6488045          log10 mel up to 11025 Hz
``generator.4.        seungwonpark/melgan                         Tacotron 2's mel, (x + 5) / 5, ten
blocks.0.2``                                                      frames of silence behind the end
``melgan.4.stack.2``  kan-bayashi/ParallelWaveGAN, MelGAN         log10 mel 80-7600 Hz, (x - mean) /
                                                                  deviation of the training set
====================  ==========================================  ==================================

The network is the same: figure 1 of Kumar et al. 2019. The tail of silence is a part of the second
code base's inference: without it the network ends in a click, which its users never hear.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from evalsuite.errors import CheckpointError
from vocoders.band_statistics import BandStatistics
from vocoders.layouts import Recognised, Setting, not_recognised
from vocoders.melgan_generator import Generator, GeneratorConfig
from vocoders.published_mel import require_mel
from vocoders.published_settings import (
    published_section,
    published_size,
    published_sizes,
    require_network_of_mel,
    require_settings,
)
from vocoders.tensor_names import has_weight_norm, rename_tensors

__all__ = [
    "KAN_BAYASHI_MEL",
    "MelInput",
    "card_config",
    "config_from_card",
    "kan_bayashi_config",
    "mel_input",
    "not_weights",
    "recognise",
    "to_own_names",
]

#: Mel settings as the configurations call them.
KAN_BAYASHI_MEL = {
    "sample_rate": "sampling_rate",
    "n_fft": "fft_size",
    "hop_length": "hop_size",
    "win_length": "win_length",
    "window": "window",
    "n_mels": "num_mels",
    "f_min": "fmin",
    "f_max": "fmax",
}
_SEUNGWONPARK_MEL = {
    "sample_rate": "sampling_rate",
    "n_fft": "filter_length",
    "hop_length": "hop_length",
    "win_length": "win_length",
    "n_mels": "n_mel_channels",
    "f_min": "mel_fmin",
    "f_max": "mel_fmax",
}
_KAN_BAYASHI_PUBLISHED = {
    "kernel_size": 7,
    "stack_kernel_size": 3,
    "use_causal_conv": False,
    "use_final_nonlinear_activation": True,
}
# Of one stage: the dilation of the last is 3 to this power.
_MOST_BLOCKS = 16
_KAN_BAYASHI_NAMES = (
    (r"melgan\.(\d+)\.stack\.(\d)\.(.+)", r"model.\1.block.\2.\3"),
    (r"melgan\.(\d+)\.skip_layer\.(.+)", r"model.\1.shortcut.\2"),
    (r"melgan\.(.+)", r"model.\1"),
)
# Seungwonpark's list of layers has one entry for the three blocks of a stage.
_SEUNGWONPARK_CONVOLUTIONS = {1: 1, 3: 3, 6: 8, 9: 13, 12: 18, 16: 24}
_SEUNGWONPARK_STACKS = {4: 4, 7: 9, 10: 14, 13: 19}
_SEUNGWONPARK_NAMES = (
    *(
        (rf"generator\.{theirs}\.((?:weight|bias).*)", rf"model.{ours}.\1")
        for theirs, ours in _SEUNGWONPARK_CONVOLUTIONS.items()
    ),
    *(
        rule
        for theirs, ours in _SEUNGWONPARK_STACKS.items()
        for i in range(3)
        for rule in (
            (rf"generator\.{theirs}\.blocks\.{i}\.(\d)\.(.+)", rf"model.{ours + i}.block.\1.\2"),
            (rf"generator\.{theirs}\.shortcuts\.{i}\.(.+)", rf"model.{ours + i}.shortcut.\1"),
        )
    ),
)
_LOG_SILENCE = math.log(1e-5)  # -11.5129, the floor of Tacotron 2's mel


def to_own_names(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of any known layout to the official names; others stay as they are."""
    return rename_tensors(tensors, (*_KAN_BAYASHI_NAMES, *_SEUNGWONPARK_NAMES))


def recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Tell the code base by its names, and the size by its configuration."""
    weight_norm = has_weight_norm(tensors)
    further: dict[str, Setting] = {}
    if _begins(tensors, "model."):
        layout, mel = "", "melgan"
        config = _official_config(settings, weight_norm=weight_norm)
    elif _begins(tensors, "generator."):
        layout, mel = "seungwonpark", "tacotron2"
        config = GeneratorConfig(weight_norm=weight_norm)
        further = {"mel_mean": -5.0, "mel_scale": 5.0, "silent_frames_after": 10}
        require_mel(published_section(settings, "audio"), mel, _SEUNGWONPARK_MEL)
    elif _begins(tensors, "melgan."):
        layout, mel = "kan-bayashi", "pwg"
        config = kan_bayashi_config(settings, GeneratorConfig(weight_norm=weight_norm))
        require_mel(settings, mel, KAN_BAYASHI_MEL)
    else:
        raise not_recognised(
            "melgan", tensors, known="descriptinc's, seungwonpark's or kan-bayashi's MelGAN"
        )
    require_network_of_mel(mel, n_mels=config.n_mels, hop_length=config.hop_length)
    with torch.device("meta"):
        network = Generator(config)
    ignored = not_weights(tensors)
    return Recognised(
        to_own_names({name: tensor for name, tensor in tensors.items() if name not in ignored}),
        network,
        card_config(config) | further,
        mel=mel,
        layout=layout,
        ignored=ignored,
        needs_statistics=layout == "kan-bayashi",
    )


def kan_bayashi_config(settings: Mapping[str, Any], default: GeneratorConfig) -> GeneratorConfig:
    """Read kan-bayashi's ``generator_params``; what is not said is as in `default`.

    Raises
    ------
    CheckpointError for sizes that are none, and for variants that are other networks.
    """
    given = published_section(settings, "generator_params")
    wanted = "MelGAN's kernels of 7 and 3, not causal, channels halved at every stage"
    require_settings(given, _KAN_BAYASHI_PUBLISHED, wanted=wanted)
    ratios = published_sizes(given, "upsample_scales", default.ratios)
    channels = published_size(given, "channels", default.base_channels * 2 ** len(default.ratios))
    if channels % 2 ** len(ratios):
        raise CheckpointError(
            f"its configuration has {channels} channels for {ratios}",
            wanted=wanted,
            do="take another release: this is another network",
        )
    return GeneratorConfig(
        n_mels=published_size(given, "in_channels", default.n_mels),
        base_channels=channels // 2 ** len(ratios),
        n_residual_layers=published_size(
            given, "stacks", default.n_residual_layers, most=_MOST_BLOCKS
        ),
        ratios=ratios,
        weight_norm=default.weight_norm,
    )


def not_weights(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Name the buffers that kan-bayashi's code may store beside the weights, each with a reason."""
    reasons = {"pqmf.": "the filters are computed", "mean": "see --stats", "scale": "see --stats"}
    return {
        name: reason
        for name in tensors
        for start, reason in reasons.items()
        if name == start or (start.endswith(".") and name.startswith(start))
    }


def card_config(config: GeneratorConfig) -> dict[str, Setting]:
    """Architecture as a weights card holds it.

    Spectral norm is no part of it: it is folded into plain weights before they are stored.
    """
    return {
        "n_mels": config.n_mels,
        "base_channels": config.base_channels,
        "n_residual_layers": config.n_residual_layers,
        "ratios": " ".join(map(str, config.ratios)),
        "weight_norm": config.weight_norm,
        "dilated": config.dilated,
    }


def config_from_card(settings: Mapping[str, Setting]) -> GeneratorConfig:
    """Read the architecture back from a weights card."""
    return GeneratorConfig(
        n_mels=int(settings["n_mels"]),
        base_channels=int(settings["base_channels"]),
        n_residual_layers=int(settings["n_residual_layers"]),
        ratios=tuple(int(ratio) for ratio in str(settings["ratios"]).split()),
        weight_norm=bool(settings["weight_norm"]),
        # Cards of earlier versions do not say it.
        dilated=bool(settings.get("dilated", True)),
    )


@dataclass(frozen=True, eq=False)
class MelInput:
    """What happens to a log-mel before the network hears it.

    Parameters
    ----------
    statistics : the mel is normalised with these; None leaves it as it is.
    silent_frames_after : appended, as many as the code base does; their audio is cut off again.
    """

    statistics: BandStatistics | None = None
    silent_frames_after: int = 0

    def prepare(self, mel: Tensor) -> Tensor:
        """Append silence and normalise a mel of shape (n_mels, frames)."""
        if self.silent_frames_after:
            mel = functional.pad(mel, (0, self.silent_frames_after), value=_LOG_SILENCE)
        return mel if self.statistics is None else self.statistics.normalise(mel)


def mel_input(settings: Mapping[str, Setting], statistics: BandStatistics | None) -> MelInput:
    """Read from a weights card, and the statistics stored with it, what the network hears."""
    if "mel_mean" in settings:
        mean, scale = (
            torch.full((int(settings["n_mels"]),), float(settings[name]))
            for name in ("mel_mean", "mel_scale")
        )
        statistics = BandStatistics(mean, scale)
    return MelInput(statistics, int(settings.get("silent_frames_after", 0)))


def _official_config(settings: Mapping[str, Any], *, weight_norm: bool) -> GeneratorConfig:
    """Read the release's ``args.yml``, or nothing: then it is the paper's network."""
    default = GeneratorConfig()
    return GeneratorConfig(
        n_mels=published_size(settings, "n_mel_channels", default.n_mels),
        base_channels=published_size(settings, "ngf", default.base_channels),
        n_residual_layers=published_size(
            settings, "n_residual_layers", default.n_residual_layers, most=_MOST_BLOCKS
        ),
        weight_norm=weight_norm,
    )


def _begins(tensors: Mapping[str, Tensor], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)
