"""``RUN/manifest.json``: what a run holds, how it was made, and a hash of every file.

The manifest is the contract between `evalsuite.generate` and everything that reads a run: the
gate, the metrics, the listening test, the report. Paths of samples are relative to the run, so
that a run can be moved; undefined measurements are ``null``.
"""

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evalsuite.errors import ManifestError
from evalsuite.files import write_json

__all__ = [
    "MANIFEST_NAME",
    "SCHEMA_VERSION",
    "FailureRecord",
    "LevelMeter",
    "Manifest",
    "SampleRecord",
    "Settings",
    "SystemRecord",
    "UtteranceRecord",
    "read_manifest",
    "write_manifest",
]

SCHEMA_VERSION: Literal[1] = 1
MANIFEST_NAME = "manifest.json"

LevelMeter = Literal["lufs", "p56"]
Fact = float | int | str | bool | None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Settings(_Record):
    """Everything that decides how samples are made comparable.

    Parameters
    ----------
    sample_rate : hertz of every finished file.
    level_meter : ``lufs`` is ITU-R BS.1770 integrated loudness, ``p56`` ITU-T P.56 active level.
    level_target_db : LUFS or dBov. -23 LUFS is the target of EBU R 128; -26 dBov is usual in
        ITU-T P.800 tests.
    peak_limit_dbtp : true peak that no sample exceeds.
    fade_s : length of the raised-cosine fades at both ends.
    seed : every random draw derives from it, the utterance and the system.
    """

    sample_rate: int = Field(default=22050, gt=0)
    level_meter: LevelMeter = "lufs"
    level_target_db: float = Field(default=-23.0, ge=-60, le=-5)
    peak_limit_dbtp: float = Field(default=-1.0, le=0)
    fade_s: float = Field(default=0.01, ge=0, le=0.1)
    seed: int = Field(default=0, ge=0)
    sample_format: Literal["PCM_16"] = "PCM_16"
    dither: Literal["tpdf"] = "tpdf"
    resampler: Literal["soxr VHQ"] = "soxr VHQ"


class SystemRecord(_Record):
    """One system of the run; the fields are those of `evalsuite.vocoder.VocoderInfo`.

    Parameters
    ----------
    label : its name in files and tables; unique in the run.
    vocoder : the registered name.
    fingerprint : SHA-256 over everything in the vocoder's info that changes its output.
    untrained : True for random weights: every table and page marks the system.
    """

    label: str
    vocoder: str
    family: str
    conditioning: str
    sample_rate: int | None
    spec: str
    spec_digest: str
    version: str
    deterministic: bool
    trained: bool | None
    untrained: bool
    n_parameters: int | None
    n_parameters_with_weight_norm: int | None
    weights_sha256: str | None
    licence: str
    source: str
    config: dict[str, Fact]
    fingerprint: str


class UtteranceRecord(_Record):
    """One recording of the run.

    Parameters
    ----------
    path : as the corpus gave it.
    n_samples : of every finished file of this utterance; None if none could be made.
    """

    id: str
    path: str
    sha256: str
    speaker: str
    text: str
    duration_s: float
    n_samples: int | None


class SampleRecord(_Record):
    """One finished file; the fields are those of `evalsuite.types.Sample`.

    Parameters
    ----------
    path : relative to the run folder, with forward slashes.
    gain_db : level change by `evalsuite.generate`, the common reduction included.
    loudness_lufs : of the finished file; None if it is too short to have one.
    delay_s : against the reference, measured and not corrected; None if undefined.
    seed : what the vocoder was given.
    warnings : what a listener might notice, in words.
    facts : further measurements, see `evalsuite.matching.Measured`.
    """

    system: str
    utterance: str
    path: str
    sha256: str
    sample_rate: int
    n_samples: int
    gain_db: float
    loudness_lufs: float | None
    delay_s: float | None
    seed: int
    warnings: tuple[str, ...] = ()
    facts: dict[str, Fact] = Field(default_factory=dict)


class FailureRecord(_Record):
    """One sample that could not be made, and why."""

    system: str
    utterance: str
    kind: str
    reason: str


class Manifest(_Record):
    """A run.

    Parameters
    ----------
    synthetic_speech : True if the recordings are not human speech; every page then says so.
    failures : samples that are missing, with reasons; empty for a whole run.
    provenance : see `evalsuite.provenance`; of the command that last changed the run.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    settings: Settings
    systems: tuple[SystemRecord, ...]
    utterances: tuple[UtteranceRecord, ...]
    samples: tuple[SampleRecord, ...]
    failures: tuple[FailureRecord, ...] = ()
    synthetic_speech: bool = False
    provenance: dict[str, Any] = Field(default_factory=dict)

    @property
    def reference_label(self) -> str | None:
        """Label of the recording itself among the systems; None if it takes no part."""
        return next((s.label for s in self.systems if s.family == "reference"), None)

    @property
    def untrained_labels(self) -> tuple[str, ...]:
        """Labels of the systems that run on random weights."""
        return tuple(system.label for system in self.systems if system.untrained)


def read_manifest(run: Path) -> Manifest:
    """Read ``RUN/manifest.json``.

    Raises
    ------
    ManifestError if it is missing, not JSON, of another schema version, or says something it may
    not; the message names the first wrong key.
    """
    path = run / MANIFEST_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ManifestError(
            f"{path} cannot be read ({error.strerror})",
            wanted="a run folder made by evalsuite generate",
            do=f"make it, or finish a stopped run, with: evalsuite generate {run} --corpus DIR",
        ) from error
    _require_version(path, text)
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ManifestError(
            f"{path}: {key}: {first['msg']}",
            wanted=f"a manifest of schema version {SCHEMA_VERSION} as evalsuite wrote it",
            do="undo the edit, or run evalsuite generate again: finished samples are reused",
        ) from error


def write_manifest(run: Path, manifest: Manifest) -> None:
    """Write ``RUN/manifest.json``, whole or not at all."""
    write_json(run / MANIFEST_NAME, manifest.model_dump(mode="python"))


def _require_version(path: Path, text: str) -> None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise ManifestError(
            f"{path} is not JSON (line {error.lineno}: {error.msg})",
            wanted="the file as evalsuite wrote it",
            do="delete it and run evalsuite generate again: finished samples are reused",
        ) from error
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION:
        raise ManifestError(
            f"{path} has schema version {version!r}",
            wanted=f"schema version {SCHEMA_VERSION}",
            do="read it with the evalsuite version it names under provenance, or generate the "
            "run again with this one",
        )
