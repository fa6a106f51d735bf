"""M-STFT against torch's STFT, and what it must be whatever the implementation."""

import math

import numpy as np
import pytest

from evalsuite.errors import AudioError
from evalsuite.metrics.multi_resolution_stft import MultiResolutionStftDistance
from evalsuite.metrics.registry import make_metric
from evalsuite.types import Waveform

METRIC = MultiResolutionStftDistance()


def noise(n: int = 8000, seed: int = 0) -> Waveform:
    samples = np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)
    return Waveform(samples, 22050, f"noise{seed}")


def scaled(wave: Waveform, gain: float) -> Waveform:
    return Waveform((gain * wave.samples).astype(np.float32), wave.sample_rate, wave.id)


def by_torch(reference: Waveform, degraded: Waveform) -> float:
    torch = pytest.importorskip("torch")
    found = []
    for n_fft, hop, window in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        theirs, ours = (
            torch.stft(
                torch.from_numpy(wave.samples).double(), n_fft, hop, window,
                torch.hann_window(window, dtype=torch.float64), return_complex=True,
            ).abs().clamp(min=1e-5)
            for wave in (reference, degraded)
        )  # fmt: skip
        convergence = (theirs - ours).norm() / theirs.norm()
        found.append(float(convergence + (ours.log() - theirs.log()).abs().mean()))
    return sum(found) / 3


def test_equals_an_independent_computation() -> None:
    reference, degraded = noise(seed=1), noise(seed=2)
    value = METRIC.compare(reference=reference, degraded=degraded).value
    assert value == pytest.approx(by_torch(reference, degraded), rel=1e-6)


def test_equal_recordings_have_no_distance() -> None:
    assert METRIC.compare(reference=noise(), degraded=noise()).value == 0


@pytest.mark.parametrize("gain", [0.5, 2.0])
def test_a_gain_costs_its_share_and_its_logarithm(gain: float) -> None:
    value = METRIC.compare(reference=noise(), degraded=scaled(noise(), gain)).value
    assert value == pytest.approx(abs(1 - gain) + abs(math.log(gain)), rel=1e-4)


def test_the_common_length_counts() -> None:
    long = noise(9000)
    cut = Waveform(long.samples[:8000], 22050)
    assert METRIC.compare(reference=long, degraded=cut).value == 0


def test_undefined_values_have_a_reason() -> None:
    silent = scaled(noise(), 0.0)
    found = METRIC.compare(reference=silent, degraded=noise())
    assert math.isnan(found.value)
    assert "silent" in found.reason
    short = METRIC.compare(reference=noise(1024), degraded=noise(1024))
    assert "1025" in short.reason
    assert METRIC.compare(reference=noise(1025), degraded=noise(1025)).value == 0
    assert METRIC.compare(reference=noise(), degraded=silent).value > 1


def test_rates_must_be_equal() -> None:
    other = Waveform(noise().samples, 24000)
    with pytest.raises(AudioError, match="24000"):
        METRIC.compare(reference=noise(), degraded=other)


def test_it_is_registered() -> None:
    assert make_metric("m_stft") == METRIC
