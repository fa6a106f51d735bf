"""From mel frames to one conditioning vector per sample, as each WaveNet revision does it.

Source: r9y9/wavenet_vocoder, commits 2092a64 (wavenet.py) and a35fff7 (upsample.py).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pad

from vocoders.layers import with_weight_norm

__all__ = ["StretchUpsampler", "TransposedUpsampler", "upsample_window"]


class TransposedUpsampler(nn.ModuleList):
    """Revision 2092a64: transposed convolutions over (band, time), each followed by a ReLU.

    Kernel and stride are equal in time, so every frame makes its own samples and no others: a
    window of frames can be up-sampled alone. Starts as the mean of three neighbouring bands.

    Parameters
    ----------
    scales : up-sampling of each stage.
    """

    context_frames = 0

    def __init__(self, scales: Sequence[int], *, weight_norm: bool = True) -> None:
        super().__init__()
        for scale in scales:
            conv = nn.ConvTranspose2d(1, 1, (3, scale), stride=(1, scale), padding=(1, 0))
            nn.init.constant_(conv.weight, 1 / 3)
            nn.init.zeros_(_bias(conv))
            self.append(with_weight_norm(conv, enabled=weight_norm))
            self.append(nn.ReLU())

    def forward(self, mel: Tensor) -> Tensor:
        """Turn (batch, n_mels, frames) into (batch, n_mels, hop * frames)."""
        x = mel[:, None]
        for layer in self:
            x = layer(x)
        return x[:, 0]


class _Stages(nn.Module):
    """Holds the stages under the published name ``upsample.up_layers``."""

    def __init__(self, scales: Sequence[int], *, weight_norm: bool) -> None:
        super().__init__()
        self.up_layers = nn.ModuleList()
        for scale in scales:
            self.up_layers.append(_Stretch(scale))
            smooth = nn.Conv2d(1, 1, (1, 2 * scale + 1), padding=(0, scale), bias=False)
            nn.init.constant_(smooth.weight, 1 / (2 * scale + 1))
            self.up_layers.append(with_weight_norm(smooth, enabled=weight_norm))


class _Stretch(nn.Module):
    """Repeats every column; shape (batch, 1, bands, time)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return interpolate(x, scale_factor=(1, self.scale), mode="nearest")


class StretchUpsampler(nn.Module):
    """Master: one convolution over frames, then stages of repetition and smoothing.

    Parameters
    ----------
    scales : up-sampling of each stage.
    """

    #: Frames on each side that a sample may depend on beyond its own: two of `conv_in`, and below
    #: two of the smoothing (one column at each stage's rate before stretching).
    context_frames = 4
    _reach = 2

    def __init__(self, n_mels: int, scales: Sequence[int], *, weight_norm: bool = True) -> None:
        super().__init__()
        self.conv_in = nn.Conv1d(n_mels, n_mels, 2 * self._reach + 1, bias=False)
        self.upsample = _Stages(scales, weight_norm=weight_norm)

    def forward(self, mel: Tensor) -> Tensor:
        """Turn (batch, n_mels, frames) into (batch, n_mels, hop * frames)."""
        x: Tensor = self.conv_in(pad(mel, (self._reach, self._reach), mode="replicate"))[:, None]
        for layer in self.upsample.up_layers:
            x = layer(x)
        return x[:, 0]


def upsample_window(
    upsampler: TransposedUpsampler | StretchUpsampler, mel: Tensor, start: int, stop: int
) -> Tensor:
    """Up-sample some frames of a mel as the whole mel would be, from no more than they need.

    Parameters
    ----------
    mel : shape (n_mels, frames).
    start, stop : frames.

    Returns
    -------
    Shape (hop * (stop - start), n_mels): one row per sample.
    """
    context = upsampler.context_frames
    first, last = max(0, start - context), min(mel.shape[1], stop + context)
    wide: Tensor = upsampler(mel[None, :, first:last])[0]
    hop = wide.shape[1] // (last - first)
    rows: Tensor = wide[:, hop * (start - first) : hop * (stop - first)].T.contiguous()
    return rows


def _bias(conv: nn.ConvTranspose2d) -> Tensor:
    assert isinstance(conv.bias, torch.Tensor)
    return conv.bias
