"""How close a training's output is to recordings it never saw.

The values are those of the suite's own metrics (`evalsuite.metrics`) on held-out clips that are
scaled to the training's peak and re-synthesised from their own mels: mean over the clips for
which a metric is defined.
"""

import math
import statistics
from collections.abc import Callable, Sequence

import torch

from evalsuite.errors import AudioError, Unavailable
from evalsuite.metrics import Metric
from evalsuite.metrics.registry import make_metric
from evalsuite.types import Waveform
from vocoders.training.audio_store import AudioStore
from vocoders.training.step import TrainingStep

__all__ = ["VALID_METRICS", "resynthesise", "validate"]

#: Log-mel L1 in decades, M-STFT, wide-band PESQ.
VALID_METRICS = ("log_mel_l1", "m_stft", "pesq_wb")


def validate(
    step: TrainingStep,
    store: AudioStore,
    clips: Sequence[int],
    device: torch.device,
    *,
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, float]:
    """Measure held-out clips.

    Parameters
    ----------
    clips : numbers of those to measure.
    say : told why a metric is undefined, if it is so for all clips.

    Returns
    -------
    Means by metric name; NaN where a metric cannot be computed here (another sample rate, a
    package that is not installed) or is defined for no clip.
    """
    metrics = [make_metric(name) for name in VALID_METRICS]
    values: dict[str, list[float]] = {metric.name: [] for metric in metrics}
    reasons: dict[str, str] = {}
    for clip in clips:
        pair = resynthesise(step, store, clip, device)
        for metric in metrics:
            value, reason = _measure(metric, *pair)
            values[metric.name].append(value)
            reasons[metric.name] = reason
    means = {name: _mean_of_defined(found) for name, found in values.items()}
    for name, mean in means.items():
        if math.isnan(mean):
            say(
                f"{name} is undefined for the held-out clips: {reasons.get(name, 'there are none')}"
            )
    return means


def resynthesise(
    step: TrainingStep, store: AudioStore, clip: int, device: torch.device
) -> tuple[Waveform, Waveform]:
    """Return a recording of the store, by number, and what the model makes of it."""
    name = store.clips[clip].utterance.id
    recording = store.read_all(clip)
    audio = step.validate_output(torch.from_numpy(recording)[None, None].to(device))
    output = audio[0, 0].float().cpu().numpy()
    rate = store.sample_rate
    return Waveform(recording, rate, name), Waveform(output, rate, name)


def _measure(metric: Metric, recording: Waveform, output: Waveform) -> tuple[float, str]:
    try:
        found = metric.compare(reference=recording, degraded=output)
    except (AudioError, Unavailable) as error:
        return math.nan, str(error)
    return found.value, found.reason


def _mean_of_defined(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return statistics.fmean(defined) if defined else math.nan
