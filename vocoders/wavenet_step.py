"""What one step of the numba engine multiplies with, reads and writes. numba takes named tuples."""

from typing import Any, NamedTuple

from evalsuite.types import FloatArray

__all__ = ["Array", "StepState", "StepWeights"]

#: Any array; which one numba sees at the call.
Array = Any


class StepWeights(NamedTuple):
    """What one step multiplies with. Matrices are (outputs, inputs), float32 or integers.

    Parameters
    ----------
    first, first_bias : of the first convolution, shape (inputs, residual); one input is a sample,
        256 are the classes of the mu-law.
    first_taps, first_tap_biases : oldest, middle and newest tap of the first layer, multiplied with
        these, shape (3, inputs, gate) and (3, gate).
    taps, tap_scales : newest taps of the other layers, shape (layers - 1, gate, residual), and a
        scale per row.
    outs, out_scales : residual rows, then skip rows, shape (layers, residual + skip, gate / 2).
    short, short_scales : past taps of blocks of one or two samples, shape (n, gate, residual).
    short_facts : of each, its layer, its block and how many samples ago it begins, shape (n, 3).
    rings : first row and rows of each layer's ring, shape (layers, 2).
    skip_bias, hidden, hidden_bias, last, last_bias : the head, float32.
    """

    first: FloatArray
    first_bias: FloatArray
    first_taps: FloatArray
    first_tap_biases: FloatArray
    taps: Array
    tap_scales: FloatArray
    outs: Array
    out_scales: FloatArray
    short: Array
    short_scales: FloatArray
    short_facts: Array
    rings: Array
    skip_bias: FloatArray
    hidden: FloatArray
    hidden_bias: FloatArray
    last: FloatArray
    last_bias: FloatArray


class StepState(NamedTuple):
    """What one step reads and writes, of one lane, float32.

    Parameters
    ----------
    first_past : products of the first layer's oldest and middle tap with its last inputs, a ring
        of twice its dilation, shape (rows, 2, gate).
    past : the rings of all layers, shape (all rows, residual).
    gates : conditioning, bias and long blocks of past taps, shape (layers, chunk, gate).
    gated, power, power_bits : scratch for `gate`.
    both : scratch, shape (residual + skip,).
    skips, activated : scratch, shape (skip,).
    predicted : the output, shape (out channels,).
    """

    first_past: FloatArray
    past: FloatArray
    gates: FloatArray
    gated: FloatArray
    power: FloatArray
    power_bits: Array
    both: FloatArray
    skips: FloatArray
    activated: FloatArray
    predicted: FloatArray
