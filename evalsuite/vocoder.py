"""The vocoder contract: what a system must do to take part.

A vocoder computes its own features from a waveform (mel conventions are not convertible into
each other) and turns features back into audio. Everything that must be equal for all systems
(undoing the input gain, start offset, trimming, levelling, dither) happens once, outside, in
`evalsuite.generate`; a vocoder never does it itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalsuite.types import Features, FeatureSpec, Waveform

__all__ = ["Family", "SecondsMade", "Vocoder", "VocoderInfo"]

Family = Literal["neural", "dsp", "recorded", "reference", "anchor"]
#: Is told the seconds of audio that a call has made so far.
SecondsMade = Callable[[float], None]


@dataclass(frozen=True)
class VocoderInfo:
    """Facts about one configured vocoder.

    Parameters
    ----------
    name : registered name, such as ``griffin_lim``.
    family : what kind of system it is.
    sample_rate : hertz it works at; None = whatever it is given (reference, anchor, recorded).
    spec : its feature convention.
    deterministic : True if the seed does not change the output.
    conditioning : ``mel`` if it sees a mel only; ``waveform`` or ``world`` if it sees more than
        a mel, which tables then say.
    version : raised whenever the output for equal input changes; part of every cache key.
    start_offset : samples to drop from the start of the output.
    n_parameters : with weight norm removed; None if it has none.
    n_parameters_with_weight_norm : as trained; None if it has none.
    trained : False = random weights, which is stamped on every file, table and page; None = the
        system has no weights.
    weights_sha256 : of the weights file; None if there is none.
    licence, source : of code and weights; a paper, a release.
    config : every further setting that changes the output.
    """

    name: str
    family: Family
    sample_rate: int | None
    spec: FeatureSpec
    deterministic: bool
    conditioning: Literal["mel", "world", "waveform"] = "mel"
    version: str = "1"
    start_offset: int = 0
    n_parameters: int | None = None
    n_parameters_with_weight_norm: int | None = None
    trained: bool | None = None
    weights_sha256: str | None = None
    licence: str = "MIT"
    source: str = ""
    config: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


class Vocoder(ABC):
    """Turns a recording into features and features into audio.

    Subclasses set `info` and implement `analyse` and `generate`; the rest has defaults. A
    subclass that wraps a network holds it, it is not one.

    Attributes
    ----------
    lanes : how many utterances side by side make it fastest, for a vocoder with a
        `generate_many` of its own; 1 if that makes them one after the other but tells of its
        progress within each. None: `generate` is all there is.
    """

    info: VocoderInfo
    lanes: int | None = None

    @abstractmethod
    def analyse(self, wave: Waveform) -> Features:
        """Compute this vocoder's own features.

        Parameters
        ----------
        wave : mono float32 at `info.sample_rate` (any rate if that is None). Not changed.

        Returns
        -------
        Features whose ``spec.digest`` equals ``info.spec.digest``, with the input gain it used.
        """

    @abstractmethod
    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Make audio, one waveform per features, in order.

        Parameters
        ----------
        batch : features of this vocoder's own convention. Not changed.
        seed : the same seed gives the same bytes, and a batch gives what one by one gives.

        Returns
        -------
        Mono float32 waveforms, finite, at least ``start_offset + n_samples`` long up to the
        convention's frame rounding (see `evalsuite.conformance`), at ``info.sample_rate`` or the
        rate of the features if that is None; ``id`` copied from the features.

        Raises
        ------
        FeatureMismatch if the features are of another convention; the message names both.
        """

    def generate_many(
        self,
        batch: Sequence[Features],
        seeds: Sequence[int],
        *,
        progress: SecondsMade | None = None,
    ) -> Iterator[tuple[int, Waveform]]:
        """Make several utterances, each with its own seed, and give each as soon as it is finished.

        By default one after the other. A vocoder that makes one sample after the other answers
        for many utterances side by side in little more time than for one, and sets `lanes`.

        Parameters
        ----------
        batch : features of this vocoder's own convention, as many as one likes. Not changed.
        seeds : one per features.
        progress : called every now and then, in each utterance if that takes long; the seconds
            never fall.

        Yields
        ------
        Place in the batch, and the waveform: the bytes that `generate` makes of these features
        alone with this seed. Each place comes once, in the order in which they are finished.

        Raises
        ------
        FeatureMismatch if any features are of another convention.
        """
        made_s = 0.0
        for place, (features, seed) in enumerate(zip(batch, seeds, strict=True)):
            (wave,) = self.generate([features], seed=seed)
            made_s += wave.duration_s
            if progress is not None:
                progress(made_s)
            yield place, wave

    def source_sha256(self, utterance: str) -> str | None:
        """Hash of a further file the output for `utterance` depends on; None if there is none.

        ``recorded`` returns the hash of the finished file, so that a changed file is made anew.
        """
        return None

    def synchronize(self) -> None:  # noqa: B027 - most vocoders have nothing to wait for
        """Wait for work that still runs on an accelerator; the benchmark calls it."""
