"""PESQ: ITU-T P.862 narrow band and P.862.2 wide band, by the ``pesq`` package.

Both recordings are cut to their common length, then resampled by soxr HQ to 16 kHz (wide band) or
8 kHz (narrow band). What lies above 8 kHz (4 kHz) and the level do not change the value.

The wide-band filter is that of P.862.2 before corrigendum 2 (2018), as in nearly all published
work; the corrected filter gives some 0.5 to 0.8 more.

*Licence* The package is MIT, but its C files carry the notice of the ITU, Psytechnics and OPTICOM:
free for evaluation and research, no commercial use. It is therefore optional.
"""

import math
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import numpy as np
import soxr

from evalsuite.errors import AudioError, Unavailable
from evalsuite.metrics import MetricValue
from evalsuite.types import FloatArray, Waveform

__all__ = ["Pesq"]

_MIN_DURATION_S = 0.25  # the algorithm's own limit
# Dithered digital silence has about -96 dBFS in 16 bits, and PESQ would score it like a recording.
_SILENCE_DBFS = -80
_SILENCE_RMS = 10 ** (_SILENCE_DBFS / 20)
_RATES = {"wb": 16000, "nb": 8000}


@dataclass(frozen=True)
class Pesq:
    """PESQ as MOS-LQO, from about 1.0 to 4.6, higher is better.

    Parameters
    ----------
    band : ``wb`` or ``nb``.
    """

    band: Literal["wb", "nb"] = "wb"
    version: str = "1"
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``pesq_wb`` or ``pesq_nb``."""
        return f"pesq_{self.band}"

    def compare(self, *, reference: Waveform, degraded: Waveform) -> MetricValue:
        """Return PESQ of one pair.

        Undefined, with the reason, for recordings that are silent, under 0.25 s, or in which the
        algorithm finds no speech.

        Raises
        ------
        AudioError if the rates differ, if the rate is below PESQ's, or for NaN.
        Unavailable if the package is missing.
        """
        package = _package()
        rate = _RATES[self.band]
        _require_comparable(reference, degraded, rate)
        n = min(len(reference.samples), len(degraded.samples))
        reason = _undefined_reason(reference, degraded, n)
        if reason:
            return MetricValue(math.nan, reason)
        pair = [
            _resampled(wave.samples[:n], wave.sample_rate, rate) for wave in (reference, degraded)
        ]
        try:
            return MetricValue(float(package.pesq(rate, *pair, self.band)))
        except package.PesqError as error:
            return MetricValue(math.nan, f"PESQ: {_message(error)}")


def _package() -> Any:
    try:
        return import_module("pesq")
    except ImportError as error:
        raise Unavailable(
            "the package pesq is not installed",
            wanted="pesq, which is C source and needs a C compiler",
            do='pip install "evalsuite[pesq]"',
        ) from error


def _require_comparable(reference: Waveform, degraded: Waveform, rate: int) -> None:
    if reference.sample_rate != degraded.sample_rate:
        raise AudioError(
            f"the reference has {reference.sample_rate} Hz, the degraded recording "
            f"{degraded.sample_rate} Hz",
            wanted="both at one rate, with equal bandwidth",
            do="compare samples of one run",
        )
    if reference.sample_rate < rate:
        raise AudioError(
            f"{reference.sample_rate} Hz",
            wanted=f"at least {rate} Hz: the band must not be empty",
            do="use the narrow band, or recordings of a higher rate",
        )
    for name, wave in (("reference", reference), ("degraded recording", degraded)):
        if not np.isfinite(wave.samples).all():
            raise AudioError(
                f"the {name} {wave.id!r} holds NaN or infinity",
                wanted="finite samples",
                do="find out what made them: evalsuite check",
            )


def _undefined_reason(reference: Waveform, degraded: Waveform, n: int) -> str:
    if n < _MIN_DURATION_S * reference.sample_rate:
        return f"shorter than {_MIN_DURATION_S} s"
    for name, wave in (("reference", reference), ("degraded recording", degraded)):
        if float(np.sqrt(np.mean(wave.samples[:n].astype(np.float64) ** 2))) < _SILENCE_RMS:
            return f"the {name} is silent (under {_SILENCE_DBFS} dBFS)"
    return ""


def _resampled(samples: FloatArray, sample_rate: int, rate: int) -> FloatArray:
    if sample_rate == rate:
        return samples
    resampled: FloatArray = soxr.resample(samples, sample_rate, rate, quality="HQ")
    return resampled


def _message(error: Exception) -> str:
    """The C code's message, which arrives as bytes."""
    detail = error.args[0] if error.args else type(error).__name__
    return detail.decode() if isinstance(detail, bytes) else str(detail)
