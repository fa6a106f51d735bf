"""One utterance through every system: the unit of work of `evalsuite.generate`.

An utterance is the smallest thing that can be made alone, because all its samples share one
level and one peak limit. Every step is looked up in the cache first, so the same function makes
a new run, finishes a killed one and adds a system to an old one.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TypeVar

from evalsuite.audio import read_wave, resample
from evalsuite.cache import RunCache, measured_key
from evalsuite.errors import EvalsuiteError, VocoderError
from evalsuite.finishing import Assignment, UtteranceTask, finishes
from evalsuite.manifest import FailureRecord, SampleRecord, Settings
from evalsuite.matching import Measured, Placed, RawOutput, measure, place, reference_from
from evalsuite.provenance import package_versions
from evalsuite.registry import SystemRequest, create_vocoder
from evalsuite.types import Features, Utterance, Waveform
from evalsuite.vocoder import Vocoder

__all__ = ["Resynthesis", "UtteranceOutcome", "Workplace", "failure"]

#: Packages whose version can change what a vocoder makes.
_SOUND_PACKAGES = ("evalsuite", "numpy", "scipy", "soxr", "librosa", "torch", "pyworld-prebuilt")
T = TypeVar("T")


@dataclass
class UtteranceOutcome:
    """What became of one utterance.

    Parameters
    ----------
    samples : finished samples, made or reused.
    made : labels whose file was written now.
    vocoded : labels whose vocoder ran now.
    failures : systems without a sample.
    """

    samples: list[SampleRecord] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    vocoded: list[str] = field(default_factory=list)
    failures: list[FailureRecord] = field(default_factory=list)


@dataclass(frozen=True)
class Workplace:
    """Everything a process needs to work; picklable.

    Parameters
    ----------
    requests : the systems; a vocoder is built when it is first needed.
    force : make everything again.
    """

    run: Path
    requests: tuple[SystemRequest, ...]
    settings: Settings
    device: str = "cpu"
    untrained: bool = False
    force: bool = False

    def __call__(self) -> "Resynthesis":
        """Begin to work in this process."""
        return Resynthesis(self)

    def build(self, request: SystemRequest) -> Vocoder:
        """Make a vocoder as every process of this run makes it."""
        return create_vocoder(
            request,
            device=self.device,
            untrained=self.untrained,
            sample_rate=self.settings.sample_rate,
        )


class Resynthesis:
    """Makes utterances; keeps the vocoders it has built.

    Parameters
    ----------
    vocoders : already built ones, by label.
    """

    def __init__(self, workplace: Workplace, vocoders: dict[str, Vocoder] | None = None) -> None:
        self._at = workplace
        self._cache = RunCache(workplace.run)
        self._vocoders = dict(vocoders or {})
        self._requests = {request.label: request for request in workplace.requests}

    def __call__(self, task: UtteranceTask) -> UtteranceOutcome:
        """Make every sample of one utterance that is not there yet.

        Raises
        ------
        AudioError if the recording itself cannot be used.
        """
        recording = read_wave(task.utterance.path, id=task.utterance.id)
        reference = reference_from(recording, self._at.settings.sample_rate)
        outcome = UtteranceOutcome()
        placed: dict[str, Placed] = {}
        measured: dict[str, Measured] = {}
        for one in task.assignments:
            try:
                raw = self._raw_output(one, task.utterance, reference, outcome)
                placed[one.label] = place(raw, reference, self._at.settings)
                measured[one.label] = self._measure(one, raw, placed[one.label], reference)
            except EvalsuiteError as error:
                outcome.failures.append(failure(one.label, task.utterance.id, error))
        for finish in finishes(task, measured, self._at.settings):
            known = None if self._at.force else self._cache.load_finished(finish.key)
            if known is None:
                made_with = str(self._cache.raw_facts(finish.one.raw_key).get("made_with", ""))
                known = finish.write(self._at.run, placed[finish.one.label], made_with=made_with)
                self._cache.save_finished(finish.key, known)
                outcome.made.append(finish.one.label)
            outcome.samples.append(known)
        return outcome

    def _raw_output(
        self, one: Assignment, utterance: Utterance, reference: Waveform, outcome: UtteranceOutcome
    ) -> RawOutput:
        """Look up what the vocoder made of the reference, or let it work."""
        known = None if self._at.force else self._cache.load_raw(one.raw_key)
        if known is not None and self._has_mel(one, utterance):
            return known
        vocoder = self._vocoder(one.label)
        features = self._analyse(one, vocoder, utterance, reference)
        if known is not None:
            return known
        started = time.perf_counter()
        output = _from_vocoder(one, lambda: _generate(vocoder, features, one.seed))
        facts = {
            "fingerprint": one.fingerprint,
            "seconds": time.perf_counter() - started,
            "audio_s": reference.duration_s,
            "made_with": _versions(),
        }
        raw = RawOutput(output, features.gain, vocoder.info.start_offset)
        self._cache.save_raw(one.raw_key, raw, facts)
        outcome.vocoded.append(one.label)
        return raw

    def _has_mel(self, one: Assignment, utterance: Utterance) -> bool:
        """Whether the mel is there, or the system has none."""
        rate = self._at.settings.sample_rate
        return one.mel_digest is None or self._cache.has_mel(one.mel_digest, utterance, rate)

    def _analyse(
        self, one: Assignment, vocoder: Vocoder, utterance: Utterance, reference: Waveform
    ) -> Features:
        """Compute the vocoder's own features, at its own rate; store them if they are a mel."""
        rate = vocoder.info.sample_rate or reference.sample_rate
        wave = resample(reference, rate)
        features = _from_vocoder(one, lambda: vocoder.analyse(wave))
        if one.mel_digest is not None:
            self._cache.save_mel(features, utterance, self._at.settings.sample_rate)
        return features

    def _vocoder(self, label: str) -> Vocoder:
        if label not in self._vocoders:
            self._vocoders[label] = self._at.build(self._requests[label])
        return self._vocoders[label]

    def _measure(
        self, one: Assignment, raw: RawOutput, placed: Placed, reference: Waveform
    ) -> Measured:
        key = measured_key(one.raw_key, self._at.settings)
        known = None if self._at.force else self._cache.load_measured(key)
        if known is not None:
            return known
        measured = measure(raw, placed, reference, self._at.settings.level_meter)
        self._cache.save_measured(key, measured)
        return measured


def failure(label: str, utterance: str, error: EvalsuiteError) -> FailureRecord:
    """Describe a sample that could not be made."""
    return FailureRecord(
        system=label, utterance=utterance, kind=type(error).__name__, reason=str(error)
    )


def _generate(vocoder: Vocoder, features: Features, seed: int) -> Waveform:
    outputs = vocoder.generate([features], seed=seed)
    vocoder.synchronize()
    if len(outputs) != 1:
        raise VocoderError(
            f"it returned {len(outputs)} waveforms for one features",
            wanted="one waveform per features",
            do="check it with evalsuite.conformance.check_vocoder",
        )
    return outputs[0]


def _from_vocoder(one: Assignment, call: Callable[[], T]) -> T:
    """Call a vocoder; whatever it raises fails this sample only, not a run of thousands."""
    try:
        return call()
    except EvalsuiteError:
        raise
    except Exception as error:
        raise VocoderError(
            f"system {one.label!r} stopped with {type(error).__name__}: {error}",
            wanted="audio",
            do="if it is your vocoder, check it with evalsuite.conformance.check_vocoder",
        ) from error


@cache
def _versions() -> str:
    """Versions in one line, such as ``evalsuite 0.1.0, numpy 2.1.0``."""
    versions = package_versions()
    return ", ".join(f"{name} {versions[name]}" for name in _SOUND_PACKAGES if name in versions)
