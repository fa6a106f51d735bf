"""WaveNet generation in compiled loops, with weights in float32, int16 or int8. One lane.

Small matrices times one vector are limited by reading weights, so narrow integers pay at once: they
are widened in registers. Long blocks of past taps stay in torch, where one reading serves them all.
All weights lie in a few large arrays of numpy, in the order in which they are read: numpy asks
Linux for large pages for them, which saves a look-up of the address every 4 KiB.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evalsuite.types import FloatArray
from vocoders.wavenet_blocked import BlockedEngine, LayerState
from vocoders.wavenet_engine import CHUNK
from vocoders.wavenet_fused import FusedWaveNet
from vocoders.wavenet_kernels import GAUSSIAN, LOGISTICS, MULAW, NO_LEAST, compiled
from vocoders.wavenet_output import Gaussian, LogisticMixture, MuLaw, Output
from vocoders.wavenet_quantise import quantise_rows
from vocoders.wavenet_step import Array, StepState, StepWeights

__all__ = ["NumbaEngine", "family_of"]

#: Blocks up to this length are multiplied in the loops, where narrow weights pay.
_SHORT_BLOCK = 2
#: The shortest of the others, which all begin at its multiples.
_LONG_BLOCK = 2 * _SHORT_BLOCK


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
        self._run_step, self._run_steps = compiled()
        self._weights = self._store(kind)
        self._state = self._scratch()
        self._long_taps = self._list_long_taps()

    def restart(self, lane: int) -> None:
        """Put the past to rest."""
        super().restart(lane)
        first = self._layers[0].weights
        products = [first.rest @ tap for tap in first.taps[:2]]
        self._state.first_past[:] = torch.stack(products).numpy()

    def bytes_per_sample(self) -> float:
        """As stored; the first layer's taps are a row of a table."""
        weights, conditions = self._weights, [one.weights.condition for one in self._layers]
        n_skip = len(weights.skip_bias)
        unheard = weights.outs[-1, : weights.outs.shape[1] - n_skip].nbytes
        once = [weights.taps, weights.outs, weights.hidden, weights.last, weights.first_taps[:, 0]]
        total = sum(matrix.nbytes for matrix in once) - unheard
        total += sum(matrix.nbytes for matrix in conditions) / CHUNK
        blocks = weights.short_facts[:, 1]
        total += sum(weights.short[0].nbytes / block for block in blocks)
        long = [tap.matrix.nbytes for taps in self._long_taps for tap in taps]
        return float(total + sum(long) / CHUNK)

    def step(self, position: int, codes: Tensor) -> Tensor:
        """Run all layers and the head for one sample."""
        for tap in self._long_taps[position]:
            tap.add(self._time)
        self._run_step(self._weights, self._state, position, self._time, codes.item())
        self._time += 1
        return self._predicted

    def generate_chunk(self, codes: Tensor, prepared: Tensor, output: Output) -> Tensor:
        """Generate a chunk; between two long blocks of past taps without leaving the loops."""
        family, least = family_of(output)
        draws, code = prepared[:, 0].numpy(), codes.item()
        made = np.empty(CHUNK, np.float32)
        for start, taps in enumerate(self._long_taps):
            for tap in taps:
                tap.add(self._time + start)
            if start % _LONG_BLOCK == 0:
                part = slice(start, start + _LONG_BLOCK)
                code = self._run_steps(
                    self._weights, self._state, start, self._time + start, code,
                    family, least, draws[part], made[part],
                )  # fmt: skip
        self._time += CHUNK
        return torch.from_numpy(made).to(output.code_dtype)[None]

    def _store(self, kind: torch.dtype) -> StepWeights:
        fused = self._fused
        n_rows = [len(layer.past) for layer in self._layers]
        short = [(number, tap) for number, tap, block in self._past_taps() if block <= _SHORT_BLOCK]
        short_facts = [
            (number, self._layers[number].blocks[tap], self._layers[number].reach(tap))
            for number, tap in short
        ]
        first, first_bias = fused.first
        first_taps = torch.stack(fused.layers[0].taps)
        (hidden, hidden_bias), (last, last_bias) = fused.head
        return StepWeights(
            first.numpy(),
            first_bias.numpy(),
            (first @ first_taps).numpy(),
            (first_bias @ first_taps).numpy(),
            *_stacked([layer.taps[2] for layer in fused.layers[1:]], kind),
            *_stacked(_outs(fused), kind),
            *_stacked([fused.layers[number].taps[tap] for number, tap in short], kind),
            np.array(short_facts),
            np.stack([np.cumsum([0, *n_rows[:-1]]), n_rows], axis=1),
            fused.skip_bias.numpy(),
            _in_one_piece([hidden.T])[0],
            hidden_bias.numpy(),
            _in_one_piece([last.T])[0],
            last_bias.numpy(),
        )

    def _past_taps(self) -> list[tuple[int, int, int]]:
        """Layer, tap and block of all past taps but the first layer's, which cost nothing."""
        return [
            (number, tap, layer.blocks[tap])
            for number, layer in enumerate(self._layers)
            for tap in (0, 1)
            if number > 0
        ]

    def _scratch(self) -> StepState:
        n_gates, n_both = self._weights.taps.shape[1], self._weights.outs.shape[1]
        power = np.zeros(n_gates, np.float32)
        n_first = 2 * self._fused.layers[0].dilation
        return StepState(
            first_past=np.zeros((n_first, 2, n_gates), np.float32),
            past=self._past[:, 0].numpy(),
            gates=self._gates[:, :, 0].numpy(),
            gated=np.zeros(n_gates // 2, np.float32),
            power=power,
            power_bits=power.view(np.int32),
            both=np.zeros(n_both, np.float32),
            skips=self._skips[0].numpy(),
            activated=self._hidden[0].numpy(),
            predicted=self._predicted[0].numpy(),
        )

    def _list_long_taps(self) -> "list[list[_LongTap]]":
        """Past taps whose long blocks begin at each position of a chunk."""
        found = [
            (self._layers[number], tap)
            for number, tap, block in self._past_taps()
            if block > _SHORT_BLOCK
        ]
        if not found:
            return [[] for _ in range(CHUNK)]
        matrices = _in_one_piece([layer.weights.taps[tap] for layer, tap in found])
        return [
            [
                _LongTap.of(layer, tap, torch.from_numpy(matrix), position)
                for (layer, tap), matrix in zip(found, matrices, strict=True)
                if position % layer.blocks[tap] == 0
            ]
            for position in range(CHUNK)
        ]


@dataclass(frozen=True, eq=False)
class _LongTap:
    """One product of a long block, with views of all that it may read, made once.

    Parameters
    ----------
    matrix : shape (residual, gate).
    gates : what it is added to, shape (block, gate).
    past : what it may be multiplied with, block after block of the ring, each (block, residual).
    reach : how many samples ago the block that is heard now began.
    """

    matrix: Tensor
    gates: Tensor
    past: tuple[Tensor, ...]
    reach: int

    @classmethod
    def of(cls, layer: LayerState, tap: int, matrix: Tensor, position: int) -> "_LongTap":
        block = layer.blocks[tap]
        past = torch.split(layer.past[:, 0], block)
        return cls(matrix, layer.gates[position : position + block, 0], past, layer.reach(tap))

    def add(self, time: int) -> None:
        block = (time - self.reach) // len(self.gates) % len(self.past)
        self.gates.addmm_(self.past[block], self.matrix)


def family_of(output: Output) -> tuple[int, float]:
    """Name a family of distributions as `vocoders.wavenet_kernels.draw_sample` does."""
    if isinstance(output, LogisticMixture):
        least = output.least_log_scale
        return LOGISTICS, NO_LEAST if least is None else least
    if isinstance(output, Gaussian):
        return GAUSSIAN, NO_LEAST
    assert isinstance(output, MuLaw)
    return MULAW, NO_LEAST


def _stacked(matrices: Sequence[Tensor], kind: torch.dtype) -> tuple[Array, FloatArray]:
    """Lay out matrices (inputs, outputs) as (matrices, outputs, inputs), with a scale per row."""
    transposed = [matrix.T for matrix in matrices]
    if kind == torch.float32:
        whole = _in_one_piece(transposed)
        return whole, np.ones(whole.shape[:2], np.float32)
    pairs = [quantise_rows(matrix, kind) for matrix in transposed]
    return _in_one_piece([integers for integers, _ in pairs]), _in_one_piece(
        [scales for _, scales in pairs]
    )


def _in_one_piece(tensors: Sequence[Tensor]) -> Array:
    """Copy equal shapes into one array whose memory is numpy's."""
    return np.array(torch.stack(list(tensors)).numpy(), order="C")


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
