"""The text form of a system: ``[label=]vocoder[:argument][?key=value&key=value]``.

``original``, ``gl32=griffin_lim?n_iterations=32``, ``melgan:weights/lj?device=cpu``,
``baseline=recorded:DIR?name=generated_{id}.wav``.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

from evalsuite.errors import ConfigError

__all__ = ["OptionValue", "SystemRequest", "parse_system", "parse_systems"]

OptionValue = str | int | float | bool

GRAMMAR = "[label=]vocoder[:argument][?key=value&key=value]"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class SystemRequest:
    """One system a study asks for.

    Parameters
    ----------
    label : its name in files and tables: letters, digits, ``_``, ``-`` and ``.``.
    vocoder : a registered name.
    argument : a folder of weights or files; None if none was given.
    options : settings of the vocoder, see ``evalsuite vocoders NAME``.
    """

    label: str
    vocoder: str
    argument: str | None = None
    options: dict[str, OptionValue] = field(default_factory=dict)


def parse_system(text: str) -> SystemRequest:
    """Read one system.

    Raises
    ------
    ConfigError if the text does not follow the grammar.

    >>> parse_system("gl32=griffin_lim?n_iterations=32")
    SystemRequest(label='gl32', vocoder='griffin_lim', argument=None, options={'n_iterations': 32})
    """
    head, has_options, options_text = text.strip().partition("?")
    label_and_name, has_argument, argument = head.partition(":")
    label, has_label, vocoder = label_and_name.rpartition("=")
    if not has_label:
        label = vocoder
    for part, value in (("label", label), ("vocoder", vocoder)):
        if not _NAME.fullmatch(value):
            raise _wrong(text, f"the {part} {value!r} is not a name")
    if has_argument and not argument:
        raise _wrong(text, "nothing follows the colon")
    if has_options and not options_text:
        raise _wrong(text, "nothing follows the question mark")
    return SystemRequest(label, vocoder, argument or None, _parse_options(text, options_text))


def parse_systems(text: str) -> list[SystemRequest]:
    """Read a comma-separated list of systems with distinct labels.

    Raises
    ------
    ConfigError for an empty list, an empty entry or two systems of one label.

    >>> [system.label for system in parse_systems("original, gl=griffin_lim")]
    ['original', 'gl']
    """
    requests = [parse_system(part) for part in text.split(",")]
    counts = Counter(request.label for request in requests)
    if repeated := sorted(label for label, count in counts.items() if count > 1):
        raise ConfigError(
            f"several systems have the label {', '.join(repeated)} in {text!r}",
            wanted="one label per system: results are filed under it",
            do=f"label them apart, such as first={repeated[0]} and second={repeated[0]}",
        )
    return requests


def _parse_options(text: str, options_text: str) -> dict[str, OptionValue]:
    options: dict[str, OptionValue] = {}
    for pair in options_text.split("&") if options_text else []:
        key, has_value, value = pair.partition("=")
        if not has_value or not key.isidentifier():
            raise _wrong(text, f"{pair!r} is not key=value")
        if key in options:
            raise _wrong(text, f"the option {key!r} is given twice")
        options[key] = _value(value)
    return options


def _value(text: str) -> OptionValue:
    """Read a number or truth value if the text is its usual spelling, otherwise keep the text."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?(0|[1-9]\d*)", text):
        return int(text)
    if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?(e-?\d+)?", text):
        return float(text)
    return text


def _wrong(text: str, reason: str) -> ConfigError:
    return ConfigError(
        f"the system {text!r} cannot be read: {reason}",
        wanted=GRAMMAR + " with names of letters, digits, '_', '-' and '.'",
        do="see the names and options with: evalsuite vocoders",
    )
