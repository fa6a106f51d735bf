"""What is trained on: the decoded store, the split, the crops."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from evalsuite.errors import AudioError, ConfigError, CorpusError
from vocoders.training import audio_store
from vocoders.training.audio_store import AudioStore, open_audio
from vocoders.training.config import DataConfig, OtherRates
from vocoders.training.crops import CropStream
from vocoders.training.distributed import Processes
from vocoders.training.split import choose_split, read_split_column

CPU = torch.device("cpu")
IDS = [f"clip{n}" for n in range(50)]


@pytest.fixture
def store(corpus: Path, cache: Path) -> AudioStore:
    return open_audio(corpus, cache, sample_rate=22050, peak=0.95)


def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Ids of the recordings that are decoded from now on."""
    seen: list[str] = []
    decode = audio_store.decode

    def spy(utterance, *args):
        seen.append(utterance.id)
        return decode(utterance, *args)

    monkeypatch.setattr(audio_store, "decode", spy)
    return seen


def test_store_holds_each_recording_at_its_peak(store: AudioStore, corpus: Path) -> None:
    for number, clip in enumerate(store.clips):
        original, rate = soundfile.read(corpus / f"{clip.utterance.id}.wav", dtype="float32")
        assert rate == 22050
        stored = store.read_all(number)
        assert len(stored) == len(original)
        scaled = original * 0.95 / np.abs(original).max()
        np.testing.assert_allclose(stored, scaled, atol=0.6 / 32768)


def test_cut_beyond_the_end_is_silence(store: AudioStore) -> None:
    n = store.clips[0].n_samples
    cut = store.read(0, n - 100, 300)
    assert len(cut) == 300
    assert cut[:100].any()
    assert not cut[100:].any()


def test_second_opening_decodes_nothing(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = decodings(monkeypatch)
    shown: list[tuple[int, int]] = []
    first = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95,
                       progress=lambda done, total: shown.append((done, total)))  # fmt: skip
    assert len(seen) == 6
    assert shown[-1] == (6, 6)
    seen.clear()
    monkeypatch.setattr(audio_store, "load_corpus", lambda *a, **k: pytest.fail("read again"))
    second = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95)
    assert seen == []
    assert second.digest == first.digest
    np.testing.assert_array_equal(second.read_all(3), first.read_all(3))
    monkeypatch.undo()
    seen = decodings(monkeypatch)
    open_audio(corpus, tmp_path, sample_rate=22050, peak=0.5)  # another peak is another store
    assert len(seen) == 6


def test_changed_file_is_noticed(tmp_path: Path, voice: Callable[..., None]) -> None:
    for number in range(3):
        voice(tmp_path / "c" / f"{number}.wav", duration_s=0.5, seed=number)
    before = open_audio(tmp_path / "c", tmp_path / "a", sample_rate=22050, peak=0.95)
    path = tmp_path / "c" / "1.wav"
    state = path.stat()
    voice(path, duration_s=0.5, seed=9)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 1))  # of equal size, written later
    after = open_audio(tmp_path / "c", tmp_path / "a", sample_rate=22050, peak=0.95)
    assert after.digest != before.digest
    assert (after.read_all(1) != before.read_all(1)).any()
    np.testing.assert_array_equal(after.read_all(2), before.read_all(2))


def test_half_written_store_is_made_again(corpus: Path, tmp_path: Path) -> None:
    first = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95)
    wanted = first.read_all(5)
    (index,) = tmp_path.glob("*.json")
    index.write_text(index.read_text()[:100])
    again = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95)
    np.testing.assert_array_equal(again.read_all(5), wanted)


@pytest.mark.parametrize("n_bytes", [0, 1000, -2])
def test_cut_off_store_is_made_again(
    corpus: Path, tmp_path: Path, n_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95)
    wanted = [first.read_all(clip).copy() for clip in range(6)]
    (samples,) = tmp_path.glob("*.pcm")
    samples.write_bytes(samples.read_bytes()[:n_bytes])
    seen = decodings(monkeypatch)
    again = open_audio(corpus, tmp_path, sample_rate=22050, peak=0.95)
    assert len(seen) == 6
    for clip in range(6):
        np.testing.assert_array_equal(again.read_all(clip), wanted[clip])


def test_silence_is_never_made_up_within_a_clip(store: AudioStore) -> None:
    n = store.clips[0].n_samples
    cut = AudioStore(store.read(0, 0, n - 1), store.clips, 22050)
    np.testing.assert_array_equal(cut.read(0, 0, n - 1), store.read(0, 0, n - 1))
    for start, length in ((0, n), (n - 100, 300), (n - 1, 1)):
        with pytest.raises(CorpusError, match="end within clip0"):
            cut.read(0, start, length)
    assert not cut.read(0, n, 50).any()  # beyond its end


def test_a_file_of_equal_size_and_time_is_noticed(
    tmp_path: Path, voice: Callable[..., None]
) -> None:
    """As ``cp -p`` and ``rsync -t`` leave it."""
    path = tmp_path / "c" / "a.wav"
    voice(path, duration_s=0.5, seed=0)
    before = open_audio(tmp_path / "c", tmp_path / "a", sample_rate=22050, peak=0.95)
    state = path.stat()
    voice(path, duration_s=0.5, seed=9)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert path.stat().st_size == state.st_size
    after = open_audio(tmp_path / "c", tmp_path / "a", sample_rate=22050, peak=0.95)
    assert after.digest != before.digest


@pytest.mark.parametrize("decoded", [False, True], ids=["fresh", "decoded before"])
def test_rates_are_converted_or_refused(
    tmp_path: Path, voice: Callable[..., None], decoded: bool
) -> None:
    """Also where another training has already decoded them."""
    for name, rate in (("high", 44100), ("same", 22050), ("low", 8000)):
        voice(tmp_path / "c" / f"{name}.wav", duration_s=1, sample_rate=rate)

    def open_as(other_rates: OtherRates, **more: Any) -> AudioStore:
        return open_audio(tmp_path / "c", tmp_path / "a", sample_rate=22050, peak=0.95,
                          other_rates=other_rates, **more)  # fmt: skip

    if decoded:
        open_as("resample")
    with pytest.raises(AudioError, match=r"low\.wav has 8000 Hz.*at least 22050 Hz.*other_rates"):
        open_as("downsample")
    with pytest.raises(AudioError, match=r"2 of 3 recordings.*high\.wav, have 44100 Hz"):
        open_as("error")
    if not decoded:
        assert not list((tmp_path / "a").glob("*.pcm"))  # before the long work
    store = open_as("downsample", unused={"low"})
    assert [clip.file_rate for clip in store.clips] == [44100, 8000, 22050]
    assert [clip.n_samples for clip in store.clips] == [22050] * 3
    assert DataConfig().other_rates == "downsample"


def test_held_out_clips_stay_held_out_when_the_corpus_grows() -> None:
    small = choose_split(IDS, {}, n_valid=8, seed=0)
    assert len(small.valid) == 8
    assert sorted(small.train + small.valid) == list(range(50))
    shuffled = IDS[::-1]
    again = choose_split(shuffled, {}, n_valid=8, seed=0)
    assert {shuffled[i] for i in again.valid} == {IDS[i] for i in small.valid}
    grown = choose_split([*IDS, "new"], {}, n_valid=8, seed=0)
    assert len(set(grown.valid) & set(small.valid)) >= 7
    other = choose_split(IDS, {}, n_valid=8, seed=1)
    assert other.valid != small.valid


def test_split_column_decides_and_test_clips_are_left_alone(
    tmp_path: Path, voice: Callable[..., None]
) -> None:
    parts = {"a": "train", "b": "Valid", "c": "test", "d": "dev", "e": "train"}
    for number, name in enumerate(parts):
        voice(tmp_path / f"{name}.wav", duration_s=0.5, seed=number)
    rows = [f"{name},{name}.wav,{part}" for name, part in parts.items()]
    table = tmp_path / "metadata.csv"
    table.write_text("\n".join(["id,file,split", *rows]))
    named = read_split_column(tmp_path)
    assert named == {"a": "train", "b": "valid", "c": "test", "d": "valid", "e": "train"}
    store = open_audio(tmp_path, tmp_path / "cache", sample_rate=22050, peak=0.95)
    ids = [clip.utterance.id for clip in store.clips]
    split = choose_split(ids, named, n_valid=1, seed=0)
    assert [ids[i] for i in split.train] == ["a", "e"]
    assert [ids[i] for i in split.valid] == ["b", "d"]
    table.write_text(table.read_text().replace("test", "tset"))
    with pytest.raises(CorpusError, match="'tset'"):
        read_split_column(tmp_path)


def test_empty_part_is_refused() -> None:
    with pytest.raises(CorpusError, match="0 clips to train on"):
        choose_split(IDS, {}, n_valid=50, seed=0)
    with pytest.raises(CorpusError, match="0 to validate on"):
        choose_split(IDS, dict.fromkeys(IDS, "train"), n_valid=5, seed=0)


def stream(store: AudioStore, *, seed: int = 0, **more) -> CropStream:
    config = DataConfig(segment_samples=2048, batch_size=4, amplitude=more.pop("amplitude", (1, 1)))
    return CropStream(store, range(len(store.clips)), config, seed=seed, **more)


def test_crops_depend_on_seed_and_step_alone(store: AudioStore) -> None:
    one, other = stream(store), stream(store)
    late = one.batch(7, CPU)
    torch.testing.assert_close(other.batch(7, CPU), late, rtol=0, atol=0)  # whatever came before
    assert not torch.equal(one.batch(8, CPU), late)
    assert not torch.equal(stream(store, seed=1).batch(7, CPU), late)
    assert late.shape == (4, 1, 2048)
    assert late.dtype == torch.float32
    assert late.abs().max() <= 1


def test_processes_share_the_batch_of_one(store: AudioStore) -> None:
    whole = stream(store, amplitude=(0.3, 1)).batch(5, CPU)
    parts = [
        stream(store, amplitude=(0.3, 1), processes=Processes(rank, 2)).batch(5, CPU)
        for rank in range(2)
    ]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=0)


def test_every_clip_comes_once_before_any_comes_again(store: AudioStore) -> None:
    crops = stream(store)  # 6 clips, 4 crops a step: three steps are two epochs
    found = []
    recordings = [store.read_all(i) for i in range(6)]
    for step in range(3):
        for crop in crops.batch(step, CPU)[:, 0].numpy():
            inside = [any_place(crop, recording) for recording in recordings]
            assert sum(inside) == 1
            found.append(inside.index(True))
    assert sorted(found[:6]) == sorted(found[6:]) == list(range(6))
    assert found[:6] != found[6:]


def any_place(crop: np.ndarray, recording: np.ndarray) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(recording, len(crop))
    starts = np.flatnonzero(windows[:, 0] == crop[0])
    return any(np.array_equal(windows[start], crop) for start in starts)


def test_amplitude_is_drawn_from_its_range(store: AudioStore) -> None:
    plain, scaled = stream(store), stream(store, amplitude=(0.3, 0.6))
    gains = []
    for step in range(20):
        reference, audio = plain.batch(step, CPU), scaled.batch(step, CPU)
        gains += (audio.square().sum((1, 2)) / reference.square().sum((1, 2))).sqrt().tolist()
    assert 0.3 <= min(gains) < 0.33
    assert 0.57 < max(gains) <= 0.6


def test_batch_that_processes_cannot_share(store: AudioStore) -> None:
    with pytest.raises(ConfigError, match="multiple of the number of processes"):
        stream(store, processes=Processes(0, 3))
