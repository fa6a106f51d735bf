"""What the manifest knows about a run: changes since, and what generation put right."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from evalsuite.gate.measurements import UtteranceMeasurements
from evalsuite.gate.report import Finding
from evalsuite.manifest import Manifest, SampleRecord, SystemRecord

__all__ = ["history_findings"]

INPUT_LENGTH_LIMIT_S = 0.05  # conventions round to frames of 12 ms and pad at most four
CORRECTED_DB = 0.5  # a smaller gain is not worth a note


def history_findings(
    run: Path, manifest: Manifest, measured: Sequence[UtteranceMeasurements]
) -> Iterator[Finding]:
    """Findings that need the manifest, and notes on what `evalsuite.generate` corrected."""
    yield from _changed(manifest, measured)
    yield from _foreign(run, manifest)
    for sample in manifest.samples:
        yield from _input_length(sample)
    for system in manifest.systems:
        own = [sample for sample in manifest.samples if sample.system == system.label]
        yield from _corrections(system, own)
    yield from _lowered(manifest)
    if manifest.synthetic_speech:
        yield Finding(
            "note", "synthetic speech", "", "", "the recordings are not human speech",
            "say so wherever results are shown",
        )  # fmt: skip


def _changed(manifest: Manifest, measured: Sequence[UtteranceMeasurements]) -> Iterator[Finding]:
    known = {(sample.system, sample.utterance): sample.sha256 for sample in manifest.samples}
    for one in measured:
        for file in one.files:
            if file.sha256 != known[file.system, file.utterance]:
                yield Finding(
                    "error", "changed", file.system, file.utterance,
                    "the file is not the one that was generated",
                    "run evalsuite generate again: it makes changed files anew",
                )  # fmt: skip


def _foreign(run: Path, manifest: Manifest) -> Iterator[Finding]:
    known = {run / sample.path for sample in manifest.samples}
    for path in sorted(run.glob("samples/*/*")):
        if path.is_file() and path not in known:
            yield Finding(
                "warning", "unknown file", path.parent.name, path.stem,
                f"{path.name} is not in the manifest and takes no part",
                "run evalsuite generate again: it removes what does not belong",
            )  # fmt: skip


def _input_length(sample: SampleRecord) -> Iterator[Finding]:
    extra = int(sample.facts.get("extra_samples") or 0)
    missing = int(sample.facts.get("missing_samples") or 0)
    difference_s = (extra - missing) / sample.sample_rate
    if abs(difference_s) > INPUT_LENGTH_LIMIT_S:
        what = "was cut off" if extra else "was filled with silence"
        yield Finding(
            "warning", "input length", sample.system, sample.utterance,
            f"the output had another length than the recording; the difference {what}",
            "check that it is this utterance, whole, and in this timing",
            difference_s, INPUT_LENGTH_LIMIT_S, "s",
        )  # fmt: skip


def _lowered(manifest: Manifest) -> Iterator[Finding]:
    """One note on the utterances whose peaks keep all systems below the common level."""
    common = {s.utterance: float(s.facts.get("common_gain_db") or 0) for s in manifest.samples}
    lowered = {utterance: gain for utterance, gain in common.items() if gain < 0}
    if lowered:
        worst = min(lowered, key=lambda utterance: lowered[utterance])
        yield Finding(
            "note", "level lowered", "", worst,
            f"{len(lowered)} utterances lie below the level in all systems alike: a peak would "
            "have come too close to full scale",
            "nothing; for equal levels of all utterances too, generate at a lower --level",
            lowered[worst], unit="dB",
        )  # fmt: skip


def _corrections(system: SystemRecord, samples: list[SampleRecord]) -> Iterator[Finding]:
    """Notes on one system, over all its samples."""

    def note(fault: str, detail: str, measured: float, unit: str) -> Finding:
        do = "nothing: it is corrected"
        return Finding("note", fault, system.label, "", detail, do, measured, unit=unit)

    if system.untrained:
        yield Finding(
            "note", "untrained", system.label, "", "random weights",
            "leave it out of any comparison",
        )  # fmt: skip
    lengths = [
        int(s.facts.get("extra_samples") or 0) - int(s.facts.get("missing_samples") or 0)
        for s in samples
    ]
    if any(lengths):
        detail = f"outputs were {min(lengths):+d} to {max(lengths):+d} samples longer"
        yield note("length corrected", detail, median(lengths), "samples")
    gains = [sample.gain_db for sample in samples]
    if gains and max(map(abs, gains)) > CORRECTED_DB:
        detail = f"gains of {min(gains):+.1f} to {max(gains):+.1f} dB were applied"
        yield note("level corrected", detail, median(gains), "dB")
    rates = {s.facts.get("output_rate") for s in samples} - {s.sample_rate for s in samples}
    for rate in sorted(int(r) for r in rates if r):
        yield note("resampled", f"outputs at {rate} Hz were resampled", rate, "Hz")
