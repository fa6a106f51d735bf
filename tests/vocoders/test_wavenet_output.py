"""Distributions of the next sample: moments in closed form, the published order of draws."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from reference_wavenet import draw_logistic  # noqa: E402

from vocoders.wavenet_config import PRESETS  # noqa: E402
from vocoders.wavenet_output import (  # noqa: E402
    Gaussian,
    LogisticMixture,
    MuLaw,
    decode_mulaw,
    encode_mulaw,
    output_of,
)

N_DRAWS = 200_000


def samples(output: LogisticMixture | Gaussian | MuLaw, predicted: list[float]) -> np.ndarray:
    """Many draws from one prediction."""
    draws = output.draw(N_DRAWS, torch.Generator().manual_seed(0))
    rows = torch.tensor(predicted).repeat(N_DRAWS, 1)
    return output.to_wave(output.sample(rows, output.prepare(draws))).double().numpy()


def test_mean_and_spread_of_one_logistic() -> None:
    mean, scale = 0.1, 0.02
    drawn = samples(LogisticMixture(1, None), [0.0, mean, math.log(scale)])
    deviation = scale * math.pi / math.sqrt(3)
    assert drawn.mean() == pytest.approx(mean, abs=4 * deviation / math.sqrt(N_DRAWS))
    # The fourth moment of a logistic is 4.2 times the squared variance.
    assert drawn.var() == pytest.approx(deviation**2, rel=4 * math.sqrt(3.2 / N_DRAWS))
    assert np.mean(drawn < mean + scale * math.log(3)) == pytest.approx(0.75, abs=0.004)


def test_mean_and_spread_of_a_mixture() -> None:
    logits, means, scales = [0.0, 1.0, -1.0], [-0.3, 0.1, 0.4], [0.01, 0.02, 0.005]
    shares = np.exp(logits) / np.exp(logits).sum()
    drawn = samples(LogisticMixture(3, None), [*logits, *means, *np.log(scales)])
    mean = shares @ means
    variance = shares @ (np.square(scales) * math.pi**2 / 3 + np.square(means)) - mean**2
    assert drawn.mean() == pytest.approx(mean, abs=4 * math.sqrt(variance / N_DRAWS))
    assert drawn.var() == pytest.approx(variance, rel=0.02)
    # The components lie far apart.
    found = [np.mean(drawn < -0.1), np.mean((drawn > -0.1) & (drawn < 0.27)), np.mean(drawn > 0.27)]
    assert found == pytest.approx(shares, abs=0.005)


def test_given_draws_choose_the_component_then_the_sample() -> None:
    """Against the published formula, number by number."""
    source = torch.Generator().manual_seed(3)
    output = LogisticMixture(10, math.log(1e-14))
    predicted = torch.randn(500, 30, generator=source)
    predicted[:, 20:] -= 3
    draws = output.draw(500, source)
    ours = output.sample(predicted.clone(), output.prepare(draws))
    theirs = [
        draw_logistic(row.double().numpy(), numbers.double().numpy())
        for row, numbers in zip(predicted, draws, strict=True)
    ]
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_draws_come_in_the_order_of_the_published_loop() -> None:
    """Ten for the component, then one for the sample, at every step from one generator."""
    ours = LogisticMixture(10, None).draw(50, torch.Generator().manual_seed(1))
    source = torch.Generator().manual_seed(1)
    for row in ours:
        assert torch.equal(
            row[:10], torch.empty(1, 1, 10).uniform_(1e-5, 1 - 1e-5, generator=source)[0, 0]
        )
        assert torch.equal(
            row[10:], torch.empty(1, 1).uniform_(1e-5, 1 - 1e-5, generator=source)[0]
        )


def test_a_whole_utterance_draws_what_its_parts_draw() -> None:
    for name in ("ljspeech_mixture", "gaussian", "mulaw256"):
        output = output_of(PRESETS[name])
        whole = output.draw(512, torch.Generator().manual_seed(1))
        source = torch.Generator().manual_seed(1)
        parts = [output.draw(256, source), output.draw(256, source)]
        assert torch.equal(torch.cat(parts), whole)


def test_samples_stay_within_full_scale() -> None:
    extremes = torch.tensor([[0.0, 5.0, -3.0], [0.0, -5.0, -3.0]])
    made = LogisticMixture(1, None).sample(extremes, torch.zeros(2, 2))
    assert made.tolist() == [1.0, -1.0]
    loud = Gaussian().sample(torch.tensor([[0.0, 3.0], [0.0, 3.0]]), torch.tensor([[1.0], [-1.0]]))
    assert loud.tolist() == [1.0, -1.0]


def test_only_the_old_revision_bounds_the_scales_from_below() -> None:
    narrow = torch.tensor([[0.0, 0.0, -20.0]])
    far = torch.tensor([[0.0, 10.0]])
    assert LogisticMixture(1, None).sample(narrow.clone(), far).item() == pytest.approx(
        10 * math.exp(-20)
    )
    assert LogisticMixture(1, -8.0).sample(narrow.clone(), far).item() == pytest.approx(
        10 * math.exp(-8)
    )
    old, master = output_of(PRESETS["ljspeech_mixture"]), output_of(PRESETS["mol"])
    assert isinstance(old, LogisticMixture) and isinstance(master, LogisticMixture)
    assert old.least_log_scale == pytest.approx(math.log(1e-14))
    assert master.least_log_scale is None


def test_mean_and_spread_of_the_gaussian() -> None:
    drawn = samples(Gaussian(), [-0.2, math.log(0.03)])
    assert drawn.mean() == pytest.approx(-0.2, abs=4 * 0.03 / math.sqrt(N_DRAWS))
    assert drawn.std() == pytest.approx(0.03, rel=4 / math.sqrt(2 * N_DRAWS))


def test_classes_are_as_frequent_as_predicted() -> None:
    logits = torch.randn(256, generator=torch.Generator().manual_seed(0)) * 2
    output = MuLaw()
    draws = output.draw(N_DRAWS, torch.Generator().manual_seed(1))
    classes = output.sample(logits.repeat(N_DRAWS, 1), draws)
    expected = torch.softmax(logits.double(), 0) * N_DRAWS
    found = torch.bincount(classes, minlength=256)
    chi_square = ((found - expected) ** 2 / expected).sum().item()
    assert chi_square < 255 + 5 * math.sqrt(2 * 255)


def test_draws_at_the_ends_stay_among_the_classes() -> None:
    logits = torch.zeros(2, 256)
    logits[:, :3] = -1e4  # impossible
    classes = MuLaw().sample(logits, torch.tensor([[0.0], [1.0]]))
    assert classes.tolist() == [3, 255]


def test_mulaw_round_trip() -> None:
    classes = torch.arange(256)
    assert torch.equal(encode_mulaw(decode_mulaw(classes)), classes)
    wave = torch.linspace(-1, 1, 20001)
    error = (decode_mulaw(encode_mulaw(wave)) - wave).abs()
    # One class is one 255th of the compressed range of 2; its width is the derivative's.
    width = (2 / 255) * math.log(256) / 255 * (1 + 255 * wave.abs())
    assert bool((error <= 1.05 * width + 1e-6).all())
    assert decode_mulaw(torch.tensor([0, 255])).tolist() == pytest.approx([-1.0, 1.0])


def test_mulaw_hears_one_hot_vectors_that_start_near_zero() -> None:
    output = MuLaw()
    assert encode_mulaw(torch.zeros(1)).item() == output.first_code == 127
    inputs = output.to_inputs(torch.tensor([[127, 3]]))
    assert inputs.shape == (1, 256, 2)
    assert inputs[0].argmax(0).tolist() == [127, 3]
    assert inputs.sum().item() == 2
