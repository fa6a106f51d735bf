"""Options of a system: read from a function's keyword-only parameters and checked against them."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evalsuite.errors import ConfigError
from evalsuite.system_text import OptionValue

__all__ = ["Option", "check_options", "options_of"]


@dataclass(frozen=True)
class Option:
    """One setting of a vocoder.

    Parameters
    ----------
    kind : ``text``, ``int``, ``float``, ``bool``, or the allowed words joined by ``|``.
    default : the value if it is not given.
    """

    name: str
    kind: str
    default: OptionValue | None


def options_of(function: Callable[..., Any]) -> list[Option]:
    """List the keyword-only parameters of a function.

    >>> def create(setup, *, n_iterations: int = 60): ...
    >>> options_of(create)
    [Option(name='n_iterations', kind='int', default=60)]
    """
    kinds = _kinds(function)
    parameters = inspect.signature(function).parameters
    return [
        Option(name, "|".join(kind) if isinstance(kind, tuple) else _WORD[kind], default)
        for name, kind in kinds.items()
        for default in [parameters[name].default]
    ]


def check_options(
    owner: str, function: Callable[..., Any], given: Mapping[str, OptionValue]
) -> dict[str, OptionValue]:
    """Return `given` in the annotated types.

    Parameters
    ----------
    owner : name of the vocoder, for messages.

    Raises
    ------
    ConfigError for an unknown option, naming the nearest, or a value of another type.

    >>> def create(setup, *, momentum: float = 0.99): ...
    >>> check_options("griffin_lim", create, {"momentum": 0})
    {'momentum': 0.0}
    """
    kinds = _kinds(function)
    for name in given:
        if name not in kinds:
            raise _unknown(owner, name, list(kinds))
    return {name: _convert(owner, name, value, kinds[name]) for name, value in given.items()}


_Kind = type | tuple[str, ...]
_WORD = {str: "text", int: "int", float: "float", bool: "bool"}
_WANTED = {bool: "true or false", int: "a whole number", float: "a number"}


def _kinds(function: Callable[..., Any]) -> dict[str, _Kind]:
    hints = get_type_hints(function)
    parameters = inspect.signature(function).parameters.values()
    names = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    return {name: _kind(name, hints.get(name)) for name in names}


def _kind(name: str, hint: Any) -> _Kind:
    parts = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    kinds = [part for part in parts if part is not NoneType]
    if len(kinds) == 1 and get_origin(kinds[0]) is Literal:
        return tuple(str(word) for word in get_args(kinds[0]))
    if len(kinds) == 1 and kinds[0] in _WORD:
        return kinds[0]  # type: ignore[no-any-return]
    raise TypeError(f"option {name!r}: {hint!r} is not str, int, float, bool or Literal of words")


def _convert(owner: str, name: str, value: OptionValue, kind: _Kind) -> OptionValue:
    if isinstance(kind, tuple):
        if value in kind:
            return value
        raise _wrong_value(owner, name, value, "one of " + ", ".join(kind))
    if kind is str:
        return str(value).lower() if isinstance(value, bool) else str(value)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if type(value) is kind:
        return value
    raise _wrong_value(owner, name, value, _WANTED[kind])


def _unknown(owner: str, name: str, known: list[str]) -> ConfigError:
    near = get_close_matches(name, known, n=1, cutoff=0.5)
    return ConfigError(
        f"vocoder {owner!r} has no option {name!r}",
        wanted=f"one of {', '.join(sorted(known))}" if known else "no options: it has none",
        do=f"write {near[0]!r}" if near else "remove it",
    )


def _wrong_value(owner: str, name: str, value: OptionValue, wanted: str) -> ConfigError:
    return ConfigError(
        f"option {name!r} of vocoder {owner!r} is {value!r}",
        wanted=wanted,
        do=f"correct it; see evalsuite vocoders {owner}",
    )
