"""The gate on runs: what generation hid, what changed since, and the published samples."""

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from evalsuite.corpus import load_corpus
from evalsuite.dummy import Dummy
from evalsuite.errors import ManifestError
from evalsuite.gate import Folder, GateReport, check_folders, check_run
from evalsuite.generate import GenerateResult, generate
from evalsuite.manifest import Settings, read_manifest, write_manifest
from evalsuite.registry import parse_systems

RATE = 22050
Damage = Callable[[np.ndarray], np.ndarray]


def write(path: Path, samples: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="PCM_16")


def the_faults(report: GateReport) -> set[tuple[str, str, str, str]]:
    return {(f.severity, f.fault, f.system, f.utterance) for f in report.findings}


def wrap(samples: np.ndarray) -> np.ndarray:
    """Overdrive by 1 dB, then store modulo 2, as a cast to 16 bit does."""
    return (samples / np.abs(samples).max() * 1.12 + 1) % 2 - 1


def generate_run(run: Path, corpus: Path, systems: str, **settings: object) -> GenerateResult:
    utterances = load_corpus(corpus).utterances
    return generate(run, utterances, parse_systems(systems), Settings(**settings))


@pytest.mark.parametrize("meter", ["lufs", "p56"])
def test_a_generated_run_passes_with_notes_on_what_was_corrected(
    corpus: Path, tmp_path: Path, meter: str
) -> None:
    run = tmp_path / "run"
    manifest = generate_run(run, corpus, "original,anchor", level_meter=meter).manifest
    report = check_run(run)
    assert report.passed
    assert report.count("warning") == 0
    assert {f.fault for f in report.findings} <= {"level corrected", "level lowered"}
    gains = [s.gain_db for s in manifest.samples if s.system == "anchor"]
    row = next(row for row in report.level_table() if row.system == "anchor")
    assert row.gain_db == pytest.approx(np.median(gains))
    assert row.level_before_db + row.gain_db == pytest.approx(row.level_db, abs=0.05)


def test_jobs_do_not_change_the_report(corpus: Path, tmp_path: Path) -> None:
    generate_run(tmp_path / "run", corpus, "original,anchor")
    in_pool, alone = (check_run(tmp_path / "run", jobs=jobs).as_json() for jobs in (2, 1))
    assert in_pool == alone
    assert len(alone["rows"]) == 6


def test_changed_missing_and_unknown_files_are_found(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = generate_run(run, corpus, "original,anchor")
    first, second, *_ = [s for s in result.manifest.samples if s.system == "anchor"]
    samples = soundfile.read(run / first.path)[0]
    write(run / first.path, samples * 0.99)
    (run / second.path).unlink()
    write(run / "samples" / "anchor" / "stray.wav", samples)
    found = {key for key in the_faults(check_run(run)) if key[0] != "note"}
    assert found == {
        ("error", "changed", "anchor", first.utterance),
        ("error", "missing", "anchor", second.utterance),
        ("warning", "unknown file", "anchor", "stray"),
    }


def test_a_failed_sample_is_missing_with_its_reason(corpus: Path, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    ids = [path.stem for path in sorted(corpus.glob("*.wav"))]
    for id in ids[1:]:
        write(theirs / f"{id}.wav", soundfile.read(corpus / f"{id}.wav")[0][::-1])
    generate_run(tmp_path / "run", corpus, f"original,theirs=recorded:{theirs}")
    report = check_run(tmp_path / "run")
    (finding,) = [f for f in report.findings if f.fault == "missing"]
    assert (finding.system, finding.utterance) == ("theirs", ids[0])
    assert "CorpusError" in finding.detail


@pytest.mark.parametrize(
    ("fault", "damage"),
    [
        ("wrap-around", wrap),
        ("clipping", lambda x: np.clip(x * 6, -1, 1)),
        ("header rate", lambda x: soxr.resample(x, RATE, 24000, "VHQ")),
        ("input length", lambda x: x[: len(x) - 4000]),
    ],
)
def test_faults_that_levelling_and_trimming_would_hide_are_found(
    recordings: dict[str, np.ndarray], corpus: Path, tmp_path: Path, fault: str, damage: Damage
) -> None:
    generator = np.random.default_rng(0)
    for id, samples in recordings.items():
        output = samples + generator.normal(0, 1e-3, len(samples))
        write(tmp_path / "theirs" / f"{id}.wav", damage(output))
    generate_run(tmp_path / "run", corpus, f"original,theirs=recorded:{tmp_path / 'theirs'}")
    found = {f.utterance for f in check_run(tmp_path / "run").findings if f.fault == fault}
    assert found == set(recordings)


def test_resampling_and_marks_are_noted(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Untrained(Dummy):
        def __init__(self) -> None:
            super().__init__()
            self.info = replace(self.info, trained=False)

    monkeypatch.setattr("evalsuite.workplace.create_vocoder", lambda *_, **__: Untrained())
    run = tmp_path / "run"
    generate_run(run, corpus, "random=dummy", sample_rate=16000)
    manifest = read_manifest(run)
    write_manifest(run, manifest.model_copy(update={"synthetic_speech": True}))
    notes = {(f.fault, f.system) for f in check_run(run).findings if f.severity == "note"}
    assert {("resampled", "random"), ("untrained", "random"), ("synthetic speech", "")} <= notes


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="evalsuite generate"):
        check_run(tmp_path)


ABLATION = (
    "baseline",
    "no_weight_norm",
    "no_multiscale_disc",
    "no_dilations",
    "no_patch_gan",
    "l1_observed_space",
    "spectral_norm",
    "no_group_disc",
    "l1_observed_no_feat_match",
)


@pytest.fixture
def ablation(data: Path) -> dict[str, Folder]:
    root = data / "melgan-demo" / "ablation"
    named = {label: Folder(root / label, "generated_{id}.wav") for label in ABLATION}
    return {"original": Folder(root / "original", "original_{id}.wav")} | named


def test_published_samples_differ_in_length_and_level(ablation: dict[str, Folder]) -> None:
    report = check_folders(ablation, reference="original")
    lengths = [f for f in report.findings if f.fault == "length"]
    assert len(lengths) == 9 * 8
    assert {f.measured for f in lengths} == {-136}
    assert {f.utterance for f in report.findings if f.fault == "level"} == set("01234567")
    against = {row.system: row.against_reference_db for row in report.level_table()}
    assert all(-4 < against[label] < -0.5 for label in ABLATION)
    assert {f.fault for f in report.findings if f.severity == "error"} == {"length", "level"}


def test_published_samples_pass_once_they_are_matched(
    ablation: dict[str, Folder], tmp_path: Path
) -> None:
    table = tmp_path / "corpus.csv"
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["id", "path"])
        rows.writerows(ablation["original"].files().items())
    systems = ["original"] + [
        f"{label}=recorded:{ablation[label].path}?name=generated_{{id}}.wav" for label in ABLATION
    ]
    result = generate_run(tmp_path / "run", table, ",".join(systems))
    assert (result.made, result.failed) == (80, [])
    assert {sample.n_samples for sample in result.manifest.samples} == {88064}
    report = check_run(tmp_path / "run")
    assert report.passed
    assert {f.fault for f in report.findings if f.severity == "warning"} == {"delay"}
    levels: dict[str, list[float]] = {row.utterance: [] for row in report.rows}
    for row in report.rows:
        levels[row.utterance].append(row.level_db)
    assert max(max(values) - min(values) for values in levels.values()) < 0.01
