"""Faults in samples: what is counted, and what must not be mistaken for them."""

import math

import numpy as np
import pytest

from evalsuite.faults import (
    FlatTop,
    content_rate_hz,
    count_wraps,
    find_flat_top,
    longest_dropout_s,
    similarity_db,
)
from evalsuite.types import Waveform


def test_crossings_of_the_range_are_counted(speech: Waveform) -> None:
    loud = speech.samples / np.abs(speech.samples).max() * 1.3
    wrapped = ((loud + 1) % 2 - 1).astype(np.float32)
    # Each excursion beyond the range leaves it once and comes back once.
    beyond = np.abs(loud) > 1
    crossings = np.count_nonzero(np.diff(beyond.astype(int)))
    # The steepest crossings step too far beyond the range to be told from loud noise.
    assert 0.9 * crossings < count_wraps(wrapped) <= crossings


def test_a_loud_fricative_is_no_wrap() -> None:
    noise = np.random.default_rng(0).uniform(-1, 1, 22050).astype(np.float32)
    assert np.count_nonzero(np.abs(np.diff(noise)) > 1.5) > 500
    assert count_wraps(noise) == 0


def test_flat_tops_are_found_below_full_scale_and_of_either_sign(speech: Waveform) -> None:
    clipped = np.maximum(speech.samples, -0.2) * np.float32(0.5)
    top = find_flat_top(clipped)
    natural = find_flat_top(speech.samples)
    assert natural.run <= 2
    assert top.run > 8
    assert top.level == pytest.approx(0.1)
    assert find_flat_top(np.zeros(0, np.float32)) == FlatTop(0, 0.0)


def test_a_dropout_counts_only_while_the_reference_speaks(speech: Waveform) -> None:
    damaged = speech.samples.copy()
    quiet = int(np.convolve(speech.samples**2, np.ones(2205), "valid").argmin())
    damaged[quiet : quiet + 2205] = 0
    assert longest_dropout_s(Waveform(damaged, 22050), speech) < 0.05
    loud = int(np.convolve(speech.samples**2, np.ones(2205), "valid").argmax())
    damaged[loud : loud + 2205] = 0
    # 0.1 s holds at least four whole frames of 20 ms.
    assert 0.08 <= longest_dropout_s(Waveform(damaged * 0.1, 22050), speech) <= 0.12


def test_similarity_is_the_signal_to_noise_ratio_whatever_the_gain(speech: Waveform) -> None:
    noise = np.random.default_rng(0).normal(0, 1, len(speech.samples))
    noise *= np.sqrt((speech.samples**2).sum() / (noise**2).sum()) * 10 ** (-30 / 20)
    assert similarity_db(speech.samples, (speech.samples + noise) * 0.3) == pytest.approx(
        30, abs=0.1
    )
    assert similarity_db(speech.samples, speech.samples * np.float32(0.5)) > 100
    assert math.isnan(similarity_db(speech.samples, np.zeros(10, np.float32)))


def test_a_right_header_is_not_doubted(speech: Waveform) -> None:
    assert content_rate_hz(speech, speech, duration_ratio=1.0) is None
    # The length alone is no proof: the envelope must fit better once the time is scaled.
    assert content_rate_hz(speech, speech, duration_ratio=24000 / 22050) is None
