"""Architecture files of the releases are read; whatever they name is never made."""

import argparse
import json
from pathlib import Path, PurePosixPath

import pytest
import yaml

pytest.importorskip("torch")

from evalsuite.errors import ConfigError
from vocoders.architecture_files import read_settings


def test_json_is_read(tmp_path: Path) -> None:
    settings = {"resblock": "1", "upsample_rates": [8, 8, 2, 2], "fmax": 8000, "fp16": None}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    assert read_settings(tmp_path / "config.json") == settings


def test_yaml_is_read(tmp_path: Path) -> None:
    text = "generator_params:\n  upsample_scales: !!python/tuple [8, 4]\n  bias: true\nx: 1.0e-4\n"
    (tmp_path / "config.yml").write_text(text)
    found = read_settings(tmp_path / "config.yml")
    assert found == {"generator_params": {"upsample_scales": [8, 4], "bias": True}, "x": 1e-4}


def test_a_dumped_namespace_with_paths_is_read(tmp_path: Path) -> None:
    """As mel2wav/train.py wrote it; PyYAML's own dumper is the oracle of the tags."""
    args = argparse.Namespace(
        n_mel_channels=80, ngf=32, save_path=PurePosixPath("logs/x"), load_path=None
    )
    text = yaml.dump(args)
    assert "!!python/object:argparse.Namespace" in text
    text = text.replace("PurePosixPath", "PosixPath")  # what a plain Path is on Linux
    assert "!!python/object/apply:pathlib.PosixPath" in text
    (tmp_path / "args.yml").write_text(text)
    assert read_settings(tmp_path / "args.yml") == {
        "n_mel_channels": 80,
        "ngf": 32,
        "save_path": "logs/x",
        "load_path": None,
    }


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:os.system ['touch {sprung}']",
        "a: !!python/object/apply:pathlib.Path.touch ['{sprung}']",
        "a: !!python/object/apply:pathlib.os.system ['touch {sprung}']",
        "a: !!python/object/new:pathlib.PosixPath {{}}",
        "a: !!python/name:os.system",
        "!!python/object/apply:builtins.eval [\"open('{sprung}', 'w')\"]",
        "a: !!python/module:os",
        "[1, 2]",
        "plain text",
        "a: [unclosed",
        "",
    ],
)
def test_other_objects_are_refused(tmp_path: Path, text: str) -> None:
    sprung = tmp_path / "sprung"
    path = tmp_path / "args.yml"
    path.write_text(text.format(sprung=sprung))
    with pytest.raises(ConfigError, match=r"args\.yml is no architecture file"):
        read_settings(path)
    assert not sprung.exists()


def test_damaged_missing_and_endless_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": ')
    (tmp_path / "long.yml").write_text("a: " + "b" * 1_000_001)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for name in ("config.json", "long.yml", "deep.json", "binary.yml", "nowhere.json"):
        with pytest.raises(ConfigError, match=name):
            read_settings(tmp_path / name)
