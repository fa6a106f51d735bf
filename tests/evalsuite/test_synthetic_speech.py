import csv
from pathlib import Path

import numpy as np
import pytest
import soundfile

from evalsuite.errors import VocoderError
from evalsuite.synthetic_speech import SENTENCES, VOICES, EspeakNg, write_corpus

pytest.importorskip("espeakng_loader")


@pytest.fixture(scope="module")
def espeak() -> EspeakNg:
    return EspeakNg()


def test_voices_differ_and_speech_is_speech_like(espeak: EspeakNg) -> None:
    waves = {name: espeak.speak(SENTENCES[0], voice) for name, voice in VOICES.items()}
    for wave in waves.values():
        assert wave.sample_rate == 22050
        assert 2.5 < wave.duration_s < 8
        assert 0.1 < np.abs(wave.samples).max() <= 1
    assert len({len(wave.samples) for wave in waves.values()}) == len(VOICES)


def test_longer_text_takes_longer(espeak: EspeakNg) -> None:
    short = espeak.speak("Short.", "en-us+f3").duration_s
    assert espeak.speak(SENTENCES[0], "en-us+f3").duration_s > 3 * short


def test_unknown_voice_is_named(espeak: EspeakNg) -> None:
    with pytest.raises(VocoderError, match="no-such-voice"):
        espeak.speak("Hello.", "no-such-voice")


def test_corpus_holds_what_its_table_says(tmp_path: Path) -> None:
    table = write_corpus(tmp_path, n_utterances=5)
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["id"] for row in rows] == [f"sentence{n:02d}" for n in range(1, 6)]
    assert [row["speaker"] for row in rows] == [*VOICES, next(iter(VOICES))]
    for row in rows:
        facts = soundfile.info(tmp_path / row["path"])
        assert (facts.samplerate, facts.channels, facts.subtype) == (22050, 1, "PCM_16")
        assert facts.duration > 2
