"""Vocoders' untouched outputs: where they come from, and how they get into the cache.

Both stages of a run work on them: `evalsuite.side_by_side` fills the cache with many at once,
`evalsuite.resynthesis` looks each up and makes what is missing alone.
"""

import time
from collections.abc import Callable
from functools import cache
from typing import TypeVar

from evalsuite.audio import read_wave, resample
from evalsuite.cache import RunCache
from evalsuite.errors import EvalsuiteError, VocoderError
from evalsuite.finishing import Assignment
from evalsuite.matching import RawOutput, reference_from
from evalsuite.provenance import package_versions
from evalsuite.types import Features, Utterance, Waveform
from evalsuite.vocoder import Vocoder
from evalsuite.workplace import Workplace

__all__ = ["RawOutputs"]

#: Packages whose version can change what a vocoder makes.
_SOUND_PACKAGES = ("evalsuite", "numpy", "scipy", "soxr", "librosa", "torch", "pyworld-prebuilt")
T = TypeVar("T")


class RawOutputs:
    """Makes, stores and looks up outputs; keeps the vocoders it has built.

    Parameters
    ----------
    vocoders : already built ones, by label.
    """

    def __init__(self, workplace: Workplace, vocoders: dict[str, Vocoder] | None = None) -> None:
        self.at = workplace
        self.cache = RunCache(workplace.run)
        self._vocoders = dict(vocoders or {})
        self._requests = {request.label: request for request in workplace.requests}

    def vocoder(self, label: str) -> Vocoder:
        """Return a system's vocoder, built if it was not yet needed here."""
        if label not in self._vocoders:
            self._vocoders[label] = self.at.build(self._requests[label])
        return self._vocoders[label]

    def reference(self, utterance: Utterance) -> Waveform:
        """Read a recording as all systems get it.

        Raises
        ------
        AudioError if it cannot be used.
        """
        recording = read_wave(utterance.path, id=utterance.id)
        return reference_from(recording, self.at.settings.sample_rate)

    def analyse(self, one: Assignment, utterance: Utterance, reference: Waveform) -> Features:
        """Compute the vocoder's own features, at its own rate; store them if they are a mel."""
        vocoder = self.vocoder(one.label)
        wave = resample(reference, vocoder.info.sample_rate or reference.sample_rate)
        features = from_vocoder(one.label, lambda: vocoder.analyse(wave))
        if one.mel_digest is not None:
            self.cache.save_mel(features, utterance, self.at.settings.sample_rate)
        return features

    def has_mel(self, one: Assignment, utterance: Utterance) -> bool:
        """Whether the mel is there, or the system has none."""
        rate = self.at.settings.sample_rate
        return one.mel_digest is None or self.cache.has_mel(one.mel_digest, utterance, rate)

    def make(self, one: Assignment, features: Features, *, audio_s: float) -> RawOutput:
        """Let the vocoder make one utterance alone, and store it."""
        vocoder = self.vocoder(one.label)
        started = time.perf_counter()
        output = from_vocoder(one.label, lambda: _generate(vocoder, features, one.seed))
        seconds = time.perf_counter() - started
        return self.keep(one, features, output, seconds=seconds, audio_s=audio_s)

    def keep(
        self,
        one: Assignment,
        features: Features,
        output: Waveform,
        *,
        seconds: float,
        audio_s: float,
        lanes: int = 1,
    ) -> RawOutput:
        """Store what a vocoder made, with the facts that estimates and manifests need.

        Parameters
        ----------
        seconds : the vocoder took; of a group, this utterance's share.
        audio_s : length of the recording.
        lanes : utterances that were made side by side.
        """
        facts = {
            "fingerprint": one.fingerprint,
            "seconds": seconds,
            "audio_s": audio_s,
            "lanes": lanes,
            "made_with": _versions(),
        }
        raw = RawOutput(output, features.gain, self.vocoder(one.label).info.start_offset)
        self.cache.save_raw(one.raw_key, raw, facts)
        return raw


def from_vocoder(label: str, call: Callable[[], T]) -> T:
    """Call a vocoder; whatever it raises fails this sample only, not a run of thousands."""
    try:
        return call()
    except EvalsuiteError:
        raise
    except Exception as error:
        raise VocoderError(
            f"system {label!r} stopped with {type(error).__name__}: {error}",
            wanted="audio",
            do="if it is your vocoder, check it with evalsuite.conformance.check_vocoder",
        ) from error


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


@cache
def _versions() -> str:
    """Versions in one line, such as ``evalsuite 0.1.0, numpy 2.1.0``."""
    versions = package_versions()
    return ", ".join(f"{name} {versions[name]}" for name in _SOUND_PACKAGES if name in versions)
