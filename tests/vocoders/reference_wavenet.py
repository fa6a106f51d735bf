"""An independent WaveNet: published tensor names, and the arithmetic in slow, plain numpy loops."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
State = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    """Of a network; `old` is revision 2092a64, otherwise master."""

    old: bool = True
    n_in: int = 1
    n_out: int = 6
    n_layers: int = 4
    n_stacks: int = 2
    residual: int = 6
    gate: int = 8
    skip: int = 5
    n_mels: int = 7
    scales: tuple[int, ...] = (2, 3, 4)

    @property
    def dilations(self) -> list[int]:
        return [2 ** (n % (self.n_layers // self.n_stacks)) for n in range(self.n_layers)]

    @property
    def hop(self) -> int:
        return math.prod(self.scales)


#: The paper's, whose shapes are published.
PAPER = Sizes(
    n_out=30, n_layers=24, n_stacks=4, residual=512, gate=512, skip=256, n_mels=80,
    scales=(4, 4, 4, 4),
)  # fmt: skip


def shapes(sizes: Sizes) -> dict[str, tuple[tuple[int, ...], bool, bool]]:
    """Layer -> shape of its weight, whether it has a bias, whether it has weight norm."""
    found = {"first_conv": ((sizes.residual, sizes.n_in, 1), True, True)}
    half = sizes.gate // 2
    for n in range(sizes.n_layers):
        found[f"conv_layers.{n}.conv"] = ((sizes.gate, sizes.residual, 3), True, True)
        found[f"conv_layers.{n}.conv1x1c"] = ((sizes.gate, sizes.n_mels, 1), sizes.old, True)
        found[f"conv_layers.{n}.conv1x1_out"] = ((sizes.residual, half, 1), True, True)
        found[f"conv_layers.{n}.conv1x1_skip"] = ((sizes.skip, half, 1), True, True)
    found["last_conv_layers.1"] = ((sizes.skip, sizes.skip, 1), True, True)
    found["last_conv_layers.3"] = ((sizes.n_out, sizes.skip, 1), True, True)
    for n, scale in enumerate(sizes.scales):
        if sizes.old:
            found[f"upsample_conv.{2 * n}"] = ((1, 1, 3, scale), True, True)
        else:
            name = f"upsample_net.upsample.up_layers.{2 * n + 1}"
            found[name] = ((1, 1, 1, 2 * scale + 1), False, True)
    if not sizes.old:
        found["upsample_net.conv_in"] = ((sizes.n_mels, sizes.n_mels, 5), False, False)
    return found


def random_state(sizes: Sizes, seed: int) -> dict[str, torch.Tensor]:
    """Draw a state dict as published, with outputs that vary and do not clip."""
    source = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for name, (shape, has_bias, has_norm) in shapes(sizes).items():
        weight = torch.randn(shape, generator=source)
        if "upsample_net.upsample" in name or "upsample_conv" in name:
            weight = (1 + 0.3 * weight) / (3 if sizes.old else shape[-1])
        else:
            n_heard = 1 if name == "first_conv" else shape[1] * shape[2]  # one-hot vectors
            weight *= 1.6 / math.sqrt(n_heard)
        if has_norm:
            length = weight.flatten(1).norm(dim=1)
            state[f"{name}.weight_g"] = length.reshape(-1, *[1] * (len(shape) - 1))
            state[f"{name}.weight_v"] = 2 * weight
        else:
            state[f"{name}.weight"] = weight
        if has_bias:
            state[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=source)
    if 2 < sizes.n_out < 256:
        # Quiet enough that small errors do not grow from sample to sample.
        state["last_conv_layers.3.weight_g"] *= 0.3
    if sizes.n_out < 256:
        state["last_conv_layers.3.bias"][-(sizes.n_out // 3 or 1) :] -= 2.5
    return state


def weight(state: State, name: str) -> Array:
    """Direction times length, per first dimension."""
    if f"{name}.weight" in state:
        return state[f"{name}.weight"].double().numpy()
    direction = state[f"{name}.weight_v"].double().numpy()
    axes = tuple(range(1, direction.ndim))
    length = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    return state[f"{name}.weight_g"].double().numpy() * direction / length


def bias(state: State, name: str) -> Array | float:
    return state[f"{name}.bias"].double().numpy() if f"{name}.bias" in state else 0.0


def upsample(state: State, sizes: Sizes, mel: Array) -> Array:
    """(n_mels, frames) to (n_mels, hop * frames), output by output."""
    x = mel.astype(np.float64)
    if sizes.old:
        for n, scale in enumerate(sizes.scales):
            x = _transposed(
                x, weight(state, f"upsample_conv.{2 * n}")[0, 0], scale,
                float(np.ravel(bias(state, f"upsample_conv.{2 * n}"))[0]),
            )  # fmt: skip
        return x
    x = _five_frames(x, weight(state, "upsample_net.conv_in"))
    for n, scale in enumerate(sizes.scales):
        taps = weight(state, f"upsample_net.upsample.up_layers.{2 * n + 1}")[0, 0, 0]
        x = _smooth(np.repeat(x, scale, axis=1), taps, scale)
    return x


def _transposed(x: Array, taps: Array, scale: int, offset: float) -> Array:
    """Each input adds its taps to three bands and `scale` samples; then a ReLU."""
    n_bands, n_frames = x.shape
    out = np.full((n_bands, n_frames * scale), offset)
    for band in range(n_bands):
        for frame in range(n_frames):
            for k in range(3):
                for j in range(scale):
                    if 0 <= band - 1 + k < n_bands:
                        out[band - 1 + k, frame * scale + j] += x[band, frame] * taps[k, j]
    return np.maximum(out, 0)


def _five_frames(x: Array, taps: Array) -> Array:
    n_frames = x.shape[1]
    out = np.zeros_like(x)
    for frame in range(n_frames):
        for k in range(5):
            out[:, frame] += taps[:, :, k] @ x[:, min(max(frame + k - 2, 0), n_frames - 1)]
    return out


def _smooth(x: Array, taps: Array, reach: int) -> Array:
    out = np.zeros_like(x)
    for t in range(x.shape[1]):
        for k in range(2 * reach + 1):
            if 0 <= t + k - reach < x.shape[1]:
                out[:, t] += taps[k] * x[:, t + k - reach]
    return out


class Stepper:
    """The network, one sample after the other, with every layer's whole past kept."""

    def __init__(self, state: State, sizes: Sizes) -> None:
        self.state, self.sizes = state, sizes
        self.weights = {name: weight(state, name) for name in shapes(sizes)}
        self.past: list[list[Array]] = [[] for _ in range(sizes.n_layers)]

    def __call__(self, heard: Array, condition: Array) -> Array:
        """Hear an input of shape (n_in,) and conditioning (n_mels,); predict (n_out,)."""
        x = self._one_tap("first_conv", heard)
        skips = []
        for n, dilation in enumerate(self.sizes.dilations):
            self.past[n].append(x)
            x, skip = self._layer(n, dilation, x, condition)
            skips.append(skip)
        hidden = self._one_tap("last_conv_layers.1", np.maximum(self._sum(skips), 0))
        return self._one_tap("last_conv_layers.3", np.maximum(hidden, 0))

    def _layer(self, n: int, dilation: int, x: Array, condition: Array) -> tuple[Array, Array]:
        name = f"conv_layers.{n}"
        z = bias(self.state, f"{name}.conv") + self._one_tap(f"{name}.conv1x1c", condition)
        for k in range(3):
            t = len(self.past[n]) - 1 - (2 - k) * dilation
            if t >= 0:
                z = z + self.weights[f"{name}.conv"][:, :, k] @ self.past[n][t]
        half = len(z) // 2
        y = np.tanh(z[:half]) / (1 + np.exp(-z[half:]))
        on = (self._one_tap(f"{name}.conv1x1_out", y) + x) * math.sqrt(0.5)
        return on, self._one_tap(f"{name}.conv1x1_skip", y)

    def _sum(self, skips: list[Array]) -> Array:
        if not self.sizes.old:
            return sum(skips) * math.sqrt(1 / len(skips))
        running = skips[0]
        for skip in skips[1:]:
            running = (running + skip) * math.sqrt(0.5)
        return running

    def _one_tap(self, name: str, x: Array) -> Array:
        return self.weights[name][:, :, 0] @ x + bias(self.state, name)


def predict(state: State, sizes: Sizes, heard: Array, condition: Array) -> Array:
    """Run over given inputs (n_in, time) with conditioning (n_mels, time): (n_out, time)."""
    step = Stepper(state, sizes)
    return np.stack([step(heard[:, t], condition[:, t]) for t in range(heard.shape[1])], axis=1)


def draw_logistic(predicted: Array, draws: Array) -> float:
    """One sample from a mixture of logistics, by the published formula."""
    n = len(predicted) // 3
    scores = [predicted[i] - math.log(-math.log(draws[i])) for i in range(n)]
    chosen = scores.index(max(scores))
    mean, log_scale = predicted[n + chosen], max(predicted[2 * n + chosen], math.log(1e-14))
    x = mean + math.exp(log_scale) * (math.log(draws[n]) - math.log(1 - draws[n]))
    return min(max(x, -1.0), 1.0)


def generate_logistic(state: State, sizes: Sizes, mel: Array, draws: Array) -> Array:
    """Run freely: each sample is heard before the next is predicted; the first hears zero."""
    condition = upsample(state, sizes, mel)
    step, heard, made = Stepper(state, sizes), 0.0, []
    for t in range(len(draws)):
        heard = draw_logistic(step(np.array([heard]), condition[:, t]), draws[t].astype(float))
        made.append(heard)
    return np.array(made)
