"""The MelGAN generator as matrix products over short stretches of time: the fast CPU engine.

*Layout* Activations are rows of channels, (time, channels), so a shift in time is a slice and a
convolution is one matrix product per tap, accumulated in place, without any copy.

*Transposed convolution* With kernel 2r and stride r, output ``r q + s`` hears only the inputs
``q - 1`` and ``q``: two taps that make all r phases at once, ``(time + 1, r * channels)``, whose
memory read row by row already is the longer signal; the padding is a slice of it.

*Tiles* A residual block runs over stretches of time that stay in the core's own cache, so each
activation is read from and written to main memory once. Two buffers serve all layers in turn.

The result is the eager network's, up to the order of float32 sums (about 3e-7).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn

from evalsuite.contract import require_frames
from vocoders.melgan_generator import Generator, ResidualBlock

__all__ = ["GemmGenerator"]

_SLOPE = 0.2
#: Numbers per tile and buffer: half a mebibyte, of the one or two a current core has for itself.
_TILE_NUMBERS = 131_072
_FEWEST_ROWS = 64


@dataclass(frozen=True)
class _Convolution:
    """``out[t] = bias + sum_k rows[t + k dilation] @ taps[k]``; taps (kernel, inputs, outputs)."""

    taps: Tensor
    bias: Tensor
    dilation: int = 1

    def into(self, out: Tensor, rows: Tensor) -> None:
        n_rows = len(out)
        torch.addmm(self.bias, rows[:n_rows], self.taps[0], out=out)
        for k in range(1, len(self.taps)):
            first = k * self.dilation
            out.addmm_(rows[first : first + n_rows], self.taps[k])


@dataclass(frozen=True)
class _Block:
    """A residual block: the dilated convolution, then both 1x1 paths with their summed bias."""

    dilated: _Convolution
    inner: Tensor
    shortcut: Tensor
    bias: Tensor


@dataclass(frozen=True)
class _Stage:
    """A transposed convolution in two taps, and the residual blocks behind it."""

    up: _Convolution
    ratio: int
    padding: int
    blocks: tuple[_Block, ...]

    @property
    def channels(self) -> int:
        return len(self.up.bias) // self.ratio


class GemmGenerator:
    """Computes what an eager generator computes, from a copy of its folded weights.

    Parameters
    ----------
    generator : on the CPU, weight norm removed; any number of output channels.
    """

    def __init__(self, generator: Generator) -> None:
        self._minimum_frames = generator.minimum_frames
        layers = list(generator.model)
        self._first = _convolution(layers[1])
        # What stands between the first two layers and the last four, and makes sound.
        self._stages = tuple(_stages(layers[2:-4]))
        last = _convolution(layers[-2])
        self._last_kernel, _, self._n_outputs = last.taps.shape
        self._last_bias = last.bias
        # (channels, kernel * outputs): all taps see every row, the sum comes after.
        self._last_taps = last.taps.permute(1, 0, 2).flatten(1).contiguous()

    def __call__(self, mel: Tensor) -> Tensor:
        """Synthesise one utterance.

        Parameters
        ----------
        mel : float32, shape (n_mels, frames).

        Returns
        -------
        float32, shape (outputs, hop * frames).

        Raises
        ------
        AudioError for fewer frames than the generator takes.
        """
        require_frames(mel.shape[-1], minimum=self._minimum_frames)
        x = self._input(mel)
        size = self._largest(len(x))
        buffers = [mel.new_empty(size), mel.new_empty(size)]
        for stage in self._stages:
            x = _upsample(x, stage, buffers[0])
            buffers.reverse()  # x now stands in the last buffer, the first is free
            for block in stage.blocks:
                x = _residual(x, block, _view(buffers[0], x.shape))
                buffers.reverse()
        return self._output(x)

    def _input(self, mel: Tensor) -> Tensor:
        half = len(self._first.taps) // 2
        padded = nn.functional.pad(mel[None], (half, half), mode="reflect")[0].T.contiguous()
        out = mel.new_empty(mel.shape[-1], len(self._first.bias))
        self._first.into(out, padded)
        return out

    def _output(self, x: Tensor) -> Tensor:
        kernel, n_outputs = self._last_kernel, self._n_outputs
        audio = x.new_empty(len(x), n_outputs)
        for first, last in _tiles(len(x), x.shape[1]):
            padded = _activated(x, first, last, kernel // 2)
            products = padded @ self._last_taps
            # Tap k of output t is in row t + k, columns k * n_outputs and on: a slanted view.
            row = kernel * n_outputs
            taps = products.as_strided((last - first, kernel, n_outputs), (row, row + n_outputs, 1))
            torch.sum(taps, dim=1, out=audio[first:last])
        return audio.add_(self._last_bias).tanh_().T.contiguous()

    def _largest(self, n_rows: int) -> int:
        largest = 0
        for stage in self._stages:
            largest = max(largest, (n_rows + 1) * len(stage.up.bias))
            n_rows *= stage.ratio
        return largest


def _stages(layers: list[nn.Module]) -> Iterator[_Stage]:
    """Group each transposed convolution with the residual blocks behind it."""
    ups = [i for i, layer in enumerate(layers) if isinstance(layer, nn.ConvTranspose1d)]
    for first, after in pairwise([*ups, len(layers)]):
        up = cast("nn.ConvTranspose1d", layers[first])
        behind = layers[first + 1 : after]
        blocks = tuple(_block(layer) for layer in behind if isinstance(layer, ResidualBlock))
        yield _Stage(_two_taps(up), up.stride[0], int(up.padding[0]), blocks)


def _convolution(layer: nn.Module) -> _Convolution:
    layer = cast("nn.Conv1d", layer)
    taps = layer.weight.detach().permute(2, 1, 0).contiguous()
    return _Convolution(taps, _bias(layer), layer.dilation[0])


def _two_taps(layer: nn.ConvTranspose1d) -> _Convolution:
    """Give the polyphase form; see the module text."""
    n_inputs, n_outputs, kernel = layer.weight.shape
    ratio = layer.stride[0]
    assert kernel == 2 * ratio
    # (inputs, outputs, 2 r) -> (which half, inputs, r, outputs); the later half hears q - 1
    halves = layer.weight.detach().view(n_inputs, n_outputs, 2, ratio).permute(2, 0, 3, 1).flip(0)
    taps = halves.reshape(2, n_inputs, ratio * n_outputs).contiguous()
    return _Convolution(taps, _bias(layer).repeat(ratio))


def _block(layer: ResidualBlock) -> _Block:
    inner, shortcut = (_convolution(conv) for conv in (layer.block[4], layer.shortcut))
    return _Block(
        dilated=_convolution(layer.block[2]),
        inner=inner.taps[0],
        shortcut=shortcut.taps[0],
        bias=inner.bias + shortcut.bias,
    )


def _bias(layer: nn.Conv1d | nn.ConvTranspose1d) -> Tensor:
    return cast("Tensor", layer.bias).detach().clone()


def _upsample(x: Tensor, stage: _Stage, buffer: Tensor) -> Tensor:
    """Write the transposed convolution of the activated `x` into `buffer`; return its rows."""
    n_rows = len(x)
    phases = _view(buffer, (n_rows + 1, len(stage.up.bias)))
    for first, last in _tiles(n_rows + 1, phases.shape[1]):
        low, high = max(first - 1, 0), min(last, n_rows)
        rows = x.new_zeros(last - first + 1, x.shape[1])  # silence before the start and after
        _leaky_relu(x[low:high], out=rows[low - (first - 1) : high - (first - 1)])
        stage.up.into(phases[first:last], rows)
    longer = phases.view(-1, stage.channels)
    return longer[stage.padding : stage.padding + stage.ratio * n_rows]


def _residual(x: Tensor, block: _Block, out: Tensor) -> Tensor:
    """Write a residual block's output into `out`, which shares no memory with `x`."""
    for first, last in _tiles(*x.shape):
        rows = _activated(x, first, last, block.dilated.dilation)
        hidden = x.new_empty(last - first, x.shape[1])
        block.dilated.into(hidden, rows)
        _leaky_relu(hidden, out=hidden)
        torch.addmm(block.bias, hidden, block.inner, out=out[first:last])
        out[first:last].addmm_(x[first:last], block.shortcut)
    return out


def _activated(x: Tensor, first: int, last: int, halo: int) -> Tensor:
    """Leaky ReLU of rows ``first - halo`` to ``last + halo``, reflected at both ends of `x`."""
    n_rows = len(x)
    start = first - halo
    low, high = max(start, 0), min(last + halo, n_rows)
    rows = x.new_empty(last - first + 2 * halo, x.shape[1])
    _leaky_relu(x[low:high], out=rows[low - start : high - start])
    if (missing := low - start) > 0:
        rows[:missing] = rows[missing + 1 : 2 * missing + 1].flip(0)
    if (missing := last + halo - high) > 0:
        edge = n_rows - 1 - start
        rows[edge + 1 :] = rows[edge - missing : edge].flip(0)
    return rows


def _tiles(n_rows: int, n_channels: int) -> Iterator[tuple[int, int]]:
    """First and last row of each tile."""
    step = max(_FEWEST_ROWS, _TILE_NUMBERS // n_channels)
    for first in range(0, n_rows, step):
        yield first, min(first + step, n_rows)


def _view(buffer: Tensor, shape: Sequence[int]) -> Tensor:
    return buffer[: shape[0] * shape[1]].view(shape[0], shape[1])


def _leaky_relu(x: Tensor, *, out: Tensor) -> None:
    torch.ops.aten.leaky_relu.out(x, _SLOPE, out=out)
