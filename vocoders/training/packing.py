"""A training corpus small enough to carry: its clips in a few files, and an index.

A machine that trains is lent with little room for files. Training and validation clips are
joined into blocks of Ogg Vorbis (or FLAC), because a file per clip would spend a quarter of the
room on headers; `unpack_data` cuts them apart into a table that the trainer reads. Test clips are
never packed.

*Which clips* All validation clips, then training clips in the order of the SHA-256 of their ids,
until the budget is full: a random choice that every run of the command makes alike.

*Loss* Vorbis at the default quality of 0.5 (about 57 kbit/s for speech at 22.05 kHz) changes
log-mels by 0.05 decades on average, mostly in the highest bands; FLAC loses nothing and takes four
times the room.

*Writes* ``FOLDER/data.json`` (`PackIndex`) and ``FOLDER/data-<n>.ogg`` (or ``.flac``).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, cast, get_args

import numpy as np
import soundfile
from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveInt, ValidationError

from evalsuite.audio import read_wave, resample
from evalsuite.corpus.layout import choose_kind, list_recordings
from evalsuite.corpus.model import Entry
from evalsuite.errors import ConfigError, CorpusError
from evalsuite.files import atomic_path, sha256_file, write_json
from evalsuite.types import FloatArray
from vocoders.training.config_file import first_fault
from vocoders.training.split import read_split_column
from vocoders.training.training_data import Recording, write_recordings

__all__ = [
    "INDEX_NAME",
    "PackIndex",
    "PackedClip",
    "pack_data",
    "parse_coder",
    "read_pack",
    "unpack_data",
]

INDEX_NAME = "data.json"
TABLE_NAME = "corpus.csv"
QUALITY = 0.5
_RATE = 22050
# Vorbis may overshoot; the trainer scales every clip to its own peak anyway.
_PEAK = 0.9
# So that the coder's pre-echo of one clip does not reach into the one before.
_GAP_SAMPLES = 1024
_BLOCK_S = 150.0
_WRITTEN_AT_ONCE = 65536  # libsndfile's Vorbis encoder overflows its stack on long arrays
_FORMATS = {"vorbis": ("OGG", "VORBIS", ".ogg"), "flac": ("FLAC", "PCM_16", ".flac")}

Coder = Literal["vorbis", "flac"]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PackedClip(_Record):
    """Where a clip is: `n_samples` from `start` of a block file."""

    id: str
    speaker: str
    split: Literal["train", "valid"]
    text: str
    file: str
    start: NonNegativeInt
    n_samples: PositiveInt


class PackIndex(_Record):
    """What the blocks hold.

    Parameters
    ----------
    coder, quality : of the blocks; Vorbis quality from 0 to 1, None for FLAC.
    peak : every clip was scaled to it.
    n_left_out : training clips that did not fit.
    files : block file -> SHA-256.
    """

    schema_version: Literal[1] = 1
    sample_rate: int
    coder: Coder
    quality: float | None
    peak: float
    n_left_out: int
    files: dict[str, str]
    clips: tuple[PackedClip, ...]

    def duration_s(self, split: str | None = None) -> float:
        """Length of all clips, or of those of one part, in seconds."""
        chosen = [clip for clip in self.clips if split in (None, clip.split)]
        return sum(clip.n_samples for clip in chosen) / self.sample_rate


def pack_data(
    corpus: Path,
    folder: Path,
    *,
    budget_bytes: int,
    coder: Coder = "vorbis",
    quality: float = QUALITY,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> PackIndex:
    """Pack a corpus with a column ``split``.

    Parameters
    ----------
    corpus : table, or folder with one.
    folder : made if it does not exist; an older pack in it is replaced.
    budget_bytes : for the index and all blocks together.
    quality : of Vorbis, above 0 up to 1; ignored for FLAC.

    Raises
    ------
    ConfigError for an impossible quality; CorpusError if the corpus has no such column or not
    even one training clip fits; AudioError for a recording that cannot be read.
    """
    if not 0 < quality <= 1:
        raise ConfigError(f"quality {quality}", wanted="above 0, at most 1", do="leave it at 0.5")
    chosen = _choose(corpus)
    _delete_pack(folder)
    room = budget_bytes
    clips: list[PackedClip] = []
    files: dict[str, str] = {}
    for block in _blocks(chosen, progress):
        name = f"data-{len(files)}{_FORMATS[coder][2]}"
        fitting, n_bytes = _write_fitting_block(folder / name, block, room, coder, quality)
        if fitting:
            clips += fitting
            files[name] = sha256_file(folder / name)
            room -= n_bytes
        if len(fitting) < len(block):
            break
    if not any(clip.split == "train" for clip in clips):
        _delete_pack(folder)
        raise CorpusError(
            f"no training clip of {corpus} fits into {budget_bytes / 1e6:.1f} MB beside the "
            "validation clips",
            wanted="room for both",
            do="raise the budget or lower the quality",
        )
    index = PackIndex(
        sample_rate=_RATE,
        coder=coder,
        quality=quality if coder == "vorbis" else None,
        peak=_PEAK,
        n_left_out=len(chosen) - len(clips),
        files=files,
        clips=tuple(clips),
    )
    write_json(folder / INDEX_NAME, index.model_dump(mode="json"))
    return index


def parse_coder(name: str) -> Coder:
    """Return the coder of this name.

    Raises
    ------
    ConfigError if there is none.
    """
    for coder in get_args(Coder):
        if coder == name:
            return cast("Coder", coder)
    raise ConfigError(f"coder {name!r}", wanted="vorbis or flac", do="write one of them")


def read_pack(folder: Path) -> PackIndex:
    """Read the index and check every block.

    Raises
    ------
    CorpusError naming what is missing or changed.
    """
    path = folder / INDEX_NAME
    try:
        index = PackIndex.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise _damaged(folder, f"{INDEX_NAME} cannot be read ({first_fault(error)})") from error
    for clip in index.clips:
        if Path(clip.id).name != clip.id:  # nor must an id: it becomes a file name
            raise _damaged(folder, f"{INDEX_NAME} has the id {clip.id!r}")
    for name, digest in index.files.items():
        block = folder / Path(name).name  # a name from a file must not lead out of the folder
        if not block.is_file():
            raise _damaged(folder, f"{name} is missing")
        if sha256_file(block) != digest:
            raise _damaged(folder, f"{name} was changed")
    return index


def unpack_data(pack: Path, folder: Path) -> Path:
    """Cut the blocks apart: 16-bit FLAC files and the table that names them.

    Clips that are there already are kept, so a second call costs nothing.

    Returns
    -------
    The table, ``FOLDER/corpus.csv``.

    Raises
    ------
    CorpusError as `read_pack`.
    """
    index = read_pack(pack)
    rows = []
    for name in index.files:
        inside = [clip for clip in index.clips if clip.file == name]
        paths = [folder / "clips" / f"{clip.id}.flac" for clip in inside]
        if not all(path.is_file() for path in paths):
            _cut(pack / Path(name).name, inside, paths, index.sample_rate)
        rows += [
            Recording(clip.id, f"clips/{clip.id}.flac", clip.speaker, clip.split, clip.text)
            for clip in inside
        ]
    write_recordings(folder / TABLE_NAME, rows)
    return folder / TABLE_NAME


_Clip = tuple[Entry, str, FloatArray]


def _choose(corpus: Path) -> list[tuple[Entry, str]]:
    """List what may be packed, with its part, in the order of packing."""
    splits = read_split_column(corpus)
    entries = list_recordings(corpus, choose_kind(corpus, "auto")).entries
    named = [(entry, splits.get(entry.id, "")) for entry in entries]
    parts = {
        part: [(entry, split) for entry, split in named if split == part]
        for part in ("valid", "train")
    }
    if not parts["valid"] or not parts["train"]:
        raise CorpusError(
            f"{corpus} names {len(parts['train'])} clips for training and "
            f"{len(parts['valid'])} for validation",
            wanted="a table whose column split says train, valid or test",
            do="make it: evalsuite weights corpus DATA -o TABLE",
        )
    ordered = sorted(parts["train"], key=lambda pair: hashlib.sha256(pair[0].id.encode()).digest())
    return [*sorted(parts["valid"], key=lambda pair: pair[0].id), *ordered]


def _blocks(
    chosen: Sequence[tuple[Entry, str]], progress: Callable[[int, int], None]
) -> Iterator[list[_Clip]]:
    """Read clips and group them into blocks of some minutes."""
    block: list[_Clip] = []
    n_samples = 0
    for done, (entry, split) in enumerate(chosen, start=1):
        samples = resample(read_wave(entry.path, id=entry.id), _RATE).samples
        largest = float(np.abs(samples).max())
        block.append((entry, split, samples * np.float32(_PEAK / largest if largest else 1)))
        n_samples += len(samples)
        progress(done, len(chosen))
        if n_samples >= _BLOCK_S * _RATE or done == len(chosen):
            yield block
            block, n_samples = [], 0


def _write_fitting_block(
    path: Path, block: list[_Clip], room: int, coder: Coder, quality: float
) -> tuple[list[PackedClip], int]:
    """Write as many of the block's first clips as fit; return them and the bytes they take."""
    n = len(block)
    while n:
        packed = _write_block(path, block[:n], coder, quality)
        n_bytes = path.stat().st_size + _index_bytes(packed)
        if n_bytes <= room:
            return packed, n_bytes
        # The next guess is never above what the last one showed to fit.
        n = min(n - 1, n * max(room, 0) // n_bytes)
    path.unlink(missing_ok=True)
    return [], 0


def _write_block(
    path: Path, block: Sequence[_Clip], coder: Coder, quality: float
) -> list[PackedClip]:
    container, subtype, _ = _FORMATS[coder]
    packed, pieces, start = [], [], 0
    gap = np.zeros(_GAP_SAMPLES, np.float32)
    for entry, split, samples in block:
        fields = {"id": entry.id, "speaker": entry.speaker, "split": split, "text": entry.text}
        place = {"file": path.name, "start": start, "n_samples": len(samples)}
        packed.append(PackedClip.model_validate(fields | place))
        pieces += [samples, gap]
        start += len(samples) + _GAP_SAMPLES
    joined = np.concatenate(pieces)
    # libsndfile: 0 is the best Vorbis and the largest, 1 the smallest FLAC.
    level = 1 - quality if coder == "vorbis" else 1.0
    with (
        atomic_path(path) as temporary,
        soundfile.SoundFile(
            str(temporary), "w", _RATE, 1, subtype, format=container, compression_level=level
        ) as stream,
    ):
        for begin in range(0, len(joined), _WRITTEN_AT_ONCE):
            stream.write(joined[begin : begin + _WRITTEN_AT_ONCE])
    return packed


def _index_bytes(clips: Sequence[PackedClip]) -> int:
    """Room these clips take in the index, at most."""
    return 300 + sum(len(clip.model_dump_json().encode()) + 120 for clip in clips)


def _cut(block: Path, clips: Sequence[PackedClip], paths: Sequence[Path], rate: int) -> None:
    try:
        samples, found_rate = soundfile.read(str(block), dtype="float32")
    except soundfile.LibsndfileError as error:
        raise _damaged(block.parent, f"{block.name} is no audio") from error
    end = max(clip.start + clip.n_samples for clip in clips)
    if found_rate != rate or samples.ndim != 1 or len(samples) < end:
        raise _damaged(block.parent, f"{block.name} does not hold what the index says")
    for clip, path in zip(clips, paths, strict=True):
        with atomic_path(path) as temporary:
            piece = samples[clip.start : clip.start + clip.n_samples]
            soundfile.write(str(temporary), piece, rate, subtype="PCM_16", format="FLAC")


def _delete_pack(folder: Path) -> None:
    for path in [folder / INDEX_NAME, *folder.glob("data-*.ogg"), *folder.glob("data-*.flac")]:
        path.unlink(missing_ok=True)


def _damaged(folder: Path, what: str) -> CorpusError:
    return CorpusError(
        f"the packed recordings in {folder}: {what}",
        wanted=f"{INDEX_NAME} and every file it lists, unchanged",
        do="copy the folder again, or pack it anew: evalsuite weights pack-data",
    )
