"""Decoded recordings in one file that is mapped into memory, so that reading is never the limit.

*Writes*::

    CACHE/<contents>.pcm      all recordings one after the other, 16 bit, at one rate and peak
    CACHE/<contents>.json     which recording is where; written last, so it makes the other valid,
                              as long as that has the length it says
    CACHE/<listing>.list      which contents a corpus had when its files looked like this

The first name is the hash of the recordings' hashes, the rate and the peak; the second of paths,
sizes and times, so that an unchanged corpus is not read again.
"""

import json
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from evalsuite.audio import probe, read_wave, resample
from evalsuite.corpus import load_corpus, require_clean
from evalsuite.corpus.layout import choose_kind, list_recordings
from evalsuite.errors import AudioError, CorpusError
from evalsuite.files import atomic_path, sha256_json, write_text
from evalsuite.types import Utterance
from vocoders.training.config import OtherRates

__all__ = ["FULL_SCALE_16_BIT", "AudioStore", "Clip", "decode", "open_audio"]

#: What 1 is among the stored numbers.
FULL_SCALE_16_BIT = 32768
_SAMPLE = np.dtype("<i2")
_VERSION = 2


class Clip(BaseModel):
    """One recording of the store.

    Parameters
    ----------
    start, n_samples : where it lies in the store, in samples at the store's rate.
    file_rate : hertz, of the original file.
    utterance : as loaded; its path and duration are those of the original file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    utterance: Utterance
    start: int
    n_samples: int
    file_rate: int


class _Index(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    sample_rate: int
    clips: tuple[Clip, ...]


class AudioStore:
    """Recordings by number, in the order of their ids.

    Parameters
    ----------
    samples : int16, all recordings one after the other; 32768 = full scale.
    clips : where each is.
    sample_rate : hertz.
    """

    def __init__(self, samples: NDArray[np.int16], clips: tuple[Clip, ...], sample_rate: int):
        self._samples, self.clips, self.sample_rate = samples, clips, sample_rate

    def read(self, clip: int, start: int, n_samples: int) -> NDArray[np.int16]:
        """Cut `n_samples` out of a clip; beyond its end come zeros.

        Raises
        ------
        CorpusError if the store is shorter than it says: silence is never made up within a clip.
        """
        place = self.clips[clip]
        n_there = min(n_samples, max(place.n_samples - start, 0))
        wanted = self._samples[place.start + start :][:n_there]
        if len(wanted) < n_there:
            raise CorpusError(
                f"the decoded recordings end within {place.utterance.id}",
                wanted=f"{place.n_samples} samples of it",
                do="give the same command again: they are decoded anew",
            )
        return np.pad(wanted, (0, n_samples - n_there)) if n_there < n_samples else wanted

    def read_all(self, clip: int) -> NDArray[np.float32]:
        """Whole clip, float32, full scale 1."""
        samples = self.read(clip, 0, self.clips[clip].n_samples)
        return samples.astype(np.float32) / np.float32(FULL_SCALE_16_BIT)

    @property
    def digest(self) -> str:
        """Hash of what is in it, for checkpoints: ids and contents, not places."""
        return sha256_json([[c.utterance.id, c.utterance.sha256] for c in self.clips])


def decode(utterance: Utterance, sample_rate: int, peak: float) -> NDArray[np.int16]:
    """Read one recording as the store keeps it: at one rate, 16 bit, scaled to the peak."""
    wave = resample(read_wave(utterance.path, id=utterance.id), sample_rate)
    largest = float(np.abs(wave.samples).max())
    gain = peak / largest if largest > 0 else 1.0
    steps = np.rint(wave.samples.astype(np.float64) * gain * FULL_SCALE_16_BIT)
    return np.clip(steps, -FULL_SCALE_16_BIT, FULL_SCALE_16_BIT - 1).astype(_SAMPLE)


def open_audio(
    corpus: Path,
    cache: Path,
    *,
    sample_rate: int,
    peak: float,
    kind: str = "auto",
    skip_bad: bool = False,
    other_rates: OtherRates = "resample",
    unused: Collection[str] = (),
    progress: Callable[[int, int], None] | None = None,
) -> AudioStore:
    """Open the decoded recordings of a corpus; decode what the cache does not hold.

    Parameters
    ----------
    corpus : a folder, or a table of recordings.
    cache : folder of the decoded files; may be shared by any number of trainings.
    sample_rate : hertz.
    other_rates : which other rates are refused and not resampled, see
        `vocoders.training.config.DataConfig`.
    unused : ids of recordings that may have any rate, such as those for tests.
    peak : each recording is scaled to it; silence stays silent.
    skip_bad : leave recordings with faults out instead of refusing the corpus.
    progress : called with the number of decoded recordings and the number in all.

    Raises
    ------
    CorpusError if the corpus cannot be used; AudioError for another rate that was to be refused.
    """
    listing = _listing_digest(corpus, kind, skip_bad=skip_bad)
    utterances = _known_listing(cache / f"{listing}.list")
    if utterances is None:
        utterances = require_clean(load_corpus(corpus, kind=kind), skip_bad=skip_bad)
        lines = [json.dumps(_as_json(utterance), ensure_ascii=False) for utterance in utterances]
        write_text(cache / f"{listing}.list", "\n".join([*lines, ""]))
    contents = [[utterance.id, utterance.sha256] for utterance in utterances]
    digest = sha256_json([_VERSION, sample_rate, peak, contents])
    path = cache / f"{digest}.pcm"
    index = _read_index(path)
    if index is not None:
        rates = [clip.file_rate for clip in index.clips]
    else:
        rates = [probe(utterance.path).sample_rate for utterance in utterances]
    _refuse_rates(utterances, rates, sample_rate, other_rates, unused)
    if index is None:
        index = _decode(utterances, rates, path, sample_rate, peak, progress)
    # The index may have been written for a copy of the corpus elsewhere.
    clips = tuple(
        clip.model_copy(update={"utterance": utterance})
        for clip, utterance in zip(index.clips, utterances, strict=True)
    )
    return AudioStore(np.memmap(path, _SAMPLE, mode="r"), clips, sample_rate)


def _listing_digest(corpus: Path, kind: str, *, skip_bad: bool) -> str:
    listing = list_recordings(corpus, choose_kind(corpus, kind))
    facts = []
    for entry in listing.entries:
        state = entry.path.stat() if entry.path.is_file() else None
        # The time of the last change cannot be set back, as that of the content can.
        looks = [state.st_size, state.st_mtime_ns, state.st_ctime_ns] if state else None
        facts.append([entry.id, str(entry.path.resolve()), entry.speaker, entry.text, looks])
    problems = [str(problem) for problem in listing.problems]
    return sha256_json([_VERSION, facts, problems, skip_bad])


def _as_json(utterance: Utterance) -> dict[str, object]:
    return utterance.__dict__ | {"path": str(utterance.path.resolve())}


def _known_listing(path: Path) -> tuple[Utterance, ...] | None:
    """Utterances of an unchanged corpus; None if it must be read (again)."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]
        rows = [json.loads(line) for line in lines]
        return tuple(Utterance(**row | {"path": Path(row["path"])}) for row in rows)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _read_index(path: Path) -> _Index | None:
    """Index of the decoded recordings in `path`; None if either is missing, damaged or cut off."""
    try:
        text = path.with_suffix(".json").read_text(encoding="utf-8")
        index = _Index.model_validate_json(text)
        n_bytes = path.stat().st_size
    except (OSError, ValueError):
        return None
    whole = n_bytes == _SAMPLE.itemsize * sum(clip.n_samples for clip in index.clips)
    return index if whole else None


def _refuse_rates(
    utterances: Sequence[Utterance],
    rates: Sequence[int],
    sample_rate: int,
    other_rates: OtherRates,
    unused: Collection[str],
) -> None:
    """Refuse the corpus for rates that may not be converted, naming how many and one of them."""
    refused = [
        (utterance, rate)
        for utterance, rate in zip(utterances, rates, strict=True)
        if utterance.id not in unused
        and (rate < sample_rate if other_rates == "downsample" else rate != sample_rate)
    ]
    if other_rates == "resample" or not refused:
        return
    (first, rate), n = refused[0], len(refused)
    least = "at least " if other_rates == "downsample" else ""
    raise AudioError(
        f"{n} of {len(utterances)} recordings, such as {first.path}, have {rate} Hz"
        if n > 1
        else f"{first.path} has {rate} Hz",
        wanted=f"{least}{sample_rate} Hz, as data.sample_rate says",
        do="leave them out, train at their rate, or set data.other_rates: resample",
    )


def _decode(
    utterances: tuple[Utterance, ...],
    rates: Sequence[int],
    path: Path,
    sample_rate: int,
    peak: float,
    progress: Callable[[int, int], None] | None,
) -> _Index:
    """Decode recordings one after the other, with one of them in memory at a time."""
    clips: list[Clip] = []
    end = 0
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        for number, (utterance, rate) in enumerate(zip(utterances, rates, strict=True), start=1):
            samples = decode(utterance, sample_rate, peak)
            stream.write(samples.tobytes())
            clip = Clip(utterance=utterance, start=end, n_samples=len(samples), file_rate=rate)
            clips.append(clip)
            end += len(samples)
            if progress is not None:
                progress(number, len(utterances))
    index = _Index(sample_rate=sample_rate, clips=tuple(clips))
    write_text(path.with_suffix(".json"), index.model_dump_json())
    return index
