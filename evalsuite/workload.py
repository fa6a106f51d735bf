"""How much work a vocoder's definition asks for per sample, whatever engine does it."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

__all__ = ["CountsWorkload", "Workload"]


@dataclass(frozen=True)
class Workload:
    """Work of the network as its paper defines it, from one utterance.

    Parameters
    ----------
    multiply_adds_per_sample : of all convolutions and matrix products, per output sample.
    weight_bytes : of the weights they use, in float32.
    weights_read_per_sample : True for autoregressive networks: each sample needs all weights
        again, since it is made after the one before.
    """

    multiply_adds_per_sample: float
    weight_bytes: int
    weights_read_per_sample: bool = False

    @property
    def bytes_per_step(self) -> int:
        """Bytes of weights read in one step: a sample, or a whole utterance."""
        return self.weight_bytes


@runtime_checkable
class CountsWorkload(Protocol):
    """What a vocoder offers if its work can be counted."""

    def workload(self) -> Workload:
        """Count on the network's graph; nothing is synthesised."""
