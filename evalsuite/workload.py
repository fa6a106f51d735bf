"""How much work a vocoder's definition asks for per sample, and what its engine reads for it."""

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
    engine_bytes_per_step : of weights that the engine reads for one sample of one utterance, if it
        gets by with fewer: narrow ones, or ones that are read once for several samples.
    """

    multiply_adds_per_sample: float
    weight_bytes: int
    weights_read_per_sample: bool = False
    engine_bytes_per_step: float | None = None

    @property
    def bytes_per_step(self) -> float:
        """Bytes of weights read in one step: a sample, or a whole utterance."""
        if self.engine_bytes_per_step is not None:
            return self.engine_bytes_per_step
        return self.weight_bytes


@runtime_checkable
class CountsWorkload(Protocol):
    """What a vocoder offers if its work can be counted."""

    def workload(self) -> Workload:
        """Count on the network's graph; nothing is synthesised."""
