"""Griffin-Lim the way most comparisons run it: librosa's functions, called one after the other."""

import numpy as np
from numpy.typing import NDArray

from evalsuite.mel import MelSpec, mel_filter_bank
from evalsuite.types import FloatArray
from vocoders.mel_inversion import decompress

__all__ = ["librosa_griffin_lim"]


def librosa_griffin_lim(
    values: NDArray[np.floating],
    spec: MelSpec,
    *,
    n_samples: int,
    n_iterations: int,
    momentum: float,
    seed: int,
) -> FloatArray:
    """Invert a log-mel by librosa's non-negative least squares, then by its `griffinlim`.

    These are the steps of ``librosa.feature.inverse.mel_to_audio``, with the filter bank of
    `spec`. Takes several times as long as `vocoders.griffin_lim.fast_griffin_lim`.

    Parameters
    ----------
    values : shape (n_mels, frames); of centred frames and a Hann window.
    n_samples : to return.

    Returns
    -------
    float32, shape (n_samples,).
    """
    import librosa

    mel = decompress(values, spec).astype(np.float32)
    solution = librosa.util.nnls(mel_filter_bank(spec), mel)
    made = librosa.griffinlim(
        np.asarray(np.power(solution, 1 / spec.power), np.float32),
        n_iter=n_iterations,
        hop_length=spec.hop_length,
        win_length=spec.win_length,
        n_fft=spec.n_fft,
        momentum=momentum,
        length=n_samples,
        random_state=seed,
    )
    return np.asarray(made, np.float32)
