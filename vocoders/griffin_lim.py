"""Fast Griffin-Lim from a mel spectrogram: the classical baseline that needs no training.

*Layout* Spectrograms are (frames, bins), one contiguous row per frame; the signal is kept as rows
of one hop, so that framing and overlap-add are slices. One pass over a block of frames does the
whole step while the block is in the cache.
"""

import importlib.util
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from evalsuite.contract import require_own_features, require_sample_rate, within_full_scale
from evalsuite.errors import ConfigError, Unavailable
from evalsuite.mel import MelSpec, extract_mel, mel_spec
from evalsuite.registry import Setup
from evalsuite.types import Features, FloatArray, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo
from vocoders.librosa_griffin_lim import librosa_griffin_lim
from vocoders.mel_inversion import magnitudes

__all__ = ["GriffinLim", "fast_griffin_lim", "fused_griffin_lim"]

Engine = Literal["auto", "fused", "scipy", "librosa"]

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
    engine : ``fused`` needs numba, ``scipy`` does not; ``auto`` is the first of them that runs
        here. ``librosa`` calls librosa's functions in their place: what others use, for
        comparison; its own inversion of the mel has no iterations to choose.

    Source: Griffin and Lim 1984; Perraudin, Balazs and Søndergaard 2013. The settings of the
    MelGAN paper's Griffin-Lim are not published.
    """

    def __init__(
        self,
        spec: MelSpec,
        *,
        n_iterations: int,
        momentum: float,
        mel_iterations: int,
        engine: Engine = "auto",
    ) -> None:
        _require_settings(spec, n_iterations, momentum, mel_iterations)
        self._spec, self._window = spec, _window(spec)
        self._n_iterations, self._momentum = n_iterations, momentum
        self._mel_iterations = mel_iterations
        self._engine = _engine_here(engine, spec)
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
                "engine": self._engine,
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
        engine: Engine = "auto",
    ) -> "GriffinLim":
        """Make it. `mel` is a preset; by default full band, not levelled, at the run's rate."""
        rate = setup.sample_rate
        own = MelSpec(_OWN_MEL, sample_rate=rate, f_max=rate / 2, log_base="10")
        spec = own if mel == _OWN_MEL else mel_spec(mel)
        return cls(
            spec,
            n_iterations=n_iterations,
            momentum=momentum,
            mel_iterations=mel_iterations,
            engine=engine,
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
        samples = (
            self._by_librosa(features, seed)
            if self._engine == "librosa"
            else (self._by_fast_griffin_lim(features, seed))
        )
        return Waveform(within_full_scale(samples), self._spec.sample_rate, features.id)

    def _by_fast_griffin_lim(self, features: Features, seed: int) -> FloatArray:
        fused = self._engine == "fused"
        target = magnitudes(
            features.values, self._spec, n_iterations=self._mel_iterations, fused=fused
        )
        search = fused_griffin_lim if fused else fast_griffin_lim
        padded = search(
            target,
            self._window,
            self._spec.hop_length,
            n_iterations=self._n_iterations,
            momentum=self._momentum,
            seed=seed,
        )
        left = _padding_on_the_left(self._spec)
        return padded[left : left + features.n_samples]

    def _by_librosa(self, features: Features, seed: int) -> FloatArray:
        return librosa_griffin_lim(
            features.values,
            self._spec,
            n_samples=features.n_samples,
            n_iterations=self._n_iterations,
            momentum=self._momentum,
            seed=seed,
        )


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
    blocks = _blocks(len(target))
    gain = _overlap_gain(window, hop_length, len(target))
    rows = np.zeros_like(gain)
    for block, spectra in zip(blocks, _first_spectra(target, blocks, seed), strict=True):
        _overlap_add(rows, _to_frames(spectra, window), block)
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


def fused_griffin_lim(
    target: FloatArray,
    window: FloatArray,
    hop_length: int,
    *,
    n_iterations: int,
    momentum: float = 0.99,
    seed: int,
) -> FloatArray:
    """Do as `fast_griffin_lim` with its element-wise steps compiled; needs numba.

    Parameters and result are those of `fast_griffin_lim`, up to rounding, which grows with the
    iterations: another phase that fits as well.
    """
    from vocoders.griffin_lim_kernels import add_frames, cut_frames, put_magnitudes

    blocks, n_fft = _blocks(len(target)), len(window)
    gain = _overlap_gain(window, hop_length, len(target))
    rows = np.zeros_like(gain)
    for block, spectra in zip(blocks, _first_spectra(target, blocks, seed), strict=True):
        add_frames(rows, fft.irfft(spectra, n_fft), window, block.start)
    previous = np.zeros((*target.shape, 2), np.float32)
    keep = momentum / (1 + momentum)
    frames = np.empty((_FRAMES_AT_ONCE, n_fft), np.float32)
    for _ in range(n_iterations):
        following = np.zeros_like(rows)
        for block in blocks:
            cut = frames[: block.stop - block.start]
            cut_frames(rows, gain, window, block.start, cut)
            spectra = fft.rfft(cut)
            parts = spectra.view(np.float32).reshape(-1)
            put_magnitudes(parts, previous[block].reshape(-1), target[block].reshape(-1), keep)
            add_frames(following, fft.irfft(spectra, n_fft, overwrite_x=True), window, block.start)
        rows = following
    return (rows * gain).reshape(-1)


def _blocks(n_frames: int) -> list[slice]:
    step = _FRAMES_AT_ONCE
    return [slice(i, min(i + step, n_frames)) for i in range(0, n_frames, step)]


def _first_spectra(
    target: FloatArray, blocks: Sequence[slice], seed: int
) -> Iterator[NDArray[np.complex64]]:
    """Magnitudes with uniformly random phases, block after block."""
    generator = np.random.default_rng(seed)
    for block in blocks:
        angle = generator.random((block.stop - block.start, target.shape[1]), dtype=np.float32)
        yield target[block] * np.exp(np.complex64(2j * np.pi) * angle)


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


def _engine_here(engine: Engine, spec: MelSpec) -> Engine:
    """Return what `engine` stands for on this machine.

    Raises
    ------
    Unavailable if numba is asked for by name and missing; ConfigError if librosa cannot.
    """
    has_numba = importlib.util.find_spec("numba") is not None
    if engine == "auto":
        return "fused" if has_numba else "scipy"
    if engine == "fused" and not has_numba:
        raise Unavailable(
            "griffin_lim: engine 'fused' needs numba, which is not installed",
            wanted="numba, or an engine without it",
            do="pip install numba, or leave the option out",
        )
    if engine == "librosa" and (spec.framing != "centred" or spec.window != "hann"):
        raise ConfigError(
            f"griffin_lim: engine 'librosa' with mel {spec.name!r}",
            wanted="centred frames and a Hann window: the only ones it inverts",
            do="leave the option engine or mel out",
        )
    return engine


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
