"""The checks at a vocoder's door."""

import numpy as np
import pytest

from evalsuite.contract import (
    WaveformSpec,
    require_frames,
    require_own_features,
    require_sample_rate,
    waveform_features,
    waveform_of,
    within_full_scale,
)
from evalsuite.dummy import Dummy
from evalsuite.errors import AudioError, FeatureMismatch
from evalsuite.mel import extract_mel, mel_spec
from evalsuite.types import Waveform


def test_a_mismatch_names_both_conventions_and_what_differs(speech: Waveform) -> None:
    features = extract_mel(speech, mel_spec("tacotron2"))
    with pytest.raises(FeatureMismatch) as error:
        require_own_features(Dummy().info, features)
    message = str(error.value)
    assert "features of synthetic of convention 'tacotron2'" in message
    assert "f_max 8000.0 where 11025.0 is wanted" in message
    assert "log_base e where 10 is wanted" in message
    assert "'melgan'" in message


def test_a_renamed_but_equal_convention_is_accepted(speech: Waveform) -> None:
    assert mel_spec("waveglow").digest == mel_spec("tacotron2").digest


def test_a_wrong_rate_names_both() -> None:
    wave = Waveform(np.zeros(100, np.float32), 16000, "u1")
    with pytest.raises(AudioError, match=r"u1 is at 16000 Hz.*22050 Hz.*'dummy'"):
        require_sample_rate(Dummy().info, wave)


def test_too_few_frames_names_both_counts() -> None:
    require_frames(5, minimum=5)
    with pytest.raises(AudioError, match=r"the mel of u7 has 4 frames.*at least 5 frames"):
        require_frames(4, minimum=5, utterance="u7")


def test_a_waveform_passes_as_features_without_sharing_memory() -> None:
    wave = Waveform(np.float32([0.1, -0.2]), 16000, "u1")
    features = waveform_features(wave)
    assert features.values.shape == (1, 2)
    assert features.spec.digest == WaveformSpec().digest
    back = waveform_of(features)
    assert (back.sample_rate, back.id) == (16000, "u1")
    np.testing.assert_array_equal(back.samples, wave.samples)
    assert not np.shares_memory(back.samples, wave.samples)


def test_only_a_waveform_is_given_back(speech: Waveform) -> None:
    with pytest.raises(FeatureMismatch, match="'melgan'"):
        waveform_of(extract_mel(speech, mel_spec("melgan")))


def test_full_scale_keeps_what_fits_and_scales_what_does_not() -> None:
    np.testing.assert_array_equal(within_full_scale(np.array([0.25, -1.0])), [0.25, -1.0])
    loud = within_full_scale(np.array([4.0, -1.0]))
    np.testing.assert_array_equal(loud, np.float32([1.0, -0.25]))
    assert loud.dtype == np.float32
    assert within_full_scale(np.zeros(0)).shape == (0,)
