"""Fast Griffin-Lim from a mel spectrogram: the classical baseline that needs no training.

*Layout* Spectrograms are (frames, bins), one contiguous row per frame; the signal is kept as rows
of one hop, so that framing and overlap-add are slices. One pass over a block of frames does the
whole step while the block is in the cache.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from evalsuite.contract import require_own_features, require_sample_rate, within_full_scale
from evalsuite.errors import ConfigError
from evalsuite.mel import MelSpec, extract_mel, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, FloatArray, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo
from vocoders.mel_inversion import magnitudes

__all__ = ["GriffinLim", "fast_griffin_lim"]

_FRAMES_AT_ONCE = 64
_OWN_MEL = "griffin_lim"


class GriffinLim(Vocoder):
    """Inverts the mel to magnitudes, then looks for a phase that fits them.

    Parameters
    ----------
    spec : the mel it sees.
    n_iterations : of the phase search.
    momentum : 0 is the plain algorithm of 1984.
    mel_iterations : of the mel inversion; 0 takes the clamped pseudo-inverse.

    Source: Griffin and Lim 1984; Perraudin, Balazs and Søndergaard 2013. The settings of the
    MelGAN paper's Griffin-Lim are not published.
    """

    def __init__(
        self, spec: MelSpec, *, n_iterations: int, momentum: float, mel_iterations: int
    ) -> None:
        _require_settings(spec, n_iterations, momentum, mel_iterations)
        self._spec, self._window = spec, _window(spec)
        self._n_iterations, self._momentum = n_iterations, momentum
        self._mel_iterations = mel_iterations
        self.info = VocoderInfo(
            name="griffin_lim",
            family="dsp",
            sample_rate=spec.sample_rate,
            spec=spec,
            deterministic=False,
            source="Griffin and Lim 1984; Perraudin et al. 2013",
            config={
                "mel": spec.name,
                "n_iterations": n_iterations,
                "momentum": momentum,
                "mel_iterations": mel_iterations,
            },
        )

    @classmethod
    def create(
        cls,
        setup: Setup,
        *,
        mel: str = _OWN_MEL,
        n_iterations: int = 60,
        momentum: float = 0.99,
        mel_iterations: int = 32,
    ) -> "GriffinLim":
        """Make it. `mel` is a preset; by default full band, not levelled, at the run's rate."""
        rate = setup.sample_rate
        own = MelSpec(_OWN_MEL, sample_rate=rate, f_max=rate / 2, log_base="10")
        spec = own if mel == _OWN_MEL else mel_spec(mel)
        return cls(
            spec, n_iterations=n_iterations, momentum=momentum, mel_iterations=mel_iterations
        )

    def analyse(self, wave: Waveform) -> Features:
        """Compute the mel."""
        require_sample_rate(self.info, wave)
        return extract_mel(wave, self._spec)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Reconstruct each waveform; `seed` draws the first phase, alike for every utterance."""
        return [self._one(features, seed) for features in batch]

    def _one(self, features: Features, seed: int) -> Waveform:
        require_own_features(self.info, features)
        target = magnitudes(features.values, self._spec, n_iterations=self._mel_iterations)
        padded = fast_griffin_lim(
            target,
            self._window,
            self._spec.hop_length,
            n_iterations=self._n_iterations,
            momentum=self._momentum,
            seed=seed,
        )
        left = _padding_on_the_left(self._spec)
        samples = padded[left : left + features.n_samples]
        return Waveform(within_full_scale(samples), self._spec.sample_rate, features.id)


def fast_griffin_lim(
    target: FloatArray,
    window: FloatArray,
    hop_length: int,
    *,
    n_iterations: int,
    momentum: float = 0.99,
    seed: int,
) -> FloatArray:
    """Find a signal whose spectrogram has the magnitudes `target`.

    With ``c_n`` the spectrogram of the n-th estimate, the next phase is that of
    ``c_n - momentum / (1 + momentum) c_(n-1)``.

    Parameters
    ----------
    target : float32, shape (frames, n_fft // 2 + 1).
    window : float32, shape (n_fft,); a multiple of `hop_length`.
    seed : of the first phase, uniform in all bins.

    Returns
    -------
    float32, shape ((frames - 1) * hop_length + n_fft,): frame 0 starts at sample 0.

    Source: Perraudin, Balazs and Søndergaard 2013, algorithm 2, in the form of librosa.
    """
    n_frames, n_bins = target.shape
    step = _FRAMES_AT_ONCE
    blocks = [slice(i, min(i + step, n_frames)) for i in range(0, n_frames, step)]
    gain = _overlap_gain(window, hop_length, n_frames)
    generator = np.random.default_rng(seed)
    rows = np.zeros_like(gain)
    for block in blocks:
        angle = generator.random((block.stop - block.start, n_bins), dtype=np.float32)
        phase = np.exp(np.complex64(2j * np.pi) * angle)
        _overlap_add(rows, _to_frames(target[block] * phase, window), block)
    previous = np.zeros(target.shape, np.complex64)
    keep = np.float32(momentum / (1 + momentum))
    for _ in range(n_iterations):
        rows *= gain
        following = np.zeros_like(rows)
        for block in blocks:
            spectra = fft.rfft(_cut_frames(rows, block, len(window)) * window, overwrite_x=True)
            accelerated = spectra - keep * previous[block]
            previous[block] = spectra
            _overlap_add(
                following, _to_frames(_with_magnitude(accelerated, target[block]), window), block
            )
        rows = following
    return (rows * gain).reshape(-1)


def _with_magnitude(spectra: NDArray[np.complex64], target: FloatArray) -> NDArray[np.complex64]:
    """Keep the phase. Zero has none: it stays zero."""
    energy = spectra.real**2 + spectra.imag**2
    spectra *= target / np.sqrt(energy + np.float32(1e-20))
    return spectra


def _to_frames(spectra: NDArray[np.complex64], window: FloatArray) -> FloatArray:
    frames: FloatArray = fft.irfft(spectra, len(window), overwrite_x=True)
    frames *= window
    return frames


def _cut_frames(rows: FloatArray, block: slice, n_fft: int) -> FloatArray:
    """Overlapping frames, shape (frames of the block, n_fft), from rows of one hop."""
    hops = n_fft // rows.shape[1]
    return np.concatenate(
        [rows[block.start + hop : block.stop + hop] for hop in range(hops)], axis=1
    )


def _overlap_add(rows: FloatArray, frames: FloatArray, block: slice) -> None:
    hop_length = rows.shape[1]
    for hop in range(frames.shape[1] // hop_length):
        part = frames[:, hop * hop_length : (hop + 1) * hop_length]
        rows[block.start + hop : block.stop + hop] += part


def _overlap_gain(window: FloatArray, hop_length: int, n_frames: int) -> FloatArray:
    """One over the summed squared windows, shape (rows, hop_length): least-squares synthesis."""
    hops = len(window) // hop_length
    squared = (window.astype(np.float64) ** 2).reshape(hops, hop_length)
    total = np.zeros((n_frames + hops - 1, hop_length))
    for hop in range(hops):
        total[hop : hop + n_frames] += squared[hop]
    # Where no window reaches there is no signal either; a gain would only blow up rounding.
    gain = np.where(total > 1e-6, 1 / np.maximum(total, 1e-6), 0)
    return np.asarray(gain, np.float32)


def _window(spec: MelSpec) -> FloatArray:
    n = np.arange(spec.n_fft)
    if spec.window == "hann":
        return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * n / spec.n_fft), np.float32)
    overlap_gain = np.sqrt(2 * spec.hop_length / spec.n_fft)
    return np.asarray(np.sin(np.pi * (n + 0.5) / spec.n_fft) * overlap_gain, np.float32)


def _padding_on_the_left(spec: MelSpec) -> int:
    """Samples the convention puts before the first one."""
    paddings = {
        "centred": spec.n_fft // 2,
        "hop_aligned": (spec.n_fft - spec.hop_length) // 2,
        "lws": spec.n_fft - spec.hop_length,
    }
    return paddings[spec.framing]


def _require_settings(
    spec: MelSpec, n_iterations: int, momentum: float, mel_iterations: int
) -> None:
    rules = (
        (
            spec.win_length == spec.n_fft and spec.n_fft % spec.hop_length == 0,
            f"mel {spec.name!r} with window {spec.win_length} and hop {spec.hop_length}",
            "a window of n_fft samples, a whole number of hops",
        ),
        (n_iterations >= 1, f"n_iterations {n_iterations}", "at least 1"),
        (0 <= momentum < 1, f"momentum {momentum}", "at least 0 and below 1"),
        (mel_iterations >= 0, f"mel_iterations {mel_iterations}", "0 (pseudo-inverse) or more"),
    )
    for holds, got, wanted in rules:
        if not holds:
            raise ConfigError(f"griffin_lim: {got}", wanted=wanted, do="correct the option")
