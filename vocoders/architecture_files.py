"""The files that say a network's architecture: ``config.json``, ``config.yml``, ``args.yml``.

MelGAN's ``args.yml`` is a YAML dump of an ``argparse.Namespace`` with ``pathlib`` objects in it,
which safe loaders refuse and others would build by calling what the file names. Here those few tags
become plain values, and nothing is called.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from evalsuite.errors import ConfigError

__all__ = ["plain_settings", "read_settings", "settings_from_text"]

# Longer than any released configuration, shorter than what would take long to read.
_LARGEST_BYTES = 1_000_000
_PYTHON = "tag:yaml.org,2002:python/"
_PLAIN = (str, int, float, bool, type(None))


class _PlainLoader(yaml.SafeLoader):
    """Reads Python's tags for namespaces, paths and tuples as dicts, text and lists."""


def _namespace(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    return loader.construct_mapping(node, deep=True)


def _path(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> str:
    if not suffix.endswith("Path") or not isinstance(node, yaml.SequenceNode):
        raise yaml.constructor.ConstructorError(None, None, f"pathlib.{suffix} is no path")
    parts = loader.construct_sequence(node, deep=True)
    return str(Path(*map(str, parts))) if parts else "."


def _sequence(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


_PlainLoader.add_constructor(f"{_PYTHON}object:argparse.Namespace", _namespace)
_PlainLoader.add_constructor(f"{_PYTHON}tuple", _sequence)
_PlainLoader.add_multi_constructor(f"{_PYTHON}object/apply:pathlib.", _path)


def read_settings(path: Path) -> dict[str, Any]:
    """Read an architecture file.

    Returns
    -------
    Its settings: text, numbers, truth values, lists and dicts of them.

    Raises
    ------
    ConfigError if the file is missing, is no mapping, or names Python objects.
    """
    try:
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_BYTES + 1)
        if len(text) > _LARGEST_BYTES:
            raise _wrong(path.name, f"it is longer than {_LARGEST_BYTES} bytes")
        kind: Literal["JSON", "YAML"] = "JSON" if path.suffix == ".json" else "YAML"
        return settings_from_text(text.decode(), kind, str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(str(path), str(error)) from error


def settings_from_text(text: str, kind: Literal["JSON", "YAML"], name: str) -> dict[str, Any]:
    """Read settings from text.

    Parameters
    ----------
    name : of the file, for messages.

    Raises
    ------
    ConfigError as `read_settings`.

    >>> settings_from_text("!!python/object:argparse.Namespace {ngf: 32}", "YAML", "args.yml")
    {'ngf': 32}
    """
    try:
        # A subclass of SafeLoader: see above.
        value = json.loads(text) if kind == "JSON" else yaml.load(text, _PlainLoader)
    except (ValueError, yaml.YAMLError, TypeError) as error:
        raise _wrong(name, str(error)) from error
    except RecursionError as error:
        raise _wrong(name, "it is nested too deeply") from error
    if not isinstance(value, Mapping):
        raise _wrong(name, f"it holds a {type(value).__name__}")
    return plain_settings(value)


def plain_settings(settings: Mapping[Any, Any]) -> dict[str, Any]:
    """Keep what is plain of some settings; objects of any other type are left out."""
    return {str(key): _plain(value) for key, value in settings.items() if _is_plain(value)}


def _is_plain(value: object) -> bool:
    return isinstance(value, (*_PLAIN, list, tuple, Mapping))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return plain_settings(value)
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value if _is_plain(part)]
    return value


def _wrong(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{name} is no architecture file: {' '.join(reason.split())}",
        wanted="JSON or YAML settings: text, numbers, lists; argparse's Namespace is read too",
        do="give the file that was published beside the checkpoint",
    )
