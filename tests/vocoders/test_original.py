"""The reference is the recording, bit for bit."""

import numpy as np
import pytest

from evalsuite.types import Waveform
from vocoders.original import Original


@pytest.mark.parametrize("sample_rate", [16000, 22050, 44100])
def test_the_recording_comes_back_at_its_own_rate(speech: Waveform, sample_rate: int) -> None:
    wave = Waveform(speech.samples, sample_rate, "u1")
    system = Original()
    made = system.generate([system.analyse(wave)], seed=3)[0]
    assert (made.sample_rate, made.id) == (sample_rate, "u1")
    np.testing.assert_array_equal(made.samples, speech.samples)
