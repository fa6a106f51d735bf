"""Configuration files: merging, overrides, and errors that name the key."""

from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from evalsuite.errors import ConfigError, UnknownName
from vocoders.training import config_file
from vocoders.training.config import changed_settings, config_names, load_config
from vocoders.training.config_file import merge_config
from vocoders.training.melgan_config import WarmUpConfig

PACKAGED = Path(config_file.__file__).parents[1] / "configs"


def write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", config_names())
def test_packaged_configurations_load(name: str) -> None:
    assert load_config(name)[0].name == name


def test_defaults_are_the_release() -> None:
    config = load_config("melgan")[0]
    shown = config.model_dump(mode="json")
    assert shown["generator"] == {
        "n_mels": 80, "base_channels": 32, "n_residual_layers": 3, "ratios": [8, 8, 2, 2],
        "weight_norm": True, "spectral_norm": False, "dilated": True,
    }  # fmt: skip
    assert shown["data"]["batch_size"] == 16
    assert shown["data"]["segment_samples"] == 8192
    assert shown["optimiser"]["learning_rate"] == 1e-4
    assert shown["optimiser"]["betas"] == [0.5, 0.9]
    assert config == load_config("melgan", [])[0]


@pytest.mark.parametrize(
    ("name", "differences"),
    [
        ("no_dilations", {"generator.dilated"}),
        ("single_discriminator", {"discriminator.n_scales"}),
        ("no_window_discriminator", {"discriminator.window_based"}),
        ("no_weight_norm", {"generator.weight_norm", "discriminator.weight_norm"}),
        ("no_group_discriminator", {"discriminator.grouped"}),
        ("l1_audio", {"losses.audio_l1"}),
        ("l1_no_feature_matching", {"losses.audio_l1", "losses.feature_matching"}),
        (
            "spectral_norm",
            {f"{net}.{norm}_norm" for net in ("generator", "discriminator")
             for norm in ("weight", "spectral")},
        ),
    ],
)  # fmt: skip
def test_variants_differ_from_the_baseline_in_one_thing(name: str, differences: set[str]) -> None:
    base, variant = (load_config(n)[0].model_dump(mode="json") for n in ("melgan", name))
    assert set(changed_settings(base, variant)) == differences | {"name"}
    written = yaml.safe_load((PACKAGED / f"{name}.yaml").read_text())
    assert len(written) <= 4  # base, name, and what differs


def test_a_file_names_its_base_and_overrides_come_last(tmp_path: Path) -> None:
    write(tmp_path / "below.yaml", "base: melgan_tiny\nname: below\ndata: {batch_size: 3}\n")
    top = write(tmp_path / "top.yaml", "base: below.yaml\nname: top\noptimiser:\n"
                                       "  learning_rate: 2e-4\n")  # fmt: skip
    config = load_config(top, ["data.batch_size=5", "warm_up.steps=7"])[0]
    assert config.name == "top"
    assert config.data.batch_size == 5
    assert config.data.valid_clips == 2  # of melgan_tiny
    assert config.optimiser.learning_rate == 2e-4  # without a dot YAML takes it for a text
    assert config.model_dump()["warm_up"]["steps"] == 7


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("optimizer.learning_rate=1", "optimiser"),
        ("optimiser.learning_rat=1", "learning_rate"),
        ("generator.dilate=true", "dilated"),
        ("batch_size=4", "batch_size"),
        ("data.batch_size=four", "data.batch_size = 'four'"),
        ("data.batch_size=0", "data.batch_size = 0. Wanted: a number above 0."),
        ("data.batch_size=2.5", "Wanted: a whole number"),
        ("data.short_clips=drop", "Wanted: 'pad' or 'error'"),
        ("data.amplitude=[1, 1, 1]", "Wanted: at most 2 values"),
        ("run.keep_checkpoints=1", "Wanted: a number from 2 upward"),
        ("run.compile=maybe", "Wanted: true or false"),
        ("data=3", "Wanted: a section with keys of its own"),
        ("optimiser.learning_rate=.inf", "Wanted: a finite number"),
        ("data.segment_samples=8000", "multiple of 256"),
        ("data.amplitude=[1, 0.3]", "0 < low <= high <= 1"),
        ("generator.ratios=[8, 8, 2]", "generator.ratios"),
        ("generator.spectral_norm=true", "weight_norm: false"),
        ("mel=melgam", "mel"),
        ("steps", "key=value"),
        ("=3", "key=value"),
    ],
)
def test_mistakes_are_named(override: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("melgan", [override])
    assert says in str(caught.value)
    assert "should" not in str(caught.value)  # the checking library's own words


def test_unknown_names_are_corrected() -> None:
    with pytest.raises(UnknownName, match="write 'spectral_norm'"):
        load_config("spectral_nrom")
    with pytest.raises(UnknownName, match="write 'melgan'"):
        load_config("melgan", ["step=melgam"])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: a\nname: b\n", "'name' is given twice"),
        ("name: [\n", "line"),
        ("- a\n", "no keys"),
        ("base: 3\n", "base = 3"),
        ("base: self.yaml\n", "its own base"),
    ],
)
def test_malformed_files(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        merge_config(write(tmp_path / "self.yaml", text))


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_warm_up_falls_from_first_to_final_rate() -> None:
    phase = WarmUpConfig(steps=10, learning_rate=1e-3, final_learning_rate=1e-4)
    rates = [phase.learning_rate_at(n, 5e-5) for n in range(12)]
    assert rates[0] == 1e-3
    assert all(after < before for before, after in pairwise(rates[:10]))
    assert rates[9] > 1e-4
    assert rates[10:] == [5e-5, 5e-5]
    constant = WarmUpConfig(steps=10, learning_rate=1e-3)
    assert {constant.learning_rate_at(n, 5e-5) for n in range(10)} == {1e-3}
