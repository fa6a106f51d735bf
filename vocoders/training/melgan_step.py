"""One optimiser step of MelGAN.

*Order*, as in the release (descriptinc/melgan-neurips 6488045, scripts/train.py): one pass of
the generator; the discriminator's update on its detached output and the real audio; then the
generator's update through the updated discriminator. A warm-up phase, if configured, comes
before and trains the generator alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from evalsuite.errors import CheckpointError
from vocoders.checkpoints import read_state_dict, to_module_names, to_official_names
from vocoders.discriminator import Discriminator
from vocoders.layers import set_weight
from vocoders.melgan_generator import Generator
from vocoders.training.adversary import Adversary
from vocoders.training.audio_losses import AudioLosses
from vocoders.training.export import export_generator
from vocoders.training.mel import MelTransform
from vocoders.training.melgan_config import Initialisation, MelganConfig
from vocoders.training.precision import autocast
from vocoders.training.step import StepKind
from vocoders.training.update import GradientUpdate

__all__ = ["MELGAN", "MelganStep", "initialise"]


class MelganStep:
    """Generator and discriminator with their losses and optimisers; fits `TrainingStep`.

    Parameters
    ----------
    config : the training.
    device : where networks and losses are.
    """

    adversary_class = Adversary

    def __init__(self, config: MelganConfig, device: torch.device) -> None:
        self._config, self._device = config, device
        # Built on the CPU: its random numbers do not depend on the device.
        self.generator = Generator(config.generator)
        self.discriminator = Discriminator(config.discriminator)
        for network in (self.generator, self.discriminator):
            initialise(network, config.initialisation)
            network.to(device)
        _start_from(self.generator, config.start.generator)
        _start_from(self.discriminator, config.start.discriminator)
        if config.run.compile:
            self.generator.compile()
            self.discriminator.compile()
        self._mel = MelTransform(config.mel_spec).to(device)
        self._audio_losses = AudioLosses(config.losses, self._mel)
        self._warm_up_losses = AudioLosses(config.warm_up.losses, self._mel)
        self._optimisers = {
            name: torch.optim.Adam(
                network.parameters(),
                lr=config.optimiser.learning_rate,
                betas=config.optimiser.betas,
                fused=device.type in ("cpu", "cuda"),
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
        self._adversary = self.adversary_class(
            self.discriminator, self._updates["discriminator"], config.losses, config.run.precision
        )
        self._n_done = 0

    def modules(self) -> Mapping[str, nn.Module]:
        """Networks by name."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimisers(self) -> Mapping[str, torch.optim.Optimizer]:
        """Optimisers by name."""
        return self._optimisers

    def run(self, batch: Tensor, generator: torch.Generator) -> dict[str, float]:
        """Do one step; see `TrainingStep.run`. Nothing random happens in it."""
        warm_up = self._config.warm_up
        warming = self._n_done < warm_up.steps
        rate = warm_up.learning_rate_at(self._n_done, self._config.optimiser.learning_rate)
        for group in self._optimisers["generator"].param_groups:
            group["lr"] = rate
        with torch.no_grad():
            mel = self._mel(batch)
        with autocast(self._config.run.precision, self._device):
            fake = self.generator(mel)
        if warming:
            losses = self._update_generator(self._warm_up_losses(fake, batch, mel))
        else:
            lesson = self._adversary.learn(fake, batch)
            parts = self._adversary.criticise(fake, batch, lesson)
            parts |= self._audio_losses(fake, batch, mel)
            losses = lesson.losses | self._update_generator(parts)
        self._n_done += 1
        skipped = sum(update.n_skipped for update in self._updates.values())
        return losses | {"skipped_updates": float(skipped)}

    @torch.no_grad()
    def validate_output(self, batch: Tensor) -> Tensor:
        """Re-synthesise whole recordings of shape (1, 1, samples) in float32."""
        n_samples, hop = batch.shape[-1], self._config.generator.hop_length
        n_missing = max(-n_samples % hop, self.generator.minimum_frames * hop - n_samples)
        mel = self._mel(nn.functional.pad(batch, (0, n_missing)))
        self.generator.eval()
        # Every recording has another length, for which nothing is worth compiling.
        with torch.compiler.set_stance("force_eager"):
            audio: Tensor = self.generator(mel)[..., :n_samples]
        self.generator.train()
        return audio

    def state_dict(self) -> dict[str, Any]:
        """Networks under the names of the release, optimisers, counters.

        In the warm-up the discriminator is as its seed made it: 34 to 68 MB that nobody needs.
        """
        return {
            "n_done": self._n_done,
            "networks": {
                name: to_official_names(network.state_dict())
                for name, network in self.modules().items()
                if name == "generator" or not self._discriminator_is_untouched()
            },
            "updates": {name: update.state_dict() for name, update in self._updates.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a state."""
        for name, network in self.modules().items():
            if name in state["networks"]:
                network.load_state_dict(to_module_names(state["networks"][name]))
        for name, update in self._updates.items():
            update.load_state_dict(state["updates"][name])
        self._n_done = int(state["n_done"])

    def _discriminator_is_untouched(self) -> bool:
        steps = self._config.warm_up.steps
        return 0 < self._n_done <= steps and not self._optimisers["discriminator"].state

    def _update_generator(self, parts: Mapping[str, Tensor]) -> dict[str, float]:
        values = torch.stack([*parts.values()])
        norm = self._updates["generator"](values.sum())
        named = dict(zip(parts, values.tolist(), strict=True))
        return named | {"generator/total": sum(named.values()), "generator/gradient_norm": norm}


def initialise(network: nn.Module, how: Initialisation) -> None:
    """Draw initial weights N(0, 0.02) from torch's global generator; see `MelganConfig`.

    Biases keep torch's default, as in the release.
    """
    if how == "torch":
        return
    for layer in network.modules():
        if not isinstance(layer, nn.Conv1d | nn.ConvTranspose1d):
            continue
        if how == "normal" or not parametrize.is_parametrized(layer, "weight"):
            set_weight(layer, 0.02 * torch.randn(layer.weight.shape))


def _start_from(network: nn.Module, path: Path | None) -> None:
    if path is None:
        return
    try:
        network.load_state_dict(to_module_names(to_official_names(read_state_dict(path))))
    except RuntimeError as error:
        raise CheckpointError(
            f"{path} does not fit: {' '.join(str(error).split())[:300]}",
            wanted="a bare state dict of this network with official names",
            do="check which network the file holds, and the architecture in the configuration",
        ) from error


#: ``step: melgan``.
MELGAN = StepKind(
    config=MelganConfig,
    build=MelganStep,
    architecture=("step", "mel", "generator", "discriminator"),
    export=lambda step, config, folder, n_steps: export_generator(
        step.generator, config, folder, n_steps=n_steps
    ),
)
