"""An independent ClariNet: official tensor names and shapes, and the arithmetic in plain numpy.

Written from the formulas of the paper and the open implementation, in double precision, one
item at a time; the teacher's generation recomputes everything at every sample. It shares no code
with `vocoders`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Net:
    blocks: int
    layers: int
    channels: int
    gates: int
    kernel: int
    front: int = 32

    def dilations(self) -> list[int]:
        return [2**n for _ in range(self.blocks) for n in range(self.layers)]


TEACHER = Net(2, 10, 128, 256, 2)
FLOW = Net(1, 10, 64, 128, 3)


def net_shapes(net: Net, n_mels: int) -> dict[str, tuple[int, ...]]:
    """Name of every tensor of one Gaussian WaveNet -> shape."""
    shapes: dict[str, tuple[int, ...]] = {}

    def normed(name: str, n_out: int, n_in: int, kernel: int = 1) -> None:
        shapes[f"{name}.bias"] = (n_out,)
        shapes[f"{name}.weight_g"] = (n_out, 1, 1)
        shapes[f"{name}.weight_v"] = (n_out, n_in, kernel)

    normed("front_conv.0.conv", net.channels, 1, net.front)
    for n in range(net.blocks * net.layers):
        for kind in ("filter", "gate"):
            normed(f"res_blocks.{n}.{kind}_conv.conv", net.gates, net.channels, net.kernel)
            normed(f"res_blocks.{n}.{kind}_conv_c", net.gates, n_mels)
        for kind in ("res", "skip"):
            normed(f"res_blocks.{n}.{kind}_conv", net.channels, net.gates)
    normed("final_conv.1.conv", net.channels, net.channels)
    normed("final_conv.3.conv", 2, net.channels)
    return shapes


def upsampler_shapes(ratios: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {}
    for i, ratio in enumerate(ratios):
        shapes[f"upsample_conv.{2 * i}.bias"] = (1,)
        shapes[f"upsample_conv.{2 * i}.weight_g"] = (1, 1, 1, 1)
        shapes[f"upsample_conv.{2 * i}.weight_v"] = (1, 1, 3, 2 * ratio)
    return shapes


def random_tensors(shapes: Mapping[str, tuple[int, ...]], seed: int) -> dict[str, torch.Tensor]:
    source, state = torch.Generator().manual_seed(seed), {}
    for name, shape in shapes.items():
        drawn = torch.randn(shape, generator=source)
        if name.endswith("weight_g"):
            drawn = (0.3 if "final_conv.3" in name else 0.9) + 0.2 * drawn.abs()
        elif name.endswith("bias"):
            drawn = 0.2 * drawn
        state[name] = drawn
    return state


def upsample(state: State, mel: Array, ratios: tuple[int, ...], prefix: str = "") -> Array:
    """(n_mels, frames) to (n_mels, hop * frames)."""
    x = mel
    for i, ratio in enumerate(ratios):
        weight = weight_of(state, f"{prefix}upsample_conv.{2 * i}")[0, 0]
        bands, length = x.shape
        full = np.zeros((bands + 2, (length - 1) * ratio + 2 * ratio))
        for band in range(bands):
            for t in range(length):
                full[band : band + 3, t * ratio : t * ratio + 2 * ratio] += x[band, t] * weight
        cut = full[1 : bands + 1, ratio // 2 : ratio // 2 + ratio * length]
        cut = cut + number(state, f"{prefix}upsample_conv.{2 * i}.bias")
        x = np.where(cut > 0, cut, 0.4 * cut)
    return x


def distribution(state: State, net: Net, audio: Array, condition: Array, prefix: str) -> Array:
    """(samples,) and (n_mels, samples) to (2, samples): mean and log sigma."""

    def conv(name: str, x: Array, dilation: int = 1) -> Array:
        weight = weight_of(state, prefix + name)
        n_past = dilation * (weight.shape[2] - 1)
        padded = np.hstack([np.zeros((len(x), n_past)), x])
        total = number(state, f"{prefix}{name}.bias")[:, None]
        for tap in range(weight.shape[2]):
            start = tap * dilation
            total = total + weight[:, :, tap] @ padded[:, start : start + x.shape[1]]
        return total

    x = np.maximum(conv("front_conv.0.conv", audio[None]), 0)
    skips = np.zeros_like(x)
    for n, dilation in enumerate(net.dilations()):
        name = f"res_blocks.{n}"
        f = conv(f"{name}.filter_conv.conv", x, dilation)
        f += conv(f"{name}.filter_conv_c", condition)
        g = conv(f"{name}.gate_conv.conv", x, dilation) + conv(f"{name}.gate_conv_c", condition)
        y = np.tanh(f) / (1 + np.exp(-g))
        skips = skips + conv(f"{name}.skip_conv", y)
        x = (x + conv(f"{name}.res_conv", y)) * np.sqrt(0.5)
    hidden = np.maximum(conv("final_conv.1.conv", np.maximum(skips, 0)), 0)
    return conv("final_conv.3.conv", hidden)


def student(
    state: State, net: Net, n_flows: int, noise: Array, condition: Array, prefix: str = ""
) -> tuple[Array, Array, Array]:
    """Noise to audio, and mean and log sigma of all flows together."""
    z, mean, log_sigma = noise, np.zeros(len(noise) - 1), np.zeros(len(noise) - 1)
    for flow in range(n_flows):
        mu, log_scale = distribution(state, net, z, condition, f"{prefix}iafs.{flow}.")[:, :-1]
        z = np.concatenate([[0.0], z[1:] * np.exp(log_scale) + mu])
        mean = mean * np.exp(log_scale) + mu
        log_sigma = log_sigma + log_scale
    return z, mean, log_sigma


def generate(state: State, net: Net, noise: Array, condition: Array) -> Array:
    """The teacher, one sample after the other."""
    audio: list[float] = []
    for t, eps in enumerate(noise):
        past = np.array([0.0, *audio])
        mean, log_sigma = distribution(state, net, past, condition[:, : t + 1], "")[:, -1]
        audio.append(float(np.clip(mean + np.exp(log_sigma) * eps, -1, 1)))
    return np.array(audio)


def weight_of(state: State, name: str) -> Array:
    """w = g v / |v|, the norm over everything but the first dimension."""
    direction = number(state, f"{name}.weight_v")
    axes = tuple(range(1, direction.ndim))
    length = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    return number(state, f"{name}.weight_g") * direction / length


def number(state: State, name: str) -> Array:
    return state[name].double().numpy()
