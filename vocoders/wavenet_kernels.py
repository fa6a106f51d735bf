"""Loops of the numba engine. They are plain Python until `compiled` is called, and slow.

Sums run in float32 whatever the weights are stored in; the compiler may reorder them (fast
math), in the same way at every call.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from evalsuite.errors import Unavailable
from evalsuite.types import FloatArray

__all__ = ["Array", "add_product", "compiled", "gate", "run_layers"]

#: Any array; which one numba sees at the call.
Array = Any

_LOG2_E = np.float32(1.4426950408889634)
# ln 2 in two parts: the first has few digits, so its product with a small integer is exact.
_LN2_HIGH, _LN2_LOW = np.float32(0.693359375), np.float32(-2.12194440e-4)
_EXPONENT_BIAS, _EXPONENT_SHIFT = np.int32(127), np.int32(23)


def add_product(matrix: Array, scales: FloatArray, vector: FloatArray, out: FloatArray) -> None:
    """Add ``scales * (matrix @ vector)`` to `out`; the matrix is float32 or of integers."""
    for row in range(matrix.shape[0]):
        total = np.float32(0)
        for column in range(matrix.shape[1]):
            total += matrix[row, column] * vector[column]
        out[row] += scales[row] * total


def gate(z: FloatArray, out: FloatArray, power: FloatArray, power_bits: Array) -> None:
    """Write ``tanh(a) (1 + tanh(b))`` for the halves a, b of `z`, which is overwritten.

    ``tanh(x) = 1 - 2 / (exp(2 x) + 1)``, and ``exp(v) = 2^n exp(f)`` with a Taylor series for
    ``|f| <= ln(2) / 2``: without calls, so that it runs on whole vector registers. The absolute
    error is below 3e-7.

    Parameters
    ----------
    power, power_bits : the same memory, as long as `z`, seen as float32 and as int32.
    """
    one = np.float32(1)
    for i in range(z.shape[0]):
        v = np.float32(2) * min(max(z[i], np.float32(-9)), np.float32(9))
        n = np.floor(v * _LOG2_E + np.float32(0.5))
        f = v - n * _LN2_HIGH - n * _LN2_LOW
        series = np.float32(1 / 720)
        series = series * f + np.float32(1 / 120)
        series = series * f + np.float32(1 / 24)
        series = series * f + np.float32(1 / 6)
        series = series * f + np.float32(0.5)
        series = series * f + one
        z[i] = series * f + one
        power_bits[i] = (np.int32(n) + _EXPONENT_BIAS) << _EXPONENT_SHIFT
    half = out.shape[0]
    for i in range(z.shape[0]):
        z[i] = one - np.float32(2) / (z[i] * power[i] + one)
    for i in range(half):
        out[i] = z[i] + z[i] * z[half + i]


def run_layers(
    rows: Array,
    past: FloatArray,
    gates: FloatArray,
    taps: Array,
    tap_scales: FloatArray,
    outs: Array,
    out_scales: FloatArray,
    skips: FloatArray,
    scratch: tuple[FloatArray, FloatArray, Array, FloatArray],
) -> None:
    """Run the residual layers for one sample of one lane.

    Parameters
    ----------
    rows : of each layer, the row of `past` that holds its input now; the first is filled already.
    past : shape (all rows, residual).
    gates : shape (layers, gate): conditioning and past taps; overwritten.
    taps : newest taps, shape (layers, gate, residual), with their scales per row.
    outs : residual rows, then skip rows, shape (layers, residual + skip, gate / 2).
    skips : shape (skip,): holds the bias, gets the sum added.
    scratch : gated output, the memory of `gate` twice, and residual and skip outputs.
    """
    gated, power, power_bits, both = scratch
    n_layers, n_residual = taps.shape[0], past.shape[1]
    for layer in range(n_layers):
        x = past[rows[layer]]
        add_product(taps[layer], tap_scales[layer], x, gates[layer])
        gate(gates[layer], gated, power, power_bits)
        both[:n_residual] = x
        both[n_residual:] = skips
        # Nobody hears what the last layer passes on.
        first = 0 if layer + 1 < n_layers else n_residual
        add_product(outs[layer, first:], out_scales[layer, first:], gated, both[first:])
        skips[:] = both[n_residual:]
        if layer + 1 < n_layers:
            past[rows[layer + 1]] = both[:n_residual]


@cache
def compiled() -> tuple[Callable[..., None], Callable[..., None]]:
    """Compile `add_product` and `run_layers`: seconds the first time, then from numba's cache.

    Raises
    ------
    Unavailable without numba.
    """
    try:
        from numba import njit
        from numba.extending import register_jitable
    except ImportError as error:
        raise Unavailable(
            "engine=numba needs numba, which is not installed here",
            wanted="pip install numba",
            do="install it, or choose engine=blocked, which is exact and needs no compiler",
        ) from error
    for inner in (add_product, gate):
        register_jitable(fastmath=True)(inner)
    compile_with_cache = njit(fastmath=True, cache=True)
    return compile_with_cache(add_product), compile_with_cache(run_layers)
