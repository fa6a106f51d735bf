"""YAML files that may only say what their model knows; every fault is named with its line."""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import pydantic
import yaml

from evalsuite.errors import ConfigError

__all__ = ["StrictModel", "explain_value", "read_model"]


class StrictModel(pydantic.BaseModel):
    """Frozen; unknown keys and values of another type are errors (``yes`` is no number)."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, strict=True)


Model = TypeVar("Model", bound=StrictModel)


def read_model(path: Path, model: type[Model]) -> Model:
    """Read a YAML file into a strict model.

    Raises
    ------
    ConfigError for a missing or malformed file, a key given twice, an unknown key (with the
        nearest known one) or a value that is not allowed; all but the first with the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error})", wanted="a YAML file in UTF-8", do="check the path"
        ) from error
    root, values = _parse(text, path)
    _refuse_repeated_keys(root, path)
    try:
        # By way of JSON: there a list may become a tuple and a text a path even in strict mode.
        return model.model_validate_json(json.dumps(values, default=str))
    except pydantic.ValidationError as error:
        raise _explain(error, root, path, model) from error


def _parse(text: str, path: Path) -> tuple[yaml.Node, Any]:
    """Nodes, which know their lines, and values."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or error
        raise ConfigError(
            f"{path}{where}: {problem}",
            wanted="well-formed YAML",
            do="mind indentation; put texts that hold a colon into quotes",
        ) from error
    if not isinstance(root, yaml.MappingNode):
        raise ConfigError(
            f"{path} holds no keys", wanted="a mapping of key: value", do="start from a template"
        )
    return root, values


def _refuse_repeated_keys(node: yaml.Node, path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise ConfigError(
                    f"{path}, line {line}: {key.value!r} is already in line {lines[key.value]}",
                    wanted="each key once",
                    do="remove one of the two",
                )
            lines[key.value] = line
            _refuse_repeated_keys(value, path)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated_keys(item, path)


# Of several faults the first of these explains most: a misspelt key is also a missing one, and a
# value that may have two forms is wrong in both.
_WRONG_FORM = {"dict_type", "list_type", "model_type", "tuple_type"}


def _weight(fault: Any) -> int:
    if fault["type"] == "extra_forbidden":
        return 0
    return 2 if fault["type"] in _WRONG_FORM else 1


def _explain(
    error: pydantic.ValidationError, root: yaml.Node, path: Path, model: type[StrictModel]
) -> ConfigError:
    """Turn the most telling fault into our form; the others only matter once it is mended."""
    fault = min(error.errors(include_url=False), key=_weight)
    line, where = _find(root, fault["loc"])
    if fault["type"] == "missing":
        name = ".".join([*where, str(fault["loc"][-1])])
        return ConfigError(
            f"{path}: {name!r} is missing", wanted=f"a value for {name!r}", do="add the key"
        )
    name = ".".join(where) or "the file"
    if fault["type"] == "extra_forbidden":
        known = sorted(set(_known_keys(model)))
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5)
        advice = f"write {near[0]!r}" if near else "remove it"
        return ConfigError(
            f"{path}, line {line}: unknown key {name!r}", wanted=", ".join(known), do=advice
        )
    return _wrong_value(f"{path}, line {line}: {name}", fault)


def explain_value(error: pydantic.ValidationError) -> ConfigError:
    """Turn the most telling fault of values that no file holds into our form."""
    fault = min(error.errors(include_url=False), key=_weight)
    return _wrong_value(".".join(map(str, fault["loc"])) or "the study", fault)


def _wrong_value(name: str, fault: Any) -> ConfigError:
    given = fault["input"]
    shown = "" if isinstance(given, dict) else f" = {given!r}"
    return ConfigError(
        f"{name}{shown}",
        wanted=fault["msg"].removeprefix("Value error, "),
        do="correct the value",
    )


def _known_keys(model: type[StrictModel]) -> Iterator[str]:
    """Keys of the model and of the models inside it: a key may stand at the wrong depth."""
    for name, field in model.model_fields.items():
        yield name
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, StrictModel):
                yield from _known_keys(kind)


def _find(node: yaml.Node, where: tuple[int | str, ...]) -> tuple[int, list[str]]:
    """Line and path of the innermost part that the file has; model names in between are skipped."""
    line, names = node.start_mark.line + 1, []
    for part in where:
        found = _child(node, part)
        if found is not None:
            line, node = found
            names.append(str(part))
    return line, names


def _child(node: yaml.Node, part: Any) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == str(part):
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        item = node.value[part]
        return item.start_mark.line + 1, item
    return None
