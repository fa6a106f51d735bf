"""Networks that make one sample after the other, in a run: side by side as if each were alone."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

torch = pytest.importorskip("torch")

import tiny_teacher  # noqa: E402

from evalsuite.cache import RunCache, raw_key, seed_for  # noqa: E402
from evalsuite.errors import FeatureMismatch  # noqa: E402
from evalsuite.files import sha256_file  # noqa: E402
from evalsuite.generate import generate  # noqa: E402
from evalsuite.manifest import Settings  # noqa: E402
from evalsuite.matching import reference_from  # noqa: E402
from evalsuite.mel import extract_mel, mel_spec  # noqa: E402
from evalsuite.registry import create_vocoder, fingerprint, parse_systems  # noqa: E402
from evalsuite.types import Utterance, Waveform  # noqa: E402
from evalsuite.vocoder import Vocoder  # noqa: E402

NETWORKS = ["wavenet?preset=tiny&lanes=3", "tiny_teacher?lanes=3"]
ONE_LANE = "wavenet?preset=tiny&engine=official"


@pytest.fixture(autouse=True)
def one_thread_and_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    tiny_teacher.install(tmp_path / "plug-in")
    monkeypatch.syspath_prepend(str(tmp_path / "plug-in"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def vocoder_of(system: str) -> Vocoder:
    return create_vocoder(parse_systems(system)[0], untrained=True)


def clips(speech: Waveform) -> list[Waveform]:
    """Five of different length; the second is the longest."""
    lengths = (1200, 1900, 1100, 1500, 1300)
    return [
        Waveform(speech.samples[4000 * n :][:length], 22050, f"u{n}")
        for n, length in enumerate(lengths)
    ]


def recorded(clip: Waveform, folder: Path) -> Utterance:
    path = folder / f"{clip.id}.wav"
    soundfile.write(path, clip.samples, 22050, subtype="FLOAT")
    return Utterance(clip.id, path, "", "", clip.duration_s, sha256_file(path))


@pytest.mark.parametrize(
    ("systems", "jobs"), [*((one, 1) for one in (*NETWORKS, ONE_LANE)), (",".join(NETWORKS), 2)]
)
def test_a_run_stores_what_each_utterance_gives_alone(
    systems: str, jobs: int, tmp_path: Path, speech: Waveform
) -> None:
    utterances = [recorded(clip, tmp_path) for clip in clips(speech)]
    requests, seen = parse_systems(systems), []
    result = generate(
        tmp_path / "run",
        utterances,
        requests,
        Settings(),
        jobs=jobs,
        untrained=True,
        progress=seen.append,
    )
    assert (result.vocoded, result.setbacks) == (5 * len(requests), ())
    total_s = len(requests) * sum(utterance.duration_s for utterance in utterances)
    assert seen[-1].vocoded_s == pytest.approx(total_s)
    if jobs == 1:  # also within the first utterance or group
        assert sum(0 < state.vocoded_s < 0.08 for state in seen) > 3
    cache = RunCache(tmp_path / "run")
    for request in requests:
        vocoder = create_vocoder(request, untrained=True)
        for utterance, clip in zip(utterances, clips(speech), strict=True):
            seed = seed_for("vocoder", 0, utterance.id, request.label)
            features = vocoder.analyse(reference_from(clip, 22050))
            alone = vocoder.generate([features], seed=seed)[0].samples
            key = raw_key(utterance, vocoder.info, fingerprint(vocoder.info), None, seed, 22050)
            assert cache.load_raw(key).wave.samples.tobytes() == alone.tobytes()


@pytest.mark.parametrize("system", [*NETWORKS, ONE_LANE])
def test_each_comes_when_it_is_finished(system: str, speech: Waveform) -> None:
    vocoder = vocoder_of(system)
    batch = [vocoder.analyse(clip) for clip in clips(speech)]
    assert vocoder.lanes == (1 if system == ONE_LANE else 3)
    told: list[float] = []
    told_at, lengths = {}, []
    for place, wave in vocoder.generate_many(batch, range(5), progress=told.append):
        assert not torch.is_inference_mode_enabled()
        assert torch.backends.cudnn.allow_tf32
        assert wave.id == f"u{place}"
        told_at[place] = told[-1]
        lengths.append(wave.duration_s)
    assert set(told_at) == set(range(5))
    assert told == sorted(told)
    assert told[-1] == pytest.approx(sum(lengths))
    # Neither are all finished at the end, nor was each begun when the one before was finished.
    assert len(set(told_at.values())) >= 3
    if vocoder.lanes == 3:
        assert min(told_at.values()) > lengths[0] * 1.5


@pytest.mark.parametrize("system", NETWORKS)
def test_foreign_features_are_refused_before_anything_is_made(
    system: str, speech: Waveform
) -> None:
    vocoder, told = vocoder_of(system), []
    own, foreign = vocoder.analyse(clips(speech)[0]), extract_mel(speech, mel_spec("melgan"))
    with pytest.raises(FeatureMismatch, match="melgan"):
        list(vocoder.generate_many([own, foreign], [0, 1], progress=told.append))
    assert told == []


def test_features_stay_as_they_are(speech: Waveform) -> None:
    for system in NETWORKS:
        vocoder = vocoder_of(system)
        features = vocoder.analyse(clips(speech)[2])
        before = features.values.copy()
        list(vocoder.generate_many([features, features], [0, 1]))
        np.testing.assert_array_equal(features.values, before)
