"""What a run folder keeps so that nothing is made twice.

Everything is found by a key, the hash of all that decides its content, so a cache entry is
either right or absent. There are three kinds, from dear to cheap::

    RUN/cache/raw/<key>.npy + .json        a vocoder's untouched output; float32
    RUN/cache/measured/<key>.json          level, delay, faults of that output in its place
    RUN/cache/finished/<key>.json          the record of a written sample, with its hash
    RUN/mels/<spec digest>/<utterance>.npy + .json     the mel a vocoder was given

A new level target reuses the raw outputs; a further system or one changed recording touches
nothing else. The JSON beside an array is written after it and makes it valid, so a killed run
leaves no half entry. ``RUN/cache`` may be deleted at any time: it only saves work.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from evalsuite.files import atomic_path, sha256_file, sha256_json, write_json
from evalsuite.manifest import SampleRecord, Settings
from evalsuite.matching import MATCHING_VERSION, Measured, RawOutput
from evalsuite.types import Features, Utterance, Waveform
from evalsuite.vocoder import VocoderInfo

__all__ = ["RunCache", "finished_key", "measured_key", "raw_key", "seed_for"]


def seed_for(purpose: str, seed: int, utterance: str, system: str) -> int:
    """Derive an independent seed, the same whatever else is made and in which order.

    >>> seed_for("dither", 0, "a", "world") == seed_for("dither", 0, "a", "melgan")
    False
    """
    digest = sha256_json([purpose, seed, utterance, system])
    return int(digest[:8], 16)


def raw_key(
    utterance: Utterance, info: VocoderInfo, fingerprint: str, source_sha256: str | None, seed: int,
    sample_rate: int,
) -> str:  # fmt: skip
    """Key of a vocoder's output: recording, features, vocoder, further file, seed, run rate.

    The seed takes no part if the vocoder ignores it. Versions of libraries take none either: an
    update must not throw away days of synthesis. The sample's facts name them, and a vocoder's
    ``version`` is raised when its output changes.
    """
    return sha256_json(
        {
            "recording": utterance.sha256,
            "features": info.spec.digest,
            "vocoder": fingerprint,
            "source": source_sha256,
            "seed": None if info.deterministic else seed,
            "sample_rate": sample_rate,
            "matching": MATCHING_VERSION,
        }
    )


def measured_key(raw: str, settings: Settings) -> str:
    """Key of the measurements of a raw output."""
    return sha256_json([raw, settings.sample_rate, settings.level_meter, settings.fade_s])


def finished_key(
    raw: str, settings: Settings, *, utterance: str, system: str, gain_db: float
) -> str:
    """Key of a written sample."""
    decisive = settings.model_dump(mode="json")
    return sha256_json([raw, decisive, utterance, system, gain_db])


class RunCache:
    """Reads and writes the cache of one run folder.

    Parameters
    ----------
    run : the run folder.
    """

    def __init__(self, run: Path) -> None:
        self._run = run
        self._root = run / "cache"

    def load_raw(self, key: str) -> RawOutput | None:
        """Return a vocoder's output; None if there is none."""
        facts = _read_json(self._raw(key, ".json"))
        array = self._raw(key, ".npy")
        if facts is None or not array.is_file():
            return None
        wave = Waveform(np.load(array), facts["sample_rate"], facts["utterance"])
        return RawOutput(wave, facts["input_gain"], facts["start_offset"])

    def save_raw(self, key: str, raw: RawOutput, facts: dict[str, Any]) -> None:
        """Store a vocoder's output; `facts` say how long it took and with which versions."""
        with atomic_path(self._raw(key, ".npy")) as temporary:
            np.save(temporary, raw.wave.samples)
        own = {
            "utterance": raw.wave.id,
            "sample_rate": raw.wave.sample_rate,
            "input_gain": raw.input_gain,
            "start_offset": raw.start_offset,
        }
        write_json(self._raw(key, ".json"), own | facts)

    def has_raw(self, key: str) -> bool:
        """Whether a vocoder's output is stored."""
        return self._raw(key, ".json").is_file() and self._raw(key, ".npy").is_file()

    def raw_facts(self, key: str) -> dict[str, Any]:
        """Return the facts beside a vocoder's output; empty if there is none."""
        return _read_json(self._raw(key, ".json")) or {}

    def all_raw_facts(self) -> list[dict[str, Any]]:
        """Return the facts beside every vocoder output, for estimates."""
        paths = sorted((self._root / "raw").glob("*/*.json"))
        return [facts for path in paths if (facts := _read_json(path)) is not None]

    def load_measured(self, key: str) -> Measured | None:
        """Return the measurements of an output; None if there are none."""
        facts = _read_json(self._root / "measured" / key[:2] / f"{key}.json")
        return None if facts is None else Measured(**facts)

    def save_measured(self, key: str, measured: Measured) -> None:
        """Store the measurements of an output."""
        write_json(self._root / "measured" / key[:2] / f"{key}.json", asdict(measured))

    def load_finished(self, key: str) -> SampleRecord | None:
        """Return the record of a sample if its file is there, unchanged; None otherwise."""
        path = self._finished(key)
        try:
            record = SampleRecord.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError):
            return None
        sample = self._run / record.path
        if not sample.is_file() or sha256_file(sample) != record.sha256:
            return None
        return record

    def save_finished(self, key: str, record: SampleRecord) -> None:
        """Store the record of a written sample."""
        write_json(self._finished(key), record.model_dump(mode="json"))

    def has_mel(self, digest: str, utterance: Utterance, sample_rate: int) -> bool:
        """Whether the mel of this very recording is stored."""
        facts = _read_json(self._mel(digest, utterance.id, ".json"))
        if facts is None or not self._mel(digest, utterance.id, ".npy").is_file():
            return False
        found = (facts.get("recording_sha256"), facts.get("run_sample_rate"))
        return found == (utterance.sha256, sample_rate)

    def save_mel(self, features: Features, utterance: Utterance, sample_rate: int) -> None:
        """Store a mel with what is needed to use it."""
        digest = features.spec.digest
        with atomic_path(self._mel(digest, utterance.id, ".npy")) as temporary:
            np.save(temporary, features.values)
        facts = {
            "recording_sha256": utterance.sha256,
            "run_sample_rate": sample_rate,
            "spec": features.spec.name,
            "spec_digest": digest,
            "n_samples": features.n_samples,
            "input_gain": features.gain,
        }
        write_json(self._mel(digest, utterance.id, ".json"), facts)

    def _raw(self, key: str, suffix: str) -> Path:
        return self._root / "raw" / key[:2] / f"{key}{suffix}"

    def _finished(self, key: str) -> Path:
        return self._root / "finished" / key[:2] / f"{key}.json"

    def _mel(self, digest: str, utterance: str, suffix: str) -> Path:
        return self._run / "mels" / digest / f"{utterance}{suffix}"


def _read_json(path: Path) -> dict[str, Any] | None:
    """Return the object of a JSON file; None if it is absent or damaged, so it is made anew."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
