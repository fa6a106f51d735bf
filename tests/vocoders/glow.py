"""Stands for NVIDIA's glow.py: small classes of its names, so that a pickle names them so.

Tests load it as the module ``glow``, save a whole network, and forget it again.
"""

import warnings

import torch
from torch import nn


def _normed(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        # The weight norm of 2017, whose hook objects are in the published pickles.
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


class Invertible1x1Conv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 1, bias=False)
        self.W_inverse = torch.eye(channels)  # a cache, no parameter


class WN(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_layers = nn.ModuleList([_normed(nn.Conv1d(channels, 2 * channels, 3))])
        self.start = _normed(nn.Conv1d(1, channels, 1))
        self.end = nn.Conv1d(channels, 2, 1)


class WaveGlow(nn.Module):
    def __init__(self, channels: int = 4) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose1d(3, 3, 8, stride=4)
        self.WN = nn.ModuleList([WN(channels), WN(channels)])
        self.convinv = nn.ModuleList([Invertible1x1Conv(2)])
        self.register_buffer("scale", torch.tensor(3.0))
        self.register_buffer("scratch", torch.ones(5), persistent=False)
        self.early = (2, [4, 8])
