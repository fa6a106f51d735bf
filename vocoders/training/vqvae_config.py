"""Settings of a VQ-VAE training."""

from dataclasses import replace
from typing import Literal

import pydantic
from pydantic import Field, NonNegativeFloat

from evalsuite.mel import MelSpec, mel_spec
from vocoders.discriminator import DiscriminatorConfig
from vocoders.training.config import TrainingConfig
from vocoders.training.melgan_config import Initialisation, LossConfig
from vocoders.vqvae import VQVAEConfig

__all__ = ["VqvaeConfig", "VqvaeLossConfig"]


class VqvaeLossConfig(LossConfig):
    """MelGAN's losses, the reconstruction, and the terms of the two bottlenecks.

    The paper names none of these weights; the defaults are ours. Reconstruction is what teaches
    the encoders: the adversarial loss alone does not say which recording is wanted, and feature
    matching, the paper's only tie to it, is weak until the discriminator knows something.

    Parameters
    ----------
    log_mel_l1, stft : weights of the reconstruction, in decades and as in `MultiResolutionStft`.
    divergence : weight of the global latent's divergence from N(0, 1), in nats.
    divergence_floor : it is not pushed below so many nats, so that the latent stays in use.
    """

    log_mel_l1: NonNegativeFloat = 10.0
    stft: NonNegativeFloat = 2.0
    divergence: NonNegativeFloat = 0.01
    divergence_floor: NonNegativeFloat = 1.0


class VqvaeConfig(TrainingConfig):
    """A VQ-VAE training; with ``model.quantizer: null`` that of a plain autoencoder.

    Parameters
    ----------
    model : architecture of encoders, codebook and decoder.
    discriminator : MelGAN's.
    initialisation : of decoder and discriminator, see `MelganConfig`.
    losses : weights; that of the commitment is ``model.quantizer.commitment``.
    """

    step: Literal["vqvae"] = "vqvae"
    model: VQVAEConfig = Field(default_factory=VQVAEConfig)
    discriminator: DiscriminatorConfig = Field(default_factory=DiscriminatorConfig)
    initialisation: Initialisation = "release"
    losses: VqvaeLossConfig = VqvaeLossConfig()

    @property
    def mel_spec(self) -> MelSpec:
        """What log-mel L1 is measured in: MelGAN's convention, up to half of this sample rate."""
        release, rate = mel_spec("melgan"), self.data.sample_rate
        if rate == release.sample_rate:
            return release
        return replace(release, name=f"melgan at {rate} Hz", sample_rate=rate, f_max=rate / 2)

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> "VqvaeConfig":
        hop, n_samples = self.model.hop_length, self.data.segment_samples
        # The STFT loss mirrors 1024 samples; the discriminator's scales need less.
        least = max(self.model.minimum_samples, 2048)
        if n_samples % hop or n_samples < least:
            raise ValueError(f"data.segment_samples: a multiple of {hop}, at least {least}")
        return self
