"""The quantiser against numpy: nearest codes, losses, moving averages, restarts."""

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from numpy.typing import NDArray  # noqa: E402
from torch import Tensor  # noqa: E402

from evalsuite.errors import ConfigError  # noqa: E402
from vocoders.vector_quantizer import (  # noqa: E402
    QuantizerConfig,
    VectorQuantizer,
    perplexity,
)

Array = NDArray[np.float64]
N_CHANNELS = 3


def quantizer(**settings: Any) -> VectorQuantizer:
    torch.manual_seed(0)
    network = VectorQuantizer(N_CHANNELS, QuantizerConfig(**{"n_codes": 6} | settings))
    with torch.no_grad():
        network.codebook.copy_(torch.randn(network.codebook.shape))
        network.cluster_sum.copy_(network.codebook)
    return network


def vectors(seed: int, *, batch: int = 2, time: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, N_CHANNELS, time, generator=generator)


def rows(x: Tensor) -> Array:
    return x.detach().double().transpose(1, 2).reshape(-1, x.shape[1]).numpy()


def nearest(x: Tensor, codebook: Tensor | Array) -> NDArray[np.int64]:
    distances = np.linalg.norm(rows(x)[:, None] - np.asarray(codebook)[None], axis=2)
    return distances.argmin(axis=1)


def test_every_vector_becomes_the_nearest_code() -> None:
    network, x = quantizer().eval(), vectors(1)
    made = network(x)
    wanted = nearest(x, network.codebook)
    np.testing.assert_array_equal(made.codes.flatten().numpy(), wanted)
    assert len(set(wanted)) > 2
    np.testing.assert_allclose(rows(made.values), network.codebook.numpy()[wanted], atol=1e-6)
    torch.testing.assert_close(network.look_up(made.codes), made.values)


def test_codes_that_half_precision_confuses_are_told_apart() -> None:
    network = quantizer(n_codes=2).eval()
    near = 10 + torch.tensor([[0.0, 0.0, 0.0], [0.004, 0.0, 0.0]])
    network.codebook.copy_(near)
    x = near.T[None].clone()
    assert (x.bfloat16()[:, :, 0] == x.bfloat16()[:, :, 1]).all()
    with torch.autocast("cpu", torch.bfloat16):
        made = network(x)
    assert made.codes.tolist() == [[0, 1]]
    assert made.values.dtype == torch.float32


def test_gradients_pass_straight_through() -> None:
    network, x = quantizer(), vectors(2).requires_grad_()
    weights = vectors(3)
    (network(x).values * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)


def test_the_commitment_pulls_vectors_to_their_codes() -> None:
    network, x = quantizer(commitment=0.7), vectors(4).requires_grad_()
    before = network.codebook.numpy().copy()
    made = network(x)
    away = rows(x) - before[nearest(x, before)]
    assert float(made.loss.detach()) == pytest.approx(0.7 * (away**2).mean(), rel=1e-5)
    made.loss.backward()
    np.testing.assert_allclose(rows(x.grad), 0.7 * 2 * away / away.size, atol=1e-7)


def test_the_codebook_of_update_loss_follows_the_second_term() -> None:
    """Van den Oord et al. 2017, equation (3): |sg[z] - e|^2 + beta |z - sg[e]|^2."""
    network, x = quantizer(update="loss", commitment=0.25), vectors(5)
    before = network.codebook.detach().numpy().copy()
    made = network(x)
    codes = nearest(x, before)
    away = rows(x) - before[codes]
    assert float(made.loss.detach()) == pytest.approx(1.25 * (away**2).mean(), rel=1e-5)
    made.loss.backward()
    wanted = np.zeros_like(before)
    np.add.at(wanted, codes, -2 * away / away.size)
    np.testing.assert_allclose(network.codebook.grad.numpy(), wanted, atol=1e-7)
    np.testing.assert_array_equal(network.codebook.detach().numpy(), before)


def test_moving_averages_equal_numpy() -> None:
    """Van den Oord et al. 2017, appendix A.1, equations (6) to (8)."""
    network = quantizer(decay=0.9)
    codebook = network.codebook.double().numpy().copy()
    size, total = np.ones(6), codebook.copy()
    for seed in range(5):
        x = vectors(10 + seed)
        network(x)
        codes = nearest(x, codebook)
        sums = np.zeros_like(total)
        np.add.at(sums, codes, rows(x))
        size = 0.9 * size + 0.1 * np.bincount(codes, minlength=6)
        total = 0.9 * total + 0.1 * sums
        codebook = total / size[:, None]
        np.testing.assert_allclose(network.cluster_size.numpy(), size, rtol=1e-5)
        np.testing.assert_allclose(network.codebook.numpy(), codebook, atol=1e-5)


def test_a_code_without_vectors_stays_where_it_is() -> None:
    network = quantizer(decay=0.5)
    far = network.codebook[0].fill_(50.0).clone()
    network.cluster_sum[0] = far
    for seed in range(200):  # its share of the averages underflows long before
        network(vectors(seed))
    torch.testing.assert_close(network.codebook[0], far)


def test_evaluation_moves_nothing() -> None:
    network = quantizer(restart_below=1.0).eval()
    before = {name: t.clone() for name, t in network.state_dict().items()}
    network(vectors(6))
    assert all(torch.equal(t, before[name]) for name, t in network.state_dict().items())


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_batch_that_overflowed_does_not_reach_the_codebook(bad: float) -> None:
    network = quantizer(restart_below=2.0)
    x = vectors(7)
    x[0, 1, 2] = bad
    network(x, torch.Generator().manual_seed(0))
    for tensor in network.state_dict().values():
        assert bool(tensor.isfinite().all())


def test_unused_codes_restart_at_vectors_of_the_batch() -> None:
    network, x = quantizer(restart_below=0.995, decay=0.9), vectors(8)
    codes = nearest(x, network.codebook)
    unused = sorted(set(range(6)) - set(codes.tolist()))
    assert unused
    network(x, torch.Generator().manual_seed(1))
    found = {tuple(row) for row in np.round(rows(x), 5)}
    restarted = [tuple(row) in found for row in np.round(network.codebook.double().numpy(), 5)]
    assert [number for number, is_one in enumerate(restarted) if is_one] == unused
    torch.testing.assert_close(
        network.cluster_sum, network.codebook * network.cluster_size[:, None]
    )


def test_restarts_draw_from_the_given_generator_alone() -> None:
    books = []
    for seed in (1, 1, 2):
        network = quantizer(restart_below=3.0)
        torch.manual_seed(100 + len(books))
        network(vectors(9), torch.Generator().manual_seed(seed))
        books.append(network.codebook.clone())
    assert torch.equal(books[0], books[1])
    assert not torch.equal(books[0], books[2])


def toy_corpus(seed: int, *, n_clusters: int = 24) -> Tensor:
    """Vectors in tight clusters, far from where a fresh codebook lies."""
    centres = np.random.default_rng(0).normal(3, 1, (n_clusters, N_CHANNELS))
    random = np.random.default_rng(seed)
    picked = centres[random.integers(n_clusters, size=256)]
    drawn = picked + random.normal(0, 0.01, picked.shape)
    return torch.tensor(drawn, dtype=torch.float32).T[None]


def used(restart_below: float | None) -> float:
    """Perplexity after some batches of a corpus of 24 kinds of vectors, with 32 codes."""
    torch.manual_seed(0)
    config = QuantizerConfig(n_codes=32, restart_below=restart_below)
    network = VectorQuantizer(N_CHANNELS, config)
    for step in range(100):
        network(toy_corpus(step), torch.Generator().manual_seed(step))
    return float(network.eval()(toy_corpus(1000)).perplexity)


def test_restarts_keep_the_codebook_in_use() -> None:
    """Codes that begin far from the data stay dead without them."""
    assert used(None) < 4
    assert used(1.0) > 16


def test_perplexity_is_the_effective_number_of_codes() -> None:
    assert float(perplexity(torch.tensor([5.0, 5, 5, 5]))) == pytest.approx(4)
    assert float(perplexity(torch.tensor([20.0, 0, 0]))) == pytest.approx(1)
    assert float(perplexity(torch.tensor([3.0, 1]))) == pytest.approx(4 / 3**0.75)


def test_the_fresh_codebook_is_uniform_and_small() -> None:
    network = VectorQuantizer(256)
    assert network.codebook.shape == (512, 256)
    assert float(network.codebook.abs().max()) <= 1 / 512
    assert float(network.codebook.std()) == pytest.approx(2 / 512 / 12**0.5, rel=0.01)


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"n_codes": 1}, "n_codes 1"),
        ({"commitment": -0.1}, "commitment -0.1"),
        ({"decay": 1.0}, "decay 1.0"),
        ({"restart_below": 0.0}, "restart_below 0.0"),
    ],
)
def test_impossible_settings_are_named(setting: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        QuantizerConfig(**setting)
