"""The MelGAN generator as channels-last convolutions, without transposed ones: made to compile.

*Layout* Signals are (1, channels, 1, time) in torch's channels-last memory, so that all channels
of one moment lie side by side and a convolution is a matrix product inside.

*Polyphase* A transposed convolution of kernel 2r and stride r is an ordinary one of two taps that
makes all r phases of a moment at once; in channels-last memory they already are r moments in a
row. Nothing is multiplied by the zeros between the samples.

The result is the eager network's, up to the order of float32 sums (about 3e-7).
"""

import shutil
from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.contract import require_frames
from vocoders.melgan_generator import Generator, ResidualBlock

__all__ = ["PolyphaseGenerator", "compile_generator", "why_not_compiled"]

_SLOPE = 0.2


class PolyphaseGenerator(nn.Module):
    """Computes what an eager generator computes, from a copy of its folded weights.

    Parameters
    ----------
    generator : weight norm removed; any number of output channels.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.minimum_frames = generator.minimum_frames
        layers: list[nn.Module] = []
        for layer in generator.model:
            if isinstance(layer, nn.Conv1d):
                layers.append(_channels_last(layer))
            elif isinstance(layer, nn.ConvTranspose1d):
                layers.append(_Upsampling(layer))
            elif isinstance(layer, ResidualBlock):
                layers.append(_Residual(layer))
            elif isinstance(layer, nn.ReflectionPad1d):
                layers.append(_Reflection(layer.padding[0]))
            else:
                layers.append(layer)
        self.model = nn.Sequential(*layers).requires_grad_(False)

    def forward(self, mel: Tensor) -> Tensor:
        """Synthesise one utterance: (n_mels, frames) to (outputs, hop * frames).

        Raises
        ------
        AudioError for fewer frames than the generator takes.
        """
        require_frames(mel.shape[-1], minimum=self.minimum_frames)
        x = mel[None, :, None].contiguous(memory_format=torch.channels_last)
        audio: Tensor = self.model(x)[0, :, 0]
        return audio


def why_not_compiled() -> str:
    """Say what ``torch.compile`` misses on this machine; empty if nothing."""
    if shutil.which("g++") or shutil.which("clang++"):
        return ""
    return "torch.compile needs a C++ compiler, and neither g++ nor clang++ is here"


def compile_generator(network: PolyphaseGenerator) -> Callable[[Tensor], Tensor]:
    """Compile it for mels of any length; the first call takes the compiler's time.

    So does the first mel of a few seconds after short ones, or the other way round: torch itself
    chooses another convolution there, and the program holds for the lengths of one choice.

    Returns
    -------
    From (n_mels, frames) to (outputs, hop * frames), as `network`.
    """
    compiled = torch.compile(network, dynamic=True)

    def call(mel: Tensor) -> Tensor:
        # Another layout in memory would be another program.
        mel = mel.contiguous()
        torch._dynamo.mark_dynamic(mel, 1)
        return cast("Tensor", compiled(mel))

    return call


class _Reflection(nn.Module):
    """Reflection in time alone."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (self.width, self.width, 0, 0), mode="reflect")


class _Upsampling(nn.Module):
    """A transposed convolution of kernel 2r and stride r as two taps and a change of shape."""

    def __init__(self, layer: nn.ConvTranspose1d) -> None:
        super().__init__()
        n_inputs, n_outputs, kernel = layer.weight.shape
        self.ratio, self.cut = layer.stride[0], int(layer.padding[0])
        assert kernel == 2 * self.ratio
        # Output r q + s - cut hears input q through tap s, and q - 1 through tap s + r.
        halves = layer.weight.detach().view(n_inputs, n_outputs, 2, self.ratio).flip(2)
        weight = halves.permute(3, 1, 0, 2).reshape(self.ratio * n_outputs, n_inputs, 2)
        bias = cast("Tensor", layer.bias).detach().repeat(self.ratio)
        self.phases = _conv2d(weight, bias, dilation=1)
        self.phases.padding = (0, 1)

    def forward(self, x: Tensor) -> Tensor:
        phases = self.phases(x)  # (1, r * channels, 1, time + 1)
        n_outputs = phases.shape[1] // self.ratio
        rows = phases.permute(0, 2, 3, 1).reshape(1, 1, -1, n_outputs)
        n_rows = self.ratio * x.shape[-1]
        longer: Tensor = rows[:, :, self.cut : self.cut + n_rows].permute(0, 3, 1, 2)
        return longer


class _Residual(nn.Module):
    """A residual block: dilated convolution, 1x1, and the shortcut beside them."""

    def __init__(self, layer: ResidualBlock) -> None:
        super().__init__()
        self.reflection = _Reflection(cast("nn.ReflectionPad1d", layer.block[1]).padding[0])
        self.dilated, self.inner, self.shortcut = (
            _channels_last(conv) for conv in (layer.block[2], layer.block[4], layer.shortcut)
        )

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dilated(self.reflection(functional.leaky_relu(x, _SLOPE)))
        total: Tensor = self.shortcut(x) + self.inner(functional.leaky_relu(hidden, _SLOPE))
        return total


def _channels_last(layer: nn.Module) -> nn.Conv2d:
    layer = cast("nn.Conv1d", layer)
    bias = cast("Tensor", layer.bias).detach()
    return _conv2d(layer.weight.detach(), bias, dilation=layer.dilation[0])


def _conv2d(weight: Tensor, bias: Tensor, *, dilation: int) -> nn.Conv2d:
    n_outputs, n_inputs, kernel = weight.shape
    conv = nn.Conv2d(n_inputs, n_outputs, (1, kernel), dilation=(1, dilation))
    weight = weight[:, :, None].clone(memory_format=torch.channels_last)
    conv.weight, conv.bias = nn.Parameter(weight), nn.Parameter(bias.clone())
    return conv
