"""The option ``engine``: how a vocoder computes, where it offers a choice.

An option ``weights`` says in which numbers an engine may store weights. Narrow ones are not exact.
"""

from collections.abc import Sequence
from dataclasses import replace

from evalsuite.errors import ConfigError
from evalsuite.registry import SystemRequest, vocoder_options

__all__ = [
    "ENGINE",
    "EXACT_WEIGHTS",
    "WEIGHTS",
    "engine_name",
    "engine_of",
    "engines",
    "option_words",
    "with_engine",
]

#: Names of the options.
ENGINE, WEIGHTS = "engine", "weights"
EXACT_WEIGHTS = "float32"


def engine_of(request: SystemRequest) -> str | None:
    """Engine a request asks for, or the vocoder's default; None if there is no choice."""
    option = next((one for one in vocoder_options(request.vocoder) if one.name == ENGINE), None)
    if option is None:
        return None
    chosen = request.options.get(ENGINE, option.default)
    return None if chosen is None else str(chosen)


def engines(vocoder: str) -> list[str]:
    """List the engines a vocoder offers; empty if it has no choice."""
    return option_words(vocoder, ENGINE)


def option_words(vocoder: str, name: str) -> list[str]:
    """List the words an option of a vocoder takes; empty without that option."""
    kinds = [one.kind.split("|") for one in vocoder_options(vocoder) if one.name == name]
    return kinds[0] if kinds else []


def engine_name(engine: str | None, weights: object = None) -> str | None:
    """Name an engine and, if they are narrow, what it stores weights in.

    >>> engine_name("numba", "int8"), engine_name("numba", "float32"), engine_name("gemm")
    ('numba int8', 'numba', 'gemm')
    """
    return engine if weights in (None, EXACT_WEIGHTS) else f"{engine} {weights}"


def with_engine(requests: Sequence[SystemRequest], engine: str) -> list[SystemRequest]:
    """Choose an engine for all systems that offer it and name none themselves.

    Raises
    ------
    ConfigError if none of them offers it.
    """
    offering = {one.label for one in requests if engine in engines(one.vocoder)}
    if not offering:
        offered = {
            one.vocoder: ", ".join(engines(one.vocoder)) or "no choice of engines"
            for one in requests
        }
        known = "; ".join(f"{vocoder}: {words}" for vocoder, words in offered.items())
        raise ConfigError(
            f"--engine {engine}, which none of the systems has",
            wanted=f"one of theirs ({known})",
            do="correct it, or name the engine of one system: melgan?engine=eager",
        )
    return [
        replace(one, options={ENGINE: engine, **one.options}) if one.label in offering else one
        for one in requests
    ]
