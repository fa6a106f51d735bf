"""Losses against numpy, and against librosa's STFT."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import librosa  # noqa: E402
from numpy.typing import NDArray  # noqa: E402

from evalsuite.mel import mel_spec  # noqa: E402
from vocoders.discriminator import Judgement  # noqa: E402
from vocoders.training.audio_losses import AudioLosses  # noqa: E402
from vocoders.training.losses import (  # noqa: E402
    MultiResolutionStft,
    discriminator_loss,
    feature_matching_factor,
    feature_matching_loss,
    generator_loss,
)
from vocoders.training.mel import MelTransform  # noqa: E402
from vocoders.training.melgan_config import LossConfig  # noqa: E402

Array = NDArray[np.float64]


def judgements(seed: int, *, n_scales: int = 3, n_maps: int = 6) -> list[Judgement]:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator)

    return [
        Judgement([drawn(2, 4 * (m + 1), 64 >> m) for m in range(n_maps)], drawn(2, 1, 16 >> scale))
        for scale in range(n_scales)
    ]


def test_hinge_of_the_discriminator() -> None:
    fake, real = judgements(0), judgements(1)
    wanted = sum(
        np.maximum(0, 1 + f.logits.numpy()).mean() + np.maximum(0, 1 - r.logits.numpy()).mean()
        for f, r in zip(fake, real, strict=True)
    )
    assert float(discriminator_loss(fake, real)) == pytest.approx(wanted, rel=1e-6)


def test_the_dc_offset_is_the_distance_of_the_means() -> None:
    random = np.random.default_rng(0)
    fake, real = random.normal(0, 0.1, (2, 3, 1, 2048)) + random.normal(0, 0.2, (2, 3, 1, 1))
    losses = AudioLosses(LossConfig(dc_offset=50), MelTransform(mel_spec("melgan")))
    found = losses(torch.tensor(fake), torch.tensor(real))
    assert list(found) == ["generator/dc_offset"]
    wanted = 50 * np.abs(fake.mean(axis=-1) - real.mean(axis=-1)).mean()
    assert float(found["generator/dc_offset"]) == pytest.approx(wanted, rel=1e-5)


def test_the_hinge_is_content_beyond_the_margin() -> None:
    sure = [Judgement([], torch.full((1, 1, 4), 1.5))]
    unsure = [Judgement([], torch.zeros(1, 1, 4))]
    wrong = [Judgement([], torch.full((1, 1, 4), -1.5))]
    assert float(discriminator_loss(wrong, sure)) == 0
    assert float(discriminator_loss(unsure, unsure)) == 2
    assert float(discriminator_loss(sure, wrong)) == 5


def test_the_generator_wants_high_logits_without_limit() -> None:
    fake = judgements(2)
    wanted = -sum(judgement.logits.numpy().mean() for judgement in fake)
    assert float(generator_loss(fake)) == pytest.approx(wanted, rel=1e-6)


def test_feature_matching_is_the_sum_of_mean_absolute_differences() -> None:
    fake, real = judgements(3), judgements(4)
    wanted = sum(
        np.abs(a.numpy() - b.numpy()).mean()
        for f, r in zip(fake, real, strict=True)
        for a, b in zip(f.features, r.features, strict=True)
    )
    assert float(feature_matching_loss(fake, real)) == pytest.approx(wanted, rel=1e-5)
    assert float(feature_matching_loss(fake, fake)) == 0


def test_feature_matching_pulls_the_fake_side_only() -> None:
    fake, real = judgements(5), judgements(6)
    for judgement in (*fake, *real):
        for x in judgement.features:
            x.requires_grad_()
    feature_matching_loss(fake, real).backward()
    for f, r in zip(fake, real, strict=True):
        for a, b in zip(f.features, r.features, strict=True):
            assert b.grad is None
            torch.testing.assert_close(a.grad, (a - b).detach().sign() / a.numel())


def test_losses_are_float32_of_bfloat16_maps() -> None:
    fake, real = (
        [Judgement([x.bfloat16() for x in j.features], j.logits.bfloat16()) for j in judgements(s)]
        for s in (7, 8)
    )
    for loss in (discriminator_loss(fake, real), feature_matching_loss(fake, real)):
        assert loss.dtype == torch.float32


@pytest.mark.parametrize(
    ("scale", "n_scales", "factor"),
    # The release multiplies by 4 / 5 and by 1 / 3; with one scale by 4 / 5 alone.
    [("paper", 3, 10.0), ("release", 3, 8 / 3), ("release", 1, 8.0), ("paper", 1, 10.0)],
)
def test_the_two_factors_of_feature_matching(scale: str, n_scales: int, factor: float) -> None:
    given = feature_matching_factor(10, scale, n_layers=4, n_scales=n_scales)
    assert given == pytest.approx(factor, rel=1e-12)


def magnitudes(x: Array, n_fft: int, hop: int, window: int) -> Array:
    spectrum = librosa.stft(
        x, n_fft=n_fft, hop_length=hop, win_length=window, window="hann", pad_mode="reflect"
    )
    return np.maximum(np.abs(spectrum), 1e-5)


def stft_loss(fake: Array, real: Array) -> float:
    """Yamamoto et al. 2020, equations (4) to (7), for one pair of signals."""
    losses = []
    for n_fft, hop, window in ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240)):
        ours, theirs = (magnitudes(x, n_fft, hop, window) for x in (fake, real))
        convergence = np.linalg.norm(theirs - ours) / np.linalg.norm(theirs)
        losses.append(convergence + np.abs(np.log(ours) - np.log(theirs)).mean())
    return float(np.mean(losses))


def pair(seed: int) -> tuple[Array, Array]:
    random = np.random.default_rng(seed)
    time_s = np.arange(4000) / 22050
    tone = 0.3 * np.sin(2 * np.pi * random.uniform(200, 900) * time_s)
    return tone + random.normal(0, 0.05, 4000), 0.7 * tone + random.normal(0, 0.02, 4000)


def as_batch(*signals: Array) -> torch.Tensor:
    return torch.tensor(np.stack(signals)[:, None], dtype=torch.float32)


def test_stft_loss_equals_librosa() -> None:
    (fake_1, real_1), (fake_2, real_2) = pair(0), pair(1)
    ours = MultiResolutionStft()(as_batch(fake_1, fake_2), as_batch(real_1, real_2))
    wanted = (stft_loss(fake_1, real_1) + stft_loss(fake_2, real_2)) / 2
    assert float(ours) == pytest.approx(wanted, rel=1e-4)


def test_stft_loss_of_equal_signals_is_0_and_of_half_the_level_is_known() -> None:
    _, real = pair(2)
    loss = MultiResolutionStft()
    assert float(loss(as_batch(real), as_batch(real))) == 0
    # |1 - 1/2| of the norm, and the logarithm of 2.
    halved = float(loss(as_batch(real / 2), as_batch(real)))
    assert halved == pytest.approx(0.5 + np.log(2), rel=1e-3)


def test_stft_loss_of_silence_has_finite_gradients() -> None:
    fake = torch.zeros(1, 1, 2048, requires_grad=True)
    MultiResolutionStft()(fake, as_batch(pair(3)[1])[..., :2048]).backward()
    assert bool(fake.grad.isfinite().all())


def test_stft_loss_is_float32_inside_autocast() -> None:
    fake, real = (as_batch(x) for x in pair(4))
    loss = MultiResolutionStft()
    with torch.autocast("cpu", torch.bfloat16):
        inside = loss(fake, real)
    assert inside.dtype == torch.float32
    assert float(inside) == float(loss(fake, real))
