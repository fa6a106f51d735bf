"""Generating a run: what is made, what is reused, what is written."""

import json
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyloudnorm
import pytest
import soundfile

from evalsuite.corpus import load_corpus
from evalsuite.dummy import Dummy
from evalsuite.errors import CorpusError, UsageError
from evalsuite.files import sha256_file
from evalsuite.generate import GenerateResult, Progress, generate, parse_settings
from evalsuite.lock import lock_run
from evalsuite.manifest import Settings, read_manifest
from evalsuite.matching import reference_from
from evalsuite.mel import extract_mel
from evalsuite.registry import parse_systems
from evalsuite.types import Features, Utterance, Waveform

Make = Callable[..., GenerateResult]


@pytest.fixture
def corpus(tmp_path: Path, speech: Waveform) -> Path:
    """Three recordings of different length and level: 0.8, 1.0 and 1.2 s of synthetic speech."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    for i, name in enumerate(("a", "b", "c")):
        samples = speech.samples[4000 * i :][: 17640 + 4410 * i] * 0.4 * (1 + i)
        soundfile.write(folder / f"{name}.wav", samples, 22050, subtype="PCM_16")
    return folder


@pytest.fixture
def make(tmp_path: Path, corpus: Path) -> Make:
    """Generate into one run folder; the corpus is read anew each time."""

    def run(systems: str = "original,dummy", **options: object) -> GenerateResult:
        settings = options.pop("settings", Settings())
        utterances = options.pop("utterances", None) or load_corpus(corpus).utterances
        return generate(tmp_path / "run", utterances, parse_systems(systems), settings, **options)

    return run


def hashes(run: Path) -> dict[str, str]:
    """Hash of every sample, by its path in the run."""
    files = sorted((run / "samples").rglob("*.wav"))
    return {path.relative_to(run).as_posix(): sha256_file(path) for path in files}


def counts(result: GenerateResult) -> tuple[int, int, int]:
    return result.made, result.reused, result.vocoded


def test_every_system_has_every_utterance_at_one_level_and_length(
    make: Make, tmp_path: Path
) -> None:
    result = make("original,anchor,dummy")
    assert counts(result) == (9, 0, 9)
    meter = pyloudnorm.Meter(22050)
    for utterance in result.manifest.utterances:
        expected = 256 * (round(utterance.duration_s * 22050) // 256)
        for system in ("original", "anchor", "dummy"):
            path = tmp_path / "run" / "samples" / system / f"{utterance.id}.wav"
            samples, rate = soundfile.read(path)
            assert (rate, len(samples)) == (22050, expected)
            assert meter.integrated_loudness(samples) == pytest.approx(-23, abs=0.02)


def test_files_are_16_bit_and_hold_nothing_but_audio(make: Make, tmp_path: Path) -> None:
    make()
    for path in (tmp_path / "run" / "samples").rglob("*.wav"):
        content, position, chunks = path.read_bytes(), 12, []
        while position < len(content):
            name, size = struct.unpack("<4sI", content[position : position + 8])
            chunks.append(name)
            position += 8 + size
        assert chunks == [b"fmt ", b"data"]
        assert soundfile.info(path).subtype == "PCM_16"


def test_a_second_run_makes_nothing_and_leaves_the_manifest_alone(
    make: Make, tmp_path: Path
) -> None:
    first = make()
    manifest = (tmp_path / "run" / "manifest.json").read_bytes()
    second = make()
    assert counts(second) == (0, 6, 0)
    assert second.manifest == first.manifest
    assert (tmp_path / "run" / "manifest.json").read_bytes() == manifest


def test_force_makes_everything_again_and_the_same(make: Make, tmp_path: Path) -> None:
    make()
    before = hashes(tmp_path / "run")
    assert counts(make(force=True)) == (6, 0, 6)
    assert hashes(tmp_path / "run") == before


def test_a_further_system_is_made_alone(make: Make) -> None:
    make("original,dummy")
    assert counts(make("original,dummy,anchor")) == (3, 6, 3)


def test_a_system_that_left_is_removed_and_comes_back_without_synthesis(
    make: Make, tmp_path: Path
) -> None:
    make("original,dummy")
    without = make("original")
    assert {path.parent.name for path in without.removed} > {"dummy"}
    assert not (tmp_path / "run" / "samples" / "dummy").exists()
    assert not list((tmp_path / "run").glob("mels/*/*"))
    assert counts(make("original,dummy")) == (3, 3, 0)
    assert len(list((tmp_path / "run").glob("mels/*/*.npy"))) == 3


def test_one_changed_recording_remakes_only_its_samples(
    make: Make, corpus: Path, tmp_path: Path
) -> None:
    make()
    before = hashes(tmp_path / "run")
    samples, rate = soundfile.read(corpus / "b.wav")
    soundfile.write(corpus / "b.wav", samples[::-1], rate, subtype="PCM_16")
    assert counts(make()) == (2, 4, 2)
    after = hashes(tmp_path / "run")
    changed = {path for path in after if after[path] != before[path]}
    assert changed == {"samples/original/b.wav", "samples/dummy/b.wav"}


def test_a_recording_changed_back_is_restored_with_its_mel(
    make: Make, corpus: Path, tmp_path: Path
) -> None:
    make()
    (mel,) = (tmp_path / "run").glob("mels/*/b.npy")
    before, values = hashes(tmp_path / "run"), np.load(mel)
    content = (corpus / "b.wav").read_bytes()
    soundfile.write(corpus / "b.wav", soundfile.read(corpus / "b.wav")[0][::-1], 22050)
    make()
    assert not np.array_equal(np.load(mel), values)
    (corpus / "b.wav").write_bytes(content)
    assert make().vocoded == 0
    assert hashes(tmp_path / "run") == before
    np.testing.assert_array_equal(np.load(mel), values)


def test_another_level_needs_no_vocoder(make: Make) -> None:
    make()
    result = make(settings=Settings(level_target_db=-26.0))
    assert counts(result) == (6, 0, 0)
    assert {round(sample.loudness_lufs, 1) for sample in result.manifest.samples} == {-26.0}


def test_another_seed_runs_only_what_draws_random_numbers(make: Make) -> None:
    make()
    assert counts(make(settings=Settings(seed=1))) == (6, 0, 3)  # dither changes everywhere


@pytest.mark.parametrize("damage", ["change", "delete"])
def test_a_damaged_sample_is_made_again(make: Make, tmp_path: Path, damage: str) -> None:
    make()
    before = hashes(tmp_path / "run")
    path = tmp_path / "run" / "samples" / "dummy" / "a.wav"
    if damage == "change":
        soundfile.write(path, soundfile.read(path)[0] * 0.5, 22050)
    else:
        path.unlink()
    assert counts(make()) == (1, 5, 0)
    assert hashes(tmp_path / "run") == before


def test_a_lost_cache_costs_work_and_nothing_else(make: Make, tmp_path: Path) -> None:
    make()
    before = hashes(tmp_path / "run")
    for path in (tmp_path / "run" / "cache").rglob("*.json"):
        path.write_text("{damaged")
    assert counts(make()) == (6, 0, 6)
    assert hashes(tmp_path / "run") == before


def test_a_stopped_run_lists_what_it_made_and_is_finished_later(make: Make, tmp_path: Path) -> None:
    def stop(state: Progress) -> None:
        if state.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(progress=stop)
    stopped = read_manifest(tmp_path / "run")
    # Longest first: 'c' was done when the run stopped.
    assert {sample.utterance for sample in stopped.samples} == {"c"}
    assert counts(make()) == (4, 2, 4)


def test_a_killed_run_loses_no_finished_sample(make: Make, tmp_path: Path) -> None:
    make()
    before = hashes(tmp_path / "run")
    # What a kill between two samples leaves: no manifest, and samples without a record.
    (tmp_path / "run" / "manifest.json").unlink()
    newest = max((tmp_path / "run" / "cache" / "finished").rglob("*.json"))
    newest.unlink()
    result = make()
    assert counts(result) == (1, 5, 0)
    assert hashes(tmp_path / "run") == before
    assert len(result.manifest.samples) == 6


def test_bytes_depend_neither_on_jobs_nor_on_the_order(
    make: Make, corpus: Path, tmp_path: Path
) -> None:
    systems = "original,dummy,griffin_lim"
    make("griffin_lim,original,dummy", jobs=2)
    code = (
        "import sys; from pathlib import Path\n"
        "from evalsuite.threads import pin_threads; pin_threads()\n"
        "from evalsuite.corpus import load_corpus\n"
        "from evalsuite.generate import Settings, generate\n"
        "from evalsuite.registry import parse_systems\n"
        "utterances = load_corpus(Path(sys.argv[1])).utterances\n"
        "generate(Path(sys.argv[2]), utterances, parse_systems(sys.argv[3]), Settings())\n"
    )
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-c", code, corpus, other, systems], check=True)
    assert len(hashes(other)) == 9
    assert hashes(other) == hashes(tmp_path / "run")


def test_the_manifest_describes_the_files(make: Make, tmp_path: Path) -> None:
    manifest = make(synthetic_speech=True).manifest
    assert manifest == read_manifest(tmp_path / "run")
    assert manifest.synthetic_speech
    assert manifest.reference_label == "original"
    assert [(s.utterance, s.system) for s in manifest.samples] == [
        (utterance, system) for utterance in "abc" for system in ("original", "dummy")
    ]
    for sample in manifest.samples:
        path = tmp_path / "run" / sample.path
        assert sample.sha256 == sha256_file(path)
        assert sample.n_samples == soundfile.info(path).frames
        assert sample.facts["level_before_db"] + sample.gain_db == pytest.approx(-23)
        assert "numpy" in str(sample.facts["made_with"])


def test_mels_are_what_the_vocoder_was_given(make: Make, tmp_path: Path) -> None:
    make()
    samples, rate = soundfile.read(tmp_path / "corpus" / "a.wav", dtype="float32")
    reference = reference_from(Waveform(samples, rate, "a"), 22050)
    expected = extract_mel(reference, Dummy().info.spec)
    (folder,) = (tmp_path / "run" / "mels").iterdir()
    assert folder.name == expected.spec.digest
    np.testing.assert_allclose(np.load(folder / "a.npy"), expected.values, atol=1e-6)
    facts = json.loads((folder / "a.json").read_text())
    assert facts["n_samples"] == len(reference.samples)


def test_a_missing_file_fails_its_sample_and_no_other(
    make: Make, corpus: Path, tmp_path: Path
) -> None:
    finished = tmp_path / "finished"
    finished.mkdir()
    for name in ("a", "b"):
        (finished / f"{name}.wav").write_bytes((corpus / f"{name}.wav").read_bytes())
    result = make(f"original,theirs=recorded:{finished}")
    assert [(f.system, f.utterance, f.kind) for f in result.failed] == [
        ("theirs", "c", "CorpusError")
    ]
    assert len(result.manifest.samples) == 5
    (finished / "c.wav").write_bytes((corpus / "c.wav").read_bytes())
    assert counts(make(f"original,theirs=recorded:{finished}")) == (1, 5, 1)


def test_a_changed_finished_file_is_taken_anew(make: Make, corpus: Path, tmp_path: Path) -> None:
    finished = tmp_path / "finished"
    finished.mkdir()
    for path in corpus.iterdir():
        (finished / path.name).write_bytes(path.read_bytes())
    systems = f"original,theirs=recorded:{finished}"
    make(systems)
    before = hashes(tmp_path / "run")
    samples, rate = soundfile.read(finished / "b.wav")
    soundfile.write(finished / "b.wav", samples[::-1], rate)
    assert counts(make(systems)) == (1, 5, 1)
    after = hashes(tmp_path / "run")
    assert {path for path in after if after[path] != before[path]} == {"samples/theirs/b.wav"}


class Broken(Dummy):
    """Fails in its own way for each utterance."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, trained=False)

    def generate(self, batch: Sequence[Features], *, seed: int) -> list[Waveform]:
        (features,) = batch
        if features.id == "a":
            raise RuntimeError("out of memory")
        if features.id == "b":
            return []
        return [Waveform(np.zeros(features.n_samples, np.float32), 22050, features.id)]


def test_a_broken_vocoder_fails_its_samples_with_reasons(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "evalsuite.workplace.create_vocoder",
        lambda request, **_: Broken() if request.label == "broken" else Dummy(),
    )
    result = make("broken=dummy,sound=dummy")
    assert [failed.kind for failed in result.failed] == ["VocoderError"] * 2 + ["AudioError"]
    reasons = [failed.reason for failed in result.failed]
    assert "out of memory" in reasons[0]
    assert "0 waveforms" in reasons[1]
    assert "silent" in reasons[2]
    assert {sample.system for sample in result.manifest.samples} == {"sound"}
    assert result.manifest.untrained_labels == ("broken",)


def test_a_recording_that_vanished_fails_all_its_samples(make: Make, corpus: Path) -> None:
    utterances = load_corpus(corpus).utterances
    (corpus / "b.wav").unlink()
    result = make(utterances=utterances)
    assert {failed.utterance for failed in result.failed} == {"b"}
    assert len(result.failed) == 2
    assert len(result.manifest.samples) == 4
    assert [u.n_samples is None for u in result.manifest.utterances] == [False, True, False]


def test_a_dry_run_counts_and_writes_nothing(make: Make, tmp_path: Path) -> None:
    plan = make(dry_run=True)
    assert counts(plan) == (6, 0, 6)
    assert plan.manifest is None
    assert plan.estimated_s is None
    assert not (tmp_path / "run").exists()
    make()
    again = make("original,dummy", settings=Settings(seed=1), dry_run=True)
    assert counts(again) == (6, 0, 3)
    assert again.estimated_s > 0
    assert make(dry_run=True).estimated_s == 0


def test_progress_counts_reused_samples_from_the_start(make: Make) -> None:
    make("original")
    seen: list[Progress] = []
    make("original,dummy", progress=seen.append)
    assert [state.done for state in seen] == [0, 2, 4, 6]
    assert seen[-1].audio_s == pytest.approx(0.8 + 1.0 + 1.2)
    seen.clear()
    make("original,dummy", progress=seen.append)
    assert [(state.done, state.total) for state in seen] == [(6, 6)]


def test_a_run_in_use_is_refused(make: Make, tmp_path: Path) -> None:
    with lock_run(tmp_path / "run"), pytest.raises(UsageError, match="in use by process"):
        make()


def an_utterance(id: str) -> Utterance:
    return Utterance(id, Path("x.wav"), "", "", 1.0, "00")


@pytest.mark.parametrize("ids", [[], ["a", "a"], ["../a"], [".hidden"]])
def test_ids_that_cannot_be_file_names_are_refused(tmp_path: Path, ids: list[str]) -> None:
    with pytest.raises(CorpusError, match="the utterances"):
        generate(tmp_path, [an_utterance(id) for id in ids], parse_systems("dummy"), Settings())
    assert not list(tmp_path.iterdir())


def test_a_label_given_twice_is_refused(tmp_path: Path) -> None:
    twice = parse_systems("dummy") * 2
    with pytest.raises(UsageError, match="'dummy' twice"):
        generate(tmp_path, [an_utterance("a")], twice, Settings())


@pytest.mark.parametrize("level", ["lufs", "lufs:", "rms:-23", "lufs:3", "p56:nan"])
def test_a_level_that_cannot_be_meant_is_refused(level: str) -> None:
    with pytest.raises(UsageError, match="p56:-26"):
        parse_settings(level=level)


def test_a_folder_with_none_of_the_utterances_stops_the_run_before_it_begins(
    make: Make, tmp_path: Path
) -> None:
    """A wrong folder or naming is one mistake, not one per utterance."""
    finished = tmp_path / "finished"
    finished.mkdir()
    (finished / "x_a.wav").write_bytes(b"")
    with pytest.raises(CorpusError, match="theirs has none of 3 utterances"):
        make(f"original,theirs=recorded:{finished}")
    assert not (tmp_path / "run").exists()
