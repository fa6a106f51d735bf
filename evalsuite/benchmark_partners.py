"""Which engine of a vocoder is the published way of computing, and which the exact reference.

Vocoders with several engines have an option ``engine`` whose words say what there is:

- ``official`` : weight norm on, eager, one utterance at a time, as the published code runs;
  ``librosa`` : librosa's functions in its place, for Griffin-Lim. This is the baseline.
- ``eager`` : the plain float32 network, weight norm removed. Errors are measured against it. It
  is the baseline where there is no ``official``: the published script removes weight norm itself.

An option ``weights`` says in which numbers an engine may store weights. Narrow ones are not exact.
"""

from collections.abc import Sequence
from dataclasses import replace

from evalsuite.errors import ConfigError
from evalsuite.options import Option
from evalsuite.registry import SystemRequest, vocoder_options

__all__ = [
    "BASELINE_ENGINES",
    "baseline_request",
    "engine_name",
    "engine_of",
    "engines",
    "other_requests",
    "reference_request",
    "with_engine",
]

BASELINE_ENGINES = ("official", "librosa", "eager")
REFERENCE_ENGINE = "eager"
_OPTION, _WEIGHTS = "engine", "weights"
_EXACT_WEIGHTS = "float32"
#: The engine that computes with narrow weights.
_NARROW_ENGINE = "numba"


def engine_of(request: SystemRequest) -> str | None:
    """Engine a request asks for, or the vocoder's default; None if there is no choice."""
    option = _option(request.vocoder, _OPTION)
    if option is None:
        return None
    chosen = request.options.get(_OPTION, option.default)
    return None if chosen is None else str(chosen)


def baseline_request(request: SystemRequest) -> SystemRequest | None:
    """Return the same system computed the published way; None if it has none, or is it."""
    for engine in BASELINE_ENGINES:
        if engine in engines(request.vocoder):
            return _with_engine(request, engine)
    return None


def reference_request(request: SystemRequest) -> SystemRequest | None:
    """Return the same system as the plain float32 network; None if it has none, or is it."""
    offered = REFERENCE_ENGINE in engines(request.vocoder)
    return _with_engine(request, REFERENCE_ENGINE) if offered else None


def _with_engine(request: SystemRequest, engine: str) -> SystemRequest | None:
    if engine_of(request) == engine:
        return None
    return replace(request, options={**request.options, _OPTION: engine})


def engines(vocoder: str) -> list[str]:
    """List the engines a vocoder offers; empty if it has no choice."""
    return _words(_option(vocoder, _OPTION))


def engine_name(engine: str | None, weights: object = None) -> str | None:
    """Name an engine and, if they are narrow, what it stores weights in.

    >>> engine_name("numba", "int8"), engine_name("numba", "float32"), engine_name("gemm")
    ('numba int8', 'numba', 'gemm')
    """
    return engine if weights in (None, _EXACT_WEIGHTS) else f"{engine} {weights}"


def other_requests(request: SystemRequest) -> list[SystemRequest]:
    """Return the same system with every engine, then with every kind of narrow weights."""
    choices: list[dict[str, str]] = [{_OPTION: engine} for engine in engines(request.vocoder)]
    if {_OPTION: _NARROW_ENGINE} in choices:
        kinds = _words(_option(request.vocoder, _WEIGHTS))
        choices += [
            {_OPTION: _NARROW_ENGINE, _WEIGHTS: kind} for kind in kinds if kind != _EXACT_WEIGHTS
        ]
    return [
        replace(
            request,
            label="-".join([request.label, *choice.values()]),
            options={**request.options, **choice},
        )
        for choice in choices
    ]


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
        replace(one, options={_OPTION: engine, **one.options}) if one.label in offering else one
        for one in requests
    ]


def _option(vocoder: str, name: str) -> Option | None:
    return next((one for one in vocoder_options(vocoder) if one.name == name), None)


def _words(option: Option | None) -> list[str]:
    return option.kind.split("|") if option else []
