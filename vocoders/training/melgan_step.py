"""One optimiser step of MelGAN.

*Order*, as in the release (descriptinc/melgan-neurips 6488045, scripts/train.py): one pass of
the generator; the discriminator's update on its detached output and the real audio; then the
generator's update through the updated discriminator. A warm-up phase, if configured, comes
before and trains the generator alone.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from evalsuite.errors import CheckpointError
from vocoders.checkpoints import read_state_dict, to_module_names, to_official_names
from vocoders.discriminator import Discriminator, Judgement
from vocoders.layers import set_weight
from vocoders.melgan_generator import Generator
from vocoders.training.export import export_generator
from vocoders.training.losses import (
    MultiResolutionStft,
    discriminator_loss,
    feature_matching_factor,
    feature_matching_loss,
    generator_loss,
)
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
        self._run_generator: Callable[[Tensor], Tensor] = self.generator
        self._run_discriminator: Callable[[Tensor], list[Judgement]] = self.discriminator
        if config.run.compile:
            self._run_generator = torch.compile(self.generator)
            self._run_discriminator = torch.compile(self.discriminator)
        self._mel = MelTransform(config.mel_spec).to(device)
        self._stft = MultiResolutionStft().to(device)
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
        self._feature_matching = feature_matching_factor(
            config.losses.feature_matching,
            config.losses.feature_matching_scale,
            n_layers=config.discriminator.n_layers,
            n_scales=config.discriminator.n_scales,
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
        losses = self._warm_up(batch, mel) if warming else self._adversarial(batch, mel)
        self._n_done += 1
        skipped = sum(update.n_skipped for update in self._updates.values())
        return losses | {"skipped_updates": float(skipped)}

    @torch.no_grad()
    def validate_output(self, batch: Tensor) -> Tensor:
        """Re-synthesise whole recordings of shape (1, 1, samples) in float32."""
        n_samples, hop = batch.shape[-1], self._config.generator.hop_length
        n_missing = max(-n_samples % hop, Generator.minimum_frames * hop - n_samples)
        mel = self._mel(nn.functional.pad(batch, (0, n_missing)))
        self.generator.eval()
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

    def _warm_up(self, real: Tensor, mel: Tensor) -> dict[str, float]:
        weights = self._config.warm_up
        with autocast(self._config.run.precision, self._device):
            fake = self._run_generator(mel)
        parts = {
            "generator/log_mel_l1": weights.log_mel_l1 * self._log_mel_l1(fake, mel),
            "generator/stft": weights.stft * self._stft(fake, real),
        }
        return self._update_generator(parts)

    def _adversarial(self, real: Tensor, mel: Tensor) -> dict[str, float]:
        precision, device = self._config.run.precision, self._device
        with autocast(precision, device):
            fake = self._run_generator(mel)
            judged_fake, judged_real = self._judge_both(fake.detach(), real)
        loss = discriminator_loss(judged_fake, judged_real)
        norm = self._updates["discriminator"](loss)
        losses = {"discriminator/hinge": float(loss.detach()), "discriminator/gradient_norm": norm}

        # Its gradients are not wanted in the generator's step.
        self.discriminator.requires_grad_(False)
        with autocast(precision, device):
            if not self._config.losses.stale_real_features:
                judged_real = self._run_discriminator(real)
            judged_fake = self._run_discriminator(fake)
        parts = {"generator/adversarial": generator_loss(judged_fake)}
        if self._feature_matching:
            matching = feature_matching_loss(judged_fake, judged_real)
            parts["generator/feature_matching"] = self._feature_matching * matching
        losses |= self._update_generator(parts | self._direct_losses(fake, real, mel))
        self.discriminator.requires_grad_(True)
        return losses

    def _judge_both(self, fake: Tensor, real: Tensor) -> tuple[list[Judgement], list[Judgement]]:
        """Judge fake and real audio in one pass, which fills a GPU better than two."""
        both = self._run_discriminator(torch.cat([fake, real.to(fake.dtype)]))
        return _split(both, 0), _split(both, 1)

    def _direct_losses(self, fake: Tensor, real: Tensor, mel: Tensor) -> dict[str, Tensor]:
        """Losses that compare audio without the discriminator, those that have a weight."""
        weights = self._config.losses
        parts = {}
        if weights.audio_l1:
            l1 = nn.functional.l1_loss(fake.float(), real)
            parts["generator/audio_l1"] = weights.audio_l1 * l1
        if weights.log_mel_l1:
            parts["generator/log_mel_l1"] = weights.log_mel_l1 * self._log_mel_l1(fake, mel)
        if weights.stft:
            parts["generator/stft"] = weights.stft * self._stft(fake, real)
        return parts

    def _log_mel_l1(self, fake: Tensor, mel: Tensor) -> Tensor:
        return nn.functional.l1_loss(self._mel(fake), mel)

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


def _split(judgements: list[Judgement], part: int) -> list[Judgement]:
    """First (0) or second (1) half of the batch."""
    return [
        Judgement([x.chunk(2)[part] for x in judgement.features], judgement.logits.chunk(2)[part])
        for judgement in judgements
    ]


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
