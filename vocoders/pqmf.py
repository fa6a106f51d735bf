"""A pseudo-quadrature mirror filter bank: M narrow signals at 1/M of the rate, and back.

Nguyen 1994, "Near-perfect-reconstruction pseudo-QMF banks", IEEE Trans. Signal Processing 42(1):
all filters are one low-pass prototype, modulated by cosines; aliases of neighbouring bands cancel
by their phases. The prototype is a windowed sinc after Lin and Vaidyanathan 1998, "A Kaiser window
approach for the design of prototype filters of cosine modulated filterbanks", IEEE Signal
Processing Letters 5(6). Orientation and scaling are those of kan-bayashi/ParallelWaveGAN, whose
multi-band networks were trained behind them.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from evalsuite.errors import ConfigError

__all__ = ["PQMF", "prototype_filter"]


def prototype_filter(order: int, cutoff: float, beta: float) -> NDArray[np.float64]:
    """Return the low-pass prototype, shape (order + 1,).

    Parameters
    ----------
    order : even, so that the filter has a middle.
    cutoff : as a fraction of half the sample rate.
    beta : of the Kaiser window; higher means more attenuation and a wider transition.
    """
    n = np.arange(order + 1) - order / 2
    return np.asarray(cutoff * np.sinc(cutoff * n) * np.kaiser(order + 1, beta))


class PQMF(nn.Module):
    """The filter bank; the defaults are for four bands.

    Analysis after synthesis, or the other way round, delays nothing: every filter reaches
    ``order / 2`` samples to both sides, over zeros at the ends.

    Parameters
    ----------
    bands : M.
    order, cutoff, beta : of the prototype, see `prototype_filter`. For another number of bands the
        cutoff must be found anew, near ``1 / (2 M)``.

    Raises
    ------
    ConfigError for an odd order, or a cutoff outside (0, 1).
    """

    analysis_filters: Tensor
    synthesis_filters: Tensor

    def __init__(
        self, bands: int = 4, *, order: int = 62, cutoff: float = 0.142, beta: float = 9.0
    ) -> None:
        super().__init__()
        if order % 2 or not 0 < cutoff < 1 or bands < 1:
            raise ConfigError(
                f"a filter bank of {bands} bands, order {order}, cutoff {cutoff}",
                wanted="at least one band, an even order, a cutoff between 0 and 1",
                do="take 4 bands of order 62 with cutoff 0.142",
            )
        self.bands, self._half = bands, order // 2
        prototype = prototype_filter(order, cutoff, beta)
        n = np.arange(order + 1) - order / 2
        k = np.arange(bands)[:, np.newaxis]
        angle = (2 * k + 1) * np.pi / (2 * bands) * n
        phase = (-1.0) ** k * np.pi / 4
        analysis = 2 * prototype * np.cos(angle + phase)
        # Computed, not learned: neither a parameter nor a part of any checkpoint.
        self.register_buffer("analysis_filters", _tensor(analysis[:, np.newaxis]), persistent=False)
        # The mirrored filter of phase -p is the one of phase +p: a transposed convolution runs
        # backwards through its kernel, so that the analysis filters serve again, M times as loud.
        synthesis = bands * analysis[:, np.newaxis]
        self.register_buffer("synthesis_filters", _tensor(synthesis), persistent=False)

    def analyse(self, audio: Tensor) -> Tensor:
        """Split (batch, 1, samples) into (batch, bands, samples / bands, rounded up)."""
        return functional.conv1d(
            audio, self.analysis_filters, stride=self.bands, padding=self._half
        )

    def synthesise(self, subbands: Tensor) -> Tensor:
        """Join (batch, bands, length) to (batch, 1, bands * length)."""
        return functional.conv_transpose1d(
            subbands,
            self.synthesis_filters,
            stride=self.bands,
            padding=self._half,
            output_padding=self.bands - 1,
        )


def _tensor(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
