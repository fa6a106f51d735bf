"""Which engine of a vocoder is the published way of computing, and which the exact reference.

Vocoders with several engines have an option ``engine`` whose words say what there is:

- ``official`` : weight norm on, eager, one utterance at a time, as the published code runs;
  ``librosa`` : librosa's functions in its place, for Griffin-Lim. This is the baseline.
- ``eager`` : the plain float32 network, weight norm removed. Errors are measured against it. It
  is the baseline where there is no ``official``: the published script removes weight norm itself.
"""

from dataclasses import replace

from evalsuite.options import Option
from evalsuite.registry import SystemRequest, vocoder_options

__all__ = ["BASELINE_ENGINES", "baseline_request", "engine_of", "engines", "reference_request"]

BASELINE_ENGINES = ("official", "librosa", "eager")
REFERENCE_ENGINE = "eager"
_OPTION = "engine"


def engine_of(request: SystemRequest) -> str | None:
    """Engine a request asks for, or the vocoder's default; None if there is no choice."""
    option = _engine_option(request.vocoder)
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
    option = _engine_option(vocoder)
    return option.kind.split("|") if option else []


def _engine_option(vocoder: str) -> Option | None:
    return next((one for one in vocoder_options(vocoder) if one.name == _OPTION), None)
