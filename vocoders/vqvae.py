"""A VQ-VAE on audio whose decoder is the MelGAN generator.

Kumar et al. 2019, arXiv 1910.06711, section 3.5: local codes at 1/64 of the sample rate out of
512, a global Gaussian latent of 256 dimensions, a MelGAN generator (4, 4, 2, 2) as decoder::

    audio ─┬─ local encoder ── vectors ── nearest codes z_q ─┐
           │                                                 ├─ join ── decoder ── audio
           └─ global encoder ── mean, variance ── latent y ──┘

The paper does not give: the layers of both encoders (`vocoders.vqvae_encoder`), the width of a
code (256 here, as the global latent, so that both joins are possible), how y joins z_q, and the
weights of the commitment and KL terms. It trains a prior over the codes (an LSTM); this module
ends at the codes. Without codebook and latent it is the plain autoencoder that music translation
(section 3.4) has between two recordings: ``vocoders/configs/music_translation.yaml``.
"""

import math
from dataclasses import dataclass, field
from typing import Literal

import torch
from pydantic import ConfigDict
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.errors import ConfigError
from vocoders.melgan_generator import Generator, GeneratorConfig
from vocoders.vector_quantizer import Quantized, QuantizerConfig, VectorQuantizer
from vocoders.vqvae_encoder import Gaussian, GlobalEncoder, LocalEncoder

__all__ = ["VQVAE", "Code", "Reconstruction", "VQVAEConfig"]


@dataclass(frozen=True)
class VQVAEConfig:
    """Architecture of the VQ-VAE.

    Parameters
    ----------
    n_local : channels of the local vectors, and of each code.
    n_global : dimensions of the global latent, 256 in the paper; 0 = no latent.
    quantizer : codebook of the local codes; None leaves the vectors as they are.
    join : ``concat`` puts the latent beside each code, ``sum`` adds it, for which both must have
        the same width. Not given by the paper; with 256 channels each the decoder has 4,497,825
        or 3,580,321 parameters (without weight norm; 4,503,618 or 3,586,114 with).
    base_channels : of the decoder's last stage.
    encoder_base_channels : of the encoders' first stage.
    n_residual_layers : per stage of the decoder and of the local encoder.
    ratios : up-sampling of the decoder; the encoders use them in reverse.

    Raises
    ------
    ConfigError if a size is out of range, or a sum is asked for of unequal widths.
    """

    # Unknown keys of a configuration file are errors in here too.
    __pydantic_config__ = ConfigDict(extra="forbid")

    n_local: int = 256
    n_global: int = 256
    quantizer: QuantizerConfig | None = field(default_factory=QuantizerConfig)
    join: Literal["concat", "sum"] = "concat"
    base_channels: int = 32
    encoder_base_channels: int = 32
    n_residual_layers: int = 3
    ratios: tuple[int, ...] = (4, 4, 2, 2)

    def __post_init__(self) -> None:
        if self.n_local < 1 or self.n_global < 0:
            raise ConfigError(
                f"n_local {self.n_local}, n_global {self.n_global}",
                wanted="at least one local channel and 0 or more global dimensions",
                do="correct the setting",
            )
        if self.join == "sum" and self.n_global != self.n_local:
            raise ConfigError(
                f"join: sum of {self.n_local} code channels and a global latent of {self.n_global}",
                wanted="equal widths, because they are added",
                do="set n_global to n_local, or join: concat",
            )

    @property
    def hop_length(self) -> int:
        """Samples per local code."""
        return math.prod(self.ratios)

    @property
    def minimum_samples(self) -> int:
        """Shortest audio, a multiple of the hop, that every reflection in the networks can mirror.

        What the decoder needs is enough for the encoder, whose stages are its mirror image.
        """
        return self.decoder.minimum_frames * self.hop_length

    @property
    def decoder(self) -> GeneratorConfig:
        """Architecture of the decoder."""
        return GeneratorConfig(
            n_mels=self.n_local + (self.n_global if self.join == "concat" else 0),
            base_channels=self.base_channels,
            n_residual_layers=self.n_residual_layers,
            ratios=self.ratios,
        )


@dataclass(frozen=True, eq=False)
class Code:
    """What is left of a recording.

    Parameters
    ----------
    local : indices into the codebook, int64, shape (batch, samples / hop); without a codebook
        the vectors, float32, shape (batch, n_local, samples / hop).
    latent : float32, shape (batch, n_global); None if the model has none.
    """

    local: Tensor
    latent: Tensor | None


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """Output of a training pass.

    Parameters
    ----------
    audio : shape (batch, 1, samples).
    quantized : codes, their loss and perplexity; None without a codebook.
    divergence : of the global latent from N(0, 1), mean over the batch, in nats; None without one.
    """

    audio: Tensor
    quantized: Quantized | None
    divergence: Tensor | None


class VQVAE(nn.Module):
    """Encoders, codebook and decoder.

    Parameters
    ----------
    config : the architecture; the defaults are the paper's where it says them.
    """

    def __init__(self, config: VQVAEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or VQVAEConfig()
        down = tuple(reversed(config.ratios))
        self.local_encoder = LocalEncoder(
            config.n_local,
            base_channels=config.encoder_base_channels,
            ratios=down,
            n_residual_layers=config.n_residual_layers,
        )
        self.global_encoder: GlobalEncoder | None = None
        if config.n_global:
            self.global_encoder = GlobalEncoder(
                config.n_global, base_channels=config.encoder_base_channels, ratios=down
            )
        self.quantizer: VectorQuantizer | None = None
        if config.quantizer is not None:
            self.quantizer = VectorQuantizer(config.n_local, config.quantizer)
        self.decoder = Generator(config.decoder)

    def forward(self, audio: Tensor, generator: torch.Generator | None = None) -> Reconstruction:
        """Encode, draw the global latent, decode; in training mode the codebook moves.

        Parameters
        ----------
        audio : float32, shape (batch, 1, samples); samples a multiple of the hop.
        generator : source of the latent's noise and of restarted codes.
        """
        vectors: Tensor = self.local_encoder(audio)
        quantized: Quantized | None = None
        if self.quantizer is not None:
            quantized = self.quantizer(vectors, generator)
            vectors = quantized.values
        latent, divergence = None, None
        if self.global_encoder is not None:
            gaussian: Gaussian = self.global_encoder(audio)
            latent = gaussian.sample(generator)
            divergence = gaussian.divergence_from_standard().mean()
        return Reconstruction(self.decoder(self._joined(vectors, latent)), quantized, divergence)

    @torch.no_grad()
    def encode(self, audio: Tensor) -> Code:
        """Encode without randomness: the latent is the mean of its distribution.

        Parameters
        ----------
        audio : float32, shape (batch, 1, samples), any length: zeros fill the last hop.
        """
        hop = self.config.hop_length
        n_samples = max(audio.shape[2], self.config.minimum_samples)
        padded = functional.pad(audio, (0, -(-n_samples // hop) * hop - audio.shape[2]))
        local: Tensor = self.local_encoder(padded)
        if self.quantizer is not None:
            local = self.quantizer.nearest_codes(local)
        encoder = self.global_encoder
        return Code(local, None if encoder is None else encoder(padded).mean)

    @torch.no_grad()
    def decode(self, code: Code) -> Tensor:
        """Audio of shape (batch, 1, hop * codes) from a code."""
        local = code.local if self.quantizer is None else self.quantizer.look_up(code.local)
        audio: Tensor = self.decoder(self._joined(local, code.latent))
        return audio

    def reconstruct(self, audio: Tensor) -> Tensor:
        """Encode and decode, for audio of any length; the output has the same length."""
        return self.decode(self.encode(audio))[..., : audio.shape[2]]

    def _joined(self, local: Tensor, latent: Tensor | None) -> Tensor:
        """Join vectors (batch, n_local, time) and the latent (batch, n_global)."""
        if latent is None:
            return local
        if self.config.join == "sum":
            return local + latent[:, :, None]
        held = latent[:, :, None].expand(-1, -1, local.shape[2])
        return torch.cat([local, held], dim=1)
