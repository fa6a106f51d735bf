"""The element-wise steps of Griffin-Lim and FISTA, each one pass, compiled by numba.

numpy makes a pass over memory for every arithmetic sign; here a value is loaded once. Transforms
and matrix products stay with scipy and numpy, which are as fast as they get.

Importing this module needs numba; `vocoders.griffin_lim` runs without, several times slower.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

from evalsuite.types import FloatArray

__all__ = ["LANES", "add_frames", "cut_frames", "fista", "put_magnitudes"]

_Function = TypeVar("_Function", bound=Callable[..., Any])

#: Frames side by side in `fista`: one register of 512 bits, or two of 256.
LANES = 16
_TINY = np.float32(1e-20)


def _compiled(function: _Function) -> _Function:
    """Compile when first called, and keep the machine code on disk for the next process.

    Sums may be fused and rearranged, which changes rounding alone.
    """
    decorate: Any = numba.njit(
        cache=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"}
    )
    return cast("_Function", decorate(function))


@_compiled
def cut_frames(
    rows: FloatArray, gain: FloatArray, window: FloatArray, start: int, frames: FloatArray
) -> None:
    """Write the windowed frames of a signal: ``frames[t, n] = rows[start + t] * gain * window``.

    Parameters
    ----------
    rows, gain : float32, shape (rows, hop_length); a frame is some rows after each other.
    window : float32, shape (n_fft,).
    start : first frame.
    frames : float32, shape (frames of the block, n_fft), overwritten.
    """
    hop_length = rows.shape[1]
    for frame in range(frames.shape[0]):
        for hop in range(window.shape[0] // hop_length):
            row, first = start + frame + hop, hop * hop_length
            for n in range(hop_length):
                frames[frame, first + n] = rows[row, n] * gain[row, n] * window[first + n]


@_compiled
def put_magnitudes(
    spectra: FloatArray, previous: FloatArray, target: FloatArray, keep: float
) -> None:
    """Give the accelerated spectra their magnitudes, in place, and remember the spectra.

    ``a = s - keep * previous; previous = s; s = target * a / |a|``

    Parameters
    ----------
    spectra, previous : float32, shape (2 * bins,): real and imaginary parts in turns. One axis,
        since the compiler makes vector instructions of a single loop only.
    target : float32, shape (bins,).
    """
    kept = np.float32(keep)
    for k in range(target.size):
        real, imaginary = spectra[2 * k], spectra[2 * k + 1]
        ahead_r = real - kept * previous[2 * k]
        ahead_i = imaginary - kept * previous[2 * k + 1]
        previous[2 * k], previous[2 * k + 1] = real, imaginary
        scale = target[k] / np.sqrt(ahead_r * ahead_r + ahead_i * ahead_i + _TINY)
        spectra[2 * k], spectra[2 * k + 1] = scale * ahead_r, scale * ahead_i


@_compiled
def add_frames(rows: FloatArray, frames: FloatArray, window: FloatArray, start: int) -> None:
    """Window frames and add them where they belong; shapes as in `cut_frames`."""
    hop_length = rows.shape[1]
    for frame in range(frames.shape[0]):
        for hop in range(window.shape[0] // hop_length):
            row, first = start + frame + hop, hop * hop_length
            for n in range(hop_length):
                rows[row, n] += frames[frame, first + n] * window[first + n]


@_compiled
def fista(
    solution: FloatArray,
    mel: FloatArray,
    weights: FloatArray,
    bands: NDArray[np.int64],
    step: float,
    momenta: FloatArray,
) -> None:
    """Run FISTA on some frames, in place, with a sparse filter bank.

    A mel filter overlaps its neighbours alone: of 80 x 513 weights about 1000 are not zero.

    Parameters
    ----------
    solution : float32, shape (bins, `LANES`): the start, then the result.
    mel : float32, shape (n_mels, `LANES`).
    weights : float32, shape (n_mels, bins).
    bands : shape (n_mels, 2): first bin of each filter, and the one after its last.
    step : of the gradient.
    momenta : float32, shape (iterations,): weight of the last change in each extrapolation.
    """
    n_bins, lanes = solution.shape
    ahead = solution.copy()
    gradient = np.zeros_like(solution)
    residual = np.empty(lanes, np.float32)
    size = np.float32(step)
    for iteration in range(momenta.size):
        gradient[:] = 0
        for band in range(mel.shape[0]):
            for lane in range(lanes):
                residual[lane] = -mel[band, lane]
            for k in range(bands[band, 0], bands[band, 1]):
                for lane in range(lanes):
                    residual[lane] += weights[band, k] * ahead[k, lane]
            for k in range(bands[band, 0], bands[band, 1]):
                for lane in range(lanes):
                    gradient[k, lane] += weights[band, k] * residual[lane]
        for k in range(n_bins):
            for lane in range(lanes):
                following = max(ahead[k, lane] - size * gradient[k, lane], np.float32(0))
                change = following - solution[k, lane]
                ahead[k, lane] = following + momenta[iteration] * change
                solution[k, lane] = following
