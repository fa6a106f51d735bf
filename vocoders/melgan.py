"""MelGAN as a system: its mel convention, its weights, its device.

Kumar et al. 2019, arXiv 1910.06711. Checkpoints of the official release
(descriptinc/melgan-neurips 6488045) load exactly: see `vocoders.checkpoints`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import torch
from torch import nn

from evalsuite.contract import require_own_features, require_sample_rate
from evalsuite.mel import MelSpec, extract_mel, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo
from evalsuite.weights import WeightsCard, find_weights
from vocoders.checkpoints import CheckpointLayout, load_weights, to_module_names
from vocoders.layers import choose_device, count_parameters, remove_weight_norm
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise, require_frames

__all__ = ["CHECKPOINT", "MelGAN"]

_UNTRAINED_SEED = 0


class MelGAN(Vocoder):
    """The generator as a system.

    Parameters
    ----------
    generator : with its weights; weight norm is removed here.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    """

    def __init__(
        self,
        generator: Generator,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
    ) -> None:
        n_with_weight_norm = count_parameters(generator)
        remove_weight_norm(generator)
        self._device = choose_device(device)
        self._generator = generator.eval().to(self._device)
        self._spec = spec
        config = _config_for_card(generator.config) | {"device": self._device.type}
        if card is None:
            config |= {"untrained_seed": _UNTRAINED_SEED}
        self.info = VocoderInfo(
            name="melgan",
            family="neural",
            sample_rate=spec.sample_rate,
            spec=spec,
            deterministic=True,
            n_parameters=count_parameters(generator),
            n_parameters_with_weight_norm=n_with_weight_norm,
            trained=card is not None,
            weights_sha256=card.weights_sha256 if card else None,
            licence=card.licence or "unknown" if card else "MIT",
            source=(card.source or card.source_file) if card else "random weights",
            config=config,
        )

    @classmethod
    def create(cls, setup: Setup, *, device: str | None = None) -> "MelGAN":
        """Make it from ``melgan:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for.
        """
        device = device or setup.device
        if setup.untrained and setup.argument is None:
            generator = Generator()
            randomise(generator, _UNTRAINED_SEED)
            return cls(generator, mel_spec("melgan"), device=device)
        card, tensors = load_weights(find_weights("melgan", setup.argument), "melgan")
        generator = Generator(_config_from_card(card.config))
        generator.load_state_dict(to_module_names(tensors))
        return cls(generator, mel_spec(card.mel), card=card, device=device)

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel, after scaling the wave to the convention's peak.

        Raises
        ------
        AudioError if the wave is too short or at another rate.
        """
        require_sample_rate(self.info, wave)
        features = extract_mel(wave, self._spec)
        require_frames(features.values.shape[1], wave.id)
        return features

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Synthesise one utterance after the other: on a CPU a batch runs at half the speed."""
        return [self._one(features) for features in batch]

    def synchronize(self) -> None:
        """Wait for the GPU."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def _one(self, features: Features) -> Waveform:
        require_own_features(self.info, features)
        require_frames(features.values.shape[1], features.id)
        # Repeatable kernels and true float32, also on a GPU.
        exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            mel = torch.from_numpy(features.values.copy()).to(self._device)
            audio = self._generator(mel[None])[0, 0]
        return Waveform(audio.cpu().numpy(), self._spec.sample_rate, features.id)


def _config_for_card(config: GeneratorConfig) -> dict[str, int | float | bool | str]:
    return asdict(config) | {"ratios": " ".join(map(str, config.ratios))}


def _config_from_card(settings: Mapping[str, int | float | bool | str]) -> GeneratorConfig:
    return GeneratorConfig(
        n_mels=int(settings["n_mels"]),
        base_channels=int(settings["base_channels"]),
        n_residual_layers=int(settings["n_residual_layers"]),
        ratios=tuple(int(ratio) for ratio in str(settings["ratios"]).split()),
        weight_norm=bool(settings["weight_norm"]),
    )


def _build_empty(weight_norm: bool) -> tuple[nn.Module, dict[str, int | float | bool | str]]:
    config = GeneratorConfig(weight_norm=weight_norm)
    with torch.device("meta"):
        return Generator(config), _config_for_card(config)


#: How a published generator is recognised: official names, default architecture.
CHECKPOINT = CheckpointLayout("melgan", mel="melgan", build_empty=_build_empty)
