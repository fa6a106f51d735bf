"""What every vocoder around a torch network has in common: its card, its device, its facts."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList

from evalsuite.contract import require_frames, require_own_features, require_sample_rate
from evalsuite.mel import MelSpec, extract_mel
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo
from evalsuite.weights import WeightsCard, find_weights
from evalsuite.workload import Workload
from vocoders.checkpoints import load_weights
from vocoders.graph_counts import count_graph
from vocoders.layers import choose_device, count_parameters, remove_weight_norm
from vocoders.roofline import on_meta

__all__ = ["UNTRAINED_SEED", "NetworkVocoder", "count_weight_norm_lengths", "find_trained"]

#: Seed of the random weights of ``--untrained``.
UNTRAINED_SEED = 0

Setting = str | int | float | bool | None


def find_trained(name: str, setup: Setup) -> tuple[WeightsCard, dict[str, Tensor]] | None:
    """Load the weights a system asks for; None if random ones were asked for and none named.

    Raises
    ------
    Unavailable if there are no weights and random ones were not asked for; CheckpointError.
    """
    if setup.untrained and setup.argument is None:
        return None
    return load_weights(find_weights(name, setup.argument), name)


class NetworkVocoder(Vocoder):
    """A mel in, one network, audio out.

    Subclasses implement `synthesise`, and `generate` anew if several utterances at once are
    faster than one after the other.

    Parameters
    ----------
    name : registered name.
    network : with its weights; weight norm is counted, then removed, in place.
    keep_weight_norm : leave it on, so that every run computes the weights anew. That is how the
        published code runs: each network offers it as ``engine=official``, the baseline which
        `evalsuite benchmark --baseline` times the other engines against.
    spec : the mel convention it was trained on.
    card : where the weights come from; None marks them as random.
    device : torch device name, or ``auto``.
    config : settings that change the output; device and the seed of random weights are added.
    deterministic, start_offset, version : see `VocoderInfo`.
    """

    #: Shortest mel the network can take; shorter ones are refused with `AudioError`.
    minimum_frames: int = 1

    def __init__(
        self,
        name: str,
        network: nn.Module,
        spec: MelSpec,
        *,
        card: WeightsCard | None,
        device: str,
        config: Mapping[str, Setting],
        deterministic: bool = True,
        start_offset: int = 0,
        version: str = "1",
        keep_weight_norm: bool = False,
    ) -> None:
        n_with_weight_norm = count_parameters(network)
        n_lengths = count_weight_norm_lengths(network)
        network.eval()
        if not keep_weight_norm:
            remove_weight_norm(network)
        # Engines may replace the network; its shapes say what it was.
        self._graph = on_meta(network)
        self.device = choose_device(device)
        self.network = network.to(self.device)
        self.spec = spec
        settings = dict(config) | {"device": self.device.type}
        if card is None:
            settings |= {"untrained_seed": UNTRAINED_SEED}
        self.info = VocoderInfo(
            name=name,
            family="neural",
            sample_rate=spec.sample_rate,
            spec=spec,
            deterministic=deterministic,
            version=version,
            start_offset=start_offset,
            n_parameters=n_with_weight_norm - n_lengths,
            n_parameters_with_weight_norm=n_with_weight_norm,
            trained=card is not None,
            weights_sha256=card.weights_sha256 if card else None,
            licence=card.licence or "unknown" if card else "MIT",
            source=(card.source or card.source_file) if card else "random weights",
            config=settings,
        )

    @abstractmethod
    def synthesise(self, mel: Tensor, seed: int) -> Tensor:
        """Turn one mel into audio, inside inference mode with repeatable float32 kernels.

        Parameters
        ----------
        mel : float32, shape (n_mels, frames), on `device`.
        seed : of whatever is random.

        Returns
        -------
        float32, shape (samples,), at least ``start_offset`` and the wanted length.
        """

    def workload(self) -> Workload:
        """Count the published network's work on its graph; see `evalsuite.workload`."""
        count = count_graph(self._graph, self.spec.n_mels, self.spec.hop_length)
        return Workload(
            multiply_adds_per_sample=count.multiply_adds_per_sample,
            weight_bytes=4 * count.n_weights,
            weights_read_per_sample=count.autoregressive,
        )

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel, after scaling the wave to the convention's peak.

        Raises
        ------
        AudioError if the wave is too short or at another rate.
        """
        require_sample_rate(self.info, wave)
        features = extract_mel(wave, self.spec)
        self._require_frames(features)
        return features

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Synthesise one utterance after the other."""
        return [self._one(features, seed) for features in batch]

    def synchronize(self) -> None:
        """Wait for the GPU."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _require_frames(self, features: Features) -> None:
        n_frames = features.values.shape[1]
        require_frames(n_frames, minimum=self.minimum_frames, utterance=features.id)

    def _one(self, features: Features, seed: int) -> Waveform:
        require_own_features(self.info, features)
        self._require_frames(features)
        # Repeatable kernels and true float32, also on a GPU.
        exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            audio = self.synthesise(torch.from_numpy(features.values.copy()).to(self.device), seed)
        return Waveform(audio.cpu().numpy(), self.spec.sample_rate, features.id)


def count_weight_norm_lengths(network: nn.Module) -> int:
    """Count the numbers that removing weight norm removes: one length per first dimension."""
    lengths = (
        layer.original0
        for layer in network.modules()
        if isinstance(layer, ParametrizationList) and hasattr(layer, "original1")
    )
    return sum(length.numel() for length in lengths if isinstance(length, Tensor))
