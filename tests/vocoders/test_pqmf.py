"""The filter bank: near-perfect reconstruction, filters, and SciPy's polyphase resampling."""

import numpy as np
import pytest
from scipy import signal

torch = pytest.importorskip("torch")

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.pqmf import PQMF, prototype_filter  # noqa: E402


def noise(n_samples: int, seed: int = 0) -> torch.Tensor:
    drawn = np.random.default_rng(seed).normal(size=n_samples).astype(np.float32)
    return torch.from_numpy(drawn)[None, None]


def snr_db(wanted: torch.Tensor, given: torch.Tensor) -> float:
    return float(10 * torch.log10((wanted**2).sum() / ((wanted - given) ** 2).sum()))


def test_reconstruction_is_nearly_perfect_and_without_delay() -> None:
    bank, audio = PQMF(), noise(4000)
    back = bank.synthesise(bank.analyse(audio))
    assert back.shape == audio.shape
    inner = slice(62, -62)  # at the ends, filters reach over zeros
    assert snr_db(audio[..., inner], back[..., inner]) > 60


def test_another_cutoff_is_audibly_worse() -> None:
    """The bound above is one that a wrong design misses."""
    audio = noise(4000)
    for bank in (PQMF(cutoff=0.15), PQMF(beta=7.0)):
        back = bank.synthesise(bank.analyse(audio))
        assert snr_db(audio[..., 62:-62], back[..., 62:-62]) < 55


def test_the_prototype_is_scipy_s_windowed_sinc() -> None:
    ours = prototype_filter(62, 0.142, 9.0)
    theirs = signal.firwin(63, 0.142, window=("kaiser", 9.0), scale=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-15)
    assert ours[31] == pytest.approx(0.142)


def modulated(bank: PQMF, k: int, sign: float) -> np.ndarray:
    """Filter k as the formula of the published code has it, order 62."""
    n = np.arange(63) - 31
    angle = (2 * k + 1) * np.pi / (2 * bank.bands) * n
    return 2 * prototype_filter(62, 0.142, 9.0) * np.cos(angle + sign * (-1) ** k * np.pi / 4)


def test_analysis_is_scipy_s_filter_and_decimate() -> None:
    """`upfirdn` convolves, torch correlates: hence the mirrored filter."""
    bank, audio = PQMF(), noise(999)
    bands = bank.analyse(audio)[0].numpy()
    assert bands.shape == (4, 250)
    for k in range(4):
        whole = signal.upfirdn(modulated(bank, k, +1)[::-1], audio[0, 0].numpy())
        np.testing.assert_allclose(bands[k], whole[31 : 31 + 999 : 4], atol=1e-5)


def test_synthesis_is_scipy_s_insert_zeros_and_filter() -> None:
    bank = PQMF()
    bands = np.random.default_rng(1).normal(size=(4, 250)).astype(np.float32)
    ours = bank.synthesise(torch.from_numpy(bands)[None])[0, 0].numpy()
    padded = np.pad(bands, ((0, 0), (0, 20)))
    theirs = sum(
        4 * signal.upfirdn(modulated(bank, k, -1)[::-1], padded[k], up=4) for k in range(4)
    )
    assert ours.shape == (1000,)
    np.testing.assert_allclose(ours, theirs[31 : 31 + 1000], atol=1e-5)


@pytest.mark.parametrize("k", range(4))
def test_each_band_takes_its_quarter_of_the_spectrum(k: int) -> None:
    response = np.abs(np.fft.rfft(modulated(PQMF(), k, +1), 1024)) ** 2
    quarter = np.arange(513) * 4 // 513
    assert response[quarter == k].sum() / response.sum() > 0.9
    # The prototype's stop band: a Kaiser window of beta 9 attenuates by about 90 dB.
    away = np.abs(quarter - k) > 1
    assert 10 * np.log10(response[away].max() / response.max()) < -80


def test_filters_are_no_parameters_and_no_part_of_a_checkpoint() -> None:
    assert list(PQMF().parameters()) == []
    assert PQMF().state_dict() == {}


@pytest.mark.parametrize("wrong", [{"order": 61}, {"cutoff": 1.5}])
def test_impossible_designs_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="filter bank"):
        PQMF(**wrong)  # type: ignore[arg-type]
