"""HiFi-GAN as a system, in its published sizes V1, V2 and V3.

Kong, Kim and Bae 2020, arXiv 2010.05646. Checkpoints of the official release
(jik876/hifi-gan 4769534) load exactly; their ``config.json`` is needed for other sizes alone,
because shapes tell the three published ones apart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import torch
from torch import Tensor

from evalsuite.errors import CheckpointError, ConfigError
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.hifigan_generator import VARIANTS, HiFiGANConfig, HiFiGANGenerator, randomise
from vocoders.layouts import CheckpointLayout, Recognised, Setting, not_recognised
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.published_mel import require_mel
from vocoders.published_settings import (
    published_size,
    published_sizes,
    require_network_of_mel,
    size_of,
)
from vocoders.tensor_names import has_weight_norm, to_module_names, to_official_names

__all__ = ["CHECKPOINT", "HiFiGAN", "card_config", "config_from_card", "published_config"]

Variant = Literal["auto", "v1", "v2", "v3"]
Engine = Literal["eager", "official"]

_MEL_NAMES = {
    "sample_rate": "sampling_rate",
    "n_fft": "n_fft",
    "hop_length": "hop_size",
    "win_length": "win_size",
    "n_mels": "num_mels",
    "f_min": "fmin",
    "f_max": "fmax",
}


_ARCHITECTURE = (
    "resblock",
    "upsample_rates",
    "upsample_kernel_sizes",
    "upsample_initial_channel",
    "resblock_kernel_sizes",
    "resblock_dilation_sizes",
)


class HiFiGAN(NetworkVocoder):
    """The generator as a system.

    Parameters
    ----------
    generator : with its weights; weight norm is removed here, except for the engine ``official``.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    engine : ``official`` keeps weight norm on, as the published code does when it is not removed.
    """

    def __init__(
        self,
        generator: HiFiGANGenerator,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
        engine: Engine = "eager",
    ) -> None:
        super().__init__(
            "hifigan",
            generator,
            spec,
            card=card,
            device=device,
            config=card_config(generator.config) | {"engine": engine},
            keep_weight_norm=engine == "official",
        )

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        variant: Variant = "auto",
        device: str | None = None,
        engine: Engine = "eager",
    ) -> "HiFiGAN":
        """Make it from ``hifigan:FOLDER`` or the only imported weights; else random weights.

        Parameters
        ----------
        variant : ``auto`` is what the weights are, and V1 for random ones.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError if the
        weights are of another variant.
        """
        device = device or setup.device
        trained = find_trained("hifigan", setup)
        if trained is None:
            generator = HiFiGANGenerator(VARIANTS["v1" if variant == "auto" else variant])
            randomise(generator, UNTRAINED_SEED)
            return cls(generator, mel_spec("hifigan"), device=device, engine=engine)
        card, tensors = trained
        config = config_from_card(card.config)
        _require_variant(config, variant)
        generator = HiFiGANGenerator(config)
        generator.load_state_dict(to_module_names(tensors))
        return cls(generator, mel_spec(card.mel), card=card, device=device, engine=engine)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio; nothing is random."""
        audio: Tensor = self.network(mel[None])[0, 0]
        return audio


def card_config(config: HiFiGANConfig) -> dict[str, Setting]:
    """Architecture as a weights card holds it."""
    return {
        "n_mels": config.n_mels,
        "initial_channels": config.initial_channels,
        "ratios": _joined(config.ratios),
        "up_kernels": _joined(config.up_kernels),
        "block_kernels": _joined(config.block_kernels),
        "dilations": ", ".join(map(_joined, config.dilations)),
        "block_type": config.block_type,
        "weight_norm": config.weight_norm,
    }


def config_from_card(settings: Mapping[str, Setting]) -> HiFiGANConfig:
    """Read the architecture back from a weights card."""
    return HiFiGANConfig(
        n_mels=int(settings["n_mels"]),
        initial_channels=int(settings["initial_channels"]),
        ratios=_split(settings["ratios"]),
        up_kernels=_split(settings["up_kernels"]),
        block_kernels=_split(settings["block_kernels"]),
        dilations=tuple(_split(part) for part in str(settings["dilations"]).split(",")),
        block_type=1 if settings["block_type"] == 1 else 2,
        weight_norm=bool(settings["weight_norm"]),
    )


def published_config(settings: Mapping[str, Any]) -> HiFiGANConfig:
    """Read the architecture from a published ``config.json``.

    Raises
    ------
    CheckpointError if a setting is missing or of another form; ConfigError for a contradiction.
    """
    if missing := [name for name in _ARCHITECTURE if settings.get(name) is None]:
        raise CheckpointError(
            f"its configuration lacks {', '.join(missing)}",
            wanted=", ".join(_ARCHITECTURE),
            do="give the config.json that was published beside the checkpoint",
        )
    return HiFiGANConfig(
        n_mels=published_size(settings, "num_mels", 80),
        initial_channels=size_of(settings["upsample_initial_channel"], "upsample_initial_channel"),
        ratios=published_sizes(settings, "upsample_rates", ()),
        up_kernels=published_sizes(settings, "upsample_kernel_sizes", ()),
        block_kernels=published_sizes(settings, "resblock_kernel_sizes", ()),
        dilations=_dilations(settings["resblock_dilation_sizes"]),
        block_type=_block_type(settings["resblock"]),
    )


def _dilations(rows: object) -> tuple[tuple[int, ...], ...]:
    name = "resblock_dilation_sizes"
    if not isinstance(rows, list | tuple):
        raise CheckpointError(
            f"its configuration has {name} {rows!r}",
            wanted="a list of dilations for each of resblock_kernel_sizes",
            do="give the config.json that was published beside the checkpoint",
        )
    return tuple(published_sizes({name: row}, name, ()) for row in rows)


def _block_type(value: object) -> Literal[1, 2]:
    if str(value) not in ("1", "2"):
        raise CheckpointError(
            f"its configuration has resblock {value!r}",
            wanted="'1' or '2', the residual blocks of the release",
            do="give the config.json that was published beside the checkpoint",
        )
    return 1 if str(value) == "1" else 2


def _recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Take the configuration's architecture, else the published one whose tensors these are."""
    if not any(name.startswith("conv_pre.") for name in tensors):
        raise not_recognised(
            "hifigan", tensors, known="jik876's HiFi-GAN: conv_pre, ups, resblocks"
        )
    require_mel(settings, "hifigan", _MEL_NAMES)
    said = any(settings.get(name) is not None for name in _ARCHITECTURE)
    config = published_config(settings) if said else _by_shape(tensors)
    config = replace(config, weight_norm=has_weight_norm(tensors))
    require_network_of_mel("hifigan", n_mels=config.n_mels, hop_length=config.hop_length)
    network = _empty(config)
    return Recognised(tensors, network, card_config(config), mel="hifigan")


def _by_shape(tensors: Mapping[str, Tensor]) -> HiFiGANConfig:
    """Find the published variant that most of the tensors fit; the import lists what does not."""
    weight_norm = has_weight_norm(tensors)
    variants = [replace(config, weight_norm=weight_norm) for config in VARIANTS.values()]

    def n_fitting(config: HiFiGANConfig) -> int:
        own = to_official_names(_empty(config).state_dict())
        return sum(n in tensors and tensors[n].shape == t.shape for n, t in own.items())

    return max(variants, key=n_fitting)


def _empty(config: HiFiGANConfig) -> HiFiGANGenerator:
    with torch.device("meta"):
        return HiFiGANGenerator(config)


def _require_variant(config: HiFiGANConfig, variant: Variant) -> None:
    if variant == "auto" or replace(config, weight_norm=True) == VARIANTS[variant]:
        return
    raise ConfigError(
        f"variant {variant!r} with weights of {config}",
        wanted="the variant the weights are of",
        do="leave the variant out: the weights say it",
    )


def _joined(numbers: Sequence[int]) -> str:
    return " ".join(map(str, numbers))


def _split(text: Setting) -> tuple[int, ...]:
    return tuple(int(part) for part in str(text).split())


#: How published generators are recognised: official names, sizes by shape or ``config.json``.
CHECKPOINT = CheckpointLayout("hifigan", recognise=_recognise)
