"""Settings of a MelGAN training; the defaults are the release's effective behaviour."""

import math
from pathlib import Path
from typing import Literal

import pydantic
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat

from evalsuite.errors import EvalsuiteError
from evalsuite.mel import MelSpec, mel_spec
from vocoders.discriminator import DiscriminatorConfig
from vocoders.melgan_generator import GeneratorConfig
from vocoders.training.config import TrainingConfig
from vocoders.training.config_file import StrictModel
from vocoders.training.losses import FeatureMatchingScale

__all__ = ["Initialisation", "LossConfig", "MelganConfig", "StartConfig", "WarmUpConfig"]

Initialisation = Literal["release", "normal", "torch"]


class LossConfig(StrictModel):
    """The generator's losses beside the adversarial one, and where paper and release differ.

    Parameters
    ----------
    feature_matching : lambda of the paper's equation (4); 10 in paper and release.
    feature_matching_scale : ``release`` multiplies lambda with 4 / (n_layers + 1) / n_scales,
        which gives 8/3 (scripts/train.py, inherited from pix2pixHD); ``paper`` does not.
    stale_real_features : True matches features of the real audio that were computed before the
        discriminator's update of the same step, as the release does (scripts/train.py); False
        computes them anew with the updated discriminator, as equation (3) reads, at the price of
        one more pass.
    audio_l1 : weight of L1 between waveforms, for the ablations with "L1 loss".
    log_mel_l1, stft : weights of log-mel L1 (decades) and multi-resolution STFT loss next to the
        adversarial loss; neither is in the paper.
    dc_offset : weight of the distance between the means of generated and recorded crops, which
        the two spectral losses hardly see (one or two of 513 bins); not in the paper either.
    """

    feature_matching: NonNegativeFloat = 10.0
    feature_matching_scale: FeatureMatchingScale = "release"
    stale_real_features: bool = True
    audio_l1: NonNegativeFloat = 0.0
    log_mel_l1: NonNegativeFloat = 0.0
    stft: NonNegativeFloat = 0.0
    dc_offset: NonNegativeFloat = 0.0


class WarmUpConfig(StrictModel):
    """A first phase without discriminator, which soon gives intelligible speech; not in the paper.

    Parameters
    ----------
    steps : length of the phase; 0 = none.
    log_mel_l1, stft, dc_offset : weights of the losses, as in `LossConfig`.
    learning_rate : of the generator when the phase begins; null = that of the training.
    final_learning_rate : when it ends, reached along half a cosine; null = it stays the same.
    """

    steps: NonNegativeInt = 0
    log_mel_l1: NonNegativeFloat = 1.0
    stft: NonNegativeFloat = 1.0
    dc_offset: NonNegativeFloat = 0.0
    learning_rate: PositiveFloat | None = None
    final_learning_rate: PositiveFloat | None = None

    @property
    def losses(self) -> LossConfig:
        """The same weights as those of a training; what is not named has none."""
        return LossConfig(
            feature_matching=0.0,
            log_mel_l1=self.log_mel_l1,
            stft=self.stft,
            dc_offset=self.dc_offset,
        )

    def learning_rate_at(self, n_done: int, otherwise: float) -> float:
        """Learning rate of the generator after `n_done` steps; `otherwise` is the training's.

        A function of the step alone, so a resumed training takes the same steps.

        >>> phase = WarmUpConfig(steps=100, learning_rate=1e-3, final_learning_rate=1e-4)
        >>> [round(phase.learning_rate_at(n, 5e-5), 6) for n in (0, 50, 99, 100)]
        [0.001, 0.00055, 0.0001, 5e-05]
        """
        if n_done >= self.steps:
            return otherwise
        first = self.learning_rate or otherwise
        last = self.final_learning_rate or first
        return last + (first - last) * (1 + math.cos(math.pi * n_done / self.steps)) / 2


class StartConfig(StrictModel):
    """Weights to begin with, such as those of the release (``netG.pt``, ``netD.pt``).

    Parameters
    ----------
    generator, discriminator : bare state dicts with official names, .pt or .safetensors; null =
        random weights.
    """

    generator: Path | None = None
    discriminator: Path | None = None


class MelganConfig(TrainingConfig):
    """A MelGAN training.

    Parameters
    ----------
    mel : convention of the spectrograms.
    initialisation : ``release`` draws N(0, 0.02) where a layer has no norm and leaves torch's
        default elsewhere: the release writes to ``.weight`` after weight norm, which recomputes
        it from g and v (mel2wav/modules.py, weights_init), so there it has no effect.
        ``normal`` really draws N(0, 0.02) for all convolutions. ``torch`` draws nothing.
    """

    step: Literal["melgan"] = "melgan"
    mel: str = "melgan"
    generator: GeneratorConfig = Field(default_factory=GeneratorConfig)
    discriminator: DiscriminatorConfig = Field(default_factory=DiscriminatorConfig)
    initialisation: Initialisation = "release"
    losses: LossConfig = LossConfig()
    warm_up: WarmUpConfig = WarmUpConfig()
    start: StartConfig = StartConfig()

    @property
    def mel_spec(self) -> MelSpec:
        """The mel convention by its name."""
        return mel_spec(self.mel)

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> "MelganConfig":
        try:
            spec = self.mel_spec
        except EvalsuiteError as error:
            raise ValueError(f"mel: {error.wanted}") from error
        generator, data = self.generator, self.data
        rules = (
            (generator.hop_length == spec.hop_length,
             f"generator.ratios: factors of {spec.hop_length}, the hop of {self.mel} mels"),
            (generator.n_mels == spec.n_mels, f"generator.n_mels: {spec.n_mels}"),
            (data.sample_rate == spec.sample_rate, f"data.sample_rate: {spec.sample_rate}"),
            # Each scale halves the audio, and its first layer mirrors 7 samples.
            (data.segment_samples % spec.hop_length == 0
             and data.segment_samples >= max(4 * spec.hop_length, 2048),
             f"data.segment_samples: a multiple of {spec.hop_length}, at least 2048"),
        )  # fmt: skip
        for holds, wanted in rules:
            if not holds:
                raise ValueError(wanted)
        return self
