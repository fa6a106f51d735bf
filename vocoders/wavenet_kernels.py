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
from vocoders.wavenet_step import Array, StepState, StepWeights

__all__ = [
    "GAUSSIAN",
    "LOGISTICS",
    "MULAW",
    "NO_LEAST",
    "Compiled",
    "add_product",
    "compiled",
    "draw_sample",
    "gate",
    "run_step",
    "run_steps",
]

#: Families of distributions, see `draw_sample`.
LOGISTICS, GAUSSIAN, MULAW = 0, 1, 2
#: Where log scales have no least value; no infinity, which fast math may leave out of account.
NO_LEAST = -1e9

#: `run_step` and `run_steps`, compiled.
Compiled = tuple[Callable[..., None], Callable[..., float]]

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


def add_two_products(
    matrix: Array, scales: FloatArray, u: FloatArray, v: FloatArray, u_out: FloatArray,
    v_out: FloatArray,
) -> None:  # fmt: skip
    """Do the same for two vectors at once, which reads the matrix once."""
    for row in range(matrix.shape[0]):
        u_total, v_total = np.float32(0), np.float32(0)
        for column in range(matrix.shape[1]):
            u_total += matrix[row, column] * u[column]
            v_total += matrix[row, column] * v[column]
        u_out[row] += scales[row] * u_total
        v_out[row] += scales[row] * v_total


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


def add_short_taps(weights: StepWeights, state: StepState, position: int, time: int) -> None:
    """Add the past taps whose blocks of one or two samples begin now."""
    for number in range(weights.short.shape[0]):
        layer, block, reach = weights.short_facts[number]
        if position % block != 0:
            continue
        first = weights.rings[layer, 0] + (time - reach) % weights.rings[layer, 1]
        matrix, scales = weights.short[number], weights.short_scales[number]
        if block == 1:
            add_product(matrix, scales, state.past[first], state.gates[layer, position])
        else:
            add_two_products(
                matrix, scales, state.past[first], state.past[first + 1],
                state.gates[layer, position], state.gates[layer, position + 1],
            )  # fmt: skip


def hear(weights: StepWeights, state: StepState, position: int, time: int, code: float) -> None:
    """Apply the first convolution, and all taps of the first layer.

    Its input is a line through one vector, or one of 256 vectors, so products of the matrices are
    lines and tables too, made once.

    Parameters
    ----------
    code : the last sample, or its class.
    """
    row, factor = 0, np.float32(code)
    if weights.first.shape[0] > 1:
        row, factor = int(code), np.float32(1)
    x = state.past[weights.rings[0, 0] + time % weights.rings[0, 1]]
    x[:] = weights.first_bias + factor * weights.first[row]
    n_rows, z = state.first_past.shape[0], state.gates[0, position]
    oldest, middle = (
        state.first_past[time % n_rows],
        state.first_past[(time + n_rows // 2) % n_rows],
    )
    z += oldest[0] + middle[1]
    z += weights.first_tap_biases[2] + factor * weights.first_taps[2, row]
    oldest[0] = weights.first_tap_biases[0] + factor * weights.first_taps[0, row]
    oldest[1] = weights.first_tap_biases[1] + factor * weights.first_taps[1, row]


def run_layers(weights: StepWeights, state: StepState, position: int, time: int) -> None:
    """Run the residual layers; their skip outputs are added to ``state.skips``.

    The first layer's input stands in its ring already, and its taps in the gates.
    """
    n_layers, n_residual = weights.outs.shape[0], state.past.shape[1]
    both = state.both
    for layer in range(n_layers):
        x = state.past[weights.rings[layer, 0] + time % weights.rings[layer, 1]]
        z = state.gates[layer, position]
        if layer > 0:
            add_product(weights.taps[layer - 1], weights.tap_scales[layer - 1], x, z)
        gate(z, state.gated, state.power, state.power_bits)
        both[:n_residual] = x
        both[n_residual:] = state.skips
        # Nobody hears what the last layer passes on.
        first = 0 if layer + 1 < n_layers else n_residual
        outs, scales = weights.outs[layer, first:], weights.out_scales[layer, first:]
        add_product(outs, scales, state.gated, both[first:])
        state.skips[:] = both[n_residual:]
        if layer + 1 < n_layers:
            following = weights.rings[layer + 1, 0] + time % weights.rings[layer + 1, 1]
            state.past[following] = both[:n_residual]


def run_step(weights: StepWeights, state: StepState, position: int, time: int, code: float) -> None:
    """Predict one sample of one lane.

    Parameters
    ----------
    position : in the chunk.
    time : of the rings, in samples.
    code : the sample before, or its class.
    """
    hear(weights, state, position, time, code)
    add_short_taps(weights, state, position, time)
    state.skips[:] = weights.skip_bias
    run_layers(weights, state, position, time)
    state.skips[:] = np.maximum(state.skips, np.float32(0))
    state.activated[:] = weights.hidden_bias
    _add_plain_product(weights.hidden, state.skips, state.activated)
    state.activated[:] = np.maximum(state.activated, np.float32(0))
    state.predicted[:] = weights.last_bias
    _add_plain_product(weights.last, state.activated, state.predicted)


def run_steps(
    weights: StepWeights, state: StepState, position: int, time: int, code: float,
    family: int, least_log_scale: float, prepared: FloatArray, codes: FloatArray,
) -> float:  # fmt: skip
    """Generate consecutive samples of one lane.

    Parameters
    ----------
    position : of the first one in its chunk.
    code : the sample before, or its class.
    family, least_log_scale : see `draw_sample`.
    prepared : of each sample, shape (samples, n_draws); see `vocoders.wavenet_output`.
    codes : shape (samples,), overwritten.

    Returns
    -------
    The last sample or class.
    """
    for i in range(codes.shape[0]):
        run_step(weights, state, position + i, time + i, code)
        code = draw_sample(family, least_log_scale, state.predicted, prepared[i])
        codes[i] = code
    return code


def _add_plain_product(matrix: FloatArray, vector: FloatArray, out: FloatArray) -> None:
    for row in range(matrix.shape[0]):
        total = np.float32(0)
        for column in range(matrix.shape[1]):
            total += matrix[row, column] * vector[column]
        out[row] += total


def draw_sample(
    family: int, least_log_scale: float, predicted: FloatArray, prepared: FloatArray
) -> float:
    """Pick a sample, or a class of the mu-law: `vocoders.wavenet_output` for one lane.

    Parameters
    ----------
    family, least_log_scale : of the distribution that `predicted` describes.
    predicted : shape (out channels,).
    prepared : of `Output.prepare`, shape (n_draws,).
    """
    if family == LOGISTICS:
        return _of_logistics(predicted, prepared, least_log_scale)
    if family == GAUSSIAN:
        value = predicted[0] + np.exp(predicted[1]) * prepared[0]
        return float(min(max(value, np.float32(-1)), np.float32(1)))
    return _of_classes(predicted, prepared[0])


def _of_logistics(predicted: FloatArray, prepared: FloatArray, least_log_scale: float) -> float:
    n = prepared.shape[0] - 1
    chosen = 0
    for i in range(1, n):
        if predicted[i] + prepared[i] > predicted[chosen] + prepared[chosen]:
            chosen = i
    log_scale = max(predicted[chosen + 2 * n], np.float32(least_log_scale))
    value = predicted[chosen + n] + np.exp(log_scale) * prepared[n]
    return float(min(max(value, np.float32(-1)), np.float32(1)))


def _of_classes(predicted: FloatArray, draw: float) -> float:
    """Take the first class whose cumulated probability exceeds the draw."""
    weights = np.exp(predicted - predicted.max())
    wanted, cumulated = draw * weights.sum(), np.float32(0)
    last = weights.shape[0] - 1
    for number in range(last):
        cumulated += weights[number]
        if cumulated > wanted:
            return float(number)
    return float(last)


@cache
def compiled() -> Compiled:
    """Compile `run_step` and `run_steps`: seconds the first time, then from numba's cache.

    That cache watches one file for changes, so all that is compiled stands in this one.

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
    inner: tuple[Callable[..., Any], ...] = (
        add_product, add_two_products, gate, hear, add_short_taps, run_layers, _add_plain_product,
        _of_logistics, _of_classes, draw_sample, run_step,
    )  # fmt: skip
    for function in inner:
        register_jitable(fastmath=True)(function)
    compile_with_cache = njit(fastmath=True, cache=True)
    return compile_with_cache(run_step), compile_with_cache(run_steps)
