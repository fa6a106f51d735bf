"""Check a run folder, or folders of finished files from elsewhere."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from evalsuite.audio import probe
from evalsuite.engines import make_engine
from evalsuite.errors import AudioError, CorpusError, EvalsuiteError, UsageError
from evalsuite.gate.history import history_findings
from evalsuite.gate.measurements import (
    FileTask,
    Measurements,
    UtteranceMeasurements,
    measure_utterance,
)
from evalsuite.gate.report import Finding, GateReport, Row, by_severity
from evalsuite.gate.rules import file_findings, utterance_findings
from evalsuite.manifest import LevelMeter, Manifest, SampleRecord, read_manifest

__all__ = ["Folder", "check_folders", "check_run", "parse_folder"]

#: Called after each utterance with the number done and the number in all.
CheckProgress = Callable[[int, int], None]
_NAN = float("nan")


@dataclass(frozen=True)
class Folder:
    """Finished files of one system.

    Parameters
    ----------
    name : file name with ``{id}`` where the utterance's id stands.
    """

    path: Path
    name: str = "{id}.wav"

    def files(self) -> dict[str, Path]:
        """Find the files by utterance id, in the order of the ids.

        Raises
        ------
        CorpusError if the folder does not exist or holds no file of that name.
        """
        before, _, after = self.name.partition("{id}")
        pattern = re.compile(re.escape(before) + "(.+)" + re.escape(after))
        found = sorted(self.path.iterdir()) if self.path.is_dir() else []
        files = {m[1]: path for path in found if (m := pattern.fullmatch(path.name))}
        if not files:
            raise CorpusError(
                f"{self.path} holds no file named {self.name}",
                wanted="a folder with one audio file per utterance",
                do="correct the folder, or say how the files are named: "
                "label=FOLDER?name=generated_{id}.wav",
            )
        return files


def parse_folder(text: str, *, default_name: str = "{id}.wav") -> tuple[str, Folder]:
    """Read ``label=FOLDER`` or ``label=FOLDER?name=PATTERN``.

    Raises
    ------
    UsageError if it has another form, or the pattern does not hold ``{id}`` once.

    >>> parse_folder("baseline=demo/baseline?name=generated_{id}.wav")
    ('baseline', Folder(path=PosixPath('demo/baseline'), name='generated_{id}.wav'))
    """
    label, _, rest = text.strip().partition("=")
    folder, _, option = rest.partition("?")
    key, _, value = option.partition("=")
    name = value if option else default_name
    if not label or not folder or (option and key != "name") or name.count("{id}") != 1:
        raise UsageError(
            f"the folder {text!r} with file names {name!r} cannot be read",
            wanted="label=FOLDER or label=FOLDER?name=PATTERN, with {id} once in the pattern",
            do="write it like baseline=demo/baseline?name=generated_{id}.wav",
        )
    return label, Folder(Path(folder), name)


def check_run(run: Path, *, jobs: int = 1, progress: CheckProgress | None = None) -> GateReport:
    """Check every sample of a run.

    Beside the files themselves, the manifest tells what they were before `evalsuite.generate`
    trimmed and levelled them, and whether they changed since.

    Raises
    ------
    ManifestError if the run has no usable manifest.
    """
    manifest = read_manifest(run)
    records = {(s.system, s.utterance): s for s in manifest.samples}
    labels = [system.label for system in manifest.systems]
    meter, reference = manifest.settings.level_meter, manifest.reference_label
    tasks = [_run_task(run, manifest, records, u.id) for u in manifest.utterances]
    measured = [_with_history(m, records) for m in _measure(tasks, jobs, progress)]
    findings = [
        *_set_findings(measured, manifest.settings.sample_rate, reference, meter, run=True),
        *_missing(tasks, labels, manifest),
        *history_findings(run, manifest, measured),
    ]
    rows = [_row(f, records[f.system, f.utterance]) for m in measured for f in m.files]
    return GateReport(str(run), meter, reference, by_severity(findings), _in_order(rows, labels))


def check_folders(
    folders: Mapping[str, Folder],
    *,
    reference: str | None = None,
    jobs: int = 1,
    progress: CheckProgress | None = None,
) -> GateReport:
    """Check folders of finished files that were not made by `evalsuite.generate`.

    Parameters
    ----------
    folders : by system.
    reference : the system that holds the recordings. Its utterances and its sample rate are
        those of the set; without it every utterance and the most frequent rate are.

    Raises
    ------
    UsageError if the reference is not among the folders; CorpusError for an empty folder.
    """
    if reference is not None and reference not in folders:
        raise UsageError(
            f"the reference {reference!r} is none of the folders",
            wanted="one of " + ", ".join(folders),
            do="give its folder too, or name another reference",
        )
    files = {label: folder.files() for label, folder in folders.items()}
    ids = dict.fromkeys(id for found in files.values() for id in found)
    if reference is not None:
        ids = dict.fromkeys(files[reference])
    paths = {id: {label: files[label][id] for label in files if id in files[label]} for id in ids}
    tasks = [FileTask(id, paths[id], reference, "lufs", {}) for id in ids]
    measured = _measure(tasks, jobs, progress)
    findings = [
        *_set_findings(measured, _common_rate(tasks), reference, "lufs", run=False),
        *_missing(tasks, list(folders), None),
        *_unmatched(files, ids),
    ]
    rows = [_row(file, None) for m in measured for file in m.files]
    subject = ", ".join(folders)
    return GateReport(
        subject, "lufs", reference, by_severity(findings), _in_order(rows, list(folders))
    )


def _run_task(
    run: Path, manifest: Manifest, records: Mapping[tuple[str, str], SampleRecord], utterance: str
) -> FileTask:
    own = [s for s in records.values() if s.utterance == utterance]
    paths = {s.system: run / s.path for s in own if (run / s.path).is_file()}
    ratios = {s.system: _length_ratio(s) for s in own}
    meter = manifest.settings.level_meter
    return FileTask(utterance, paths, manifest.reference_label, meter, ratios)


def _length_ratio(sample: SampleRecord) -> float:
    """Length of the output before it was cut or padded, over its length now."""
    extra, missing = sample.facts.get("extra_samples"), sample.facts.get("missing_samples")
    difference = int(extra or 0) - int(missing or 0)
    return (sample.n_samples + difference) / sample.n_samples


def _measure(
    tasks: Sequence[FileTask], jobs: int, progress: CheckProgress | None
) -> list[UtteranceMeasurements]:
    """Measure all utterances; the result is in the order of the tasks."""
    measured: dict[int, UtteranceMeasurements] = {}
    for outcome in make_engine(_work, jobs=jobs).map(tasks):
        if outcome.value is None:
            raise outcome.error or EvalsuiteError(
                "an utterance was not measured", wanted="measurements", do="run it again"
            )
        measured[outcome.index] = outcome.value
        if progress is not None:
            progress(len(measured), len(tasks))
    return [measured[index] for index in sorted(measured)]


def _work() -> Callable[[FileTask], UtteranceMeasurements]:
    return measure_utterance


def _with_history(
    measured: UtteranceMeasurements, records: Mapping[tuple[str, str], SampleRecord]
) -> UtteranceMeasurements:
    """Add the faults that only the raw output showed exactly, before gain and dither."""
    files = []
    for file in measured.files:
        facts = records[file.system, file.utterance].facts
        run, level = (
            int(facts.get("raw_flat_top") or 0),
            float(facts.get("raw_flat_top_level") or 0),
        )
        if run >= file.flat_top_run:
            file = replace(file, flat_top_run=run, flat_top_level=level)
        files.append(replace(file, wraps=max(file.wraps, int(facts.get("raw_wraps") or 0))))
    return replace(measured, files=tuple(files))


def _set_findings(
    measured: Sequence[UtteranceMeasurements],
    sample_rate: int,
    reference: str | None,
    meter: LevelMeter,
    *,
    run: bool,
) -> list[Finding]:
    findings: list[Finding] = []
    for one in measured:
        for file in one.files:
            findings += file_findings(file, peak_severity="error" if run else "warning")
        findings += utterance_findings(
            one, sample_rate=sample_rate, reference=reference, meter=meter
        )
    return findings


def _missing(
    tasks: Sequence[FileTask], labels: Sequence[str], manifest: Manifest | None
) -> list[Finding]:
    failures = manifest.failures if manifest else ()
    reasons = {(f.system, f.utterance): f"{f.kind}: {f.reason}" for f in failures}
    do = "run evalsuite generate again" if manifest else "add the file, or leave the utterance out"
    return [
        Finding(
            "error",
            "missing",
            label,
            task.utterance,
            reasons.get((label, task.utterance), "there is no file"),
            do,
        )
        for task in tasks
        for label in labels
        if label not in task.paths
    ]


def _unmatched(files: Mapping[str, Mapping[str, Path]], ids: Mapping[str, None]) -> list[Finding]:
    """Files of utterances that the reference does not have."""
    return [
        Finding(
            "warning",
            "no reference",
            label,
            id,
            "the reference has no such utterance: the file was not checked",
            "correct its name, or leave it out",
        )
        for label, found in files.items()
        for id in found
        if id not in ids
    ]


def _common_rate(tasks: Sequence[FileTask]) -> int:
    """Rate of the reference files, or the most frequent one; of two as frequent, the higher."""
    rates: list[int] = []
    for task in tasks:
        own = task.paths.values() if task.reference is None else [task.paths[task.reference]]
        for path in own:
            try:
                rates.append(probe(path).sample_rate)
            except AudioError:
                continue  # reported as a finding of its own
    return max(sorted(set(rates), reverse=True), key=rates.count, default=0)


def _row(file: Measurements, record: SampleRecord | None) -> Row:
    before = record.facts.get("level_before_db") if record else None
    return Row(
        system=file.system,
        utterance=file.utterance,
        path=str(file.path),
        sample_rate=file.sample_rate,
        n_samples=file.n_samples,
        level_db=file.level_db,
        level_before_db=float(before) if isinstance(before, float) else _NAN,
        gain_db=record.gain_db if record else _NAN,
        true_peak_dbtp=file.true_peak_dbtp,
        dc_offset=file.dc_offset,
        delay_s=file.delay_s,
        delay_correlation=file.delay_correlation,
    )


def _in_order(rows: list[Row], labels: Sequence[str]) -> tuple[Row, ...]:
    """Sort rows by system, in the order of the systems."""
    return tuple(sorted(rows, key=lambda row: list(labels).index(row.system)))
