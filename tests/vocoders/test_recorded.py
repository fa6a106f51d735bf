"""Finished files by utterance id."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.errors import ConfigError, CorpusError, Unavailable
from evalsuite.files import sha256_file
from evalsuite.registry import create_vocoder, parse_system
from evalsuite.types import Waveform
from vocoders.recorded import Recorded


def write(path: Path, value: float, *, sample_rate: int = 16000) -> Path:
    """A recognisable file: a constant."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.full(400, value, np.float32), sample_rate)
    return path


def wave_of(utterance: str) -> Waveform:
    return Waveform(np.zeros(500, np.float32), 22050, utterance)


def play(system: Recorded, utterance: str) -> Waveform:
    return system.generate([system.analyse(wave_of(utterance))], seed=0)[0]


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_file_is_found_by_id_and_keeps_its_rate(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / f"LJ001.{suffix}", 0.25)
    made = play(Recorded(tmp_path), "LJ001")
    assert (made.sample_rate, made.id, len(made.samples)) == (16000, "LJ001", 400)
    assert abs(float(made.samples[200]) - 0.25) < 0.05


def test_an_id_is_a_whole_stem(tmp_path: Path) -> None:
    write(tmp_path / "LJ001.wav", 0.25)
    write(tmp_path / "LJ001-2.wav", 0.5)
    write(tmp_path / "a.b.wav", 0.125)
    system = Recorded(tmp_path)
    assert play(system, "LJ001-2").samples[0] == 0.5
    assert play(system, "a.b").samples[0] == 0.125
    assert system.missing(["LJ001", "LJ00", "LJ001-", "a", ""]) == ["LJ00", "LJ001-", "a", ""]


def test_files_in_subfolders_have_their_path_or_their_own_name(tmp_path: Path) -> None:
    write(tmp_path / "p225" / "001.wav", 0.25)
    write(tmp_path / "p226" / "001.wav", 0.5)
    write(tmp_path / "p227" / "unique.wav", 0.125)
    system = Recorded(tmp_path)
    assert play(system, "p226-001").samples[0] == 0.5
    assert play(system, "unique").samples[0] == 0.125
    with pytest.raises(CorpusError, match=r"several files for '001': .*p225.*p226"):
        play(system, "001")


def test_a_name_template_finds_each_file(tmp_path: Path) -> None:
    write(tmp_path / "generated_3.wav", 0.25)
    text = f"baseline=recorded:{tmp_path}?name=generated_{{id}}.wav"
    system = create_vocoder(parse_system(text))
    assert isinstance(system, Recorded)
    assert play(system, "3").samples[0] == 0.25
    assert system.missing(["3", "generated_3"]) == ["generated_3"]


def test_every_missing_utterance_is_listed(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 0.25)
    system = Recorded(tmp_path)
    with pytest.raises(CorpusError, match="no file for 'b'"):
        system.analyse(wave_of("b"))
    features = [system.analyse(wave_of("a")) for _ in range(3)]
    for item, utterance in zip(features[1:], ["b", "c"], strict=True):
        object.__setattr__(item, "id", utterance)
    with pytest.raises(CorpusError, match="no file for 'b', 'c'"):
        system.generate(features, seed=0)


@pytest.mark.parametrize(
    ("file", "name", "advice"),
    [
        ("generated_LJ_1.wav", "", r"\?name=generated_\{id\}\.wav"),
        ("LJ_1-melgan.flac", "{id}.wav", r"\?name=\{id\}-melgan\.flac"),
        ("LJ_12.wav", "", "add the files"),  # another utterance
        ("deep/x_LJ_1.wav", "", "add the files"),  # a template names files of the folder itself
    ],
)
def test_files_of_another_name_are_recognised(
    tmp_path: Path, file: str, name: str, advice: str
) -> None:
    write(tmp_path / file, 0.25)
    with pytest.raises(CorpusError, match=f"To fix: .*{advice}"):
        Recorded(tmp_path, name).source_sha256("LJ_1")


def test_many_missing_files_are_counted(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", 0.25)
    features = [Recorded(tmp_path).analyse(wave_of("a")) for _ in range(9)]
    for place, item in enumerate(features):
        object.__setattr__(item, "id", f"u{place}")
    with pytest.raises(CorpusError, match="'u3', 'u4' and 4 more"):
        Recorded(tmp_path).generate(features, seed=0)


def test_the_source_hash_follows_the_file(tmp_path: Path) -> None:
    path = write(tmp_path / "a.wav", 0.25)
    system = Recorded(tmp_path)
    before = system.source_sha256("a")
    assert before == sha256_file(path)
    write(path, 0.5)
    assert system.source_sha256("a") == sha256_file(path) != before


def test_a_float_file_beyond_full_scale_is_scaled_down(tmp_path: Path) -> None:
    samples = np.float32([0.5, -2.0, 1.0])
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    np.testing.assert_array_equal(play(Recorded(tmp_path), "a").samples, samples / 2)


def test_a_folder_must_be_named_and_exist_and_a_template_must_vary(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names no folder"):
        create_vocoder(parse_system("recorded"))
    with pytest.raises(Unavailable, match="does not exist"):
        create_vocoder(parse_system(f"recorded:{tmp_path}/nowhere"))
    with pytest.raises(ConfigError, match=r"\{id\}"):
        create_vocoder(parse_system(f"recorded:{tmp_path}?name=all.wav"))


def test_the_folder_itself_is_no_setting(tmp_path: Path) -> None:
    first, second = (write(tmp_path / name / "a.wav", 0.25).parent for name in "xy")
    assert Recorded(first).info.config == Recorded(second).info.config


@pytest.mark.speech
def test_a_published_demo_is_a_system(data: Path) -> None:
    folder = data / "melgan-demo" / "ablation" / "baseline"
    if not folder.is_dir():
        pytest.skip(f"no demo samples in {folder}")
    made = play(Recorded(folder, "generated_{id}.wav"), "0")
    assert made.duration_s > 1
    assert np.abs(made.samples).max() > 0.05
