"""The gate on folders: every fault is made in real files and found; clean files pass."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile
import soxr

from evalsuite.errors import CorpusError, UsageError
from evalsuite.gate import Finding, Folder, GateReport, check_folders, parse_folder

RATE = 22050
Damage = Callable[[np.ndarray], np.ndarray]


def write(path: Path, samples: np.ndarray, rate: int = RATE, subtype: str = "PCM_16") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate, subtype=subtype)


def first_file(folder: Folder) -> tuple[str, Path]:
    return next(iter(folder.files().items()))


def the_faults(report: GateReport) -> set[tuple[str, str, str, str]]:
    return {(f.severity, f.fault, f.system, f.utterance) for f in report.findings}


def the_finding(report: GateReport, fault: str) -> Finding:
    (finding,) = [finding for finding in report.findings if finding.fault == fault]
    return finding


def test_clean_files_give_no_finding(folders: dict[str, Folder]) -> None:
    report = check_folders(folders, reference="original")
    assert report.findings == ()
    assert report.passed
    assert len(report.rows) == 6
    assert check_folders(folders).findings == ()


def wrap(samples: np.ndarray) -> np.ndarray:
    """Overdrive by 1 dB, then store modulo 2, as a cast to 16 bit does."""
    return (samples / np.abs(samples).max() * 1.12 + 1) % 2 - 1


def silence_part(samples: np.ndarray) -> np.ndarray:
    """Silence 0.3 s around the loudest sample."""
    damaged, centre = samples.copy(), int(np.abs(samples).argmax())
    damaged[max(0, centre - 3300) : centre + 3300] = 0
    return damaged


DAMAGES: dict[str, tuple[str, Damage]] = {
    "wrap-around": ("error", wrap),
    "clipping": ("error", lambda x: np.clip(x * 6, -1, 1)),
    "DC offset": ("error", lambda x: x + 0.02),
    "silence": ("error", np.zeros_like),
    "partial silence": ("error", silence_part),
    "level": ("error", lambda x: x * 10 ** (0.6 / 20)),
    "length": ("error", lambda x: x[:-136]),
    "delay": ("warning", lambda x: np.concatenate([np.zeros(100), x])[: len(x)]),
    "peak": ("warning", lambda x: x * 0.95 / np.abs(x).max()),
}


@pytest.mark.parametrize("fault", DAMAGES)
def test_a_fault_made_in_one_file_is_found_there(folders: dict[str, Folder], fault: str) -> None:
    severity, damage = DAMAGES[fault]
    id, path = first_file(folders["vocoder"])
    write(path, damage(soundfile.read(path)[0]))
    report = check_folders(folders, reference="original")
    assert (severity, fault, "vocoder", id) in the_faults(report)
    assert {finding.utterance for finding in report.findings} == {id}
    assert report.passed == (not [f for f in report.findings if f.severity == "error"])


def test_small_faults_below_the_limits_pass(folders: dict[str, Folder]) -> None:
    _, path = first_file(folders["vocoder"])
    samples = soundfile.read(path)[0]
    late = np.concatenate([np.zeros(30), samples])[: len(samples)]  # 1.4 ms
    write(path, late * 10 ** (0.4 / 20) + 0.005)
    assert check_folders(folders, reference="original").findings == ()


def test_measured_values_are_those_that_were_made(folders: dict[str, Folder]) -> None:
    id, path = first_file(folders["vocoder"])
    samples = soundfile.read(path)[0]
    original = soundfile.read(folders["original"].files()[id])[0]
    write(path, samples[:-136] * 2 + 0.03)
    report = check_folders(folders, reference="original")
    assert the_finding(report, "length").measured == -136
    assert the_finding(report, "DC offset").measured == pytest.approx(0.03, abs=2e-3)
    meter = pyloudnorm.Meter(RATE)
    expected = meter.integrated_loudness(soundfile.read(path)[0]) - meter.integrated_loudness(
        original
    )
    assert the_finding(report, "level").measured == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("true_rate", [24000, 16000])
def test_content_under_a_wrong_header_is_found(folders: dict[str, Folder], true_rate: int) -> None:
    id, path = first_file(folders["vocoder"])
    content = soxr.resample(soundfile.read(path)[0], RATE, true_rate, "VHQ")
    write(path, content, RATE)
    report = check_folders(folders, reference="original")
    finding = the_finding(report, "header rate")
    assert (finding.system, finding.utterance) == ("vocoder", id)
    assert finding.measured == true_rate
    # The length follows from the header: it is not reported a second time.
    assert "length" not in {f.fault for f in report.findings}


def test_another_text_of_the_suspicious_length_is_not_a_wrong_header(
    folders: dict[str, Folder],
) -> None:
    _, path = first_file(folders["vocoder"])
    samples = soundfile.read(path)[0]
    padded = np.concatenate([samples, np.zeros(round(len(samples) * (24000 / RATE - 1)))])
    write(path, padded)
    faults = {finding.fault for finding in check_folders(folders, reference="original").findings}
    assert "length" in faults
    assert "header rate" not in faults


def test_another_sample_rate_is_found(folders: dict[str, Folder]) -> None:
    id, path = first_file(folders["vocoder"])
    write(path, soxr.resample(soundfile.read(path)[0], RATE, 24000, "VHQ"), 24000)
    report = check_folders(folders, reference="original")
    assert the_faults(report) == {("error", "sample rate", "vocoder", id)}
    assert the_finding(report, "sample rate").measured == 24000


@pytest.mark.parametrize(
    ("fault", "samples", "subtype"),
    [
        ("not finite", np.array([0.1] * 9000 + [np.nan, np.inf]), "FLOAT"),
        ("stereo", np.full((9000, 2), 0.1), "PCM_16"),
        ("empty", np.zeros(0), "PCM_16"),
    ],
)
def test_unusable_files_are_findings_not_crashes(
    folders: dict[str, Folder], fault: str, samples: np.ndarray, subtype: str
) -> None:
    id, path = first_file(folders["vocoder"])
    write(path, samples, subtype=subtype)
    report = check_folders(folders, reference="original")
    assert the_faults(report) == {("error", fault, "vocoder", id)}
    json.dumps(report.as_json(), allow_nan=False)


def test_a_damaged_header_is_found(folders: dict[str, Folder]) -> None:
    id, path = first_file(folders["original"])
    path.write_bytes(b"RIFF")
    report = check_folders(folders, reference="original")
    assert the_faults(report) == {("error", "unreadable", "original", id)}


def test_a_missing_sample_and_one_without_reference_are_found(folders: dict[str, Folder]) -> None:
    id, path = first_file(folders["vocoder"])
    path.rename(path.with_name("vocoder_other.wav"))
    assert the_faults(check_folders(folders, reference="original")) == {
        ("error", "missing", "vocoder", id),
        ("warning", "no reference", "vocoder", "other"),
    }


@pytest.mark.parametrize("gain", [1.0, 0.7])
def test_a_system_that_is_the_reference_is_found(folders: dict[str, Folder], gain: float) -> None:
    id, path = first_file(folders["vocoder"])
    write(path, soundfile.read(folders["original"].files()[id])[0] * gain)
    report = check_folders(folders, reference="original")
    assert ("error", "equal to the reference", "vocoder", id) in the_faults(report)


def test_two_systems_with_equal_audio_are_found(folders: dict[str, Folder]) -> None:
    folders["copy"] = folders["vocoder"]
    report = check_folders(folders, reference="original")
    assert {finding.fault for finding in report.findings} == {"equal audio"}
    assert len(report.findings) == 3


def test_the_level_table_is_of_the_files_as_they_are(folders: dict[str, Folder]) -> None:
    for path in folders["vocoder"].files().values():
        write(path, soundfile.read(path)[0] / 2)
    table = {row.system: row for row in check_folders(folders, reference="original").level_table()}
    assert table["vocoder"].against_reference_db == pytest.approx(-6.02, abs=0.1)
    assert table["original"].against_reference_db == 0
    assert np.isnan(table["vocoder"].gain_db)


def test_folder_text() -> None:
    assert parse_folder("a=x/y", default_name="g_{id}.flac") == (
        "a",
        Folder(Path("x/y"), "g_{id}.flac"),
    )


@pytest.mark.parametrize("text", ["x", "a=", "a=x?name=b.wav", "a=x?nom={id}", "a=x?name={id}{id}"])
def test_folder_text_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        parse_folder(text)


def test_an_empty_folder_and_an_unknown_reference_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file named"):
        check_folders({"a": Folder(tmp_path)})
    with pytest.raises(UsageError, match="'b' is none"):
        check_folders({"a": Folder(tmp_path)}, reference="b")
