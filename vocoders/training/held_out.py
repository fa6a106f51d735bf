"""How well vocoders re-synthesise recordings that nobody trained on.

A recording is resampled to the vocoder's rate, scaled as a whole to `PEAK` (as in training) and
cut to whole frames. Each vocoder hears that and is compared with it, at that level: nothing is
aligned or levelled, since a vocoder that shifts or dampens should not be forgiven here. For the
comparison that listeners hear, see `evalsuite.generate`.

*Metrics* are those of `VALID_METRICS`: log-mel L1 in decades of the MelGAN convention, M-STFT, and
wide-band PESQ if its package is installed.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from evalsuite.audio import read_wave, resample
from evalsuite.corpus.layout import choose_kind, list_recordings
from evalsuite.corpus.model import Entry
from evalsuite.errors import CorpusError, VocoderError
from evalsuite.metrics import Metric
from evalsuite.metrics.registry import make_metric
from evalsuite.types import FloatArray, Waveform
from evalsuite.vocoder import Vocoder
from vocoders.training.split import read_split_column
from vocoders.training.validation import VALID_METRICS

__all__ = [
    "PEAK",
    "UNSEEN",
    "HeldOutClip",
    "Score",
    "held_out_metrics",
    "list_held_out",
    "mean_scores",
    "measure_held_out",
    "prepare",
    "resynthesise",
]

PEAK = 0.95
UNSEEN = "unseen speakers"
_HOP = 256
_RATE = 22050


@dataclass(frozen=True)
class HeldOutClip:
    """A test recording.

    Parameters
    ----------
    group : the speaker if other recordings of that speaker are trained on, else `UNSEEN`.
    """

    id: str
    path: Path
    group: str


@dataclass(frozen=True)
class Score:
    """One metric of one system on one clip; NaN where the metric is undefined."""

    system: str
    clip: str
    group: str
    metric: str
    value: float


def held_out_metrics() -> list[Metric]:
    """Those of `VALID_METRICS` that can be computed here; PESQ needs the extra ``pesq``."""
    names = [name for name in VALID_METRICS if name != "pesq_wb" or find_spec("pesq")]
    return [make_metric(name) for name in names]


def list_held_out(corpus: Path, *, limit: int | None = None) -> list[HeldOutClip]:
    """List the test recordings of a table, by group and id.

    Parameters
    ----------
    limit : of clips in each group; the first by id.

    Raises
    ------
    CorpusError if the corpus names no test recordings.
    """
    splits = read_split_column(corpus)
    entries = list_recordings(corpus, choose_kind(corpus, "auto")).entries
    seen = {entry.speaker for entry in entries if splits.get(entry.id) == "train"}
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(entries, key=lambda entry: entry.id):
        if splits.get(entry.id) == "test":
            group = entry.speaker if entry.speaker in seen else UNSEEN
            groups.setdefault(group, []).append(entry)
    if not groups:
        raise CorpusError(
            f"{corpus} names no test recordings",
            wanted="rows with test in the column split",
            do="make the table: evalsuite weights corpus DATA -o TABLE",
        )
    return [
        HeldOutClip(entry.id, entry.path, group)
        for group in sorted(groups, key=lambda name: (name == UNSEEN, name))
        for entry in groups[group][:limit]
    ]


def measure_held_out(
    systems: dict[str, Vocoder],
    clips: Sequence[HeldOutClip],
    metrics: Sequence[Metric],
    *,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> list[Score]:
    """Re-synthesise every clip with every system and measure the outcome.

    Raises
    ------
    VocoderError if an output is not finite; the errors of vocoders and metrics.
    """
    scores: list[Score] = []
    for done, clip in enumerate(clips, start=1):
        reference = prepare(read_wave(clip.path, id=clip.id))
        for name, vocoder in systems.items():
            output = resynthesise(vocoder, reference)
            scores += _measure(name, clip, reference, output, metrics)
        progress(done, len(clips))
    return scores


def mean_scores(scores: Sequence[Score]) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Mean and number of defined values by (system, group, metric); group ``all`` has every clip.

    A clip counts only if the metric is defined for every system, so that means compare.
    """
    undefined = {(one.clip, one.metric) for one in scores if math.isnan(one.value)}
    values: dict[tuple[str, str, str], list[float]] = {}
    for one in scores:
        if (one.clip, one.metric) in undefined:
            continue
        for group in (one.group, "all"):
            values.setdefault((one.system, group, one.metric), []).append(one.value)
    return {key: (float(np.mean(found)), len(found)) for key, found in values.items()}


def prepare(wave: Waveform) -> Waveform:
    """Resample to 22.05 kHz, scale to `PEAK`, cut to whole frames of 256 samples."""
    samples = resample(wave, _RATE).samples
    samples = samples[: len(samples) // _HOP * _HOP]
    largest = float(np.abs(samples).max(initial=0))
    scaled: FloatArray = (samples * (PEAK / largest if largest else 1.0)).astype(np.float32)
    return Waveform(scaled, _RATE, wave.id)


def resynthesise(vocoder: Vocoder, reference: Waveform) -> Waveform:
    """Turn a recording into the vocoder's features and back, as long and as loud as it was.

    Raises
    ------
    VocoderError if the output is not finite.
    """
    features = vocoder.analyse(reference)
    output = vocoder.generate([features], seed=0)[0]
    n = len(reference.samples)
    samples = output.samples[vocoder.info.start_offset :][:n]
    if not np.isfinite(samples).all():
        raise VocoderError(
            f"{vocoder.info.name} made NaN or infinity of {reference.id}",
            wanted="finite audio",
            do="do not use these weights",
        )
    missing = n - len(samples)
    samples = np.pad(samples, (0, missing)) / np.float32(features.gain)
    return replace(output, samples=samples.astype(np.float32), id=reference.id)


def _measure(
    system: str,
    clip: HeldOutClip,
    reference: Waveform,
    output: Waveform,
    metrics: Sequence[Metric],
) -> Iterator[Score]:
    for metric in metrics:
        found = metric.compare(reference=reference, degraded=output)
        yield Score(system, clip.id, clip.group, metric.name, found.value)
