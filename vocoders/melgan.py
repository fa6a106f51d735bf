"""MelGAN as a system: its mel convention, its weights, its device, its engine.

Kumar et al. 2019, arXiv 1910.06711. Checkpoints of the official release
(descriptinc/melgan-neurips 6488045) and of two other code bases load exactly: see
`vocoders.melgan_layouts`.
"""

from dataclasses import replace

from torch import Tensor

from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.weights import WeightsCard
from vocoders.band_statistics import take_statistics
from vocoders.layers import choose_device
from vocoders.layouts import CheckpointLayout
from vocoders.melgan_engines import EngineName, choose_engine, make_engine
from vocoders.melgan_generator import Generator, randomise
from vocoders.melgan_layouts import (
    MelInput,
    card_config,
    config_from_card,
    mel_input,
    recognise,
)
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.tensor_names import to_module_names

__all__ = ["CHECKPOINT", "MelGAN", "card_config"]


class MelGAN(NetworkVocoder):
    """The generator as a system.

    Utterances are synthesised one after the other: on a CPU a batch runs at half the speed.

    Parameters
    ----------
    generator : with its weights; weight norm is removed here, except for the engine ``official``.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    engine : how it is computed, see `vocoders.melgan_engines`.
    heard : what happens to the mel before the network hears it.
    """

    def __init__(
        self,
        generator: Generator,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
        engine: EngineName = "auto",
        heard: MelInput | None = None,
    ) -> None:
        engine = choose_engine(engine, choose_device(device))
        settings = dict(card.config) if card else card_config(generator.config)
        super().__init__(
            "melgan",
            generator,
            spec,
            card=card,
            device=device,
            config=settings | {"engine": engine},
            keep_weight_norm=engine == "official",
        )
        self.minimum_frames = generator.minimum_frames
        self._heard = heard or MelInput()
        self._engine, ran = make_engine(generator, engine)
        self.info = replace(self.info, config={**self.info.config, "engine": ran})

    @classmethod
    def create(
        cls, setup: Setup, *, device: str | None = None, engine: EngineName = "auto"
    ) -> "MelGAN":
        """Make it from ``melgan:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError if the
        engine does not run on the device.
        """
        device = device or setup.device
        trained = find_trained("melgan", setup)
        if trained is None:
            generator = Generator()
            randomise(generator, UNTRAINED_SEED)
            return cls(generator, mel_spec("melgan"), device=device, engine=engine)
        card, tensors = trained
        heard = mel_input(card.config, take_statistics(tensors))
        generator = Generator(config_from_card(card.config))
        generator.load_state_dict(to_module_names(tensors))
        spec = mel_spec(card.mel)
        return cls(generator, spec, card=card, device=device, engine=engine, heard=heard)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio; nothing is random."""
        n_samples = self.spec.hop_length * mel.shape[-1]
        return self._engine(self._heard.prepare(mel))[0, :n_samples]


#: How published generators are recognised: three code bases, see `vocoders.melgan_layouts`.
CHECKPOINT = CheckpointLayout("melgan", recognise=recognise)
