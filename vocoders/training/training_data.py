"""The recordings that the weights of this project learn from, as one table.

*Split* Recordings of two voices keep the split their own table gives them. Of LJ Speech, the
clips of `LJ_TEST` are for tests and the others for training: they are those of the unaltered
clips whose ids have the smallest SHA-256, a choice nobody's taste had a part in. The recordings
of many speakers are all for tests: none of these voices is heard in training.

*Reads* ``DATA/train/metadata.csv``, ``DATA/lj/metadata.csv``, ``DATA/vctk-like/metadata.csv``.
*Writes* a table with the columns ``id, path, speaker, split, text``; paths are relative to it.
"""

import csv
import io
import os
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from evalsuite.corpus.model import read_text
from evalsuite.errors import CorpusError
from evalsuite.files import write_text

__all__ = ["LJ_TEST", "Recording", "list_training_data", "write_recordings", "write_training_data"]

#: LJ Speech clips that are never trained on.
LJ_TEST = frozenset({
    "LJ001-0011", "LJ001-0012", "LJ001-0018", "LJ001-0019", "LJ001-0020",
    "LJ001-0021", "LJ001-0022", "LJ001-0026", "LJ001-0028", "LJ001-0032",
})  # fmt: skip
_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class Recording:
    """One row of the table.

    Parameters
    ----------
    path : relative to the table, with forward slashes.
    split : ``train``, ``valid`` or ``test``.
    """

    id: str
    path: str
    speaker: str
    split: str
    text: str


def list_training_data(data: Path) -> list[Recording]:
    """List every recording of the three folders with its part; paths are relative to `data`.

    Raises
    ------
    CorpusError if a folder or a recording is missing, or a row has another split.
    """
    found = [*_two_voices(data), *_lj_speech(data), *_unseen_voices(data)]
    missing = [one.path for one in found if not (data / one.path).is_file()]
    if missing:
        raise CorpusError(
            f"{len(missing)} of {len(found)} recordings are not there, such as {data / missing[0]}",
            wanted="every recording that the tables name",
            do="copy the data again",
        )
    held_out = {one.id.removeprefix("lj/") for one in found if one.id.startswith("lj/")}
    if absent := sorted(LJ_TEST - held_out):
        raise CorpusError(
            f"{data / 'lj'} lacks {', '.join(absent)}",
            wanted="the fixed test clips of LJ Speech",
            do="copy the data again: results on other clips do not compare",
        )
    return found


def write_training_data(data: Path, table: Path) -> list[Recording]:
    """Write the table; see the module text for its columns.

    Parameters
    ----------
    data : folder with ``train/``, ``lj/`` and ``vctk-like/``.
    table : CSV file to write.

    Raises
    ------
    CorpusError as `list_training_data`.
    """
    recordings = list_training_data(data)
    way = Path(os.path.relpath(data.resolve(), table.resolve().parent)).as_posix()
    write_recordings(
        table, [Recording(r.id, f"{way}/{r.path}", r.speaker, r.split, r.text) for r in recordings]
    )
    return recordings


def write_recordings(table: Path, recordings: list[Recording]) -> None:
    """Write rows as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Recording)])
    writer.writerows(astuple(one) for one in recordings)
    write_text(table, text.getvalue())


def _two_voices(data: Path) -> Iterator[Recording]:
    for row in _rows(data / "train" / "metadata.csv"):
        if row["split"] not in _SPLITS:
            raise CorpusError(
                f"{data / 'train' / 'metadata.csv'}: {row['file']} has split {row['split']!r}",
                wanted=f"one of {', '.join(_SPLITS)}",
                do="correct the table",
            )
        yield _recording("train", row["file"], row["speaker"], row["split"], row["text"])


def _lj_speech(data: Path) -> Iterator[Recording]:
    for row in _rows(data / "lj" / "metadata.csv"):
        split = "test" if row["id"] in LJ_TEST else "train"
        yield Recording(f"lj/{row['id']}", f"lj/{row['file']}", "LJ", split, row["text"])


def _unseen_voices(data: Path) -> Iterator[Recording]:
    for row in _rows(data / "vctk-like" / "metadata.csv"):
        yield _recording("vctk-like", row["file"], row["speaker"], "test", row["text"])


def _recording(folder: str, file: str, speaker: str, split: str, text: str) -> Recording:
    path = f"{folder}/{file}"
    return Recording(Path(path).with_suffix("").as_posix(), path, speaker, split, text)


def _rows(table: Path) -> list[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(read_text(table), newline=""))
    wanted = {"lj": {"id"}, "train": {"speaker", "split"}}.get(table.parent.name, {"speaker"})
    if lacking := (wanted | {"file", "text"}) - set(rows.fieldnames or ()):
        raise CorpusError(
            f"{table} lacks the columns {', '.join(sorted(lacking))}",
            wanted="the table that came with the recordings",
            do="copy it again",
        )
    return [{key: value or "" for key, value in row.items() if key} for row in rows]
