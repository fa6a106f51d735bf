"""The vocoder contract: what a system must do to take part.

A vocoder computes its own features from a waveform (mel conventions are not convertible into
each other) and turns features back into audio. Everything that must be equal for all systems
(undoing the input gain, start offset, trimming, levelling, dither) happens once, outside, in
`evalsuite.generate`; a vocoder never does it itself.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from evalsuite.types import Features, FeatureSpec, Waveform

__all__ = ["Family", "Vocoder", "VocoderInfo"]

Family = Literal["neural", "dsp", "recorded", "reference", "anchor"]


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
    """

    info: VocoderInfo

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

    def source_sha256(self, utterance: str) -> str | None:
        """Hash of a further file the output for `utterance` depends on; None if there is none.

        ``recorded`` returns the hash of the finished file, so that a changed file is made anew.
        """
        return None

    def synchronize(self) -> None:  # noqa: B027 - most vocoders have nothing to wait for
        """Wait for work that still runs on an accelerator; the benchmark calls it."""
