"""WaveNet generation in compiled loops, with weights in float32, int16 or int8. One lane.

Small matrices times one vector are limited by reading weights, so narrow integers pay at once: they
are widened in registers. Long blocks of past taps stay in torch, where one reading serves them all.
"""

import numpy as np
import torch
from torch import Tensor

from evalsuite.types import FloatArray
from vocoders.wavenet_blocked import BlockedEngine, LayerState
from vocoders.wavenet_fused import FusedWaveNet
from vocoders.wavenet_kernels import Array, compiled
from vocoders.wavenet_quantise import quantise_rows

__all__ = ["NumbaEngine"]

#: Blocks up to this length are multiplied with narrow weights, one row after the other.
_SHORT_BLOCK = 2


class NumbaEngine(BlockedEngine):
    """Runs on the CPU; the first use compiles for some seconds.

    Parameters
    ----------
    fused : the weights, already rounded if `kind` is an integer type.
    kind : what to store them in.

    Raises
    ------
    Unavailable without numba.
    """

    def __init__(self, fused: FusedWaveNet, kind: torch.dtype = torch.float32) -> None:
        super().__init__(fused, 1)
        self._kind = kind
        self._add_product, self._run_layers = compiled()
        self._taps, self._tap_scales = self._store([layer.taps[2] for layer in fused.layers])
        self._outs, self._out_scales = self._store(_outs(fused))
        self._short_taps = self._store_short_taps()
        n_rows = [len(layer.past) for layer in self._layers]
        self._n_rows = np.array(n_rows)
        self._first_rows = np.cumsum([0, *n_rows[:-1]])
        power = np.zeros(self._taps.shape[1], np.float32)
        gated, both = np.zeros_like(power[::2]), np.zeros(self._outs.shape[1], np.float32)
        self._scratch = (gated, power, power.view(np.int32), both)

    def _add_tap(self, layer: LayerState, tap: int, past: Tensor, gates: Tensor) -> None:
        stored = self._short_taps.get((layer, tap))
        if stored is None:
            super()._add_tap(layer, tap, past, gates)
            return
        integers, scales = stored
        for x, z in zip(past[:, 0].numpy(), gates[:, 0].numpy(), strict=True):
            self._add_product(integers, scales, x, z)

    def _sum_skips(self, position: int, codes: Tensor) -> None:
        first = self._layers[0]
        self._embed(codes, first.past_rows[self._time % len(first.past_rows)])
        self._skips[0] = self._fused.skip_bias
        self._run_layers(
            self._first_rows + self._time % self._n_rows,
            self._past[:, 0].numpy(),
            self._gates[:, position, 0].numpy(),
            self._taps,
            self._tap_scales,
            self._outs,
            self._out_scales,
            self._skips[0].numpy(),
            self._scratch,
        )

    def _store(self, matrices: list[Tensor]) -> tuple[Array, FloatArray]:
        """Lay out matrices (inputs, outputs) of all layers as (layers, outputs, inputs)."""
        stacked = torch.stack([matrix.T for matrix in matrices])
        if self._kind == torch.float32:
            return stacked.numpy(), np.ones(stacked.shape[:2], np.float32)
        integers, scales = quantise_rows(stacked, self._kind)
        return integers.numpy(), scales.numpy()

    def _store_short_taps(self) -> dict[tuple[LayerState, int], tuple[Array, FloatArray]]:
        """Past taps of short blocks; float32 ones gain nothing by leaving torch."""
        if self._kind == torch.float32:
            return {}
        stored = {}
        for layer in self._layers:
            for tap in (0, 1):
                if layer.blocks[tap] <= _SHORT_BLOCK:
                    integers, scales = self._store([layer.weights.taps[tap]])
                    stored[layer, tap] = integers[0], scales[0]
        return stored


def _outs(fused: FusedWaveNet) -> list[Tensor]:
    """Residual and skip columns of each layer side by side; the last layer's residual is zero."""
    n_residual = fused.layers[0].taps[0].shape[0]
    skips = torch.split(fused.skip, len(fused.skip) // len(fused.layers))
    return [
        torch.cat(
            [skip.new_zeros(len(skip), n_residual) if layer.out is None else layer.out, skip], 1
        )
        for layer, skip in zip(fused.layers, skips, strict=True)
    ]
