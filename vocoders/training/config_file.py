"""YAML files that hold only their difference to a base, read into strict models.

``base: melgan`` takes a packaged configuration (``vocoders/configs/melgan.yaml``) or, with a
suffix, a file relative to the one that names it. Mappings are merged key by key, anything else
is replaced. Overrides of the command line (``optimiser.learning_rate=5e-5``) come last.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from evalsuite.errors import ConfigError, UnknownName

__all__ = ["StrictModel", "config_names", "first_fault", "merge_config", "validate_config"]

_FOLDER = Path(__file__).resolve().parents[1] / "configs"
_SUFFIXES = (".yaml", ".yml")
_SHOWN = 60
# What each kind of pydantic's faults asks for; {..} is filled with the limits it names.
_WANTED = {
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number from {ge:g} upward",
    "less_than": "a number below {lt:g}",
    "less_than_equal": "a number up to {le:g}",
    "finite_number": "a finite number",
    "literal_error": "{expected}",
    "too_short": "at least {min_length} values",
    "too_long": "at most {max_length} values",
}
# By the first word of a fault's name: int_type, int_parsing, …
_KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "a text",
    "path": "a path",
    "tuple": "a list",
    "list": "a list",
    "dict": "keys with values",
    "model": "a section with keys of its own",
    "dataclass": "a section with keys of its own",
}


class StrictModel(pydantic.BaseModel):
    """Frozen; unknown keys, infinity and values of another type are errors (``yes``: no number)."""

    model_config = pydantic.ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False
    )


Model = TypeVar("Model", bound=StrictModel)


def config_names() -> list[str]:
    """Names of the packaged configurations.

    >>> {"melgan", "spectral_norm"} <= set(config_names())
    True
    """
    return sorted(path.stem for path in _FOLDER.glob("*.yaml"))


def merge_config(name: str, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Read a configuration with all its bases and apply overrides ``key.key=value``.

    Parameters
    ----------
    name : of a packaged configuration, or the path of a ``.yaml`` file.

    Raises
    ------
    UnknownName if there is no such configuration; ConfigError if a file is malformed, gives a
    key twice or is its own base, or an override has no ``=``.
    """
    values = _read_with_bases(_find(name, Path()), [])
    for override in overrides:
        values = _merge(values, _parse_override(override))
    return values


def validate_config(values: Mapping[str, Any], model: type[Model], *, name: str) -> Model:
    """Check merged values against the model.

    Raises
    ------
    ConfigError naming the key, with the nearest known one if it is unknown.
    """
    try:
        # By way of JSON: there a list may become a tuple even in strict mode.
        return model.model_validate_json(json.dumps(values, default=str))
    except pydantic.ValidationError as error:
        raise _explain(error, name, model) from error
    except ConfigError as error:
        raise ConfigError(f"{name}: {error.got}", wanted=error.wanted, do=error.do) from error


def _find(name: str, beside: Path) -> Path:
    if name.endswith(_SUFFIXES):
        return beside / name
    path = _FOLDER / f"{name}.yaml"
    if path.is_file():
        return path
    near = get_close_matches(name, config_names(), n=1)
    raise UnknownName(
        f"there is no training configuration {name!r}",
        wanted=f"one of {', '.join(config_names())}, or the path of a .yaml file",
        do=f"write {near[0]!r}" if near else "choose one of them",
    )


def _read_with_bases(path: Path, seen: list[Path]) -> dict[str, Any]:
    if path.resolve() in seen:
        raise ConfigError(
            f"{path} is its own base, by way of {seen[-1]}",
            wanted="a base that does not lead back",
            do="correct the line base:",
        )
    values = _read(path)
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str):
        raise ConfigError(
            f"{path}: base = {base!r}", wanted="a name or a .yaml file", do="correct the value"
        )
    below = _read_with_bases(_find(base, path.parent), [*seen, path.resolve()])
    return _merge(below, values)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error})", wanted="a YAML file in UTF-8", do="check the path"
        ) from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{path}{where}: {getattr(error, 'problem', None) or error}",
            wanted="well-formed YAML with each key once",
            do="correct the line",
        ) from error
    if not isinstance(values, dict):
        raise ConfigError(
            f"{path} holds no keys", wanted="a mapping of key: value", do="start with base: melgan"
        )
    return values


class _Loader(yaml.SafeLoader):
    """Refuses a key that is given twice; YAML itself would keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key, _ in node.value:
            if key.value in names:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            names.add(key.value)
        return super().construct_mapping(node, deep)


# YAML 1.1 takes 1e-4 for text: it wants a dot. People and numpy write it without.
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = _merge(inner, value)
        merged[key] = value
    return merged


def _parse_override(text: str) -> dict[str, Any]:
    name, equals, value = text.partition("=")
    try:
        parsed: Any = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        equals = ""
    if not equals or not name.strip():
        raise ConfigError(
            f"the setting {text!r}",
            wanted="key=value, such as optimiser.learning_rate=5e-5",
            do="correct it",
        )
    for part in reversed(name.strip().split(".")):
        parsed = {part: parsed}
    assert isinstance(parsed, dict)
    return parsed


def _explain(error: pydantic.ValidationError, name: str, model: type[StrictModel]) -> ConfigError:
    """Turn the most telling fault into our form; the others only matter once it is mended."""
    unknown = {"extra_forbidden", "unexpected_keyword_argument"}
    fault = min(error.errors(include_url=False), key=lambda fault: fault["type"] not in unknown)
    path = [str(part) for part in fault["loc"]]
    message = _wanted(fault)
    if fault["type"] in unknown:
        # The key may be right and stand at the wrong depth.
        near = get_close_matches(path[-1], sorted(set(_keys_below(model))), n=1, cutoff=0.5)
        return ConfigError(
            f"{name}: unknown key {'.'.join(path)!r}",
            wanted=f"one of {', '.join(sorted(_fields(model, path[:-1])))}",
            do=f"write {near[0]!r}" if near else "remove it",
        )
    if fault["type"] in ("missing", "missing_argument"):
        return ConfigError(
            f"{name}: {'.'.join(path)!r} is missing", wanted="a value for it", do="add the key"
        )
    given = "" if isinstance(fault["input"], dict) else f" = {fault['input']!r}"
    if ": " in message:  # a rule over several keys, which names them itself
        key, message = message.split(": ", 1)
        path, given = [key], " does not fit"
    return ConfigError(f"{name}: {'.'.join(path)}{given}", wanted=message, do="correct the value")


def first_fault(error: Exception) -> str:
    """Say in one line what is wrong with a file that was read into a model.

    >>> class Point(StrictModel):
    ...     x: pydantic.PositiveInt
    >>> try:
    ...     Point.model_validate_json('{"x": -1}')
    ... except pydantic.ValidationError as error:
    ...     first_fault(error)
    'x: a number above 0 is wanted, not -1'
    """
    if not isinstance(error, pydantic.ValidationError):
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    fault = error.errors(include_url=False)[0]
    place = ".".join(map(str, fault["loc"]))
    if fault["type"] == "json_invalid":
        return "it is no JSON"
    if fault["type"] == "missing":
        return f"{place} is missing"
    given = json.dumps(fault["input"], default=str)
    shown = given if len(given) <= _SHOWN else f"{given[:_SHOWN]}…"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place}"
    return f"{place or 'the file'}: {_wanted(fault)} is wanted, not {shown}"


def _wanted(fault: Any) -> str:
    """Say what would have been right, in our words."""
    kind = fault["type"]
    if kind in _WANTED:
        return _WANTED[kind].format(**fault.get("ctx", {}))
    start = kind.partition("_")[0]
    if start in _KINDS:
        return _KINDS[start]
    text: str = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    return text


def _fields(model: Any, path: Sequence[str] = ()) -> dict[str, Any]:
    """Names and types of the keys at `path`; empty if what stands there has no keys."""
    if path:
        return _fields(_fields(model).get(path[0]), path[1:])
    if hasattr(model, "model_fields"):
        return {name: field.annotation for name, field in model.model_fields.items()}
    fields = getattr(model, "__dataclass_fields__", {})
    return {name: field.type for name, field in fields.items()}


def _keys_below(model: Any) -> Iterator[str]:
    for name, kind in _fields(model).items():
        yield name
        yield from _keys_below(kind)
