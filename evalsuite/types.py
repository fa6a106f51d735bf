"""The nouns of evalsuite: frozen, typed, without behaviour.

*Conventions* Times are seconds, rates hertz, levels dBFS unless a name says otherwise. Audio is
mono float32, full scale = 1.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["FeatureSpec", "Features", "FloatArray", "Sample", "Utterance", "Waveform"]

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Utterance:
    """One recording of one sentence.

    Parameters
    ----------
    id : unique within a corpus; made of letters, digits, ``_``, ``-`` and ``.``.
    path : the audio file.
    speaker : empty if unknown.
    text : what is said; empty if unknown.
    duration_s : length of the file in seconds.
    sha256 : of the file's bytes.
    """

    id: str
    path: Path
    speaker: str
    text: str
    duration_s: float
    sha256: str


@dataclass(frozen=True, eq=False)
class Waveform:
    """Mono audio.

    Parameters
    ----------
    samples : float32, shape (n,), full scale 1.
    sample_rate : hertz.
    id : the utterance it belongs to; empty if none. The ``recorded`` system finds its file by it.
    """

    samples: FloatArray
    sample_rate: int
    id: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


class FeatureSpec(Protocol):
    """How features were computed; two features are interchangeable if their digests are equal."""

    @property
    def name(self) -> str:
        """Short name for messages."""
        ...

    @property
    def digest(self) -> str:
        """Hex digest over every setting that changes the values."""
        ...


@dataclass(frozen=True, eq=False)
class Features:
    """What a vocoder hears: a mel spectrogram, WORLD parameters or the waveform itself.

    Parameters
    ----------
    values : float array, shape (channels, frames); float32 except for WORLD (float64).
    spec : how `values` were computed.
    n_samples : length of the analysed waveform at the vocoder's rate.
    gain : factor applied to the waveform before analysis; whoever aligns the output divides by it.
    id : the utterance, copied from the waveform.
    """

    values: NDArray[np.floating]
    spec: FeatureSpec
    n_samples: int
    gain: float = 1.0
    id: str = ""


@dataclass(frozen=True)
class Sample:
    """One finished file: what one system made of one utterance.

    Parameters
    ----------
    path : relative to the run folder.
    gain_db : level change applied after generation.
    loudness_lufs : integrated loudness of the finished file (ITU-R BS.1770-4).
    delay_s : measured delay against the reference before any correction.
    facts : further measurements made on the way, for the manifest.
    """

    system: str
    utterance: str
    path: Path
    sha256: str
    sample_rate: int
    n_samples: int
    gain_db: float
    loudness_lufs: float
    delay_s: float
    seed: int
    facts: dict[str, float | int | str | None] = field(default_factory=dict)
