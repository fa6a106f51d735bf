"""The loops of the numba engine in plain Python, so that they are tested where numba is missing."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vocoders import wavenet_kernels  # noqa: E402
from vocoders.wavenet_numba import family_of  # noqa: E402
from vocoders.wavenet_output import Gaussian, LogisticMixture, MuLaw, Output  # noqa: E402
from vocoders.wavenet_step import StepState, StepWeights  # noqa: E402


def test_the_gate() -> None:
    z = np.linspace(-30, 30, 402, dtype=np.float32)
    power = np.zeros_like(z)
    out = np.zeros(201, np.float32)
    wanted = np.tanh(z[:201].astype(float)) * (1 + np.tanh(z[201:].astype(float)))
    wavenet_kernels.gate(z, out, power, power.view(np.int32))
    np.testing.assert_allclose(out, wanted, atol=1e-6)


def test_a_step_is_the_formula() -> None:
    """Three layers of two channels over some steps, against the formula."""
    source = np.random.default_rng(0)

    def draw(*shape: int) -> np.ndarray:
        return source.normal(size=shape).astype(np.float32)

    dilations, n_steps = (1, 2, 1), 6
    taps = draw(3, 3, 4, 2)  # layer, tap, outputs, inputs
    outs, gates = 0.5 * draw(3, 5, 2), draw(3, n_steps, 4)
    first, first_bias, hidden, last = draw(1, 2), draw(2), draw(3, 3), draw(2, 3)
    biases = draw(3), draw(3), draw(2)
    codes = draw(n_steps)

    wanted, heard = [], [[np.zeros(2)] * 4 for _ in dilations]  # silence is zero here
    for step in range(n_steps):
        x, skips = first_bias + codes[step] * first[0].astype(float), biases[0].astype(float)
        for layer, dilation in enumerate(dilations):
            heard[layer].append(x)
            past = heard[layer][-1 - 2 * dilation], heard[layer][-1 - dilation], x
            z = gates[layer, step] + sum(w @ v for w, v in zip(taps[layer], past, strict=True))
            gated = np.tanh(z[:2]) * (1 + np.tanh(z[2:]))
            skips = skips + outs[layer, 2:] @ gated
            x = x + outs[layer, :2] @ gated
        activated = np.maximum(hidden @ np.maximum(skips, 0) + biases[1], 0)
        wanted.append(last @ activated + biases[2])

    # Layer 1 by blocks of one sample, layer 2 by blocks of one and of two.
    short = [(1, 0, 1, 4), (1, 1, 1, 2), (2, 0, 2, 2), (2, 1, 1, 1)]
    chosen = np.stack([taps[layer, tap] for layer, tap, _, _ in short])
    first_taps = np.stack([first @ tap.T for tap in taps[0]])
    weights = StepWeights(
        first, first_bias, first_taps, np.stack([tap @ first_bias for tap in taps[0]]),
        taps[1:, 2], np.ones((2, 4)), outs, np.ones((3, 5)),
        chosen, np.ones((4, 4)), np.array([(layer, *more) for layer, _, *more in short]),
        np.array([[0, 1], [1, 5], [6, 4]]), biases[0], hidden, biases[1], last, biases[2],
    )  # fmt: skip
    power = np.zeros(4, np.float32)
    state = StepState(
        np.zeros((2, 2, 4), np.float32), np.zeros((10, 2), np.float32), gates.copy(),
        np.zeros(2, np.float32), power, power.view(np.int32), np.zeros(5, np.float32),
        *(np.zeros(n, np.float32) for n in (3, 3, 2)),
    )  # fmt: skip
    for step in range(n_steps):
        wavenet_kernels.run_step(weights, state, step, step, codes[step])
        np.testing.assert_allclose(state.predicted, wanted[step], atol=1e-5)


@pytest.mark.parametrize(
    "output", [LogisticMixture(3, -7.0), LogisticMixture(2, None), Gaussian(), MuLaw()]
)
def test_draws_are_those_of_the_output(output: Output) -> None:
    source = torch.Generator().manual_seed(5)
    n_out = {LogisticMixture: 3 * (output.n_draws - 1), Gaussian: 2, MuLaw: 256}[type(output)]
    predicted = 2 * torch.randn(200, n_out, generator=source)
    prepared = output.prepare(output.draw(200, source))
    wanted = output.sample(predicted.clone(), prepared)
    family = family_of(output)
    found = [
        wavenet_kernels.draw_sample(*family, one.numpy(), draws.numpy())
        for one, draws in zip(predicted, prepared, strict=True)
    ]
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)
