"""Ways to run one and the same WaveNet, by name.

==============  ===================================================================================
``official``    as published: buffers moved at every sample, everything multiplied at every sample,
                one utterance at a time; its matrices are made once from weight norm
``eager``       the same with weight norm folded into the weights first
``rings``       ring buffers, folded weights, conditioning by the chunk
``blocked``     the same with past taps multiplied in blocks: exact, and the fastest without a wait
``numba``       the same for one utterance in compiled loops, with weights in float32, int16 or int8
==============  ===================================================================================

In float32 all predict the same within 1e-5; which one ran is part of a sample's identity all the
same, because the last bits differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch

from evalsuite.errors import ConfigError
from vocoders.wavenet_blocked import BlockedEngine
from vocoders.wavenet_engine import LaneEngine, LaneRange, lane_range
from vocoders.wavenet_fused import fuse
from vocoders.wavenet_network import WaveNet
from vocoders.wavenet_official import OfficialEngine
from vocoders.wavenet_quantise import WIDTHS, quantise_network

__all__ = ["EngineChoice", "EngineName", "WeightKind", "make_engines"]

EngineName = Literal["official", "eager", "rings", "blocked", "numba"]
WeightKind = Literal["float32", "int16", "int8"]

_TORCH_ENGINES = ("rings", "blocked")


@dataclass(frozen=True)
class EngineChoice:
    """What the options ask for.

    Parameters
    ----------
    weights : stored in the residual layers; narrow ones need ``numba``.
    lanes : utterances side by side at most, for ``rings`` and ``blocked``.
    """

    name: EngineName = "blocked"
    weights: WeightKind = "float32"
    lanes: int = 64

    def require_device(self, device: torch.device) -> None:
        """Check the choice against itself and the device.

        Raises
        ------
        ConfigError
        """
        if self.lanes < 1:
            raise ConfigError(f"wavenet: {self.lanes} lanes", wanted="at least 1", do="correct it")
        if self.weights != "float32" and self.name != "numba":
            raise ConfigError(
                f"wavenet: weights={self.weights} with engine={self.name}",
                wanted="engine=numba, the only one that computes with narrow weights",
                do="add engine=numba, or leave the weights in float32",
            )
        if self.name == "numba" and device.type != "cpu":
            raise ConfigError(
                f"wavenet: engine=numba on device {device.type!r}",
                wanted="the CPU, which its loops are compiled for",
                do="add device=cpu, or choose engine=blocked",
            )


def make_engines(
    network: WaveNet, choice: EngineChoice
) -> tuple[Callable[[int], LaneEngine], LaneRange]:
    """Prepare a network on its device for generation.

    Parameters
    ----------
    network : without weight norm, except for ``official``; narrow weights are rounded in place.

    Returns
    -------
    Number of lanes -> engine, and how many lanes there may be.

    Raises
    ------
    Unavailable for ``numba`` without numba.
    """
    if choice.name in _TORCH_ENGINES:
        fused = fuse(network)
        make = partial(BlockedEngine, fused)
        if choice.name == "rings":
            make = partial(BlockedEngine, fused, longest_block=1)
        return make, lane_range(fused.matrices(), choice.lanes)
    engine = _numba(network, choice) if choice.name == "numba" else OfficialEngine(network, 1)
    return lambda lanes: engine, LaneRange(1, 1)


def _numba(network: WaveNet, choice: EngineChoice) -> LaneEngine:
    from vocoders.wavenet_numba import NumbaEngine

    if choice.weights == "float32":
        return NumbaEngine(fuse(network))
    quantise_network(network, WIDTHS[choice.weights])
    return NumbaEngine(fuse(network), WIDTHS[choice.weights])
