"""A packed corpus: what goes in, how much room it takes, and that it comes out again."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.errors import ConfigError, CorpusError
from evalsuite.metrics.log_mel_l1 import LogMelL1
from evalsuite.types import Waveform
from vocoders.training.packing import INDEX_NAME, pack_data, read_pack, unpack_data
from vocoders.training.training_data import Recording, write_recordings

SPLITS = ("valid", "test", "train", "train", "train", "test", "train", "train")


@pytest.fixture(scope="module")
def table(voice: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight clips of 1 s; the fifth is at 16 kHz."""
    folder = tmp_path_factory.mktemp("recordings")
    rows = []
    for number, split in enumerate(SPLITS):
        rate = 16000 if number == 4 else 22050
        voice(folder / f"{number}.wav", duration_s=1 + number / 20, sample_rate=rate, seed=number)
        rows.append(Recording(f"set/{number}", f"{number}.wav", "voice", split, f"text {number}"))
    write_recordings(folder / "corpus.csv", rows)
    return folder / "corpus.csv"


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_test_clips_are_never_packed(table: Path, tmp_path: Path) -> None:
    index = pack_data(table, tmp_path, budget_bytes=10**7)
    assert {clip.id for clip in index.clips} == {
        "set-0",
        "set-2",
        "set-3",
        "set-4",
        "set-6",
        "set-7",
    }
    assert {clip.split for clip in index.clips} == {"train", "valid"}
    assert index.n_left_out == 0


def test_flac_comes_out_as_it_went_in(table: Path, tmp_path: Path) -> None:
    index = pack_data(table, tmp_path / "pack", budget_bytes=10**7, coder="flac")
    lines = unpack_data(tmp_path / "pack", tmp_path / "out").read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert [row["id"] for row in rows] == [clip.id for clip in index.clips]
    by_id = {row["id"]: row for row in rows}
    for number, split in ((0, "valid"), (7, "train")):
        row = by_id[f"set-{number}"]
        assert (row["split"], row["speaker"], row["text"]) == (split, "voice", f"text {number}")
        before, _ = soundfile.read(table.parent / f"{number}.wav")
        after, rate = soundfile.read(tmp_path / "out" / row["path"])
        assert rate == 22050 and len(after) == len(before)
        # Scaled to a peak of 0.9 and rounded to 16 bits, twice at most.
        assert np.abs(after - before * 0.9 / np.abs(before).max()).max() < 1.5 / 32768


def test_other_rates_are_resampled(table: Path, tmp_path: Path) -> None:
    pack_data(table, tmp_path / "pack", budget_bytes=10**7)
    unpack_data(tmp_path / "pack", tmp_path / "out")
    samples, rate = soundfile.read(tmp_path / "out" / "clips" / "set-4.flac")
    assert rate == 22050
    assert len(samples) == pytest.approx(1.2 * 22050, abs=1)


def test_vorbis_is_close_and_in_place(table: Path, tmp_path: Path) -> None:
    pack_data(table, tmp_path / "pack", budget_bytes=10**7)
    unpack_data(tmp_path / "pack", tmp_path / "out")
    for number in (0, 3, 7):
        before, _ = soundfile.read(table.parent / f"{number}.wav", dtype="float32")
        after, _ = soundfile.read(tmp_path / "out/clips" / f"set-{number}.flac", dtype="float32")
        before = before * np.float32(0.9 / np.abs(before).max())
        found = LogMelL1().compare(
            reference=Waveform(before, 22050), degraded=Waveform(after, 22050)
        )
        assert found.value < 0.2
        # A clip cut a frame too late would be uncorrelated.
        assert np.corrcoef(before, after)[0, 1] > 0.98


@pytest.mark.parametrize("coder", ["vorbis", "flac"])
def test_the_budget_holds_and_is_used(table: Path, tmp_path: Path, coder: str) -> None:
    whole = pack_data(table, tmp_path / "whole", budget_bytes=10**7, coder=coder)
    budget = round(0.7 * folder_bytes(tmp_path / "whole"))
    index = pack_data(table, tmp_path / "part", budget_bytes=budget, coder=coder)
    assert folder_bytes(tmp_path / "part") <= budget
    assert 0 < index.n_left_out == len(whole.clips) - len(index.clips)
    # The same choice every time: the first of the same order.
    assert [clip.id for clip in index.clips] == [c.id for c in whole.clips][: len(index.clips)]
    assert index.clips[0].split == "valid"


def test_a_budget_without_room_for_training_is_refused(table: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no training clip"):
        pack_data(table, tmp_path, budget_bytes=6_000)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_without_a_split_is_refused(corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="0 clips for training"):
        pack_data(corpus, tmp_path, budget_bytes=10**7)


@pytest.mark.parametrize("quality", [0.0, 1.1, float("nan")])
def test_an_impossible_quality_is_refused(table: Path, tmp_path: Path, quality: float) -> None:
    with pytest.raises(ConfigError, match="quality"):
        pack_data(table, tmp_path, budget_bytes=10**7, quality=quality)


def test_an_older_pack_is_replaced(table: Path, tmp_path: Path) -> None:
    pack_data(table, tmp_path, budget_bytes=10**7, coder="flac")
    index = pack_data(table, tmp_path, budget_bytes=10**7)
    assert {path.name for path in tmp_path.iterdir()} == {INDEX_NAME, *index.files}


def test_harm_is_noticed(table: Path, tmp_path: Path) -> None:
    index = pack_data(table, tmp_path, budget_bytes=10**7)
    block = tmp_path / next(iter(index.files))
    content = bytearray(block.read_bytes())
    content[5000] ^= 1
    block.write_bytes(content)
    with pytest.raises(CorpusError, match=f"{block.name} was changed"):
        unpack_data(tmp_path, tmp_path / "out")
    block.unlink()
    with pytest.raises(CorpusError, match=f"{block.name} is missing"):
        read_pack(tmp_path)
    (tmp_path / INDEX_NAME).write_text("{}")
    with pytest.raises(CorpusError, match=r"data\.json cannot be read \(sample_rate is missing\)"):
        read_pack(tmp_path)
    (tmp_path / INDEX_NAME).write_text("")
    with pytest.raises(CorpusError, match=r"data\.json cannot be read \(it is no JSON\)"):
        read_pack(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [({"start": -1}, "from 0 upward"), ({"n_samples": 0}, "above 0"), ({"id": "../a"}, "'../a'")],
)
def test_a_clip_that_cannot_be_is_refused(
    table: Path, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    pack_data(table, tmp_path, budget_bytes=10**7)
    index = json.loads((tmp_path / INDEX_NAME).read_text())
    index["clips"][0] |= change
    (tmp_path / INDEX_NAME).write_text(json.dumps(index))
    with pytest.raises(CorpusError, match=said):
        unpack_data(tmp_path, tmp_path / "out")
