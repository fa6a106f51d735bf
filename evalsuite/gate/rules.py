"""What is a fault: the limits, and the findings they give.

Limits come from what listeners and metrics react to; the reason stands beside each value.
"""

import math
from collections.abc import Iterator
from itertools import chain

from evalsuite.finishing import DELAY_LIMIT_S
from evalsuite.gate.measurements import Measurements, Pair, UtteranceMeasurements
from evalsuite.gate.report import Finding, Severity
from evalsuite.manifest import LevelMeter

__all__ = ["file_findings", "utterance_findings"]

LEVEL_SPREAD_LIMIT_DB = 0.5  # louder is preferred; half a decibel is about audible
PEAK_LIMIT_DBTP = -1.0  # EBU R 128: converters and lossy codecs overshoot above it
PEAK_TOLERANCE_DB = 0.01  # what dither and rounding to 16 bit may add
DC_LIMIT = 0.01  # -40 dBFS: a step at both ends, and lost headroom
SILENCE_LIMIT_DBFS = -60.0  # nothing is heard at the level speech is played at
DROPOUT_LIMIT_S = 0.1  # a short syllable
FULL_SCALE = 0.999
CLIPPED_RUN = 3  # equal samples at full scale; a peak of speech has one, rarely two
FLAT_RUN = 8  # equal samples at a lower extreme: clipped first, attenuated later
EQUAL_AUDIO_DB = 50.0  # two ditherings of one file differ by 60 dB, two vocoders by under 30

_UNIT: dict[LevelMeter, str] = {"lufs": "LU", "p56": "dB"}
_MEND = "mend the program that wrote it, then make the file again"
_GENERATE = "run evalsuite generate on them"


def file_findings(file: Measurements, *, peak_severity: Severity) -> list[Finding]:
    """Findings on one file, by itself and against its reference.

    Parameters
    ----------
    peak_severity : of a true peak over the limit: raw files have it often and levelling mends it.
    """
    if file.fault is not None:
        fault = file.fault.kind.replace("_", " ")
        return [_finding(file, fault, file.fault.got, file.fault.do)]
    if file.rms_dbfs < SILENCE_LIMIT_DBFS or math.isnan(file.level_db):
        return [
            _finding(
                file, "silence", "the file is silent", _MEND,
                measured=file.rms_dbfs, limit=SILENCE_LIMIT_DBFS, unit="dBFS",
            )
        ]  # fmt: skip
    return [*_waveform_findings(file), *_peak_findings(file, peak_severity), *_delay_findings(file)]


def utterance_findings(
    measured: UtteranceMeasurements,
    *,
    sample_rate: int,
    reference: str | None,
    meter: LevelMeter,
) -> list[Finding]:
    """Findings on the systems of one utterance against each other.

    Parameters
    ----------
    sample_rate : of the set, hertz.
    reference : label of the recording; None if it takes no part.
    """
    usable = [file for file in measured.files if file.fault is None]
    return [
        *_rate_findings(usable, sample_rate),
        *_length_findings(usable, reference),
        *_level_findings(usable, meter),
        *chain.from_iterable(
            _pair_findings(pair, measured.utterance, reference) for pair in measured.pairs
        ),
    ]


def _finding(
    file: Measurements,
    fault: str,
    detail: str,
    do: str,
    *,
    severity: Severity = "error",
    measured: float = math.nan,
    limit: float = math.nan,
    unit: str = "",
) -> Finding:
    return Finding(severity, fault, file.system, file.utterance, detail, do, measured, limit, unit)


def _waveform_findings(file: Measurements) -> Iterator[Finding]:
    if file.dropout_s >= DROPOUT_LIMIT_S:
        yield _finding(
            file, "partial silence", "a stretch of the speech is gone", _MEND,
            measured=file.dropout_s, limit=DROPOUT_LIMIT_S, unit="s",
        )  # fmt: skip
    if file.wraps:
        yield _finding(
            file, "wrap-around", "samples jump from one end of the number range to the other",
            "scale or clip before the conversion to integers, then make the file again",
            measured=file.wraps, limit=0, unit="jumps",
        )  # fmt: skip
    limit = CLIPPED_RUN if file.flat_top_level >= FULL_SCALE else FLAT_RUN
    if file.flat_top_run >= limit:
        yield _finding(
            file, "clipping", f"equal samples in a row at {file.flat_top_level:.3f} of full scale",
            "make it again at a lower level; if the recording itself clips, leave it out",
            measured=file.flat_top_run, limit=limit, unit="samples",
        )  # fmt: skip
    if abs(file.dc_offset) > DC_LIMIT:
        yield _finding(
            file, "DC offset", "the mean is not zero", "remove it with a high-pass filter at 20 Hz",
            measured=file.dc_offset, limit=DC_LIMIT, unit="of full scale",
        )  # fmt: skip


def _peak_findings(file: Measurements, severity: Severity) -> Iterator[Finding]:
    if file.true_peak_dbtp > PEAK_LIMIT_DBTP + PEAK_TOLERANCE_DB:
        yield _finding(
            file, "peak", "players and lossy codecs may clip it", _GENERATE, severity=severity,
            measured=file.true_peak_dbtp, limit=PEAK_LIMIT_DBTP, unit="dBTP",
        )  # fmt: skip


def _delay_findings(file: Measurements) -> Iterator[Finding]:
    # NaN, an undefined delay, compares false.
    if abs(file.delay_s) > DELAY_LIMIT_S:
        yield _finding(
            file, "delay", f"envelope correlation {file.delay_correlation:.2f}",
            "declare the vocoder's start offset, or trim the files it came from",
            severity="warning",
            measured=1000 * file.delay_s, limit=1000 * DELAY_LIMIT_S, unit="ms",
        )  # fmt: skip


def _rate_findings(files: list[Measurements], sample_rate: int) -> Iterator[Finding]:
    for file in files:
        if file.sample_rate != sample_rate:
            yield _finding(
                file, "sample rate", "the player resamples it, the others not", _GENERATE,
                measured=file.sample_rate, limit=sample_rate, unit="Hz",
            )  # fmt: skip
        if file.content_rate_hz is not None:
            slow = "slow" if file.content_rate_hz > file.sample_rate else "fast"
            yield _finding(
                file, "header rate",
                f"the header says {file.sample_rate} Hz, the content was made at "
                f"{file.content_rate_hz} Hz: it plays too {slow}",
                "write the true rate into the header, then resample",
                measured=file.content_rate_hz, limit=file.sample_rate, unit="Hz",
            )  # fmt: skip


def _length_findings(files: list[Measurements], reference: str | None) -> Iterator[Finding]:
    if not files:
        return
    first = next((file for file in files if file.system == reference), files[0])
    for file in files:
        # Another rate or a wrong header explains another length: one finding is enough.
        explained = file.sample_rate != first.sample_rate or file.content_rate_hz is not None
        difference = file.n_samples - first.n_samples
        if difference and not explained:
            yield _finding(
                file, "length", f"samples more (+) or fewer (-) than {first.system}", _GENERATE,
                measured=difference, limit=0, unit="samples",
            )  # fmt: skip


def _level_findings(files: list[Measurements], meter: LevelMeter) -> Iterator[Finding]:
    levels = {file.system: file for file in files if math.isfinite(file.level_db)}
    if len(levels) < 2:
        return
    loudest = max(levels.values(), key=lambda file: file.level_db)
    quietest = min(levels.values(), key=lambda file: file.level_db)
    spread = loudest.level_db - quietest.level_db
    if spread > LEVEL_SPREAD_LIMIT_DB:
        yield _finding(
            loudest, "level", f"louder than {quietest.system}", _GENERATE,
            measured=spread, limit=LEVEL_SPREAD_LIMIT_DB, unit=_UNIT[meter],
        )  # fmt: skip


def _pair_findings(pair: Pair, utterance: str, reference: str | None) -> Iterator[Finding]:
    if not pair.similarity_db > EQUAL_AUDIO_DB:
        return
    with_reference = reference in (pair.first, pair.second)
    system = pair.first if pair.second == reference else pair.second
    other = pair.second if pair.second == reference else pair.first
    yield Finding(
        "error",
        "equal to the reference" if with_reference else "equal audio",
        system,
        utterance,
        f"the same audio as {other}, up to a gain",
        "check the folders: one system's files were copied into the other's",
        pair.similarity_db,
        EQUAL_AUDIO_DB,
        "dB",
    )
