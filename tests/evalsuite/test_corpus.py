import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from evalsuite.corpus import detect_kind, load_corpus, require_clean
from evalsuite.errors import CorpusError, UnknownName

Write = Callable[..., Path]


def ids(path: Path, **options: object) -> list[str]:
    return [utterance.id for utterance in load_corpus(path, **options).utterances]


def test_plain_folder(write_recording: Write, tmp_path: Path) -> None:
    first = write_recording("b.wav", seed=1)
    write_recording("a 1.FLAC", seed=2, sample_rate=16000)
    write_recording("c.ogg", seed=3)
    (tmp_path / "b.txt").write_text("  Hello, there.\n")
    (tmp_path / "._b.wav").write_bytes(b"resource fork")
    (tmp_path / "notes.md").write_text("not audio")
    corpus = load_corpus(tmp_path)
    assert (corpus.kind, corpus.problems) == ("folder", ())
    assert [utterance.id for utterance in corpus.utterances] == ["a_1", "b", "c"]
    b = corpus.utterances[1]
    assert (b.text, b.speaker, b.duration_s) == ("Hello, there.", "", 0.5)
    assert b.sha256 == hashlib.sha256(first.read_bytes()).hexdigest()


def test_nested_folders_are_speakers(write_recording: Write, tmp_path: Path) -> None:
    """LibriTTS: speaker/chapter/name.wav with name.normalized.txt."""
    write_recording("19/198/19_198_000.wav", seed=1)
    write_recording("26/495/26_495_000.wav", seed=2)
    (tmp_path / "19/198/19_198_000.normalized.txt").write_text("One.")
    (tmp_path / "19/198/19_198_000.original.txt").write_text("1.")
    first, second = load_corpus(tmp_path).utterances
    assert (first.id, first.speaker, first.text) == ("19-198-19_198_000", "19", "One.")
    assert (second.id, second.speaker, second.text) == ("26-495-26_495_000", "26", "")


def test_lj_speech(write_recording: Write, tmp_path: Path) -> None:
    write_recording("wavs/LJ001-0002.wav", seed=2)
    write_recording("wavs/LJ001-0001.wav", seed=1)
    write_recording("wavs/unlisted.wav", seed=3)
    (tmp_path / "metadata.csv").write_text(
        'LJ001-0001|in "1455"|in "fourteen fifty-five"\nLJ001-0002|plain|\n', encoding="utf-8"
    )
    corpus = load_corpus(tmp_path)
    assert (corpus.kind, corpus.problems) == ("ljspeech", ())
    assert [(u.id, u.text) for u in corpus.utterances] == [
        ("LJ001-0001", 'in "fourteen fifty-five"'),
        ("LJ001-0002", "plain"),
    ]


def test_lj_speech_with_a_header(write_recording: Write, tmp_path: Path) -> None:
    write_recording("wavs/x.wav")
    (tmp_path / "metadata.csv").write_text(
        'id,file,text\nLJ1,wavs/x.wav,"a, b"\n', encoding="utf-8-sig"
    )
    corpus = load_corpus(tmp_path)
    assert corpus.kind == "ljspeech"
    assert [(u.id, u.text, u.path) for u in corpus.utterances] == [
        ("LJ1", "a, b", tmp_path / "wavs" / "x.wav")
    ]


@pytest.mark.parametrize(
    ("audio", "suffix"), [("wav48", ".wav"), ("wav48_silence_trimmed", "_mic1.flac")]
)
def test_vctk(write_recording: Write, tmp_path: Path, audio: str, suffix: str) -> None:
    write_recording(f"{audio}/p225/p225_001{suffix}", seed=1, sample_rate=48000)
    write_recording(f"{audio}/p315/p315_001{suffix}", seed=2, sample_rate=48000)
    (tmp_path / "txt" / "p225").mkdir(parents=True)
    (tmp_path / "txt" / "p225" / "p225_001.txt").write_text("Please call Stella.\n")
    corpus = load_corpus(tmp_path)
    assert (corpus.kind, corpus.problems) == ("vctk", ())
    assert [(u.id, u.speaker, u.text) for u in corpus.utterances] == [
        ("p225_001", "p225", "Please call Stella."),
        ("p315_001", "p315", ""),
    ]


def test_vctk_takes_the_first_microphone_where_there_is_one(
    write_recording: Write, tmp_path: Path
) -> None:
    folder = "wav48_silence_trimmed/p225"
    write_recording(f"{folder}/p225_001_mic2.flac", seed=1)
    write_recording(f"{folder}/p225_001_mic1.flac", seed=2)
    write_recording(f"{folder}/p225_002_mic2.flac", seed=3)
    names = [utterance.path.name for utterance in load_corpus(tmp_path).utterances]
    assert names == ["p225_001_mic1.flac", "p225_002_mic2.flac"]


@pytest.mark.parametrize("column", ["path", "file", "wav"])
def test_csv_manifest(write_recording: Write, tmp_path: Path, column: str) -> None:
    write_recording("audio/b.wav", seed=1)
    absolute = write_recording("audio/a.wav", seed=2)
    with (tmp_path / "list.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow([column, "text", "speaker", "id"])
        writer.writerow(["audio/b.wav", "two\nlines", "F1", ""])
        writer.writerow([absolute, "", "", "my id"])
    corpus = load_corpus(tmp_path / "list.csv")
    assert (corpus.kind, corpus.problems) == ("manifest", ())
    assert [(u.id, u.text, u.speaker) for u in corpus.utterances] == [
        ("audio-b", "two\nlines", "F1"),
        ("my_id", "", ""),
    ]


def test_jsonl_manifest(write_recording: Write, tmp_path: Path) -> None:
    write_recording("b.wav", seed=1)
    write_recording("a.wav", seed=2)
    rows = [{"path": "b.wav", "text": "line\u2028break", "speaker": 7}, {"path": "a.wav"}]
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (tmp_path / "list.jsonl").write_text("\n\n".join(lines), encoding="utf-8")
    first, second = load_corpus(tmp_path / "list.jsonl").utterances
    assert (first.id, first.speaker) == ("a", "")
    assert (second.id, second.text, second.speaker) == ("b", "line\u2028break", "7")


def test_a_folder_with_a_table_is_read_by_it(write_recording: Write, tmp_path: Path) -> None:
    write_recording("audio/a.wav", seed=1)
    write_recording("audio/b.wav", seed=2)
    (tmp_path / "metadata.csv").write_text("file,text\naudio/a.wav,hello\n")
    assert ids(tmp_path) == ["audio-a"]
    assert ids(tmp_path, kind="folder") == ["audio-a", "audio-b"]


def faulty_folder(write_recording: Write, tmp_path: Path) -> dict[str, str]:
    """One recording per fault beside a good one; returns file name -> fault."""
    good = write_recording("good.wav", seed=1)
    shutil.copy(good, tmp_path / "twin.wav")
    write_recording("empty.wav", np.zeros(0))
    write_recording("stereo.wav", np.zeros((22050, 2)))
    write_recording("nan.wav", np.full(22050, np.nan), subtype="FLOAT")
    write_recording("short.wav", np.full(8819, 0.1))
    write_recording("silent.wav", np.zeros(22050))
    (tmp_path / "text.wav").write_text("not audio")
    return {
        "twin.wav": "duplicate_content",
        "empty.wav": "empty",
        "stereo.wav": "stereo",
        "nan.wav": "not_finite",
        "short.wav": "too_short",
        "silent.wav": "silent",
        "text.wav": "unreadable",
    }


def test_every_fault_is_found_once_and_says_what_to_do(
    write_recording: Write, tmp_path: Path
) -> None:
    expected = faulty_folder(write_recording, tmp_path)
    corpus = load_corpus(tmp_path)
    assert {problem.path.name: problem.fault for problem in corpus.problems} == expected
    assert len(corpus.problems) == len(expected)
    assert all(problem.detail and problem.do for problem in corpus.problems)
    assert [utterance.id for utterance in corpus.utterances] == ["good"]


def test_the_shortest_recording_is_one_loudness_block(
    write_recording: Write, tmp_path: Path
) -> None:
    write_recording("a.wav", np.full(8820, 0.1))
    assert ids(tmp_path) == ["a"]


@pytest.mark.parametrize(
    ("amplitude", "usable"), [(1.0, True), (1e-3, True), (5e-4, True), (4e-4, False), (1e-4, False)]
)
def test_silent_is_what_the_meter_cannot_measure(
    write_recording: Write, tmp_path: Path, amplitude: float, usable: bool
) -> None:
    """The gate of BS.1770 lies at -70 LUFS; a sine of 997 Hz and amplitude a has 20 lg a - 3."""
    sine = amplitude * np.sin(2 * np.pi * 997 * np.arange(22050) / 22050)
    write_recording("sine.wav", sine, subtype="FLOAT")
    corpus = load_corpus(tmp_path)
    assert len(corpus.utterances) == usable
    if not usable:
        [problem] = corpus.problems
        assert f"is silent (sample peak {amplitude:.2g})" in str(problem)
        assert "copy it again" in problem.do


def test_metadata_faults(write_recording: Write, tmp_path: Path) -> None:
    write_recording("a/x.wav", seed=1)
    write_recording("a-x.wav", seed=2)
    (tmp_path / "list.csv").write_text(
        "path,text\na/x.wav,one\na-x.wav,two\nabsent.wav,three\n,four\n"
    )
    corpus = load_corpus(tmp_path / "list.csv")
    found = {problem.fault: problem for problem in corpus.problems}
    assert set(found) == {"duplicate_id", "missing", "bad_row"}
    assert "a-x" in found["duplicate_id"].detail
    assert found["missing"].path == tmp_path / "absent.wav"
    assert "line 5" in found["bad_row"].detail
    assert len(corpus.utterances) == 1


def test_one_file_under_two_ids_is_duplicate_content(
    write_recording: Write, tmp_path: Path
) -> None:
    write_recording("a.wav")
    (tmp_path / "list.csv").write_text("path,id\na.wav,one\na.wav,two\n")
    corpus = load_corpus(tmp_path / "list.csv")
    assert [problem.fault for problem in corpus.problems] == ["duplicate_content"]
    assert [utterance.id for utterance in corpus.utterances] == ["one"]


def test_lj_rows_without_text_are_named(write_recording: Write, tmp_path: Path) -> None:
    write_recording("wavs/a.wav")
    (tmp_path / "metadata.csv").write_text("a|text|text\njust words\n")
    (problem,) = load_corpus(tmp_path).problems
    assert (problem.fault, problem.path) == ("bad_row", tmp_path / "metadata.csv")
    assert "line 2" in problem.detail


def test_require_clean(write_recording: Write, tmp_path: Path) -> None:
    expected = faulty_folder(write_recording, tmp_path)
    corpus = load_corpus(tmp_path)
    with pytest.raises(CorpusError) as caught:
        require_clean(corpus, skip_bad=False)
    assert "7 problems" in caught.value.got
    assert all(name in str(caught.value) for name in expected)
    assert [utterance.id for utterance in require_clean(corpus, skip_bad=True)] == ["good"]


def test_nothing_usable_is_an_error_even_when_skipping(
    write_recording: Write, tmp_path: Path
) -> None:
    write_recording("empty.wav", np.zeros(0))
    with pytest.raises(CorpusError, match="at least one usable recording"):
        require_clean(load_corpus(tmp_path), skip_bad=True)


def test_the_list_of_problems_is_capped(tmp_path: Path) -> None:
    for number in range(25):
        (tmp_path / f"{number:02}.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match=r"25 problems \(25 unreadable\)") as caught:
        require_clean(load_corpus(tmp_path), skip_bad=False)
    assert "19.wav" in str(caught.value)
    assert "20.wav" not in str(caught.value)
    assert "and 5 more" in str(caught.value)


def test_limit_counts_usable_recordings(write_recording: Write, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not audio")
    for seed, name in enumerate("bcd"):
        write_recording(f"{name}.wav", seed=seed)
    seen: list[tuple[int, int]] = []
    corpus = load_corpus(tmp_path, limit=2, progress=lambda *count: seen.append(count))
    assert [utterance.id for utterance in corpus.utterances] == ["b", "c"]
    assert len(corpus.problems) == 1
    assert seen == [(1, 4), (2, 4), (3, 4)]
    with pytest.raises(CorpusError, match="limit 0"):
        load_corpus(tmp_path, limit=0)


def test_unusable_paths(write_recording: Write, tmp_path: Path) -> None:
    for path in (tmp_path / "absent", write_recording("a.wav")):
        with pytest.raises(CorpusError, match=str(path)):
            detect_kind(path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match="names no recordings"):
        load_corpus(tmp_path / "empty")
    (tmp_path / "list.csv").write_text("name,text\na.wav,hello\n")
    with pytest.raises(CorpusError, match=r"columns name, text.*one of path, file, wav"):
        load_corpus(tmp_path / "list.csv")
    (tmp_path / "latin.csv").write_bytes("path,text\na.wav,é\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="UTF-8"):
        load_corpus(tmp_path / "latin.csv")


@pytest.mark.parametrize("kind", ["ljspeech", "vctk", "manifest"])
def test_a_kind_the_path_is_not_is_refused(
    write_recording: Write, tmp_path: Path, kind: str
) -> None:
    write_recording("a.wav")
    with pytest.raises(CorpusError, match=f"not a corpus of kind {kind}"):
        load_corpus(tmp_path, kind=kind)


def test_unknown_kind_suggests_a_near_one(write_recording: Write, tmp_path: Path) -> None:
    write_recording("a.wav")
    with pytest.raises(UnknownName, match=r"'ljspeach'.*write 'ljspeech'"):
        load_corpus(tmp_path, kind="ljspeach")


@pytest.mark.speech
@pytest.mark.parametrize(
    ("folder", "kind", "n_utterances", "n_speakers"),
    [("lj", "ljspeech", 47, 1), ("vctk-like", "manifest", 62, 62)],
)
def test_real_corpora(
    data: Path, folder: str, kind: str, n_utterances: int, n_speakers: int
) -> None:
    corpus = load_corpus(data / folder)
    assert (corpus.kind, corpus.problems) == (kind, ())
    assert len(corpus.utterances) == n_utterances
    assert len({utterance.speaker for utterance in corpus.utterances}) <= n_speakers
    with (data / folder / "metadata.csv").open(newline="") as stream:
        seconds = sum(float(row["seconds"]) for row in csv.DictReader(stream))
    total = sum(utterance.duration_s for utterance in corpus.utterances)
    assert total == pytest.approx(seconds, abs=0.01 * n_utterances)
    sums = (data / folder / "sha256sums.txt").read_text()
    assert all(utterance.sha256 in sums for utterance in corpus.utterances)
