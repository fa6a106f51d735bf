"""The discriminator as a training opponent: its own update, and what it tells the generator.

*Order* within a step, as in the release (descriptinc/melgan-neurips 6488045, scripts/train.py):
`Adversary.learn` on the generator's detached output and the real audio, then `Adversary.criticise`
through the updated discriminator.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from vocoders.discriminator import Discriminator, DiscriminatorConfig, Judgement
from vocoders.training.config import Precision
from vocoders.training.losses import (
    discriminator_loss,
    feature_matching_factor,
    feature_matching_loss,
    generator_loss,
)
from vocoders.training.melgan_config import LossConfig
from vocoders.training.precision import autocast
from vocoders.training.update import GradientUpdate

__all__ = ["Adversary", "Lesson"]


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the discriminator saw and learnt in this step.

    Parameters
    ----------
    losses : by name, for the log.
    real : its judgement of the real audio before the update.
    """

    losses: dict[str, float]
    real: list[Judgement]


class Adversary:
    """A discriminator with its update and the losses it gives the generator.

    Parameters
    ----------
    network : on its device.
    update : of its optimiser.
    losses : weight and variant of feature matching.
    precision : of its passes.
    """

    def __init__(
        self,
        network: Discriminator,
        update: GradientUpdate,
        losses: LossConfig,
        precision: Precision,
    ) -> None:
        self.network, self._update = network, update
        self._losses, self._precision = losses, precision
        config: DiscriminatorConfig = network.config
        self._feature_matching = feature_matching_factor(
            losses.feature_matching,
            losses.feature_matching_scale,
            n_layers=config.n_layers,
            n_scales=config.n_scales,
        )

    def learn(self, fake: Tensor, real: Tensor) -> Lesson:
        """Update the discriminator.

        Parameters
        ----------
        fake, real : shape (batch, 1, samples); no gradient flows into `fake`.
        """
        with autocast(self._precision, real.device):
            judged_fake, judged_real = self.judge_both(fake.detach(), real.to(fake.dtype))
        loss = discriminator_loss(judged_fake, judged_real)
        norm = self._update(loss)
        losses = {"discriminator/hinge": float(loss.detach()), "discriminator/gradient_norm": norm}
        return Lesson(losses, judged_real)

    def judge_both(self, fake: Tensor, real: Tensor) -> tuple[list[Judgement], list[Judgement]]:
        """Judge both in one pass, which fills a GPU better than two."""
        both = self.network(torch.cat([fake, real]))
        return _half(both, 0), _half(both, 1)

    def criticise(self, fake: Tensor, real: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Losses of the generator by name, weighted; the discriminator gets no gradients.

        Parameters
        ----------
        fake, real : the audio of `lesson`, now with the generator's graph behind `fake`.
        lesson : holds the features of the real audio that the release matches: those of before
            the update.
        """
        # What the passes record counts; the flag may be set back before the backward pass.
        self.network.requires_grad_(False)
        try:
            with autocast(self._precision, real.device):
                stale = self._losses.stale_real_features
                judged_real = lesson.real if stale else self.network(real)
                judged_fake = self.network(fake)
        finally:
            self.network.requires_grad_(True)
        parts = {"generator/adversarial": generator_loss(judged_fake)}
        if self._feature_matching:
            matching = feature_matching_loss(judged_fake, judged_real)
            parts["generator/feature_matching"] = self._feature_matching * matching
        return parts


def _half(judgements: list[Judgement], part: int) -> list[Judgement]:
    """First (0) or second (1) half of the batch."""
    return [
        Judgement([x.chunk(2)[part] for x in judgement.features], judgement.logits.chunk(2)[part])
        for judgement in judgements
    ]
