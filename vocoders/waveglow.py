"""WaveGlow as a system: noise, denoiser, engines, weights.

Prenger, Valle and Catanzaro 2018, arXiv 1811.00002. Checkpoints of the official release
(NVIDIA/waveglow) load exactly: see `vocoders.waveglow_weights`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import Literal, cast

import torch
from torch import Tensor

from evalsuite.errors import ConfigError
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.waveglow_denoiser import bias_spectrum, subtract_spectrum
from vocoders.waveglow_gemm import GemmInversion
from vocoders.waveglow_network import WaveGlowNetwork
from vocoders.waveglow_synthesis import EagerInversion, FlowInversion, draw_noise
from vocoders.waveglow_weights import CHECKPOINT, config_from_card, load_network, random_network

__all__ = ["CHECKPOINT", "WaveGlow"]

Engine = Literal["gemm", "eager"]
Precision = Literal["float32", "float16"]
_ENGINES: Mapping[str, type[FlowInversion]] = {"gemm": GemmInversion, "eager": EagerInversion}


class WaveGlow(NetworkVocoder):
    """The flow as a system.

    Utterances are synthesised one after the other: one already fills the caches.

    Parameters
    ----------
    network : with its weights; weight norm is removed here.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    sigma : standard deviation of the noise. The release trains with 1 and synthesises with 0.6.
    denoiser_strength : share of the hum that is taken away; 0 is off, as in the release's
        inference.py. The MelGAN paper's table 5 has 0.01.
    engine : ``gemm``, or ``eager`` for the plain convolutions; equal up to rounding.
    precision : ``float16`` runs on a GPU only.

    Raises
    ------
    ConfigError for a setting that cannot be.
    """

    def __init__(
        self,
        network: WaveGlowNetwork,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
        sigma: float = 0.6,
        denoiser_strength: float = 0.0,
        engine: Engine = "gemm",
        precision: Precision = "float32",
    ) -> None:
        _require_positive(sigma=sigma, denoiser_strength=denoiser_strength)
        settings = asdict(network.config) | {
            "sigma": sigma,
            "denoiser_strength": denoiser_strength,
            "engine": engine,
            "precision": precision,
        }
        super().__init__(
            "waveglow",
            network,
            spec,
            card=card,
            device=device,
            config=settings,
            deterministic=sigma == 0,
        )
        _require_gpu_for_half(precision, self.device)
        self.sigma, self.denoiser_strength = sigma, denoiser_strength
        # Matrices are inverted in float32 first, then all goes to the wanted precision.
        inversion = _ENGINES[engine](cast("WaveGlowNetwork", self.network))
        self.network = inversion.half() if precision == "float16" else inversion

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        sigma: float = 0.6,
        denoiser_strength: float = 0.0,
        engine: Engine = "gemm",
        precision: Precision = "float32",
        device: str | None = None,
    ) -> "WaveGlow":
        """Make it from ``waveglow:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError.
        """
        trained = find_trained("waveglow", setup)
        if trained is None:
            network, card = random_network(seed=UNTRAINED_SEED), None
        else:
            card, tensors = trained
            network = load_network(config_from_card(card.config), tensors)
        return cls(
            network,
            mel_spec(card.mel if card else "waveglow"),
            card=card,
            device=device or setup.device,
            sigma=sigma,
            denoiser_strength=denoiser_strength,
            engine=engine,
            precision=precision,
        )

    @property
    def inversion(self) -> FlowInversion:
        """The network that runs: mel and noise to audio."""
        return cast("FlowInversion", self.network)

    @cached_property
    def bias(self) -> Tensor:
        """Magnitudes of the hum, shape (513, 1), computed when first needed."""
        with torch.inference_mode():
            return bias_spectrum(self.inversion)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio from seeded noise."""
        config = self.inversion.config
        n_groups = mel.shape[1] * config.hop_length // config.n_group
        return self.synthesise_from(mel, draw_noise(config, n_groups, seed))

    def synthesise_from(self, mel: Tensor, noise: Sequence[Tensor]) -> Tensor:
        """Turn one mel into audio from given noise.

        Parameters
        ----------
        mel : shape (n_mels, frames).
        noise : standard normal, in the order and shapes of `draw_noise`.

        Returns
        -------
        float32, shape (hop * frames,), scaled down as a whole if it exceeds full scale.
        """
        like = self.inversion.get_buffer("inverse_0")
        scaled = [self.sigma * part.to(like) for part in noise]
        audio: Tensor = self.inversion(mel.to(like), scaled).float()
        if self.denoiser_strength > 0:
            audio = subtract_spectrum(audio, self.bias, self.denoiser_strength)
        return audio / audio.abs().max().clamp(min=1)


def _require_positive(**settings: float) -> None:
    for name, value in settings.items():
        # Written so that NaN is refused too.
        if not 0 <= value < float("inf"):
            raise ConfigError(
                f"waveglow: {name} {value}", wanted="0 or more", do="correct the option"
            )


def _require_gpu_for_half(precision: str, device: torch.device) -> None:
    if precision == "float16" and device.type == "cpu":
        raise ConfigError(
            "waveglow: float16 on a CPU",
            wanted="float32: a CPU only emulates half precision, slower and less exact",
            do="remove precision=float16, or choose a GPU",
        )
