"""Layers in plain numpy, double precision, one loop per tap: for oracles of whole networks.

Signals are (channels, time); weights are looked up under published names, with or without weight
norm.
"""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from evalsuite.conformance import conformance_wave
from evalsuite.types import Waveform

Array = NDArray[np.float64]
State = Mapping[str, torch.Tensor]


def randomised(
    state: State, seed: int, scale: float = 0.3, quiet: Mapping[str, float] | None = None
) -> dict[str, torch.Tensor]:
    """Draw every tensor anew: lengths positive, directions and biases normal.

    Layers named in `quiet` get their lengths times a factor, so that a tanh does not saturate and
    hide errors.
    """
    source = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, tensor in state.items():
        if name.endswith("weight_g"):
            drawn[name] = 1 + torch.rand(tensor.shape, generator=source)
        else:
            drawn[name] = scale * torch.randn(tensor.shape, generator=source)
    for name, factor in (quiet or {}).items():
        drawn[f"{name}.weight_g"] *= factor
    return drawn


def conformance_bit() -> Waveform:
    """The first 0.3 s of the conformance wave, for networks whose size says nothing."""
    wave = conformance_wave()
    return Waveform(wave.samples[:6616], wave.sample_rate, wave.id)


def weight(state: State, name: str) -> Array:
    if f"{name}.weight" in state:
        return state[f"{name}.weight"].double().numpy()
    direction = state[f"{name}.weight_v"].double().numpy()
    axes = tuple(range(1, direction.ndim))
    length = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    return state[f"{name}.weight_g"].double().numpy() * direction / length


def bias(state: State, name: str) -> Array | float:
    """Bias as a column; 0 if the layer has none."""
    key = f"{name}.bias"
    return state[key].double().numpy()[:, np.newaxis] if key in state else 0.0


def convolution(state: State, name: str, x: Array, *, dilation: int = 1, zeros: int = 0) -> Array:
    """Correlate, after putting `zeros` zeros at both ends."""
    taps, x = weight(state, name), np.pad(x, ((0, 0), (zeros, zeros)))
    n_out = x.shape[1] - dilation * (taps.shape[2] - 1)
    total = np.zeros((taps.shape[0], n_out))
    for k in range(taps.shape[2]):
        total += taps[:, :, k] @ x[:, k * dilation : k * dilation + n_out]
    return total + bias(state, name)


def transposed(state: State, name: str, x: Array, stride: int, padding: int, n_out: int) -> Array:
    """Spread every input over the kernel, ``stride`` apart; cut ``padding`` from the start."""
    taps = weight(state, name)
    full = np.zeros((taps.shape[1], (x.shape[1] - 1) * stride + taps.shape[2] + stride))
    for t in range(x.shape[1]):
        for k in range(taps.shape[2]):
            full[:, t * stride + k] += taps[:, :, k].T @ x[:, t]
    return full[:, padding : padding + n_out] + bias(state, name)


def leaky(x: Array, slope: float) -> Array:
    return np.where(x > 0, x, slope * x)


def reflected(x: Array, width: int) -> Array:
    return np.pad(x, ((0, 0), (width, width)), mode="reflect")
