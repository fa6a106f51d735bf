"""The test sound of the level check: a noise with the long-term spectrum of speech.

*Conventions* The RMS level counts a full-scale square wave as 0 dB, as ITU-T P.56 does.
"""

import io
import wave

import numpy as np
from numpy.typing import NDArray

__all__ = ["level_signal", "level_signal_wav"]

SAMPLE_RATE = 24000
DURATION_S = 4.0
LEVEL_DB = -22.5  # makes this spectrum as loud as the samples of a run: -23 LUFS
_CORNER_HZ = 500.0  # long-term average speech: flat below, falling 9 dB per octave above
_FALL_DB_PER_OCTAVE = 9.0
_LOWEST_HZ = 100.0


def level_signal(*, seed: int = 0) -> NDArray[np.float32]:
    """Return speech-shaped noise: float32, shape (96000,), RMS -22.5 dB, at 24 kHz.

    The spectrum follows the long-term average of speech in its main features (Byrne et al.,
    JASA 96, 1994): nothing below 100 Hz, flat to 500 Hz, then -9 dB per octave. It is made as one
    period of a periodic signal, so that it loops without a click.
    """
    n = round(SAMPLE_RATE * DURATION_S)
    frequencies_hz = np.fft.rfftfreq(n, 1 / SAMPLE_RATE)
    octaves = np.log2(np.maximum(frequencies_hz, _CORNER_HZ) / _CORNER_HZ)
    magnitude = 10 ** (-_FALL_DB_PER_OCTAVE * octaves / 20)
    magnitude[frequencies_hz < _LOWEST_HZ] = 0
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(frequencies_hz))
    noise = np.fft.irfft(magnitude * np.exp(1j * phase), n)
    noise *= 10 ** (LEVEL_DB / 20) / np.sqrt(np.mean(noise**2))
    return noise.astype(np.float32)


def level_signal_wav() -> bytes:
    """Return `level_signal` as a 16-bit WAV file."""
    samples = np.round(level_signal() * 32767).astype("<i2")
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(samples.tobytes())
    return stream.getvalue()
