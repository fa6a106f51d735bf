from pathlib import Path

import pytest

from evalsuite.errors import ConfigError
from tests_mos.strict_yaml import StrictModel, read_model


class Inner(StrictModel):
    count: int


class Outer(StrictModel):
    name: str
    size: int = 1
    parts: tuple[str, ...] = ()
    inner: Inner | None = None


def read(tmp_path: Path, text: str) -> Outer:
    path = tmp_path / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return read_model(path, Outer)


def test_reads_lists_and_nested_values(tmp_path: Path) -> None:
    found = read(tmp_path, "name: ä\nparts: [a, b]\ninner: {count: 3}\n")
    assert found == Outer(name="ä", parts=("a", "b"), inner=Inner(count=3))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nsise: 2\n", r"line 2: unknown key 'sise'.*write 'size'"),
        ("name: a\ninner:\n  cuont: 3\n", r"line 3: unknown key 'inner.cuont'.*write 'count'"),
        ("name: a\nqqqq: 2\n", r"unknown key 'qqqq'.*remove it"),
        ("name: a\nsize: 1\nname: b\n", r"line 3: 'name' is already in line 1"),
        ("name: a\ninner:\n  count: 1\n  count: 2\n", r"line 4: 'count' is already in line 3"),
        ("name: a\nsize: yes\n", r"line 2: size = True"),
        ("name: a\nsize: '3'\n", r"line 2: size = '3'"),
        ("name: a\nparts: [a, 2]\n", r"line 2: parts.1 = 2"),
        ("size: 1\n", r"'name' is missing"),
        ("name: a\n  size: 1\n", r"line 2: .*well-formed YAML"),
        ("- a\n- b\n", r"holds no keys"),
        ("", r"holds no keys"),
        ("name: 2020-01-01\n", r""),
    ],
)
def test_names_the_fault_and_its_line(tmp_path: Path, text: str, message: str) -> None:
    if not message:  # a date is text here, not an object of its own
        assert read(tmp_path, text).name == "2020-01-01"
        return
    with pytest.raises(ConfigError, match=message):
        read(tmp_path, text)


def test_objects_are_not_built_from_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="could not determine a constructor"):
        read(tmp_path, "name: !!python/object/apply:os.system ['true']\n")


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        read_model(tmp_path / "absent.yaml", Outer)


def test_models_are_frozen(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        read(tmp_path, "name: a\n").size = 3  # type: ignore[misc]
