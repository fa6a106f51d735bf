"""The manifest: strict, versioned, and readable after a round trip."""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from evalsuite.errors import ManifestError
from evalsuite.manifest import (
    MANIFEST_NAME,
    Manifest,
    SampleRecord,
    Settings,
    SystemRecord,
    UtteranceRecord,
    read_manifest,
    write_manifest,
)


def a_system(label: str, *, family: str = "dsp", untrained: bool = False) -> SystemRecord:
    return SystemRecord(
        label=label,
        vocoder="dummy",
        family=family,
        conditioning="mel",
        sample_rate=22050,
        spec="melgan",
        spec_digest="ab",
        version="1",
        deterministic=True,
        trained=False if untrained else None,
        untrained=untrained,
        n_parameters=None,
        n_parameters_with_weight_norm=None,
        weights_sha256=None,
        licence="MIT",
        source="",
        config={"n_iterations": 32, "momentum": 0.99, "name": "x", "fast": True, "none": None},
        fingerprint="cd",
    )


@pytest.fixture
def manifest() -> Manifest:
    return Manifest(
        settings=Settings(),
        systems=(a_system("original", family="reference"), a_system("new", untrained=True)),
        utterances=(
            UtteranceRecord(
                id="a", path="a.wav", sha256="00", speaker="", text="Zwölf", duration_s=1.5,
                n_samples=33024,
            ),
        ),
        samples=(
            SampleRecord(
                system="new", utterance="a", path="samples/new/a.wav", sha256="11",
                sample_rate=22050, n_samples=33024, gain_db=-1.25, loudness_lufs=None,
                delay_s=0.001, seed=7, warnings=("late",),
                facts={"missing_samples": 3, "level_before_db": -20.5, "untrained": True},
            ),
        ),
        provenance={"command": "evalsuite generate"},
    )  # fmt: skip


def test_round_trip(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest


def test_labels_that_readers_must_know(manifest: Manifest) -> None:
    assert manifest.reference_label == "original"
    assert manifest.untrained_labels == ("new",)


def edit(run: Path, manifest: Manifest, **changes: object) -> None:
    write_manifest(run, manifest)
    value = json.loads((run / MANIFEST_NAME).read_text())
    (run / MANIFEST_NAME).write_text(json.dumps(value | changes))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 2}, "schema version 2.*generate the run again"),
        ({"schema_version": None}, "schema version None"),
        ({"settings": {"sample_rate": "22050"}}, "settings.sample_rate"),
        ({"surprise": 1}, "surprise: Extra inputs"),
    ],
)
def test_a_manifest_that_says_something_else_is_refused(
    tmp_path: Path, manifest: Manifest, changes: dict[str, object], says: str
) -> None:
    edit(tmp_path, manifest, **changes)
    with pytest.raises(ManifestError, match=says):
        read_manifest(tmp_path)


def test_a_half_written_manifest_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{"schema_version": 1,')
    with pytest.raises(ManifestError, match="not JSON"):
        read_manifest(tmp_path)


def test_a_folder_without_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="evalsuite generate"):
        read_manifest(tmp_path)


def test_records_are_frozen_and_strict(manifest: Manifest) -> None:
    with pytest.raises(ValidationError):
        manifest.synthetic_speech = True
    with pytest.raises(ValidationError):
        Settings(sample_rate="22050")
    with pytest.raises(ValidationError):
        Settings(peak_limit_dbtp=0.5)


def test_undefined_is_null_and_never_nan(tmp_path: Path, manifest: Manifest) -> None:
    write_manifest(tmp_path, manifest)
    value = json.loads((tmp_path / MANIFEST_NAME).read_text(), parse_constant=pytest.fail)
    assert value["samples"][0]["loudness_lufs"] is None
