"""Engines of the ClariNet student: mel and noise to audio, for one utterance."""

from typing import cast

import torch
from torch import Tensor, nn

from vocoders.clarinet_matrices import GaussianMatrices
from vocoders.clarinet_network import ClariNetNetwork, GaussianWaveNet, upsample
from vocoders.gated_layers import gate

__all__ = ["EagerStudent", "TimeBlockedStudent"]

#: Rows per block on a CPU; its activations stay in the cache. A GPU takes longer ones.
BLOCK_ROWS, GPU_BLOCK_ROWS = 1024, 65536


class EagerStudent(nn.Module):
    """The networks as trained, convolution by convolution; without the teacher's WaveNet.

    Parameters
    ----------
    network : without weight norm.
    """

    def __init__(self, network: ClariNetNetwork) -> None:
        super().__init__()
        self.upsample_conv = network.teacher.upsample_conv
        self.student = network.student

    def forward(self, mel: Tensor, noise: Tensor) -> Tensor:
        """(n_mels, frames) and (hop * frames,) to audio of shape (hop * frames,)."""
        conditioning = upsample(self.upsample_conv, mel[None])
        audio: Tensor = self.student(noise[None, None], conditioning).audio
        return audio[0, 0]


class TimeBlockedStudent(nn.Module):
    """The flows as matrix products on blocks of rows, each block through all layers at once.

    A sample is a row. All convolutions are causal, so a block needs nothing from later ones, and
    of earlier ones only the last 2 * dilation rows of each layer: nothing is computed twice.

    Parameters
    ----------
    network : without weight norm; its upsampler is kept, the rest is not.
    """

    def __init__(self, network: ClariNetNetwork) -> None:
        super().__init__()
        self.upsample_conv = network.teacher.upsample_conv
        self.flows = nn.ModuleList(
            _FlowMatrices(cast("GaussianWaveNet", flow)) for flow in network.student.iafs
        )

    def forward(self, mel: Tensor, noise: Tensor) -> Tensor:
        """(n_mels, frames) and (hop * frames,) to audio of shape (hop * frames,)."""
        conditioning = upsample(self.upsample_conv, mel[None])[0].T.contiguous()
        audio = noise
        for flow in self.flows:
            audio = flow(audio, conditioning)
        return audio


class _FlowMatrices(GaussianMatrices):
    """One flow; `history` are the rows of each layer's input that later blocks reach back to."""

    def __init__(self, network: GaussianWaveNet) -> None:
        super().__init__(network)
        self.dilations = self.config.dilations
        self.histories = [d * (self.config.kernel - 1) for d in self.dilations]

    def forward(self, noise: Tensor, conditioning: Tensor) -> Tensor:
        """(samples,) and (samples, n_mels) to (samples,)."""
        n_past = self.config.front_kernel - 1
        windows = nn.functional.pad(noise, (n_past, 0)).unfold(0, n_past + 1, 1)
        size = BLOCK_ROWS if noise.device.type == "cpu" else GPU_BLOCK_ROWS
        # A whole block is at least as long as any history, so that moving one never overlaps.
        size = min(max(size, *self.histories), len(noise))
        buffers = self._room(size, noise)
        distribution = noise.new_empty(len(noise), 2)
        for start in range(0, len(noise), size):
            rows = slice(start, min(start + size, len(noise)))
            skips = self._layers_of_block(windows[rows], conditioning[rows], buffers)
            distribution[rows] = self.distribution(skips)
        # What is known up to a sample shifts and scales the next one.
        shift, log_scale = distribution[:-1].T
        return nn.functional.pad(noise[1:] * log_scale.exp() + shift, (1, 0))

    def _room(self, n_rows: int, like: Tensor) -> list[Tensor]:
        """Room for the input of every layer, after its history of rest, and for the last output."""
        n_channels = self.config.channels
        buffers = []
        for layer, history in zip(self.layers, self.histories, strict=True):
            buffer = like.new_empty(history + n_rows, 2 * n_channels)
            buffer[:history, :n_channels] = layer.rest
            buffers.append(buffer)
        buffers[0][:, n_channels:] = self.skip_start
        return [*buffers, like.new_empty(n_rows, 2 * n_channels)]

    def _layers_of_block(
        self, windows: Tensor, conditioning: Tensor, buffers: list[Tensor]
    ) -> Tensor:
        """Run one block through all layers; gives the skips, shape (rows, channels)."""
        n_rows, n_channels = len(windows), self.config.channels
        histories = [*self.histories, 0]
        buffers[0][histories[0] : histories[0] + n_rows, :n_channels] = self.first(windows)
        for i, layer in enumerate(self.layers):
            x, history, dilation = buffers[i], histories[i], self.dilations[i]
            total = torch.addmm(layer.bias, conditioning, layer.condition)
            for tap, weight in enumerate(layer.taps):
                total.addmm_(x[tap * dilation : tap * dilation + n_rows, :n_channels], weight)
            torch.addmm(
                x[history : history + n_rows],
                gate(total),
                layer.output,
                out=buffers[i + 1][histories[i + 1] : histories[i + 1] + n_rows],
            )
            if n_rows >= history:
                x[:history, :n_channels] = x[n_rows : n_rows + history, :n_channels]
        return buffers[-1][:n_rows, n_channels:]
