"""An independent discriminator: official tensor names and shapes, the arithmetic in plain numpy."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]

N_SCALES = 3
#: Layer -> (shape of weight_v, stride, zeros on each side, groups).
LAYERS = {
    "layer_0.1": ((16, 1, 15), 1, 0, 1),
    "layer_1.0": ((64, 4, 41), 4, 20, 4),
    "layer_2.0": ((256, 4, 41), 4, 20, 16),
    "layer_3.0": ((1024, 4, 41), 4, 20, 64),
    "layer_4.0": ((1024, 4, 41), 4, 20, 256),
    "layer_5.0": ((1024, 1024, 5), 1, 2, 1),
    "layer_6": ((1, 1024, 3), 1, 1, 1),
}


def shapes() -> dict[str, tuple[int, ...]]:
    """Name of each of the 63 tensors of ``netD.pt`` -> shape."""
    found: dict[str, tuple[int, ...]] = {}
    for scale in range(N_SCALES):
        for layer, (shape, *_) in LAYERS.items():
            name = f"model.disc_{scale}.model.{layer}"
            found[f"{name}.bias"] = shape[:1]
            found[f"{name}.weight_g"] = (shape[0], 1, 1)
            found[f"{name}.weight_v"] = shape
    return found


def random_state(seed: int) -> dict[str, torch.Tensor]:
    """Draw a state dict as ``netD.pt`` holds it, loud enough that an error shows in each layer."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for name, shape in shapes().items():
        drawn = torch.randn(shape, generator=generator)
        if name.endswith("bias"):
            drawn = 0.1 * drawn
        elif name.endswith("weight_g"):
            drawn = 1.2 + 0.2 * drawn
        state[name] = drawn
    return state


def judge(state: Mapping[str, torch.Tensor], audio: Array) -> list[list[Array]]:
    """Seven maps (channels, time) for each of three scales, for one signal of shape (samples,)."""
    scales, x = [], np.asarray(audio, np.float64)[None]
    for scale in range(N_SCALES):
        scales.append(_maps(state, f"model.disc_{scale}.model.", x))
        x = average_pool(x[0])[None]
    return scales


def average_pool(x: Array) -> Array:
    """Mean of the up to four samples 2 n - 1 to 2 n + 2 that exist."""
    n_out = (len(x) + 2 - 4) // 2 + 1
    return np.array([x[max(2 * n - 1, 0) : 2 * n + 3].mean() for n in range(n_out)])


def _maps(state: Mapping[str, torch.Tensor], prefix: str, x: Array) -> list[Array]:
    maps = []
    for layer, (_, stride, zeros, groups) in LAYERS.items():
        padded = np.pad(x, ((0, 0), (zeros, zeros)))
        if layer == "layer_0.1":
            padded = np.pad(x, ((0, 0), (7, 7)), mode="reflect")
        v = state[f"{prefix}{layer}.weight_v"].double().numpy()
        g = state[f"{prefix}{layer}.weight_g"].double().numpy()
        taps = g * v / np.sqrt((v**2).sum(axis=(1, 2), keepdims=True))
        x = _grouped(padded, taps, stride, groups)
        x = x + state[f"{prefix}{layer}.bias"].double().numpy()[:, None]
        if layer != "layer_6":
            x = np.where(x > 0, x, 0.2 * x)
        maps.append(x)
    return maps


def _grouped(x: Array, taps: Array, stride: int, groups: int) -> Array:
    """Output channel o of group j hears the input channels of group j alone."""
    n_out, n_in, width = taps.shape
    windows = sliding_window_view(x, width, axis=1)[:, ::stride]  # (channels, time, width)
    per_group = n_out // groups
    parts = [
        np.einsum(
            "ctk,ock->ot",
            windows[j * n_in : (j + 1) * n_in],
            taps[j * per_group : (j + 1) * per_group],
            optimize=True,
        )
        for j in range(groups)
    ]
    return np.concatenate(parts)
