"""From a path to checked utterances."""

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from evalsuite.audio import AudioFault, examine
from evalsuite.corpus.layout import choose_kind, list_recordings
from evalsuite.corpus.model import Corpus, Entry, Problem
from evalsuite.errors import CorpusError
from evalsuite.files import sha256_file
from evalsuite.levels import loudness_lufs
from evalsuite.types import Utterance, Waveform

__all__ = ["MIN_DURATION_S", "load_corpus", "require_clean"]

# One gating block of BS.1770: shorter recordings have no loudness.
MIN_DURATION_S = 0.4

# Mean square of a block, -50 dB: speech as loud as that passes the meter's gate at -70 LUFS, and is
# spared the meter, which takes longer than reading the file.
_FAINT = 1e-5

_MAX_LISTED = 20


def load_corpus(
    path: Path,
    *,
    kind: str = "auto",
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Read a corpus and check every recording of it.

    Parameters
    ----------
    path : a folder, or a CSV or JSONL table of recordings.
    kind : ``auto`` or a `CorpusKind`.
    limit : stop after this many usable utterances, in order of their ids; the recordings after
        them are not looked at.
    progress : called after each recording with the number done and the number in all.

    Returns
    -------
    Corpus; sample rates may vary.

    Raises
    ------
    CorpusError if the path does not exist, is not of the kind asked for, or names no recordings.
    UnknownName if the kind is unknown.
    """
    if limit is not None and limit < 1:
        raise CorpusError(
            f"limit {limit}", wanted="at least one utterance", do="raise the limit or leave it out"
        )
    chosen = choose_kind(path, kind)
    listing = list_recordings(path, chosen)
    if not listing.entries:
        raise CorpusError(
            f"{path}, read as {chosen}, names no recordings",
            wanted="WAV, FLAC or OGG files",
            do="check the path and the kind of corpus",
        )
    entries, doubled = _first_of_each_id(sorted(listing.entries, key=lambda e: (e.id, e.path)))
    check = _Checker()
    for done, entry in enumerate(entries, start=1):
        check.add(entry)
        if progress is not None:
            progress(done, len(entries))
        if len(check.utterances) == limit:
            break
    problems = (*listing.problems, *doubled, *check.problems)
    return Corpus(tuple(check.utterances), problems, chosen)


def require_clean(corpus: Corpus, *, skip_bad: bool) -> tuple[Utterance, ...]:
    """Return the utterances of a corpus without problems.

    Parameters
    ----------
    skip_bad : True takes what is usable and leaves the rest out.

    Raises
    ------
    CorpusError that lists the first 20 problems, unless `skip_bad`; and if nothing is usable.
    """
    listed = "\n".join(["", *_list_problems(corpus.problems)])
    if corpus.problems and not skip_bad:
        raise CorpusError(
            _count(corpus),
            wanted="recordings without faults",
            do=f"mend these, or leave them out with --skip-bad:{listed}",
        )
    if not corpus.utterances:
        raise CorpusError(
            _count(corpus),
            wanted="at least one usable recording",
            do=f"mend these:{listed}",
        )
    return corpus.utterances


class _Checker:
    """Reads recordings one by one and sorts them into utterances and problems."""

    def __init__(self) -> None:
        self.utterances: list[Utterance] = []
        self.problems: list[Problem] = []
        self._first_with: dict[str, Path] = {}

    def add(self, entry: Entry) -> None:
        found = _check(entry)
        if isinstance(found, Utterance):
            first = self._first_with.get(found.sha256)
            if first is None:
                self._first_with[found.sha256] = found.path
                self.utterances.append(found)
                return
            found = Problem(
                found.path,
                "duplicate_content",
                f"has the same bytes as {first}",
                "delete one of the two, or give the right file",
            )
        self.problems.append(found)


def _check(entry: Entry) -> Utterance | Problem:
    if not entry.path.is_file():
        return Problem(
            entry.path,
            "missing",
            f"{entry.id} is named in the metadata, but there is no such file",
            "copy the file there, or delete its row",
        )
    wave = examine(entry.path, id=entry.id)
    if isinstance(wave, AudioFault):
        return Problem(entry.path, wave.kind, wave.got.removeprefix(f"{entry.path} "), wave.do)
    if wave.duration_s < MIN_DURATION_S:
        return Problem(
            entry.path,
            "too_short",
            f"lasts {wave.duration_s:.3f} s, under the {MIN_DURATION_S} s that loudness needs",
            "leave it out",
        )
    if _is_silent(wave):
        peak = float(np.abs(wave.samples).max())
        return Problem(
            entry.path,
            "silent",
            f"is silent (sample peak {peak:.2g}), so no gain brings it to a level",
            "leave it out, or copy it again from its source",
        )
    return Utterance(
        id=entry.id,
        path=entry.path,
        speaker=entry.speaker,
        text=entry.text,
        duration_s=wave.duration_s,
        sha256=sha256_file(entry.path),
    )


def _is_silent(wave: Waveform) -> bool:
    """Tell recordings that are faint throughout and have no loudness."""
    block = round(MIN_DURATION_S * wave.sample_rate)
    whole = wave.samples[: len(wave.samples) // block * block].reshape(-1, block)
    loudest = float(np.square(whole, dtype=np.float64).mean(axis=1).max())
    return loudest < _FAINT and math.isnan(loudness_lufs(wave))


def _first_of_each_id(entries: list[Entry]) -> tuple[list[Entry], list[Problem]]:
    kept: dict[str, Entry] = {}
    problems = []
    for entry in entries:
        first = kept.setdefault(entry.id, entry)
        if first is not entry:
            problems.append(
                Problem(
                    entry.path,
                    "duplicate_id",
                    f"has the id {entry.id} of {first.path}",
                    "rename one of them, or delete the doubled row",
                )
            )
    return list(kept.values()), problems


def _count(corpus: Corpus) -> str:
    counts = Counter(problem.fault for problem in corpus.problems)
    kinds = ", ".join(f"{n} {fault.replace('_', ' ')}" for fault, n in sorted(counts.items()))
    found = f"{len(corpus.problems)} problems ({kinds})" if kinds else "no problems"
    return f"{found}, {len(corpus.utterances)} usable recordings"


def _list_problems(problems: tuple[Problem, ...]) -> list[str]:
    lines = [f"  {problem}" for problem in problems[:_MAX_LISTED]]
    if len(problems) > _MAX_LISTED:
        lines.append(f"  … and {len(problems) - _MAX_LISTED} more")
    return lines
