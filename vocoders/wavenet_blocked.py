"""WaveNet generation with the past taps multiplied in blocks: exact, and less to read.

A layer of dilation d hears its input now, d and 2 d samples ago. The middle tap is known d samples
ahead and the oldest 2 d, so the products of so many samples are one matrix product, which reads the
weights once instead of once per sample. One utterance alone is limited by reading weights: of the
24.7 million parameters, 95 MB per sample become 54 MB. Blocks of one sample are plain ring buffers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vocoders.wavenet_engine import CHUNK, LaneEngine
from vocoders.wavenet_fused import FusedLayer, FusedWaveNet

__all__ = ["BlockedEngine", "LayerState"]


@dataclass(frozen=True, eq=False)
class LayerState:
    """One layer's past and gates: views into the engine's memory, made once.

    Parameters
    ----------
    past : the last states, a ring over time, shape (rows, lanes, residual).
    past_rows : its rows.
    gates : of one chunk, shape (CHUNK, lanes, gate): conditioning first, then everything.
    gate_rows : its rows, whole and the two halves.
    gated : where the gated output goes, shape (lanes, gate / 2).
    blocks : samples at once of the oldest and the middle tap; they divide the ring.
    """

    weights: FusedLayer
    past: Tensor
    past_rows: list[Tensor]
    gates: Tensor
    gate_rows: list[tuple[Tensor, Tensor, Tensor]]
    gated: Tensor
    blocks: tuple[int, int]

    def reach(self, tap: int) -> int:
        """How many samples ago a past tap (0 oldest, 1 middle) hears."""
        return (2 - tap) * self.weights.dilation

    def past_block(self, tap: int, time: int) -> Tensor:
        """States that a past tap hears in the block that begins at `time`."""
        first = (time - self.reach(tap)) % len(self.past)
        return self.past[first : first + self.blocks[tap]]


class BlockedEngine(LaneEngine):
    """Runs on torch, on any device.

    Parameters
    ----------
    fused : the weights.
    lanes : utterances side by side.
    longest_block : 1 multiplies every tap at every sample; a power of two, at most `CHUNK`.
    """

    def __init__(self, fused: FusedWaveNet, lanes: int, *, longest_block: int = CHUNK) -> None:
        super().__init__(lanes)
        self._fused, self._time, self._longest_block = fused, 0, longest_block
        device, n_layers = fused.device, len(fused.layers)
        n_residual, n_gates = fused.layers[0].taps[0].shape
        (n_gated, n_skip), n_out = fused.skip.shape, len(fused.head[1][1])
        blocks = [_blocks(layer.dilation, longest_block) for layer in fused.layers]
        # A ring holds what the oldest tap reaches and the block that is being filled.
        n_rows = [2 * one.dilation + own[0] for one, own in zip(fused.layers, blocks, strict=True)]
        self._past = torch.zeros(sum(n_rows), lanes, n_residual, device=device)
        self._gates = torch.zeros(n_layers, CHUNK, lanes, n_gates, device=device)
        self._gated = torch.zeros(lanes, n_gated, device=device)
        self._skips, self._hidden = torch.zeros(2, lanes, n_skip, device=device)
        self._predicted = torch.zeros(lanes, n_out, device=device)
        self._layers = [
            _layer_state(*parts)
            for parts in zip(
                fused.layers,
                torch.split(self._past, n_rows),
                self._gates,
                torch.split(self._gated, n_gates // 2, dim=1),
                blocks,
                strict=True,
            )
        ]

    def restart(self, lane: int) -> None:
        """Put the past of a lane to rest."""
        for layer in self._layers:
            layer.past[:, lane] = layer.weights.rest

    def narrowed(self, kept: Sequence[int], lanes: int) -> "BlockedEngine":
        """Copy the past of some lanes into an engine with fewer."""
        fewer = BlockedEngine(self._fused, lanes, longest_block=self._longest_block)
        fewer._time = self._time
        fewer._past[:, : len(kept)] = self._past[:, list(kept)]
        return fewer

    def bytes_per_sample(self) -> float:
        """A block of past taps, and a chunk of conditioning, reads its weights once."""
        fused = self._fused
        whole = [fused.first[0], fused.skip, *(weight for weight, _ in fused.head)]
        total = float(sum(matrix.nbytes for matrix in whole))
        for layer in self._layers:
            weights, (oldest, middle) = layer.weights, layer.blocks
            total += weights.taps[0].nbytes / oldest + weights.taps[1].nbytes / middle
            total += weights.taps[2].nbytes + weights.condition.nbytes / CHUNK
            total += 0 if weights.out is None else weights.out.nbytes
        return total

    def condition(self, rows: Tensor) -> None:
        """Multiply the conditioning of a whole chunk."""
        flat = rows.flatten(0, 1)
        for layer in self._layers:
            weights = layer.weights
            torch.addmm(weights.bias, flat, weights.condition, out=layer.gates.flatten(0, 1))

    def step(self, position: int, codes: Tensor) -> Tensor:
        """Run all layers for one sample."""
        for layer in self._layers:
            for tap in (0, 1):
                block = layer.blocks[tap]
                if position % block == 0:
                    gates = layer.gates[position : position + block]
                    self._add_tap(layer, tap, layer.past_block(tap, self._time), gates)
        self._sum_skips(position, codes)
        self._time += 1
        (w1, b1), (w2, b2) = self._fused.head
        torch.addmm(b1, self._skips.relu_(), w1, out=self._hidden).relu_()
        return torch.addmm(b2, self._hidden, w2, out=self._predicted)

    def _add_tap(self, layer: LayerState, tap: int, past: Tensor, gates: Tensor) -> None:
        """Add a past tap to the gates of a block, both of shape (block, lanes, channels)."""
        gates.flatten(0, 1).addmm_(past.flatten(0, 1), layer.weights.taps[tap])

    def _sum_skips(self, position: int, codes: Tensor) -> None:
        """Run the residual layers and leave the sum of their skip outputs in `_skips`."""
        time, layers, fused = self._time, self._layers, self._fused
        x = layers[0].past_rows[time % len(layers[0].past_rows)]
        self._embed(codes, x)
        for number, layer in enumerate(layers, start=1):
            both, a, b = layer.gate_rows[position]
            torch.addmm(both, x, layer.weights.taps[2], out=both)
            both.tanh_()
            torch.addcmul(a, a, b, out=layer.gated)
            if layer.weights.out is not None:
                rows = layers[number].past_rows
                following = rows[time % len(rows)]
                x = torch.addmm(x, layer.gated, layer.weights.out, out=following)
        torch.addmm(fused.skip_bias, self._gated, fused.skip, out=self._skips)

    def _embed(self, codes: Tensor, out: Tensor) -> None:
        """Apply the first convolution: a product with a sample, or a look-up of a class."""
        weight, bias = self._fused.first
        if len(weight) == 1:
            torch.addcmul(bias, codes[:, None], weight, out=out)
        else:
            torch.add(weight[codes], bias, out=out)


def _blocks(dilation: int, longest: int) -> tuple[int, int]:
    return min(2 * dilation, longest), min(dilation, longest)


def _layer_state(
    weights: FusedLayer, past: Tensor, gates: Tensor, gated: Tensor, blocks: tuple[int, int]
) -> LayerState:
    half = gated.shape[1]
    gate_rows = [(row, row[:, :half], row[:, half:]) for row in gates]
    return LayerState(weights, past, list(past), gates, gate_rows, gated, blocks)
