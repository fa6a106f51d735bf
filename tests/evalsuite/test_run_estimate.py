"""Estimates of a run: the median pace of the most similar number of lanes."""

from pathlib import Path

import numpy as np
import pytest

from evalsuite.cache import RunCache
from evalsuite.matching import RawOutput
from evalsuite.run_estimate import VocoderWork, estimate_s
from evalsuite.types import Waveform


@pytest.fixture
def cache(tmp_path: Path) -> RunCache:
    """Of 'f': 10 s per second alone (and once 90), 2 with 4 lanes, 0.5 with 64; of 'g': 1."""
    cache = RunCache(tmp_path)
    raw = RawOutput(Waveform(np.zeros(4, np.float32), 22050, "u"), 1.0, 0)
    known = [("f", 10, None), ("f", 90, 1), ("f", 9, 1), ("f", 2, 4), ("f", 0.5, 64), ("g", 1, 1)]
    for number, (fingerprint, pace, lanes) in enumerate(known):
        facts = {"fingerprint": fingerprint, "seconds": 3 * pace, "audio_s": 3.0}
        cache.save_raw(f"{number:02}", raw, facts if lanes is None else facts | {"lanes": lanes})
    return cache


@pytest.mark.parametrize(
    ("lanes", "pace"), [(1, 10), (2, 10), (3, 2), (4, 2), (15, 2), (17, 0.5), (64, 0.5)]
)
def test_the_most_similar_number_of_lanes_counts(cache: RunCache, lanes: int, pace: float) -> None:
    assert estimate_s(cache, [VocoderWork("f", 7.0, lanes)], jobs=1) == pytest.approx(7 * pace)


def test_vocoders_add_up_and_processes_share(cache: RunCache) -> None:
    works = [VocoderWork("f", 8.0, 64), VocoderWork("g", 2.0)]
    assert estimate_s(cache, works, jobs=1) == pytest.approx(6)
    assert estimate_s(cache, works, jobs=3) == pytest.approx(2)


def test_nothing_takes_no_time_and_the_unknown_is_not_guessed(cache: RunCache) -> None:
    assert estimate_s(cache, [], jobs=2) == 0
    assert estimate_s(cache, [VocoderWork("g", 1.0), VocoderWork("h", 1.0)], jobs=1) is None
