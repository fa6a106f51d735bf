"""The files that say a network's architecture: ``config.json``, ``config.yml``, ``args.yml``.

MelGAN's ``args.yml`` is a YAML dump of an ``argparse.Namespace`` with ``pathlib`` objects in it,
which safe loaders refuse and others would build by calling what the file names. Here those few tags
become plain values, and nothing is called.
"""

import json
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml

from evalsuite.errors import ConfigError

__all__ = ["plain_settings", "read_settings", "settings_from_text"]

# Longer than any released configuration, shorter than what would take long to read.
_LARGEST_BYTES = 100_000
# What is copied of settings: lists that share their parts can be endless when written out.
_MOST_VALUES, _DEEPEST = 20_000, 40
_PYTHON = "tag:yaml.org,2002:python/"
_PLAIN = (str, int, float, bool, type(None))


class _PlainLoader(yaml.SafeLoader):
    """Reads Python's tags for namespaces, paths and tuples as dicts, text and lists.

    An alias may repeat one value, but no list and no mapping: ten lines of lists of lists of
    aliases are more values than memory holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias of anything but a single value."""
        aliased = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if aliased and isinstance(node, yaml.CollectionNode):
            raise yaml.composer.ComposerError(
                None, None, "an alias repeats a list or a mapping", node.start_mark
            )
        return node


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
        if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for its other end
            raise _wrong(str(path), "it is no regular file")
        with path.open("rb") as stream:
            text = stream.read(_LARGEST_BYTES + 1)
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
    if len(text) > _LARGEST_BYTES:
        raise _wrong(name, f"it is longer than {_LARGEST_BYTES} characters")
    try:
        # A subclass of SafeLoader: see above.
        value = json.loads(text) if kind == "JSON" else yaml.load(text, _PlainLoader)
    except (ValueError, yaml.YAMLError, TypeError) as error:
        raise _wrong(name, str(error)) from error
    except RecursionError as error:
        raise _wrong(name, "it is nested too deeply") from error
    if not isinstance(value, Mapping):
        raise _wrong(name, f"it holds a {type(value).__name__}")
    return plain_settings(value, name)


def plain_settings(settings: Mapping[Any, Any], name: str) -> dict[str, Any]:
    """Keep what is plain of some settings; objects of any other type are left out.

    Parameters
    ----------
    name : of where they stand, for messages.

    Raises
    ------
    ConfigError if they are endless: they may share parts, or contain themselves.
    """
    return _Copier(name).mapping(settings, 0)


class _Copier:
    """Copies what is plain, up to a number of values and a depth."""

    def __init__(self, name: str) -> None:
        self._name, self._n_values = name, 0

    def mapping(self, settings: Mapping[Any, Any], depth: int) -> dict[str, Any]:
        return {
            str(key): self._value(value, depth + 1)
            for key, value in settings.items()
            if _is_plain(value)
        }

    def _value(self, value: Any, depth: int) -> Any:
        self._n_values += 1
        if self._n_values > _MOST_VALUES or depth > _DEEPEST:
            raise _wrong(self._name, "it holds too many values, or is nested too deeply")
        if isinstance(value, Mapping):
            return self.mapping(value, depth)
        if isinstance(value, list | tuple):
            return [self._value(part, depth + 1) for part in value if _is_plain(part)]
        return value


def _is_plain(value: object) -> bool:
    return isinstance(value, (*_PLAIN, list, tuple, Mapping))


def _wrong(name: str, reason: str) -> ConfigError:
    return ConfigError(
        f"{name} is no architecture file: {' '.join(reason.split())}",
        wanted="JSON or YAML settings: text, numbers, lists; argparse's Namespace is read too",
        do="give the file that was published beside the checkpoint",
    )
