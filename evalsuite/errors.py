"""Every error evalsuite raises on purpose.

::

    EvalsuiteError
    ├── UsageError             exit 2: the command line, a configuration, a study file
    │   ├── ConfigError        a YAML or JSON file says something it may not
    │   ├── UnknownName        a vocoder, preset, method … that is not registered
    │   └── Unavailable        a known thing cannot run here: missing extra, weights, compiler
    ├── InputError             exit 3: data that cannot be used
    │   ├── AudioError         one recording: unreadable, empty, stereo, NaN, too short …
    │   ├── CorpusError        a folder or manifest of recordings
    │   ├── FeatureMismatch    features made for another vocoder
    │   ├── VocoderError       a vocoder broke its contract
    │   ├── ManifestError      a run folder: missing, half-written, of another version
    │   ├── RatingsError       a rating table
    │   ├── TooFewRatings      a statistic that is undefined for so little data
    │   └── CheckpointError    a weights file
    ├── TrainingError          exit 1: training cannot go on: no finite gradients, a full disk
    ├── DownloadError          exit 1: a published file could not be fetched whole
    └── StoreError             exit 1: the study database refused
        ├── StudyFull          no seat is free
        ├── SeatLost           the seat timed out and was given back
        ├── Conflict           another score is already stored for this trial
        └── StudyChanged       the study file differs from the published one

A message always has three parts: what was given, what was wanted, what to do next.
"""

__all__ = [
    "AudioError",
    "CheckpointError",
    "ConfigError",
    "Conflict",
    "CorpusError",
    "DownloadError",
    "EvalsuiteError",
    "FeatureMismatch",
    "InputError",
    "ManifestError",
    "RatingsError",
    "SeatLost",
    "StoreError",
    "StudyChanged",
    "StudyFull",
    "TooFewRatings",
    "TrainingError",
    "Unavailable",
    "UnknownName",
    "UsageError",
    "VocoderError",
]


class EvalsuiteError(Exception):
    """Base of every deliberate error.

    Parameters
    ----------
    got : what was given, with the offending value.
    wanted : what would have been right.
    do : the next step for the person who reads it.

    >>> str(AudioError("a.wav is empty", wanted="at least 0.4 s of audio", do="remove it"))
    'a.wav is empty. Wanted: at least 0.4 s of audio. To fix: remove it.'
    """

    exit_code = 1

    def __init__(self, got: str, *, wanted: str, do: str) -> None:
        self.got, self.wanted, self.do = got, wanted, do
        super().__init__(f"{got}. Wanted: {wanted}. To fix: {do}.")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the three parts, so that errors cross process borders whole."""
        return (_rebuild, (type(self), self.got, self.wanted, self.do))


def _rebuild(kind: type[EvalsuiteError], got: str, wanted: str, do: str) -> EvalsuiteError:
    return kind(got, wanted=wanted, do=do)


class UsageError(EvalsuiteError):
    """The command line or a configuration cannot be followed."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration or study file says something it may not."""


class UnknownName(UsageError):
    """A name that is not registered; the message lists the nearest and all known names."""


class Unavailable(UsageError):
    """A known thing cannot run here: a missing extra, missing weights, no compiler."""


class InputError(EvalsuiteError):
    """Data that cannot be used as it is."""

    exit_code = 3


class AudioError(InputError):
    """One recording cannot be used."""


class CorpusError(InputError):
    """A collection of recordings cannot be used."""


class FeatureMismatch(InputError):
    """Features were made for another vocoder: conventions are not convertible."""


class VocoderError(InputError):
    """A vocoder broke its contract (length, type, finiteness, repeatability)."""


class ManifestError(InputError):
    """A run folder has no usable manifest."""


class RatingsError(InputError):
    """A rating table has missing columns or impossible scores."""


class TooFewRatings(InputError):
    """A statistic is undefined for so little data."""


class CheckpointError(InputError):
    """A weights file is damaged, dangerous or of another network."""


class TrainingError(EvalsuiteError):
    """Training cannot go on; the last good checkpoint is kept."""


class DownloadError(EvalsuiteError):
    """A published file could not be fetched whole, or is not what it should be."""


class StoreError(EvalsuiteError):
    """The study database refused an operation."""


class StudyFull(StoreError):
    """No seat is free."""


class SeatLost(StoreError):
    """The seat timed out and was given back."""


class Conflict(StoreError):
    """Another score is already stored for this trial."""


class StudyChanged(StoreError):
    """The study file differs from the one whose ratings are stored."""
