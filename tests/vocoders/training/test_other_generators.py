"""The paper's other generators: parameter counts, and configurations that really train."""

from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from vocoders.layers import count_parameters  # noqa: E402
from vocoders.melgan_generator import Generator, GeneratorConfig  # noqa: E402
from vocoders.training.config import load_config  # noqa: E402
from vocoders.training.data import Recordings  # noqa: E402
from vocoders.training.limits import Limits  # noqa: E402
from vocoders.training.trainer import train  # noqa: E402
from vocoders.training.vqvae_config import VqvaeConfig  # noqa: E402
from vocoders.vqvae import VQVAE  # noqa: E402


def count(weight_norm: bool, **settings: object) -> int:
    with torch.device("meta"):
        return count_parameters(Generator(GeneratorConfig(weight_norm=weight_norm, **settings)))


MUSIC = {"n_mels": 64, "ratios": (10, 10, 2, 2, 2)}
VQ = {"ratios": (4, 4, 2, 2)}


@pytest.mark.parametrize(
    ("settings", "without_norm", "with_norm"),
    [
        (MUSIC, 18_986_913, 18_998_850),
        (MUSIC | {"base_channels": 16}, 4_864_209, 4_870_178),
        (VQ | {"n_mels": 256}, 3_580_321, 3_586_114),
        (VQ | {"n_mels": 512}, 4_497_825, 4_503_618),
    ],
    ids=["music", "music_half_width", "vqvae_sum", "vqvae_concat"],
)
def test_parameter_counts(settings: dict[str, object], without_norm: int, with_norm: int) -> None:
    assert count(False, **settings) == without_norm
    assert count(True, **settings) == with_norm
    assert count(True, **settings) == without_norm + n_lengths(settings)


def n_lengths(settings: dict[str, object]) -> int:
    """Weight norm adds a length per first dimension: inputs of transposed layers, else outputs."""
    n_stages = len(settings["ratios"])
    base = settings.get("base_channels", 32)
    inner = [base * 2**stage for stage in range(n_stages)]
    transposed = sum(2 * channels for channels in inner)
    blocks = sum(3 * 3 * channels for channels in inner)
    return base * 2**n_stages + transposed + blocks + 1


def described(name: str, *overrides: str) -> VqvaeConfig:
    config, _ = load_config(name, overrides)
    assert isinstance(config, VqvaeConfig)
    return config


def test_the_configurations_describe_these_generators() -> None:
    music = described("music_translation").model
    assert (music.decoder.n_mels, music.decoder.ratios) == (64, (10, 10, 2, 2, 2))
    assert music.hop_length == 800
    assert described("vqvae").model.decoder.n_mels == 512
    assert described("vqvae", "model.join=sum").model.decoder.n_mels == 256
    assert described("vqvae").model.hop_length == 64


def test_the_music_decoder_is_at_16_khz_and_20_hz() -> None:
    config = described("music_translation")
    assert config.data.sample_rate / config.model.hop_length == 20
    assert config.mel_spec.sample_rate == 16000
    assert config.mel_spec.f_max == 8000
    with torch.device("meta"):
        network = VQVAE(config.model)
        made = network.local_encoder(torch.empty(1, 1, 16000))
    assert made.shape == (1, 64, 20)
    assert network.quantizer is None
    assert network.global_encoder is None


TINY_MUSIC = (
    "model.base_channels=2",
    "model.encoder_base_channels=2",
    "model.n_residual_layers=1",
    "discriminator.n_layers=2",
    "discriminator.max_channels=16",
    "data.segment_samples=3200",
    "data.batch_size=2",
    "data.valid_clips=1",
    "run.log_interval=1",
)


def test_music_translation_trains_on_a_folder(tmp_path: Path, voice: Callable[..., None]) -> None:
    """Recordings of another rate are resampled to 16 kHz on the way."""
    for number in range(3):
        voice(tmp_path / "music" / f"{number}.wav", duration_s=0.8, seed=number)
    config, kind = load_config("music_translation", TINY_MUSIC)
    result = train(
        config,
        kind,
        Recordings(tmp_path / "music", synthetic_speech=True),
        tmp_path / "out",
        limits=Limits(3),
    )
    assert result.n_steps == 3
    assert result.weights is None
    assert result.losses["generator/log_mel_l1"] > 0
    assert result.losses["skipped_updates"] == 0
    assert result.n_parameters.keys() == {"vqvae", "discriminator"}
