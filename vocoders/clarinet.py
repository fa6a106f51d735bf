"""ClariNet as two systems: the parallel student, and its autoregressive teacher.

Ping, Peng and Chen 2018, arXiv 1807.07281; sizes and conventions of the open implementation
ksw0306/ClariNet df31b4c, whose checkpoints load: see `vocoders.clarinet_weights`.

They are two names and not one with an option, because they differ in what a table shows of a
system: weights (the student needs two files, the teacher one), parameters, and speed by
two orders of magnitude. ``clarinet`` counts both networks, as the MelGAN paper's table 1 does.

*Start offset* The release pads a waveform of T samples on both sides to whole frames,
(floor(T / 256) + 1) 256 in all, before it pairs it with the mel: the output begins so much before
the recording. References are whole frames here, which makes that half a hop.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, cast

import torch
from torch import Tensor

from evalsuite.contract import require_own_features
from evalsuite.errors import ConfigError
from evalsuite.mel import MelSpec, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import SecondsMade
from evalsuite.weights import WeightsCard
from vocoders.clarinet_network import ClariNetNetwork
from vocoders.clarinet_network import Teacher as TeacherNetwork
from vocoders.clarinet_student import EagerStudent, TimeBlockedStudent
from vocoders.clarinet_teacher import EagerTeacher, RingTeacher, SteppedTeacher
from vocoders.clarinet_weights import (
    CHECKPOINT,
    TEACHER_CHECKPOINT,
    card_settings,
    config_from_card,
    load_clarinet,
    load_teacher,
    random_clarinet,
)
from vocoders.exact_inference import stepwise
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained

__all__ = ["CHECKPOINT", "TEACHER_CHECKPOINT", "ClariNet", "ClariNetTeacher"]

StudentEngine = Literal["blocked", "eager"]
TeacherEngine = Literal["rings", "eager"]


class ClariNet(NetworkVocoder):
    """The student, conditioned through the teacher's upsampler.

    Parameters
    ----------
    network : both networks; weight norm is removed here, the front and head included.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    temperature : standard deviation of the noise.
    engine : ``blocked``, or ``eager`` for the plain convolutions; equal up to rounding.

    Raises
    ------
    ConfigError for a negative temperature.
    """

    def __init__(
        self,
        network: ClariNetNetwork,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
        temperature: float = 1.0,
        engine: StudentEngine = "blocked",
    ) -> None:
        if not 0 <= temperature < float("inf"):
            raise ConfigError(
                f"clarinet: temperature {temperature}", wanted="0 or more", do="correct the option"
            )
        super().__init__(
            "clarinet",
            network,
            spec,
            card=card,
            device=device,
            config=card_settings(network.config) | {"temperature": temperature, "engine": engine},
            deterministic=temperature == 0,
            start_offset=spec.hop_length // 2,
        )
        self.temperature = temperature
        engines = {"blocked": TimeBlockedStudent, "eager": EagerStudent}
        self.network = engines[engine](cast("ClariNetNetwork", self.network))

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        temperature: float = 1.0,
        engine: StudentEngine = "blocked",
        device: str | None = None,
    ) -> "ClariNet":
        """Make it from ``clarinet:FOLDER`` or the only imported weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError.
        """
        trained = find_trained("clarinet", setup)
        if trained is None:
            network, card = random_clarinet(seed=UNTRAINED_SEED), None
        else:
            card, tensors = trained
            network = load_clarinet(config_from_card(card.config), tensors)
        return cls(
            network,
            mel_spec(card.mel if card else "clarinet"),
            card=card,
            device=device or setup.device,
            temperature=temperature,
            engine=engine,
        )

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio from seeded noise."""
        return self.synthesise_from(mel, _draw_noise(mel, self.spec, seed))

    def synthesise_from(self, mel: Tensor, noise: Tensor) -> Tensor:
        """Turn one mel into audio from given noise.

        Parameters
        ----------
        mel : shape (n_mels, frames).
        noise : standard normal, shape (hop * frames,).

        Returns
        -------
        float32, shape (hop * frames,), scaled down as a whole if it exceeds full scale.
        """
        audio: Tensor = self.network(mel, self.temperature * noise.to(mel))
        return audio / audio.abs().max().clamp(min=1)


class ClariNetTeacher(NetworkVocoder):
    """The teacher: one sample after the other, many utterances at once.

    Parameters
    ----------
    network : with its weights; weight norm is removed here.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    lanes : utterances side by side, for ``rings``; on a CPU the output does not depend on it.
    engine : ``rings``, or ``eager`` for the whole receptive field anew at every sample.

    Raises
    ------
    ConfigError for less than one lane.
    """

    def __init__(
        self,
        network: TeacherNetwork,
        spec: MelSpec,
        *,
        card: WeightsCard | None = None,
        device: str = "cpu",
        lanes: int = 64,
        engine: TeacherEngine = "rings",
    ) -> None:
        if lanes < 1:
            raise ConfigError(
                f"clarinet_teacher: {lanes} lanes", wanted="at least 1", do="correct the option"
            )
        super().__init__(
            "clarinet_teacher",
            network,
            spec,
            card=card,
            device=device,
            config=card_settings(network.clarinet_config) | {"engine": engine},
            deterministic=False,
            start_offset=spec.hop_length // 2,
        )
        teacher = cast("TeacherNetwork", self.network)
        self._engine: SteppedTeacher = (
            EagerTeacher(teacher) if engine == "eager" else RingTeacher(teacher, most_lanes=lanes)
        )
        self.network, allowed = self._engine, self._engine.lanes
        self.lanes = allowed.most
        if engine == "rings" and allowed.fewest == allowed.most:
            # Then the number of lanes shapes the products, and with them the last bits.
            self.info = replace(self.info, config={**self.info.config, "lanes": allowed.most})

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        lanes: int = 64,
        engine: TeacherEngine = "rings",
        device: str | None = None,
    ) -> "ClariNetTeacher":
        """Make it from ``clarinet_teacher:FOLDER`` or the only weights; else random weights.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for; ConfigError.
        """
        trained = find_trained("clarinet_teacher", setup)
        if trained is None:
            network, card = random_clarinet(seed=UNTRAINED_SEED).teacher, None
        else:
            card, tensors = trained
            network = load_teacher(config_from_card(card.config), tensors)
        return cls(
            network,
            mel_spec(card.mel if card else "clarinet"),
            card=card,
            device=device or setup.device,
            lanes=lanes,
            engine=engine,
        )

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Synthesise all utterances side by side."""
        made = dict(self.generate_many(batch, [seed] * len(batch)))
        return [made[place] for place in range(len(batch))]

    def generate_many(
        self,
        batch: Sequence[Features],
        seeds: Sequence[int],
        *,
        progress: SecondsMade | None = None,
    ) -> Iterator[tuple[int, Waveform]]:
        """Synthesise utterances side by side, each as it would be alone with its own seed.

        Raises
        ------
        FeatureMismatch
        """
        for features in batch:
            require_own_features(self.info, features)
        rate = self.spec.sample_rate
        mels = [torch.from_numpy(features.values.copy()).to(self.device) for features in batch]

        def noise_of(place: int) -> Tensor:
            return _draw_noise(mels[place], self.spec, seeds[place]).to(self.device)

        made = self._engine.as_finished(mels, noise_of, progress and (lambda n: progress(n / rate)))
        for place, audio in stepwise(made):
            yield place, Waveform(audio.cpu().numpy(), rate, batch[place].id)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio from seeded noise."""
        return self.synthesise_from([mel], [_draw_noise(mel, self.spec, seed)])[0]

    def synthesise_from(self, mels: Sequence[Tensor], noises: Sequence[Tensor]) -> list[Tensor]:
        """Turn mels into audio from given noise.

        Parameters
        ----------
        mels : each of shape (n_mels, frames).
        noises : standard normal, each of shape (hop * frames,) or shorter for a shorter output.

        Returns
        -------
        float32, of the noises' lengths, in [-1, 1].
        """
        return cast("list[Tensor]", self._engine(mels, [noise.to(self.device) for noise in noises]))


def _draw_noise(mel: Tensor, spec: MelSpec, seed: int) -> Tensor:
    """Standard normal, one number a sample; from the CPU, so that every device sees the same."""
    source = torch.Generator().manual_seed(seed)
    return torch.randn(mel.shape[1] * spec.hop_length, generator=source)
