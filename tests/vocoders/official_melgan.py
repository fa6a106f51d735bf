"""An independent MelGAN: official tensor names and shapes, and the arithmetic in plain numpy."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: weight_v of the convolutions outside residual blocks; the four in the middle are transposed.
CONVOLUTIONS = {
    1: (512, 80, 7),
    3: (512, 256, 16),
    8: (256, 128, 16),
    13: (128, 64, 4),
    18: (64, 32, 4),
    24: (1, 32, 7),
}
TRANSPOSED = {3: 8, 8: 8, 13: 2, 18: 2}
#: Residual blocks: index in the sequence -> (channels, dilation).
BLOCKS = {
    first + i: (channels, 3**i)
    for first, channels in ((4, 256), (9, 128), (14, 64), (19, 32))
    for i in range(3)
}


def layer_shapes() -> dict[str, tuple[int, int, int]]:
    """Name of each convolution -> shape of its weight_v."""
    shapes = {f"model.{index}": shape for index, shape in CONVOLUTIONS.items()}
    for index, (channels, _) in BLOCKS.items():
        shapes[f"model.{index}.block.2"] = (channels, channels, 3)
        shapes[f"model.{index}.block.4"] = (channels, channels, 1)
        shapes[f"model.{index}.shortcut"] = (channels, channels, 1)
    return shapes


def random_state(seed: int) -> dict[str, torch.Tensor]:
    """Draw a state dict as ``best_netG.pt`` holds it, loud enough that an error shows."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}
    for name, shape in layer_shapes().items():
        transposed = name.count(".") == 1 and int(name[6:]) in TRANSPOSED
        n_outputs = shape[1] if transposed else shape[0]
        state[f"{name}.bias"] = 0.05 * torch.randn(n_outputs, generator=generator)
        length = 0.5 + torch.rand(shape[0], 1, 1, generator=generator)
        if transposed:
            length = 2 * length  # each output sample hears only two taps per channel
        if name == "model.24":
            length = 0.05 * length  # keeps the tanh from saturating
        state[f"{name}.weight_g"] = length
        state[f"{name}.weight_v"] = 3 * torch.randn(shape, generator=generator)
    return state


def synthesise(state: Mapping[str, torch.Tensor], mel: NDArray[np.float32]) -> Array:
    """Run the generator in double precision: mel of shape (80, frames) to (256 * frames,)."""
    layers = {
        name: (_weight(state, name), state[f"{name}.bias"].double().numpy()[:, np.newaxis])
        for name in layer_shapes()
    }
    x = _convolve(_reflect(mel.astype(np.float64), 3), *layers["model.1"])
    for index, stride in TRANSPOSED.items():
        x = _convolve_transposed(_leaky(x), *layers[f"model.{index}"], stride)
        for name in (f"model.{index + i}" for i in (1, 2, 3)):
            dilation = BLOCKS[int(name[6:])][1]
            inner = _convolve(_reflect(_leaky(x), dilation), *layers[f"{name}.block.2"], dilation)
            shortcut = _convolve(x, *layers[f"{name}.shortcut"])
            x = shortcut + _convolve(_leaky(inner), *layers[f"{name}.block.4"])
    return np.tanh(_convolve(_reflect(_leaky(x), 3), *layers["model.24"])[0])


def _weight(state: Mapping[str, torch.Tensor], name: str) -> Array:
    direction = state[f"{name}.weight_v"].double().numpy()
    length = np.sqrt((direction**2).sum(axis=(1, 2), keepdims=True))
    return state[f"{name}.weight_g"].double().numpy() * direction / length


def _leaky(x: Array) -> Array:
    return np.where(x > 0, x, 0.2 * x)


def _reflect(x: Array, width: int) -> Array:
    return np.concatenate([x[:, width:0:-1], x, x[:, -2 : -2 - width : -1]], axis=1)


def _convolve(x: Array, taps: Array, bias: Array, dilation: int = 1) -> Array:
    n_out = x.shape[1] - dilation * (taps.shape[2] - 1)
    total = np.zeros((taps.shape[0], n_out))
    for k in range(taps.shape[2]):
        total += taps[:, :, k] @ x[:, k * dilation : k * dilation + n_out]
    return total + bias


def _convolve_transposed(x: Array, taps: Array, bias: Array, stride: int) -> Array:
    full = np.zeros((taps.shape[1], (x.shape[1] - 1) * stride + taps.shape[2]))
    for k in range(taps.shape[2]):
        full[:, k : k + (x.shape[1] - 1) * stride + 1 : stride] += taps[:, :, k].T @ x
    return full[:, stride // 2 : stride // 2 + stride * x.shape[1]] + bias
