"""One utterance through every system: the unit of work of `evalsuite.generate`.

An utterance is the smallest thing that can be made alone, because all its samples share one
level and one peak limit. Every step is looked up in the cache first, so the same function makes
a new run, finishes a killed one and adds a system to an old one.
"""

from dataclasses import dataclass, field

from evalsuite.cache import measured_key
from evalsuite.errors import EvalsuiteError
from evalsuite.finishing import Assignment, UtteranceTask, finishes
from evalsuite.manifest import FailureRecord, SampleRecord
from evalsuite.matching import Measured, Placed, RawOutput, measure, place
from evalsuite.raw_outputs import RawOutputs
from evalsuite.types import Waveform

__all__ = ["Resynthesis", "UtteranceOutcome", "failure"]


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


class Resynthesis:
    """Makes utterances, one after the other."""

    def __init__(self, outputs: RawOutputs) -> None:
        self._at = outputs.at
        self._cache = outputs.cache
        self._outputs = outputs

    def __call__(self, task: UtteranceTask) -> UtteranceOutcome:
        """Make every sample of one utterance that is not there yet.

        Raises
        ------
        AudioError if the recording itself cannot be used.
        """
        reference = self._outputs.reference(task.utterance)
        outcome = UtteranceOutcome()
        placed: dict[str, Placed] = {}
        measured: dict[str, Measured] = {}
        for one in task.assignments:
            try:
                raw = self._raw_output(one, task, reference, outcome)
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
        self, one: Assignment, task: UtteranceTask, reference: Waveform, outcome: UtteranceOutcome
    ) -> RawOutput:
        """Look up what the vocoder made of the reference, or let it work."""
        anew = self._at.force and one.label not in task.made_ahead
        known = None if anew else self._cache.load_raw(one.raw_key)
        if known is not None and self._outputs.has_mel(one, task.utterance):
            return known
        features = self._outputs.analyse(one, task.utterance, reference)
        if known is not None:
            return known
        raw = self._outputs.make(one, features, audio_s=reference.duration_s)
        outcome.vocoded.append(one.label)
        return raw

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
