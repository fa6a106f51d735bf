"""Finished files as a system: a paper's demo samples, another laboratory's synthesiser.

Files are found by utterance id: ``FOLDER/<id>.wav`` (or ``.flac``, ``.ogg``), in sub-folders by
their own name or, as in a corpus, by their path with dashes (``p225/001.wav`` is ``p225-001``).
``?name=generated_{id}.wav`` gives the name of each file itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from evalsuite.audio import read_wave
from evalsuite.contract import (
    WaveformSpec,
    require_own_features,
    waveform_features,
    within_full_scale,
)
from evalsuite.corpus.model import is_recording, safe_id
from evalsuite.errors import ConfigError, CorpusError, Unavailable
from evalsuite.files import sha256_file
from evalsuite.registry import Setup
from evalsuite.types import Features, Waveform
from evalsuite.vocoder import Vocoder, VocoderInfo

__all__ = ["Recorded"]

_SHOWN = 5


class Recorded(Vocoder):
    """Plays back a folder of files; what they were made from is not known here.

    Parameters
    ----------
    folder : holds the files.
    name : file name with ``{id}`` in it; empty looks for any audio file of that id.

    Raises
    ------
    Unavailable if the folder does not exist, ConfigError if `name` lacks ``{id}``.
    """

    def __init__(self, folder: Path, name: str = "") -> None:
        if not folder.is_dir():
            raise Unavailable(
                f"the folder {folder} does not exist",
                wanted="a folder of finished files, one per utterance",
                do="correct the path after recorded:",
            )
        if name and "{id}" not in name:
            raise ConfigError(
                f"the file name {name!r} of the recorded system is the same for all utterances",
                wanted="{id} where the utterance's id belongs",
                do="write it like name=generated_{id}.wav",
            )
        self._folder, self._name = folder, name
        self._likely_name: str | None = None  # searched for once, when the first file is missing
        self.info = VocoderInfo(
            name="recorded",
            family="recorded",
            sample_rate=None,
            spec=WaveformSpec(),
            deterministic=True,
            conditioning="waveform",
            licence="of the files",
            # The files' hashes enter each cache key, so the folder may move: it is no setting.
            source=f"finished files of {folder.name}",
            config={"name": name},
        )

    @classmethod
    def create(cls, setup: Setup, *, name: str = "") -> "Recorded":
        """Make it from ``recorded:FOLDER``."""
        if setup.argument is None:
            raise ConfigError(
                "the recorded system names no folder",
                wanted="recorded:FOLDER",
                do="put a colon and the folder of finished files after it",
            )
        return cls(Path(setup.argument), name)

    def missing(self, utterances: Iterable[str]) -> list[str]:
        """List the utterances that have no file."""
        return [utterance for utterance in utterances if not self._candidates(utterance)]

    def analyse(self, wave: Waveform) -> Features:
        """Give the samples as features; only their id is used later."""
        self._require_files([wave.id])
        return waveform_features(wave)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        """Read each utterance's file, at its own rate.

        Raises
        ------
        CorpusError listing every utterance without a file, or one with several.
        """
        for features in batch:
            require_own_features(self.info, features)
        self._require_files([features.id for features in batch])
        return [self._read(features.id) for features in batch]

    def source_sha256(self, utterance: str) -> str | None:
        """Hash of the finished file, so that a changed file is taken anew."""
        self._require_files([utterance])
        return sha256_file(self._path(utterance))

    def _read(self, utterance: str) -> Waveform:
        wave = read_wave(self._path(utterance), id=utterance)
        return Waveform(within_full_scale(wave.samples), wave.sample_rate, utterance)

    def _require_files(self, utterances: Sequence[str]) -> None:
        if missing := self.missing(utterances):
            raise CorpusError(
                f"{self._folder} has no file for {_listed(missing)}",
                wanted=f"{self._name or '{id}.wav, .flac or .ogg'} for every utterance",
                do=self._advice(missing),
            )

    def _advice(self, missing: Sequence[str]) -> str:
        if self._likely_name is None:
            self._likely_name = self._guess_name(missing[0])
        if self._likely_name:
            return f"say how the files are named: ?name={self._likely_name}"
        return "add the files, correct name=, or leave these utterances out"

    def _guess_name(self, utterance: str) -> str:
        """Name of a file that holds the id as a word, as a template; empty if there is none."""
        word = re.compile(rf"(?<![A-Za-z0-9]){re.escape(utterance)}(?![A-Za-z0-9])")
        names = [path.name for paths in self._index[1].values() for path in paths
                 if path.parent == self._folder]  # fmt: skip
        guesses = (word.sub("{id}", name, count=1) for name in names if word.search(name))
        return next((guess for guess in guesses if guess != self._name), "")

    def _path(self, utterance: str) -> Path:
        first, *more = self._candidates(utterance)
        if more:
            names = ", ".join(str(path.relative_to(self._folder)) for path in (first, *more))
            raise CorpusError(
                f"{self._folder} has several files for {utterance!r}: {names}",
                wanted="one file for each utterance",
                do="remove the others or say which by name=...{id}...",
            )
        return first

    def _candidates(self, utterance: str) -> list[Path]:
        if not utterance:
            return []
        if self._name:
            path = self._folder / self._name.replace("{id}", utterance)
            return [path] if path.is_file() else []
        by_path, by_stem = self._index
        return by_path.get(utterance) or by_stem.get(utterance) or []

    @cached_property
    def _index(self) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
        """Files by their path with dashes, and by their own name."""
        by_path, by_stem = defaultdict(list), defaultdict(list)
        for path in sorted(self._folder.rglob("*")):
            if is_recording(path) and path.is_file():
                below = path.relative_to(self._folder).with_suffix("")
                by_path[safe_id(below.as_posix())].append(path)
                by_stem[path.stem].append(path)
        return dict(by_path), dict(by_stem)


def _listed(utterances: Sequence[str]) -> str:
    shown = ", ".join(map(repr, utterances[:_SHOWN]))
    more = len(utterances) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
