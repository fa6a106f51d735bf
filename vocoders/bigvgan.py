"""BigVGAN as a system, computed by its authors' own package ``bigvgan`` (MIT), an extra.

Lee et al. 2023, arXiv 2206.04658. Checkpoints ``bigvgan_generator.pt`` load with their
``config.json``, which also says the mel convention: one that has no preset here is refused. The
22.05 kHz releases with 80 bands up to 8 kHz hear exactly HiFi-GAN's mel.
"""

import contextlib
import io
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from evalsuite.errors import CheckpointError, Unavailable
from evalsuite.mel import PRESETS, MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.layers import count_parameters
from vocoders.layouts import CheckpointLayout, Recognised, not_recognised
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained

__all__ = ["BASE_22KHZ", "CHECKPOINT", "BigVGAN", "convention_of"]

#: The release bigvgan_base_22khz_80band: the settings its code reads, and its mel.
BASE_22KHZ: Mapping[str, Any] = {
    "resblock": "1",
    "upsample_rates": [8, 8, 2, 2],
    "upsample_kernel_sizes": [16, 16, 4, 4],
    "upsample_initial_channel": 512,
    "resblock_kernel_sizes": [3, 7, 11],
    "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "activation": "snakebeta",
    "snake_logscale": True,
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
}
_OPTIONAL = ("use_bias_at_final", "use_tanh_at_final")
_CARD_KEY = "published_config"


class BigVGAN(NetworkVocoder):
    """The published generator as a system.

    Parameters
    ----------
    network : of the package, weight norm on; it is removed here.
    spec : the mel convention it was trained on.
    published : settings of its ``config.json``.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    """

    def __init__(
        self,
        network: nn.Module,
        spec: MelSpec,
        published: Mapping[str, Any],
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
    ) -> None:
        # The package has torch's weight norm of 2017, which the base class does not see.
        n_with_weight_norm = count_parameters(network)
        lengths = (p.numel() for n, p in network.named_parameters() if n.endswith("weight_g"))
        n_parameters = n_with_weight_norm - sum(lengths)
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does
            cast("Any", network).remove_weight_norm()
        super().__init__(
            "bigvgan",
            network,
            spec,
            card=card,
            device=device,
            config={_CARD_KEY: _as_text(published)},
        )
        self.info = replace(
            self.info,
            n_parameters=n_parameters,
            n_parameters_with_weight_norm=n_with_weight_norm,
        )

    @classmethod
    def create(cls, setup: Setup, *, device: str | None = None) -> "BigVGAN":
        """Make it from ``bigvgan:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for.
        """
        device = device or setup.device
        trained = find_trained("bigvgan", setup)
        if trained is None:
            network = _build(BASE_22KHZ)
            _randomise(network, UNTRAINED_SEED)
            spec = mel_spec(convention_of(BASE_22KHZ))
            return cls(network, spec, BASE_22KHZ, device=device)
        card, tensors = trained
        published = json.loads(str(card.config[_CARD_KEY]))
        network = _build(published)
        network.load_state_dict(tensors)
        return cls(network, mel_spec(card.mel), published, card=card, device=device)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio; nothing is random."""
        audio: Tensor = self.network(mel[None])[0, 0]
        return audio


def convention_of(published: Mapping[str, Any]) -> str:
    """Name the preset that a ``config.json`` describes.

    BigVGAN's mels are made as HiFi-GAN's, with other rates, bands and edges.

    Raises
    ------
    CheckpointError if there is none.
    """
    rate = int(published["sampling_rate"])
    wanted = replace(
        mel_spec("hifigan"),
        sample_rate=rate,
        n_fft=int(published["n_fft"]),
        win_length=int(published["win_size"]),
        hop_length=int(published["hop_size"]),
        n_mels=int(published["num_mels"]),
        f_min=float(published["fmin"]),
        f_max=float(published["fmax"] or rate / 2),
    )
    fitting = [name for name, spec in PRESETS.items() if spec.digest == wanted.digest]
    if fitting:
        return fitting[0]
    raise CheckpointError(
        f"its mels have {wanted.n_mels} bands from {wanted.f_min:g} to {wanted.f_max:g} Hz at "
        f"{rate} Hz, hop {wanted.hop_length}",
        wanted="a convention that has a preset, such as 80 bands up to 8000 Hz at 22050 Hz",
        do="take the release bigvgan_v2_22khz_80band_fmax8k_256x",
    )


def _recognise(tensors: Mapping[str, Tensor], settings: Mapping[str, Any]) -> Recognised:
    """Build what ``config.json`` says; the package's names are the checkpoint's."""
    if not any(name.startswith("activation_post.") for name in tensors):
        raise not_recognised("bigvgan", tensors, known="NVIDIA's BigVGAN: activation_post, ups")
    if missing := sorted(BASE_22KHZ.keys() - settings.keys()):
        raise CheckpointError(
            f"nothing says its {', '.join(missing)}",
            wanted="the config.json that was published beside the checkpoint",
            do="add --config config.json",
        )
    published = {n: settings[n] for n in (*BASE_22KHZ, *_OPTIONAL) if n in settings}
    with torch.device("meta"):
        network = _build(published)
    return Recognised(
        tensors, network, {_CARD_KEY: _as_text(published)}, mel=convention_of(published)
    )


def _build(published: Mapping[str, Any]) -> nn.Module:
    # Here, so that this module can be read where the extra is not installed.
    try:
        from bigvgan.bigvgan import BigVGAN as PublishedBigVGAN
        from bigvgan.env import AttrDict
    except ImportError as error:
        raise Unavailable(
            "the package bigvgan is not installed",
            wanted="the network of BigVGAN, which is its authors' own",
            do="pip install 'evalsuite[bigvgan]' (it needs a C compiler)",
        ) from error
    with warnings.catch_warnings():
        # It is built with torch's older weight norm.
        warnings.simplefilter("ignore", FutureWarning)
        network: nn.Module = PublishedBigVGAN(AttrDict(published))
    return network


def _randomise(network: nn.Module, seed: int) -> None:
    """Draw random weights that make clearly audible noise."""
    source = torch.Generator().manual_seed(seed)
    directions = {n: p for n, p in network.named_parameters() if n.endswith("weight_v")}
    for name, direction in directions.items():
        length = network.get_parameter(name.replace("weight_v", "weight_g"))
        quiet = name.startswith(("conv_pre", "conv_post"))
        # Per input channel for transposed convolutions, as torch normalises those.
        gain = 0.3 if quiet else 1.0 if name.startswith("ups") else 0.5
        with torch.no_grad():
            direction.normal_(generator=source)
            fan_in = math.prod(direction.shape[1:])
            norm = direction.flatten(1).norm(dim=1).view_as(length)
            length.copy_(gain * norm / math.sqrt(fan_in))


def _as_text(published: Mapping[str, Any]) -> str:
    return json.dumps(dict(published), sort_keys=True)


#: How published generators are recognised: the package's names, sizes by ``config.json``.
CHECKPOINT = CheckpointLayout("bigvgan", recognise=_recognise)
