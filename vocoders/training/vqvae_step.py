"""One optimiser step of the VQ-VAE, with MelGAN's discriminator as opponent.

Kumar et al. 2019, section 3.5. The order within a step is MelGAN's: one pass of encoders and
decoder, in which the codebook moves; the discriminator's update; then that of encoders and
decoder through the updated discriminator.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from vocoders.checkpoints import to_module_names, to_official_names
from vocoders.discriminator import Discriminator
from vocoders.training.adversary import Adversary
from vocoders.training.audio_losses import AudioLosses
from vocoders.training.mel import MelTransform
from vocoders.training.melgan_step import initialise
from vocoders.training.precision import autocast
from vocoders.training.step import StepKind
from vocoders.training.update import GradientUpdate
from vocoders.training.vqvae_config import VqvaeConfig
from vocoders.vqvae import VQVAE, Reconstruction

__all__ = ["VQVAE_KIND", "VqvaeStep"]


class VqvaeStep:
    """VQ-VAE and discriminator with their losses and optimisers; fits `TrainingStep`.

    Parameters
    ----------
    config : the training.
    device : where networks and losses are.
    """

    def __init__(self, config: VqvaeConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        # Built on the CPU: its random numbers do not depend on the device.
        self.model = VQVAE(config.model)
        self.discriminator = Discriminator(config.discriminator)
        for initialised in (self.model.decoder, self.discriminator):
            initialise(initialised, config.initialisation)
        for network in self.modules().values():
            network.to(device)
        if config.run.compile:
            # Not the codebook: it draws from a generator and moves in place.
            for compiled in (self.model.local_encoder, self.model.decoder, self.discriminator):
                compiled.compile()
        self._audio_losses = AudioLosses(config.losses, MelTransform(config.mel_spec).to(device))
        self._optimisers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.Adam(
                network.parameters(),
                lr=config.optimiser.learning_rate,
                betas=config.optimiser.betas,
                fused=device.type == "cuda",
            )
            for name, network in self.modules().items()
        }
        self._updates = {
            name: GradientUpdate(
                optimiser,
                max_norm=config.optimiser.max_gradient_norm,
                max_skipped_in_a_row=config.optimiser.max_skipped_in_a_row,
            )
            for name, optimiser in self._optimisers.items()
        }
        self._adversary = Adversary(
            self.discriminator, self._updates["discriminator"], config.losses, config.run.precision
        )

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks by name."""
        return {"vqvae": self.model, "discriminator": self.discriminator}

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        return self._optimisers

    def run(self, batch: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Do one step; see `TrainingStep.run`.

        Random are the noise of the global latent and the vectors that unused codes restart from.
        """
        with autocast(self._config.run.precision, self._device):
            made = self.model(batch, generator)
        lesson = self._adversary.learn(made.audio, batch)
        parts = self._adversary.criticise(made.audio, batch, lesson)
        parts |= self._audio_losses(made.audio, batch) | self._bottleneck_losses(made)
        values = torch.stack([*parts.values()])
        norm = self._updates["vqvae"](values.sum())
        named = dict(zip(parts, values.tolist(), strict=True))
        return (
            lesson.losses
            | named
            | {"generator/total": sum(named.values()), "generator/gradient_norm": norm}
            | _measures(made)
            | {"skipped_updates": float(sum(u.n_skipped for u in self._updates.values()))}
        )

    @torch.no_grad()
    def validate_output(self, batch: Tensor) -> Tensor:
        """Encode and decode a whole recording of shape (1, 1, samples) in float32."""
        self.model.eval()
        # Every recording has another length, for which nothing is worth compiling.
        with torch.compiler.set_stance("force_eager"):
            audio = self.model.reconstruct(batch)
        self.model.train()
        return audio

    def state_dict(self) -> dict[str, Any]:
        """Networks, codebook included, the discriminator under the names of the release."""
        return {
            "networks": {
                name: to_official_names(network.state_dict())
                for name, network in self.modules().items()
            },
            "updates": {name: update.state_dict() for name, update in self._updates.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""
        for name, network in self.modules().items():
            network.load_state_dict(to_module_names(state["networks"][name]))
        for name, update in self._updates.items():
            update.load_state_dict(state["updates"][name])

    def _bottleneck_losses(self, made: Reconstruction) -> dict[str, Tensor]:
        weights = self._config.losses
        parts: dict[str, Tensor] = {}
        if made.quantized is not None:
            parts["vqvae/commitment"] = made.quantized.loss
        if made.divergence is not None:
            # Below the floor the gradient is 0, not only the loss constant.
            floored = made.divergence.clamp(min=weights.divergence_floor)
            parts["vqvae/divergence"] = weights.divergence * floored
        return parts


def _measures(made: Reconstruction) -> dict[str, float]:
    """What is watched and not minimised."""
    measures: dict[str, float] = {}
    if made.quantized is not None:
        measures["vqvae/perplexity"] = float(made.quantized.perplexity)
    if made.divergence is not None:
        measures["vqvae/divergence_nats"] = float(made.divergence.detach())
    return measures


#: ``step: vqvae``. No vocoder comes out of it: it takes audio, not a spectrogram. Its samples are
#: finished files, reconstructions of held-out clips.
VQVAE_KIND = StepKind(
    config=VqvaeConfig,
    build=VqvaeStep,
    architecture=("step", "model", "discriminator"),
    export=None,
)
