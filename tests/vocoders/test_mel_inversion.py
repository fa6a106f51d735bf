"""Back from log-mels to magnitudes, against scipy's exact solver."""

import dataclasses

import numpy as np
import pytest
from scipy.optimize import nnls

from evalsuite.mel import PRESETS, MelSpec, extract_mel, mel_filter_bank
from evalsuite.types import FloatArray, Waveform
from vocoders.mel_inversion import (
    decompress,
    invert_by_fista,
    invert_by_fused_fista,
    invert_by_pseudo_inverse,
    magnitudes,
)

SPEC = MelSpec("full", f_max=11025.0, log_base="10")
BANK = mel_filter_bank(SPEC)


def mel_of(speech: Waveform) -> FloatArray:
    """Linear mel, shape (frames, 80)."""
    return decompress(extract_mel(speech, SPEC).values, SPEC).T.astype(np.float32)


def residual(solution: FloatArray, mel: FloatArray) -> float:
    """Relative error of the mel that the solution has."""
    return float(np.linalg.norm(solution @ BANK.T - mel) / np.linalg.norm(mel))


def test_fista_fits_the_mel_a_hundred_times_better_than_the_pseudo_inverse(
    speech: Waveform,
) -> None:
    mel = mel_of(speech)
    by_fista = residual(invert_by_fista(mel, BANK), mel)
    by_pseudo_inverse = residual(invert_by_pseudo_inverse(mel, BANK), mel)
    assert by_fista < 1e-3
    assert by_fista * 100 < by_pseudo_inverse


def test_fista_reaches_the_exact_non_negative_least_squares(speech: Waveform) -> None:
    """Noise in the mel bands leaves a residual that no solution can avoid: scipy's is least."""
    mel = mel_of(speech)[20:140:24]
    mel = mel * np.random.default_rng(0).uniform(0.3, 3, mel.shape).astype(np.float32)
    bank = BANK[:, ::6].copy()  # 86 bins for 80 bands: the lower bands have one bin or none
    lengths = np.linalg.norm(bank, axis=1)
    bank, mel = bank[lengths > 0], mel[:, lengths > 0]
    lengths = lengths[lengths > 0]
    ours = invert_by_fista(mel, bank, n_iterations=2000)
    for frame, solution in zip(mel, ours, strict=True):
        _, least = nnls(
            (bank / lengths[:, np.newaxis]).astype(float), (frame / lengths).astype(float)
        )
        reached = np.linalg.norm((bank @ solution - frame) / lengths)
        assert least > 0
        assert reached <= least * 1.001 + 1e-6


def test_solutions_are_not_negative(speech: Waveform) -> None:
    mel = mel_of(speech)
    assert invert_by_fista(mel, BANK).min() >= 0
    assert invert_by_pseudo_inverse(mel, BANK).min() > 0


def test_more_iterations_fit_better(speech: Waveform) -> None:
    mel = mel_of(speech)
    residuals = [residual(invert_by_fista(mel, BANK, n_iterations=n), mel) for n in (4, 16, 64)]
    assert residuals[0] > 3 * residuals[1] > 9 * residuals[2]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_convention_is_inverted_to_magnitudes_that_fit_it(
    speech: Waveform, preset: str
) -> None:
    spec = dataclasses.replace(PRESETS[preset], input_peak=None)
    values = extract_mel(speech, spec).values
    found = magnitudes(values, spec, n_iterations=100)
    assert found.shape == (values.shape[1], spec.n_fft // 2 + 1)
    energies = found.T.astype(float) ** spec.power
    again = mel_filter_bank(spec) @ energies
    wanted = decompress(values, spec)
    assert np.linalg.norm(again - wanted) < 0.01 * np.linalg.norm(wanted)


@pytest.mark.parametrize("n_frames", [1, 16, 37])
def test_the_fused_solver_is_the_same_up_to_rounding(speech: Waveform, n_frames: int) -> None:
    """Whole blocks of lanes and a rest; sums in another order."""
    pytest.importorskip("numba")
    mel = mel_of(speech)[40 : 40 + n_frames]
    plain = invert_by_fista(mel, BANK, n_iterations=32)
    fused = invert_by_fused_fista(mel, BANK, n_iterations=32)
    assert fused.dtype == np.float32
    np.testing.assert_allclose(fused, plain, atol=2e-4 * plain.max())
    assert residual(fused, mel) < 1e-3


def test_the_fused_solver_skips_filters_without_weights(speech: Waveform) -> None:
    pytest.importorskip("numba")
    bank = np.vstack([BANK[:20], BANK[40:]])
    mel = np.ascontiguousarray(np.delete(mel_of(speech)[:20], range(20, 40), axis=1))
    plain, fused = (
        invert(mel, bank, n_iterations=16) for invert in (invert_by_fista, invert_by_fused_fista)
    )
    np.testing.assert_allclose(fused, plain, atol=2e-4 * plain.max())
