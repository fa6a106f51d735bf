"""An independent WaveGlow: official tensor names and shapes, and the arithmetic in plain numpy.

Written from the formulas of the paper and of NVIDIA's glow.py and glow_old.py, in double
precision, one item at a time; it shares no code with `vocoders`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    n_mels: int = 80
    hop: int = 256
    kernel: int = 1024
    group: int = 8
    flows: int = 12
    early_every: int = 4
    early_size: int = 2
    layers: int = 8
    channels: int = 256
    #: glow_old.py: halves swap in odd flows, and the layers of a coupling are stored apart.
    old: bool = False
    #: the oldest files also store residual and skip apart.
    oldest: bool = False

    def halves(self) -> list[int]:
        left, sizes = self.group, []
        for k in range(self.flows):
            if k % self.early_every == 0 and k > 0:
                left -= self.early_size
            sizes.append(left // 2)
        return sizes


TINY = Sizes(n_mels=5, hop=16, kernel=64, group=8, flows=6, early_every=2, layers=3, channels=6)


def layer_shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name of every tensor of a checkpoint with weight norm -> shape."""
    bands, c = sizes.n_mels, sizes.channels
    shapes: dict[str, tuple[int, ...]] = {
        "upsample.weight": (bands, bands, sizes.kernel),
        "upsample.bias": (bands,),
    }

    def normed(name: str, n_out: int, n_in: int, kernel: int) -> None:
        shapes[f"{name}.bias"] = (n_out,)
        shapes[f"{name}.weight_g"] = (n_out, 1, 1)
        shapes[f"{name}.weight_v"] = (n_out, n_in, kernel)

    for k, half in enumerate(sizes.halves()):
        shapes[f"convinv.{k}.conv.weight"] = (2 * half, 2 * half, 1)
        normed(f"WN.{k}.start", c, half, 1)
        if not sizes.old:
            normed(f"WN.{k}.cond_layer", 2 * c * sizes.layers, bands * sizes.group, 1)
        for i in range(sizes.layers):
            last = i == sizes.layers - 1
            normed(f"WN.{k}.in_layers.{i}", 2 * c, c, 3)
            if sizes.old:
                normed(f"WN.{k}.cond_layers.{i}", 2 * c, bands * sizes.group, 1)
            if not sizes.oldest:
                normed(f"WN.{k}.res_skip_layers.{i}", c if last else 2 * c, c, 1)
                continue
            normed(f"WN.{k}.skip_layers.{i}", c, c, 1)
            normed(f"WN.{k}.res_layers.{i}", c, c, 1)
        shapes[f"WN.{k}.end.weight"] = (2 * half, c, 1)
        shapes[f"WN.{k}.end.bias"] = (2 * half,)
    return shapes


def random_state(sizes: Sizes, seed: int) -> dict[str, torch.Tensor]:
    """Draw a state dict whose flows all matter and none explodes."""
    source = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in layer_shapes(sizes).items():
        drawn = torch.randn(shape, generator=source)
        if name.endswith("weight_g"):
            drawn = 0.5 + drawn.abs() * 0.3
        elif name.endswith("bias"):
            drawn = 0.1 * drawn
        elif "convinv" in name:
            drawn = (torch.linalg.qr(drawn[:, :, 0]).Q * 1.1).contiguous()[:, :, None]
        elif "end" in name:
            drawn = 0.1 * drawn
        elif "upsample" in name:
            drawn = drawn / (shape[0] * 4) ** 0.5
        state[name] = drawn
    return state


def forward(state: State, sizes: Sizes, audio: Array, mel: Array) -> tuple[Array, float, float]:
    """Audio to noise, sum of the log scales, sum of log|det W|."""
    condition = condition_rows(state, sizes, mel)[: len(audio) // sizes.group]
    x = audio.reshape(-1, sizes.group)  # time by channels
    out, log_scales, log_determinant = [], 0.0, 0.0
    for k in range(sizes.flows):
        if k % sizes.early_every == 0 and k > 0:
            out.append(x[:, : sizes.early_size])
            x = x[:, sizes.early_size :]
        matrix = number(state, f"convinv.{k}.conv.weight")[:, :, 0]
        x = x @ matrix.T
        log_determinant += len(x) * np.log(abs(np.linalg.det(matrix)))
        a, b, swapped = _halves(sizes, k, x)
        shift, log_scale = coupling(state, sizes, k, a, condition)
        b = np.exp(log_scale) * b + shift
        log_scales += log_scale.sum()
        x = np.hstack([b, a] if swapped else [a, b])
    return np.hstack([*out, x]).T, log_scales, log_determinant


def infer(state: State, sizes: Sizes, mel: Array, noise: Sequence[Array]) -> Array:
    """Mel and noise (channels by groups, first needed first) to audio."""
    condition = condition_rows(state, sizes, mel)
    x, further = noise[0].T, list(noise[1:])
    for k in range(sizes.flows - 1, -1, -1):
        a, b, swapped = _halves(sizes, k, x)
        shift, log_scale = coupling(state, sizes, k, a, condition)
        b = (b - shift) / np.exp(log_scale)
        x = np.hstack([b, a] if swapped else [a, b])
        x = np.linalg.solve(number(state, f"convinv.{k}.conv.weight")[:, :, 0], x.T).T
        if k % sizes.early_every == 0 and k > 0:
            x = np.hstack([further.pop(0).T, x])
    return x.reshape(-1)


def condition_rows(state: State, sizes: Sizes, mel: Array) -> Array:
    """Upsampled mel, shape (groups, n_mels * group): column = band * group + phase."""
    weight, n_frames = number(state, "upsample.weight"), mel.shape[1]
    spread = np.zeros((sizes.n_mels, sizes.hop * (n_frames - 1) + sizes.kernel))
    for frame in range(n_frames):
        piece = np.einsum("i,iok->ok", mel[:, frame], weight)
        spread[:, frame * sizes.hop : frame * sizes.hop + sizes.kernel] += piece
    spread = spread[:, : sizes.hop * n_frames] + number(state, "upsample.bias")[:, None]
    groups = spread.reshape(sizes.n_mels, -1, sizes.group)
    return groups.transpose(1, 0, 2).reshape(groups.shape[1], -1)


def coupling(state: State, sizes: Sizes, k: int, a: Array, condition: Array) -> tuple[Array, Array]:
    c, name = sizes.channels, f"WN.{k}"
    x = a @ weight_of(state, f"{name}.start")[:, :, 0].T + number(state, f"{name}.start.bias")
    total = np.zeros_like(x)
    for i in range(sizes.layers):
        sums = _dilated(x, weight_of(state, f"{name}.in_layers.{i}"), 2**i)
        sums += number(state, f"{name}.in_layers.{i}.bias")
        if sizes.old:
            cond, rows = f"{name}.cond_layers.{i}", slice(None)
        else:
            cond, rows = f"{name}.cond_layer", slice(i * 2 * c, (i + 1) * 2 * c)
        sums += condition @ weight_of(state, cond)[rows, :, 0].T
        sums += number(state, f"{cond}.bias")[rows]
        y = np.tanh(sums[:, :c]) / (1 + np.exp(-sums[:, c:]))
        residual, skip = _residual_and_skip(state, sizes, f"{name}", i, y)
        x, total = x + residual, total + skip
    ends = total @ number(state, f"{name}.end.weight")[:, :, 0].T
    ends += number(state, f"{name}.end.bias")
    return ends[:, : ends.shape[1] // 2], ends[:, ends.shape[1] // 2 :]


def _residual_and_skip(
    state: State, sizes: Sizes, name: str, i: int, y: Array
) -> tuple[Array | float, Array]:
    def linear(layer: str) -> Array:
        return y @ weight_of(state, layer)[:, :, 0].T + number(state, f"{layer}.bias")

    last = i == sizes.layers - 1
    if sizes.oldest:
        skip = linear(f"{name}.skip_layers.{i}")
        return (0.0 if last else linear(f"{name}.res_layers.{i}")), skip
    both = linear(f"{name}.res_skip_layers.{i}")
    return (0.0, both) if last else (both[:, : sizes.channels], both[:, sizes.channels :])


def _halves(sizes: Sizes, k: int, x: Array) -> tuple[Array, Array, bool]:
    half = x.shape[1] // 2
    if sizes.old and k % 2 == 1:
        return x[:, half:], x[:, :half], True
    return x[:, :half], x[:, half:], False


def _dilated(x: Array, weight: Array, dilation: int) -> Array:
    """Three taps around each row, zeros outside."""
    out = np.zeros((len(x), weight.shape[0]))
    for t in range(len(x)):
        for tap in range(3):
            at = t + (tap - 1) * dilation
            if 0 <= at < len(x):
                out[t] += weight[:, :, tap] @ x[at]
    return out


def weight_of(state: State, name: str) -> Array:
    """w = g v / |v|, the norm over everything but the first dimension."""
    direction = number(state, f"{name}.weight_v")
    length = np.sqrt((direction**2).sum(axis=(1, 2), keepdims=True))
    return number(state, f"{name}.weight_g") * direction / length


def number(state: State, name: str) -> Array:
    return state[name].double().numpy()
