"""How a published network is called, so that its work can be counted.

Most take a mel alone. The others are listed here: a WaveNet and a flow also take audio.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vocoders.roofline import multiply_adds, used_weights

__all__ = ["GraphCount", "count_graph"]

#: Of the counted call. Counts per sample do not depend on it, as no layer spans more.
_COUNTED_FRAMES = 16


@dataclass(frozen=True)
class GraphCount:
    """Work of one call.

    Parameters
    ----------
    multiply_adds_per_sample : of all convolutions and matrix products that ran.
    n_weights : numbers in their filters and matrices, each layer once.
    autoregressive : True if each sample waits for the one before, so that it needs all weights.
    """

    multiply_adds_per_sample: float
    n_weights: int
    autoregressive: bool


def count_graph(graph: nn.Module, n_mels: int, hop_length: int) -> GraphCount:
    """Count on a network without numbers, see `vocoders.roofline.on_meta`.

    Parameters
    ----------
    graph : a published network, as its weights are stored.
    n_mels, hop_length : of its mel convention.
    """
    make = _INPUTS.get(type(graph).__name__, _mel)
    with torch.device("meta"):
        inputs = make(graph, n_mels, hop_length)
    totals: list[int] = []
    n_weights = used_weights(graph, lambda: totals.append(multiply_adds(lambda: graph(*inputs))))
    return GraphCount(
        multiply_adds_per_sample=totals[0] / (_COUNTED_FRAMES * hop_length),
        n_weights=n_weights,
        autoregressive=type(graph).__name__ in _AUTOREGRESSIVE,
    )


def _mel(graph: nn.Module, n_mels: int, hop_length: int) -> tuple[Tensor, ...]:
    return (torch.empty(1, n_mels, _COUNTED_FRAMES),)


def _audio_and_mel(graph: nn.Module, n_mels: int, hop_length: int) -> tuple[Tensor, ...]:
    audio = torch.empty(1, 1, _COUNTED_FRAMES * hop_length)
    return audio, torch.empty(1, n_mels, _COUNTED_FRAMES)


def _flat_audio_and_mel(graph: nn.Module, n_mels: int, hop_length: int) -> tuple[Tensor, ...]:
    audio, mel = _audio_and_mel(graph, n_mels, hop_length)
    return audio[0], mel


def _audio_and_samples_of_mel(graph: nn.Module, n_mels: int, hop_length: int) -> tuple[Tensor, ...]:
    """The mel comes up-sampled: one column a sample."""
    n_samples = _COUNTED_FRAMES * hop_length
    n_in = graph.get_submodule("first_conv").in_channels
    assert isinstance(n_in, int)
    return torch.empty(1, n_in, n_samples), torch.empty(1, n_mels, n_samples)


_AUTOREGRESSIVE = ("WaveNet", "Teacher")
#: By class name: the networks need not be imported to be known.
_INPUTS: Mapping[str, Callable[[nn.Module, int, int], tuple[Tensor, ...]]] = {
    "WaveNet": _audio_and_samples_of_mel,
    "WaveGlowNetwork": _flat_audio_and_mel,
    "ClariNetNetwork": _audio_and_mel,
    "Teacher": _audio_and_mel,
    "ParallelWaveGANGenerator": _audio_and_mel,
}
