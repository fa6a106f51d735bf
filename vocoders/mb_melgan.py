"""Multi-band MelGAN as a system.

Yang et al. 2021, arXiv 2005.05106. Checkpoints of kan-bayashi/ParallelWaveGAN load exactly, with
the ``stats.h5`` of their training set.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evalsuite.errors import CheckpointError
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.band_statistics import BandStatistics
from vocoders.layers import choose_device
from vocoders.layouts import CheckpointLayout, Recognised, not_recognised
from vocoders.mb_melgan_generator import MB_MELGAN_V2, MBMelGANGenerator, randomise_bands
from vocoders.melgan_engines import EngineName, choose_engine, make_engine
from vocoders.melgan_layouts import (
    KAN_BAYASHI_MEL,
    card_config,
    config_from_card,
    kan_bayashi_config,
    not_weights,
    to_own_names,
)
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.normalised_mel import bounded, stored_statistics, typical_statistics
from vocoders.published_mel import require_mel
from vocoders.published_settings import (
    published_section,
    published_size,
    require_network_of_mel,
)
from vocoders.tensor_names import has_weight_norm, to_module_names

__all__ = ["CHECKPOINT", "MBMelGAN"]

_BANDS = 4
_PREFIX = "melgan."


class MBMelGAN(NetworkVocoder):
    """The generator and its filter bank as a system.

    Parameters
    ----------
    generator : with its weights; weight norm is removed here, except for the engine ``official``.
    spec : the mel convention it was trained on.
    statistics : of the training set's mels.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    engine : how the network before the filter bank is computed, see `vocoders.melgan_engines`.
    """

    def __init__(
        self,
        generator: MBMelGANGenerator,
        spec: MelSpec,
        *,
        statistics: BandStatistics,
        card: WeightsCard | None = None,
        device: str = "cpu",
        engine: EngineName = "auto",
    ) -> None:
        engine = choose_engine(engine, choose_device(device))
        super().__init__(
            "mb_melgan",
            generator,
            spec,
            card=card,
            device=device,
            config=card_config(generator.melgan.config) | {"bands": generator.pqmf.bands},
            keep_weight_norm=engine == "official",
        )
        self._statistics, self._pqmf = statistics, generator.pqmf
        self.minimum_frames = generator.melgan.minimum_frames
        self._bands, ran = make_engine(generator.melgan, engine)
        self.info = replace(self.info, config={**self.info.config, "engine": ran})

    @classmethod
    def create(
        cls, setup: Setup, *, device: str | None = None, engine: EngineName = "auto"
    ) -> "MBMelGAN":
        """Make it from ``mb_melgan:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError if the
        engine does not run on the device.
        """
        device = device or setup.device
        trained = find_trained("mb_melgan", setup)
        if trained is None:
            generator, spec = MBMelGANGenerator(), mel_spec("pwg")
            randomise_bands(generator, UNTRAINED_SEED)
            statistics = typical_statistics(spec.n_mels)
            return cls(generator, spec, statistics=statistics, device=device, engine=engine)
        card, tensors = trained
        spec = mel_spec(card.mel)
        statistics = stored_statistics(tensors, card)
        generator = MBMelGANGenerator(config_from_card(card.config), int(card.config["bands"]))
        generator.load_state_dict(to_module_names(tensors))
        return cls(generator, spec, statistics=statistics, card=card, device=device, engine=engine)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio; nothing is random."""
        bands = self._bands(self._statistics.normalise(mel))
        return bounded(self._pqmf.synthesise(bands[None])[0, 0])


def _recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Take the size of ``config.yml``, or preset v2."""
    if not any(name.startswith("melgan.4.stack.") for name in tensors):
        raise not_recognised(
            "mb_melgan", tensors, known="kan-bayashi's multi-band MelGAN generator"
        )
    require_mel(settings, "pwg", KAN_BAYASHI_MEL)
    bands = published_size(published_section(settings, "generator_params"), "out_channels", _BANDS)
    if bands != _BANDS:
        raise CheckpointError(
            f"its configuration has {bands} output channels",
            wanted=f"{_BANDS} bands, which its filter bank is designed for",
            do="import it as --vocoder melgan if it has one" if bands == 1 else "take another",
        )
    default = replace(MB_MELGAN_V2, weight_norm=has_weight_norm(tensors))
    config = kan_bayashi_config(settings, default)
    require_network_of_mel("pwg", n_mels=config.n_mels, hop_length=bands * config.hop_length)
    with torch.device("meta"):
        network = MBMelGANGenerator(config, bands)
    ignored = not_weights(tensors)
    kept = {name: tensor for name, tensor in tensors.items() if name not in ignored}
    return Recognised(
        {_PREFIX + name: tensor for name, tensor in to_own_names(kept).items()},
        network,
        card_config(config) | {"bands": bands},
        mel="pwg",
        layout="kan-bayashi",
        ignored=ignored,
        needs_statistics=True,
    )


#: How published generators are recognised: kan-bayashi's names.
CHECKPOINT = CheckpointLayout("mb_melgan", recognise=_recognise)
