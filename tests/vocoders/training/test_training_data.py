"""The table of recordings: which are trained on, which are kept aside."""

import csv
import hashlib
import shutil
from collections import Counter
from pathlib import Path

import pytest

from evalsuite.corpus.layout import list_recordings
from evalsuite.errors import CorpusError
from vocoders.training.held_out import UNSEEN, list_held_out
from vocoders.training.split import read_split_column
from vocoders.training.training_data import LJ_TEST, list_training_data, write_training_data

LJ_IDS = [*sorted(LJ_TEST), "LJ001-0013"]


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """The three folders with empty recordings: listing opens none."""
    two = [
        f'kathleen/{split}.flac,kathleen,{split},"one, two"' for split in ("train", "valid", "test")
    ]
    tables = {
        "train": ["file,speaker,split,text", *two],
        "lj": ["id,file,text", *(f"{one},wavs/{one}.wav,text" for one in LJ_IDS)],
        "vctk-like": ["file,speaker,text", "vctk/p1.flac,p1,", "libritts/9.wav,9,text"],
    }
    for name, lines in tables.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "metadata.csv").write_text("\n".join(lines) + "\n")
        for row in csv.DictReader(lines):
            path = tmp_path / name / row["file"]
            path.parent.mkdir(exist_ok=True)
            path.touch()
    return tmp_path


def test_every_recording_has_its_part(folders: Path) -> None:
    found = {one.id: one.split for one in list_training_data(folders)}
    assert found.pop("lj/LJ001-0013") == "train"
    assert {found.pop(f"lj/{one}") for one in LJ_TEST} == {"test"}
    assert found == {
        "train/kathleen/train": "train",
        "train/kathleen/valid": "valid",
        "train/kathleen/test": "test",
        "vctk-like/vctk/p1": "test",
        "vctk-like/libritts/9": "test",
    }


def test_the_table_is_read_by_the_suite_from_wherever_it_lies(folders: Path) -> None:
    table = folders / "elsewhere" / "corpus.csv"
    write_training_data(folders, table)
    entries = list_recordings(table, "manifest").entries
    assert all(entry.path.is_file() for entry in entries)
    assert {entry.text for entry in entries} == {"one, two", "text", ""}
    assert Counter(read_split_column(table).values()) == {"train": 2, "valid": 1, "test": 13}


def test_held_out_clips_are_grouped_by_what_was_heard(folders: Path) -> None:
    table = folders / "corpus.csv"
    write_training_data(folders, table)
    groups = Counter(clip.group for clip in list_held_out(table))
    assert groups == {"LJ": 10, "kathleen": 1, UNSEEN: 2}
    assert Counter(clip.group for clip in list_held_out(table, limit=1)).total() == 3


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda f: (f / "lj/wavs/LJ001-0013.wav").unlink(), "recordings are not there"),
        (lambda f: (f / "lj/metadata.csv").write_text("id,file,text\n"), "lacks LJ001-0011"),
        (lambda f: (f / "train/metadata.csv").write_text("file,text\n"), "columns speaker, split"),
        (lambda f: shutil.rmtree(f / "vctk-like"), "cannot be read"),
        (
            lambda f: (f / "train/metadata.csv").write_text("file,speaker,split,text\na,b,c,d\n"),
            "has split 'c'",
        ),
    ],
    ids=["recording", "test-clip", "columns", "folder", "split"],
)
def test_what_is_missing_is_named(folders: Path, harm: object, said: str) -> None:
    harm(folders)  # type: ignore[operator]
    with pytest.raises(CorpusError, match=said):
        list_training_data(folders)


@pytest.mark.speech
def test_the_split_of_the_real_recordings(data: Path) -> None:
    found = list_training_data(data)
    assert len(found) == 1847
    counts = Counter((one.id.partition("/")[0], one.split) for one in found)
    assert counts == {
        ("train", "train"): 1618, ("train", "valid"): 60, ("train", "test"): 60,
        ("lj", "train"): 37, ("lj", "test"): 10, ("vctk-like", "test"): 62,
    }  # fmt: skip
    text = (data / "lj" / "metadata.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    unaltered = [row["id"] for row in rows if not row["altered"]]
    assert len(unaltered) == 22
    by_hash = sorted(unaltered, key=lambda one: hashlib.sha256(one.encode()).hexdigest())
    assert set(by_hash[:10]) == LJ_TEST
    trained = {one.speaker for one in found if one.split == "train"}
    unseen = {one.speaker for one in found if one.id.startswith("vctk-like/")}
    assert not trained & unseen
