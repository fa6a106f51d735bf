"""WaveNet as a system: one sample after the other, many utterances side by side.

van den Oord et al. 2016, arXiv 1609.03499; the networks are those of r9y9/wavenet_vocoder, whose
preset ljspeech_mixture is the WaveNet of 24.7 million parameters in Kumar et al. 2019, table 1.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from evalsuite.contract import require_own_features, require_sample_rate
from evalsuite.errors import ConfigError
from evalsuite.mel import extract_mel
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import SecondsMade
from evalsuite.weights import WeightsCard
from evalsuite.workload import Workload
from vocoders.band_statistics import BandStatistics
from vocoders.exact_inference import stepwise
from vocoders.layers import choose_device
from vocoders.network_vocoder import UNTRAINED_SEED, NetworkVocoder, find_trained
from vocoders.normalised_mel import stored_statistics, typical_statistics
from vocoders.tensor_names import to_module_names
from vocoders.wavenet_audio import HighPassedMelSpec, finish, high_pass, spec_of
from vocoders.wavenet_config import config_of_card, preset
from vocoders.wavenet_engines import EngineChoice, EngineName, WeightKind, make_engines
from vocoders.wavenet_lanes import SamplesMade, Task, codes_as_finished
from vocoders.wavenet_layouts import CHECKPOINT
from vocoders.wavenet_network import WaveNet, randomise
from vocoders.wavenet_output import output_of

__all__ = ["CHECKPOINT", "WaveNetVocoder"]

PresetName = Literal["ljspeech_mixture", "mol", "gaussian", "mulaw256", "tiny"]


class WaveNetVocoder(NetworkVocoder):
    """An autoregressive vocoder; the seed draws its samples.

    `lanes` is the most its engine takes: 64 unless asked otherwise, 1 for engines without lanes.

    Parameters
    ----------
    network : with its weights; weight norm is removed here, except for the engine ``official``.
    statistics : of the training set's mels; for master's networks, which cannot do without.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    choice : how it is computed, see `vocoders.wavenet_engines`.

    Raises
    ------
    ConfigError if the engine does not run so, Unavailable if it needs something that is not here.
    """

    def __init__(
        self,
        network: WaveNet,
        *,
        statistics: BandStatistics | None = None,
        card: WeightsCard | None = None,
        device: str = "cpu",
        choice: EngineChoice | None = None,
    ) -> None:
        choice = choice or EngineChoice()
        choice.require_device(choose_device(device))
        self._config, self._output = network.config, output_of(network.config)
        if (statistics is None) == (network.config.revision == "master"):
            raise TypeError("master's networks have band statistics, those of 2092a64 have none")
        settings = self._config.as_card() | {"engine": choice.name, "weights": choice.weights}
        super().__init__(
            "wavenet",
            network,
            spec_of(self._config.revision),
            card=card,
            device=device,
            config=settings,
            deterministic=False,
            start_offset=768 if self._config.revision == "2092a64" else 0,
            keep_weight_norm=choice.name == "official",
        )
        self._statistics = statistics
        self._make_engine, self._lane_range = make_engines(network, choice)
        self.lanes = self._lane_range.most
        # Engines have matrices of their own; of the network only this is needed on.
        self._upsampler = network.upsampler
        self.network = self._upsampler
        if self._lane_range.fewest == self._lane_range.most:
            # Then the number of lanes shapes the products, and with them the last bits.
            config = {**self.info.config, "lanes": self._lane_range.most}
            self.info = replace(self.info, config=config)

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        engine: EngineName = "blocked",
        weights: WeightKind = "float32",
        lanes: int = 64,
        preset: PresetName | None = None,
        device: str | None = None,
    ) -> "WaveNetVocoder":
        """Make it from ``wavenet:FOLDER`` or the only imported weights; else random weights.

        Parameters
        ----------
        preset : of random weights; by default the paper's 24.7 million.

        Raises
        ------
        Unavailable if there are no weights and random ones were not asked for, or an engine needs
        something that is not installed; ConfigError; CheckpointError.
        """
        choice = EngineChoice(engine, weights, lanes)
        device = device or setup.device
        trained = find_trained("wavenet", setup)
        if trained is None:
            network, statistics = _random(preset or "ljspeech_mixture")
            return cls(network, statistics=statistics, device=device, choice=choice)
        if preset is not None:
            raise ConfigError(
                f"wavenet: preset={preset} with trained weights",
                wanted="no preset: the architecture stands on the weights card",
                do="leave the preset out",
            )
        card, tensors = trained
        network = WaveNet(config_of_card(card.config))
        statistics = None
        if network.config.revision == "master":
            statistics = stored_statistics(tensors, card)
        network.load_state_dict(to_module_names(tensors))
        return cls(network, statistics=statistics, card=card, device=device, choice=choice)

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel, for master of the high-passed wave.

        Raises
        ------
        AudioError if the wave is too short or at another rate.
        """
        require_sample_rate(self.info, wave)
        if isinstance(self.spec, HighPassedMelSpec):
            wave = high_pass(wave, self.spec)
        return extract_mel(wave, self.spec)

    def workload(self) -> Workload:
        """Count the published network's work, and what the engine reads of it."""
        read = self._make_engine(self._lane_range.fewest).bytes_per_sample()
        return replace(super().workload(), engine_bytes_per_step=read)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Generate all utterances side by side, from the same random numbers each."""
        made = dict(self.generate_many(batch, [seed] * len(batch)))
        return [made[place] for place in range(len(batch))]

    def generate_many(
        self,
        batch: Sequence[Features],
        seeds: Sequence[int],
        *,
        progress: SecondsMade | None = None,
    ) -> Iterator[tuple[int, Waveform]]:
        """Generate utterances side by side, each as it would be alone with its own seed.

        Raises
        ------
        FeatureMismatch
        """
        for features in batch:
            require_own_features(self.info, features)
        tasks = [
            Task(self._mel(features), self._n_samples(features), seed)
            for features, seed in zip(batch, seeds, strict=True)
        ]
        rate = self.spec.sample_rate
        for place, made in self._as_finished(tasks, progress and (lambda n: progress(n / rate))):
            samples = finish(made.numpy(), self._config.revision)
            yield place, Waveform(samples, rate, batch[place].id)

    def generate_tasks(self, tasks: Sequence[Task]) -> list[Tensor]:
        """Generate from mels as the network hears them; random numbers may be given.

        Returns
        -------
        What the network says, before de-emphasis and gain: float32 in [-1, 1], on the CPU.
        """
        made = dict(self._as_finished(tasks))
        return [made[number] for number in range(len(tasks))]

    def _as_finished(
        self, tasks: Sequence[Task], progress: SamplesMade | None = None
    ) -> Iterator[tuple[int, Tensor]]:
        codes = codes_as_finished(
            self._make_engine, self._lane_range, self._upsampler, self._output, tasks, progress
        )
        return stepwise((number, self._output.to_wave(one)) for number, one in codes)

    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Generate one utterance from its mel as it was analysed."""
        if self._statistics is not None:
            mel = self._statistics.normalise(mel)
        made = self.generate_tasks([Task(mel, self.spec.hop_length * mel.shape[1], seed)])[0]
        return torch.from_numpy(finish(made.numpy(), self._config.revision))

    def _mel(self, features: Features) -> Tensor:
        mel = torch.from_numpy(features.values.copy()).to(self.device)
        return mel if self._statistics is None else self._statistics.normalise(mel)

    def _n_samples(self, features: Features) -> int:
        """Nothing is generated that is trimmed away again."""
        wanted = self.info.start_offset + features.n_samples
        return min(wanted, self.spec.hop_length * int(features.values.shape[1]))


def _random(name: str) -> tuple[WaveNet, BandStatistics | None]:
    network = WaveNet(preset(name))
    randomise(network, UNTRAINED_SEED)
    config = network.config
    return network, typical_statistics(config.n_mels) if config.revision == "master" else None
