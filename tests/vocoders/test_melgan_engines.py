"""Engines of MelGAN: equal to the eager network for all shapes and lengths; choice, fall-back."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from plain_network import conformance_bit  # noqa: E402

from evalsuite.conformance import check_vocoder  # noqa: E402
from evalsuite.errors import AudioError, ConfigError  # noqa: E402
from evalsuite.mel import mel_spec  # noqa: E402
from evalsuite.registry import Setup, create_vocoder, parse_system  # noqa: E402
from evalsuite.types import Waveform  # noqa: E402
from vocoders import melgan_engines, melgan_gemm, melgan_polyphase  # noqa: E402
from vocoders.layers import remove_weight_norm  # noqa: E402
from vocoders.melgan import MelGAN  # noqa: E402
from vocoders.melgan_engines import choose_engine, make_engine  # noqa: E402
from vocoders.melgan_gemm import GemmGenerator  # noqa: E402
from vocoders.melgan_generator import Generator, GeneratorConfig, randomise  # noqa: E402
from vocoders.melgan_polyphase import PolyphaseGenerator  # noqa: E402

Engine = Callable[[Generator], Callable[[torch.Tensor], torch.Tensor]]
ENGINES = {"gemm": GemmGenerator, "channels_last": PolyphaseGenerator}
SMALL = GeneratorConfig(n_mels=6, base_channels=4, ratios=(8, 4, 2))


def folded(config: GeneratorConfig, seed: int = 0) -> Generator:
    """Random weights, biases too: a bias in the wrong place must show."""
    generator = Generator(config).eval()
    randomise(generator, seed)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in generator.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(std=0.1, generator=source)
    remove_weight_norm(generator)
    return generator


def mel_of(config: GeneratorConfig, n_frames: int) -> torch.Tensor:
    source = torch.Generator().manual_seed(n_frames)
    return torch.randn(config.n_mels, n_frames, generator=source)


def require_equal(engine: Engine, generator: Generator, n_frames: int) -> None:
    mel = mel_of(generator.config, n_frames)
    before = mel.clone()
    with torch.inference_mode():
        wanted = generator(mel[None])[0]
        made = engine(generator)(mel)
    assert made.shape == wanted.shape == (1, generator.config.hop_length * n_frames)
    assert made.is_contiguous()
    assert wanted.std() > 0.01
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(mel, before, atol=0, rtol=0)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_the_paper_s_network(engine: Engine) -> None:
    require_equal(engine, folded(GeneratorConfig()), 9)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@pytest.mark.parametrize("n_frames", [4, 5, 31])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"ratios": (5, 3)},  # odd ratios pad otherwise
        {"ratios": (10, 10, 2, 2, 2), "base_channels": 2},
        {"n_residual_layers": 4},
        {"dilated": False},
        {"n_residual_layers": 0},
    ],
    ids=str,
)
def test_other_architectures(
    engine: Engine, change: dict[str, int | tuple[int, ...]], n_frames: int
) -> None:
    require_equal(engine, folded(replace(SMALL, **change)), n_frames)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [9, 10, 16, 27, 64, 65])
def test_tiles_of_any_size_meet_without_a_seam(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them tiles as short as the longest reflection, and a last tile of one row."""
    monkeypatch.setattr(melgan_gemm, "_FEWEST_ROWS", rows)
    monkeypatch.setattr(melgan_gemm, "_TILE_NUMBERS", 1)
    generator = folded(SMALL)
    for n_frames in (4, 8, 9, 13):
        require_equal(GemmGenerator, generator, n_frames)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_engines_keep_weights_of_their_own(engine: Engine) -> None:
    generator, mel = folded(SMALL), mel_of(SMALL, 6)
    with torch.inference_mode():
        made = engine(generator)
        before = made(mel)
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.zero_()
    with torch.inference_mode():
        torch.testing.assert_close(made(mel), before, atol=0, rtol=0)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_too_few_frames_are_refused(engine: Engine) -> None:
    with pytest.raises(AudioError, match="at least 4 frames"):
        engine(folded(SMALL))(torch.zeros(SMALL.n_mels, 3))
    slow_start = replace(SMALL, ratios=(2, 2))  # so that the widest dilation mirrors most
    require_equal(engine, folded(slow_start), 5)
    with pytest.raises(AudioError, match="at least 5 frames"):
        engine(folded(slow_start))(torch.zeros(SMALL.n_mels, 4))


def test_the_default_is_the_fastest_that_needs_no_wait() -> None:
    assert choose_engine("auto", torch.device("cpu")) == "gemm"
    assert choose_engine("auto", torch.device("cuda")) == "eager"
    assert choose_engine("compile", torch.device("cuda")) == "compile"
    with pytest.raises(ConfigError, match="'gemm' on device 'cuda'"):
        choose_engine("gemm", torch.device("cuda"))
    assert create_vocoder(parse_system("melgan"), untrained=True).info.config["engine"] == "gemm"


def test_the_official_engine_keeps_weight_norm_and_both_counts() -> None:
    system = create_vocoder(parse_system("melgan?engine=official"), untrained=True)
    assert isinstance(system, MelGAN)
    assert any("parametrizations" in name for name, _ in system.network.named_parameters())
    counts = (system.info.n_parameters, system.info.n_parameters_with_weight_norm)
    assert counts == (4_260_257, 4_266_050)


@pytest.mark.parametrize("engine", ["channels_last", "eager"])
def test_contract(engine: str) -> None:
    generator = Generator(GeneratorConfig(base_channels=4))
    randomise(generator, 0)
    system = MelGAN(generator, mel_spec("melgan"), engine=engine)  # type: ignore[arg-type]
    results = check_vocoder(system, wave=conformance_bit())
    assert [result for result in results if not result.passed] == []


def test_all_engines_of_one_system_agree(speech: Waveform) -> None:
    short = Waveform(speech.samples[8000:10000], 22050)
    made = {}
    for engine in ("official", "eager", "channels_last", "gemm"):
        system = MelGAN.create(Setup(untrained=True), engine=engine)  # type: ignore[arg-type]
        assert system.info.config["engine"] == engine
        made[engine] = system.generate([system.analyse(short)], seed=0)[0].samples
    for engine, samples in made.items():
        np.testing.assert_allclose(samples, made["eager"], atol=1e-5, err_msg=engine)


def test_without_a_compiler_it_says_so_and_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(melgan_polyphase.shutil, "which", lambda name: None)
    with pytest.warns(RuntimeWarning, match=r"neither g\+\+ nor clang\+\+.*channels_last"):
        engine, ran = make_engine(folded(SMALL), "compile")
    assert ran == "channels_last"
    assert engine(mel_of(SMALL, 5)).shape == (1, 64 * 5)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("CppCompileError: no such header\nmore"), "CppCompileError: no such header"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_compiler_that_fails_is_no_reason_to_stop(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    def broken(network: object) -> object:
        def call(mel: object) -> object:
            raise error

        return call

    monkeypatch.setattr(melgan_engines, "why_not_compiled", lambda: "")
    monkeypatch.setattr(melgan_engines, "compile_generator", broken)
    with pytest.warns(RuntimeWarning, match=f"{said}; running engine="):
        assert make_engine(folded(SMALL), "compile")[1] == "channels_last"


@pytest.mark.slow
def test_compiled_is_equal_for_several_lengths() -> None:
    if melgan_polyphase.why_not_compiled():
        pytest.skip(melgan_polyphase.why_not_compiled())
    generator = folded(replace(SMALL, ratios=(4, 2), n_residual_layers=1))
    engine, ran = make_engine(generator, "compile")
    assert ran == "compile"
    for n_frames in (64, 65, 90):
        require_equal(lambda _: engine, generator, n_frames)
