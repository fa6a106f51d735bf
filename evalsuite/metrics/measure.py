"""Measure every sample of a run against its reference.

*Writes* ``RUN/metrics.jsonl``, a line per system, utterance and metric::

    {"system", "utterance", "metric", "version", "value", "reason",
     "sample_sha256", "reference_sha256", "untrained", "synthetic_speech"}

``value`` is null where the metric is undefined, and ``reason`` says why. A line is valid as long
as both hashes and the metric's version are: only what changed is measured again. Lines are added
as they are found, so a stopped run loses at most one; at the end the file is put in order.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from evalsuite.audio import read_wave
from evalsuite.errors import ManifestError
from evalsuite.files import write_text
from evalsuite.manifest import Manifest, SampleRecord, read_manifest
from evalsuite.metrics import Metric, MetricValue
from evalsuite.types import Waveform

__all__ = ["METRICS_NAME", "Measured", "measure_run", "read_metrics"]

METRICS_NAME = "metrics.jsonl"


@dataclass(frozen=True)
class Measured:
    """One line of the file; see the module text. `value` is None where undefined."""

    system: str
    utterance: str
    metric: str
    version: str
    value: float | None
    reason: str
    sample_sha256: str
    reference_sha256: str
    untrained: bool
    synthetic_speech: bool

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What the value depends on."""
        return (self.metric, self.version, self.sample_sha256, self.reference_sha256)


def read_metrics(run: Path) -> list[Measured]:
    """Read ``RUN/metrics.jsonl``; an unfinished last line is left out, a missing file is empty."""
    path = run / METRICS_NAME
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            found.append(Measured(**json.loads(line)))
        except (ValueError, TypeError):
            continue  # cut off when the process died, or of an older form: measured again
    return found


def measure_run(
    run: Path,
    metrics: Sequence[Metric],
    *,
    progress: Callable[[str], None] = lambda message: None,
) -> tuple[list[Measured], int]:
    """Measure all samples of all systems but the reference.

    Returns
    -------
    Every line for `metrics`, in the order of the manifest, and how many were measured now.

    Raises
    ------
    ManifestError if the run has no reference system; AudioError, Unavailable of the metrics.
    """
    manifest = read_manifest(run)
    known = {one.key: one for one in read_metrics(run)}
    lines: list[Measured] = []
    n_new = 0
    with (run / METRICS_NAME).open("a", encoding="utf-8") as stream:
        for sample, reference in _pairs(manifest):
            todo = [one for one in metrics if _key(one, sample, reference) not in known]
            if todo:
                progress(f"{sample.system} {sample.utterance}")
            marks = (sample.system in manifest.untrained_labels, manifest.synthetic_speech)
            for measured in _measure(run, sample, reference, todo, marks):
                stream.write(_as_line(measured))
                stream.flush()
                known[measured.key] = measured
                n_new += 1
            lines += [
                _relabelled(known[_key(metric, sample, reference)], sample) for metric in metrics
            ]
    _put_in_order(run, manifest, [*known.values(), *lines])
    return lines, n_new


def _pairs(manifest: Manifest) -> Iterator[tuple[SampleRecord, SampleRecord]]:
    label = manifest.reference_label
    if label is None:
        raise ManifestError(
            "the run has no reference system",
            wanted="the recordings among the systems, to compare with",
            do="add the system original: evalsuite generate RUN --systems original,…",
        )
    references = {one.utterance: one for one in manifest.samples if one.system == label}
    for sample in manifest.samples:
        if sample.system != label and sample.utterance in references:
            yield sample, references[sample.utterance]


def _key(
    metric: Metric, sample: SampleRecord, reference: SampleRecord
) -> tuple[str, str, str, str]:
    return (metric.name, metric.version, sample.sha256, reference.sha256)


def _measure(
    run: Path,
    sample: SampleRecord,
    reference: SampleRecord,
    metrics: Sequence[Metric],
    marks: tuple[bool, bool],
) -> Iterator[Measured]:
    if not metrics:
        return
    pair = {"degraded": _read(run, sample), "reference": _read(run, reference)}
    for metric in metrics:
        found: MetricValue = metric.compare(**pair)
        yield Measured(
            sample.system,
            sample.utterance,
            metric.name,
            metric.version,
            None if math.isnan(found.value) else found.value,
            found.reason,
            sample.sha256,
            reference.sha256,
            *marks,
        )


def _read(run: Path, sample: SampleRecord) -> Waveform:
    return read_wave(run / sample.path, id=sample.utterance)


def _relabelled(measured: Measured, sample: SampleRecord) -> Measured:
    """Equal bytes give equal values, whatever the system is called now."""
    return Measured(**asdict(measured) | {"system": sample.system, "utterance": sample.utterance})


def _as_line(measured: Measured) -> str:
    return json.dumps(asdict(measured), ensure_ascii=False, allow_nan=False) + "\n"


def _put_in_order(run: Path, manifest: Manifest, found: Sequence[Measured]) -> None:
    """One line a sample and metric, in the order of the manifest; what is no longer there goes."""
    order = {
        (sample.system, sample.utterance, sample.sha256): position
        for position, sample in enumerate(manifest.samples)
    }
    current = {
        (one.system, one.utterance, *one.key): one
        for one in found
        if (one.system, one.utterance, one.sample_sha256) in order
    }
    lines = sorted(
        current.values(),
        key=lambda one: (order[one.system, one.utterance, one.sample_sha256], one.metric),
    )
    write_text(run / METRICS_NAME, "".join(_as_line(one) for one in lines))
