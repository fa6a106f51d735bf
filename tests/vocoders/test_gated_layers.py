"""Folded layers give what the layers give, sample by sample."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from vocoders.gated_layers import LayerWeights, fold_layers, gate  # noqa: E402


@pytest.mark.parametrize("scale", [1.0, 0.5**0.5])
def test_folding_keeps_the_values_from_the_first_sample_on(scale: float) -> None:
    """Two causal layers over a signal that begins in nothing: zeros before the start count."""
    source = np.random.default_rng(0)
    n_channels, n_gates, n_skips, n_mels, n_samples = 3, 4, 2, 5, 9

    def layer(*, last: bool) -> LayerWeights:
        shapes = {
            "taps": (2 * n_gates, n_channels, 2),
            "condition": (2 * n_gates, n_mels),
            "bias": (2 * n_gates,),
            "residual": (n_channels, n_gates),
            "residual_bias": (n_channels,),
            "skip": (n_skips, n_gates),
            "skip_bias": (n_skips,),
        }
        drawn = {name: torch.tensor(source.normal(size=shape)) for name, shape in shapes.items()}
        if last:
            drawn |= {"residual": None, "residual_bias": None}
        return LayerWeights(**drawn)

    layers = [layer(last=False), layer(last=False), layer(last=True)]
    x = source.normal(size=(n_samples, n_channels))
    condition = source.normal(size=(n_samples, n_mels))

    folded, skips = fold_layers(layers, residual_scale=scale)
    skips = skips.expand(n_samples, -1)
    y = torch.tensor(x)
    for one in folded:
        past = torch.cat([one.rest[None], y[:-1]])
        sums = one.bias + torch.tensor(condition) @ one.condition
        sums = sums + past @ one.taps[0] + y @ one.taps[1]
        out = gate(sums) @ one.output
        if out.shape[1] > n_skips:
            y = y + out[:, :n_channels]
        skips = skips + out[:, -n_skips:]

    np.testing.assert_allclose(skips, plain_skips(layers, x, condition, scale), atol=1e-12)


def plain_skips(
    layers: list[LayerWeights], x: np.ndarray, condition: np.ndarray, scale: float
) -> np.ndarray:
    total = np.zeros((len(x), len(layers[0].skip)))
    for layer in layers:
        past = np.vstack([np.zeros_like(x[:1]), x[:-1]])
        taps = layer.taps.numpy()
        sums = past @ taps[:, :, 0].T + x @ taps[:, :, 1].T + condition @ layer.condition.numpy().T
        filtered, opened = np.split(sums + layer.bias.numpy(), 2, axis=1)
        a = np.tanh(filtered) / (1 + np.exp(-opened))
        total = total + a @ layer.skip.numpy().T + layer.skip_bias.numpy()
        if layer.residual is not None and layer.residual_bias is not None:
            x = scale * (x + a @ layer.residual.numpy().T + layer.residual_bias.numpy())
    return total
