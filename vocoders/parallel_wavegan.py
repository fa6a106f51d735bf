"""Parallel WaveGAN as a system.

Yamamoto, Song and Kim 2020, arXiv 1910.11480. Checkpoints of kan-bayashi/ParallelWaveGAN load
exactly, with the ``stats.h5`` of their training set.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import torch
from torch import Tensor

from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.band_statistics import BandStatistics
from vocoders.layouts import CheckpointLayout, Recognised, Setting, not_recognised
from vocoders.melgan_layouts import KAN_BAYASHI_MEL, not_weights
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.normalised_mel import bounded, stored_statistics, typical_statistics
from vocoders.parallel_wavegan_generator import (
    ParallelWaveGANConfig,
    ParallelWaveGANGenerator,
    randomise,
)
from vocoders.published_mel import require_mel
from vocoders.published_settings import (
    published_section,
    published_size,
    published_sizes,
    require_network_of_mel,
    require_settings,
)
from vocoders.tensor_names import has_weight_norm, to_module_names

__all__ = ["CHECKPOINT", "ParallelWaveGAN", "card_config", "config_from_card"]

Engine = Literal["eager", "official"]

_PUBLISHED = {
    "kernel_size": 3,
    "in_channels": 1,
    "out_channels": 1,
    "use_causal_conv": False,
    "upsample_net": "ConvInUpsampleNetwork",
}
_MOST_LAYERS = 512


class ParallelWaveGAN(NetworkVocoder):
    """The generator as a system; the seed draws the noise it starts from.

    Parameters
    ----------
    generator : with its weights; weight norm is removed here, except for the engine ``official``.
    spec : the mel convention it was trained on.
    statistics : of the training set's mels.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    engine : ``official`` keeps weight norm on.
    """

    def __init__(
        self,
        generator: ParallelWaveGANGenerator,
        spec: MelSpec,
        *,
        statistics: BandStatistics,
        card: WeightsCard | None = None,
        device: str = "cpu",
        engine: Engine = "eager",
    ) -> None:
        super().__init__(
            "parallel_wavegan",
            generator,
            spec,
            card=card,
            device=device,
            config=card_config(generator.config) | {"engine": engine},
            deterministic=False,
            keep_weight_norm=engine == "official",
        )
        self._statistics = statistics

    @classmethod
    def create(
        cls, setup: Setup, *, device: str | None = None, engine: Engine = "eager"
    ) -> "ParallelWaveGAN":
        """Make it from ``parallel_wavegan:FOLDER`` or the only imported weights; else random ones.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for.
        """
        device = device or setup.device
        trained = find_trained("parallel_wavegan", setup)
        if trained is None:
            generator, spec = ParallelWaveGANGenerator(), mel_spec("pwg")
            randomise(generator, UNTRAINED_SEED)
            statistics = typical_statistics(spec.n_mels)
            return cls(generator, spec, statistics=statistics, device=device, engine=engine)
        card, tensors = trained
        spec = mel_spec(card.mel)
        statistics = stored_statistics(tensors, card)
        generator = ParallelWaveGANGenerator(config_from_card(card.config))
        generator.load_state_dict(to_module_names(tensors))
        return cls(generator, spec, statistics=statistics, card=card, device=device, engine=engine)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel and noise of this seed into audio."""
        n_samples = self.spec.hop_length * mel.shape[-1]
        # Drawn on the CPU, so that a seed means the same noise on every device.
        source = torch.Generator().manual_seed(seed)
        noise = torch.randn(1, 1, n_samples, generator=source).to(self.device)
        return bounded(self.network(noise, self._statistics.normalise(mel)[None])[0, 0])


def card_config(config: ParallelWaveGANConfig) -> dict[str, Setting]:
    """Architecture as a weights card holds it."""
    return asdict(config) | {"ratios": " ".join(map(str, config.ratios))}


def config_from_card(settings: Mapping[str, Setting]) -> ParallelWaveGANConfig:
    """Read the architecture back from a weights card."""
    given: dict[str, Any] = dict(settings)
    given["ratios"] = tuple(int(ratio) for ratio in str(settings["ratios"]).split())
    return ParallelWaveGANConfig(**given)


def _recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Take the size of ``config.yml``, or preset v1."""
    if not any(name.startswith("conv_layers.0.conv1x1_aux.") for name in tensors):
        raise not_recognised(
            "parallel_wavegan", tensors, known="kan-bayashi's Parallel WaveGAN generator"
        )
    require_mel(settings, "pwg", KAN_BAYASHI_MEL)
    given = published_section(settings, "generator_params")
    config = _published_config(given, has_weight_norm(tensors))
    require_network_of_mel("pwg", n_mels=config.n_mels, hop_length=config.hop_length)
    with torch.device("meta"):
        network = ParallelWaveGANGenerator(config)
    ignored = not_weights(tensors)
    own = {name: tensor for name, tensor in tensors.items() if name not in ignored}
    return Recognised(
        own, network, card_config(config), mel="pwg", ignored=ignored, needs_statistics=True
    )


def _published_config(given: Mapping[str, Any], weight_norm: bool) -> ParallelWaveGANConfig:
    wanted = "Parallel WaveGAN as preset v1 builds it, in any size"
    require_settings(given, _PUBLISHED, wanted=wanted)
    default = ParallelWaveGANConfig()
    upsampling = published_section(given, "upsample_params")
    return ParallelWaveGANConfig(
        n_mels=published_size(given, "aux_channels", default.n_mels),
        layers=published_size(given, "layers", default.layers, most=_MOST_LAYERS),
        stacks=published_size(given, "stacks", default.stacks, most=_MOST_LAYERS),
        residual_channels=published_size(given, "residual_channels", default.residual_channels),
        gate_channels=published_size(given, "gate_channels", default.gate_channels),
        skip_channels=published_size(given, "skip_channels", default.skip_channels),
        context_frames=published_size(given, "aux_context_window", default.context_frames, least=0),
        ratios=published_sizes(upsampling, "upsample_scales", default.ratios),
        weight_norm=weight_norm,
    )


#: How published generators are recognised: kan-bayashi's names.
CHECKPOINT = CheckpointLayout("parallel_wavegan", recognise=_recognise)
