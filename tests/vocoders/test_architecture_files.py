"""Architecture files of the releases are read; whatever they name is never made."""

import argparse
import json
import os
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

pytest.importorskip("torch")

from evalsuite.errors import ConfigError
from vocoders.architecture_files import plain_settings, read_settings


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


def laughs(depth: int, width: int = 9) -> str:
    """YAML of `depth` + 1 lines for width ** depth values: each line repeats the one before."""
    lines = ["a0: &a0 [" + ", ".join("x" * width) + "]"]
    for i in range(1, depth + 1):
        lines.append(f"a{i}: &a{i} [" + ", ".join([f"*a{i - 1}"] * width) + "]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text",
    [
        laughs(9),
        "a: &a [*a]",
        "a: &a {x: 1}\nb: {<<: *a}",
        "a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: {<<: [*b, *b]}",
    ],
)
def test_aliases_of_lists_and_mappings_are_refused(tmp_path: Path, text: str) -> None:
    """Ten lines of them are more values than memory holds."""
    (tmp_path / "args.yml").write_text(text)
    with pytest.raises(ConfigError, match=r"an alias repeats a list or a mapping"):
        read_settings(tmp_path / "args.yml")


def test_an_alias_of_one_value_is_read(tmp_path: Path) -> None:
    (tmp_path / "args.yml").write_text("hop: &hop 256\nfft: [*hop, 1024]\n")
    assert read_settings(tmp_path / "args.yml") == {"hop": 256, "fft": [256, 1024]}


def test_shared_and_endless_settings_are_refused() -> None:
    """As a pickle makes them: each list holds the one before nine times, or itself."""
    shared: list[Any] = ["x"] * 9
    for _ in range(9):
        shared = [shared] * 9
    endless: dict[str, Any] = {}
    endless["again"] = endless
    for settings in ({"a": shared}, endless):
        with pytest.raises(ConfigError, match="config is no architecture file: it holds too many"):
            plain_settings(settings, "config")
    assert plain_settings({"a": ["x", object()], 1: object()}, "config") == {"a": ["x"]}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "args.yml")
    with pytest.raises(ConfigError, match="no regular file"):
        read_settings(tmp_path / "args.yml")


def test_damaged_missing_and_endless_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"a": ')
    (tmp_path / "long.yml").write_text("a: " + "b" * 100_001)
    (tmp_path / "deep.json").write_text("[" * 100_000)
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    for name in ("config.json", "long.yml", "deep.json", "binary.yml", "nowhere.json"):
        with pytest.raises(ConfigError, match=name):
            read_settings(tmp_path / name)
