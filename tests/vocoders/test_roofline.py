"""Multiply-adds counted on graphs, against counts made by hand and from the published code."""

import importlib
import json

import pytest
import torch
from torch import nn

from evalsuite.registry import Setup
from vocoders.graph_counts import count_graph
from vocoders.melgan import MelGAN
from vocoders.roofline import gemm_rates, main, multiply_adds, on_meta, used_weights

CONFIGS = {
    "Generator": ("melgan_generator", "GeneratorConfig"),
    "WaveNet": ("wavenet_config", "WaveNetConfig"),
    "WaveGlowNetwork": ("waveglow_network", "WaveGlowConfig"),
    "Teacher": ("clarinet_network", "ClariNetConfig"),
    "ClariNetNetwork": ("clarinet_network", "ClariNetConfig"),
}


def network(module: str, name: str) -> nn.Module:
    """Shapes of a published network in its default size, made fast: without weight norm."""
    config_module, config_name = CONFIGS[name]
    config = getattr(importlib.import_module(f"vocoders.{config_module}"), config_name)
    with torch.device("meta"):
        loaded = getattr(importlib.import_module(f"vocoders.{module}"), name)
        return loaded(config(weight_norm=False)).eval()


@pytest.mark.parametrize(
    ("module", "name", "expected"),
    [
        # Four stages by hand: 47 % dilated, 31 % 1x1, 21 % transposed convolutions.
        ("melgan_generator", "Generator", 176_448),
        # 24 (3 512 512 + 256 768 + 80 512) + 512 + 256 256 + 256 30, without the up-sampler.
        ("wavenet_network", "WaveNet", 24_649_728),
        # 10,154,368 of all convolutions, and the twelve 1x1: (4 8^2 + 4 6^2 + 4 4^2) / 8.
        ("waveglow_network", "WaveGlowNetwork", 10_154_368 + 58),
        # One multiply-add per weight, and the up-sampler: 80 3 (2 + 2 / 16).
        ("clarinet_network", "Teacher", 4_772_096 + 510),
        ("clarinet_network", "ClariNetNetwork", 5_198_592 + 510),
    ],
)
def test_counts_of_the_published_networks(module: str, name: str, expected: int) -> None:
    assert count_graph(network(module, name), 80, 256).multiply_adds_per_sample == expected


def test_the_published_student_also_computes_its_padding() -> None:
    """Its count over 2048 samples is 5,493,402 a sample: it pads both ends and cuts one.

    Six flows: a front of 32 taps, ten layers of two 3-tap convolutions, dilations 1 to 512.
    """
    wasted = 6 * (31 * 32 * 64 + sum(2 * 2**n for n in range(10)) * 2 * 3 * 64 * 128)
    assert 5_198_592 + wasted / 2048 == pytest.approx(5_493_402, abs=1)


def test_only_weights_that_run_are_counted() -> None:
    """ClariNet holds its teacher, but synthesis needs the teacher's up-sampler alone."""
    clarinet = network("clarinet_network", "ClariNetNetwork")
    count = count_graph(clarinet, 80, 256)
    assert count.n_weights == 5_198_592 + 2 * 3 * 32
    assert not count.autoregressive
    assert count_graph(network("wavenet_network", "WaveNet"), 80, 256).autoregressive


def test_a_layer_counts_its_taps_at_every_position() -> None:
    with torch.device("meta"):
        conv, x = nn.Conv1d(3, 5, 7, stride=2, groups=1), torch.empty(2, 3, 107)
        up, y = nn.ConvTranspose1d(3, 5, 8, stride=4), torch.empty(1, 3, 10)
    assert multiply_adds(lambda: conv(x)) == 2 * 51 * 3 * 5 * 7
    assert multiply_adds(lambda: up(y)) == 10 * 3 * 5 * 8
    assert used_weights(conv, lambda: conv(x)) == 3 * 5 * 7


def test_counting_leaves_the_vocoder_as_it_was() -> None:
    """Also with weight norm on, whose layers share their class with their copies."""
    vocoder = MelGAN.create(Setup(untrained=True), engine="official")
    mel = torch.zeros(80, 4)
    before = vocoder.synthesise(mel, 0)
    found = [vocoder.workload() for _ in range(2)]
    assert {one.multiply_adds_per_sample for one in found} == {176_448}
    assert {one.weight_bytes for one in found} == {4 * 4_254_944}
    assert torch.equal(vocoder.synthesise(mel, 0), before)
    # Weight norm is on, but the column without it says what it would be.
    info = vocoder.info
    assert (info.n_parameters, info.n_parameters_with_weight_norm) == (4_260_257, 4_266_050)


def test_a_copy_without_numbers_needs_no_memory() -> None:
    original = nn.Linear(4, 4)
    copy = on_meta(original)
    assert next(copy.parameters()).device.type == "meta"
    assert next(original.parameters()).device.type == "cpu"


def test_products_of_both_number_types_are_timed() -> None:
    rates = gemm_rates(size=128)
    assert {"float32", "bfloat16"} <= set(rates)
    assert all(rate > 0 for rate in rates.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu_is_said_in_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["roofline", "cuda"])
    assert main() == 1
    answer = json.loads(capsys.readouterr().out)
    assert answer["kind"] == "Unavailable"
    assert "device 'cuda' is not here" in answer["got"]
