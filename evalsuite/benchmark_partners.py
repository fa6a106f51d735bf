"""Which engine of a vocoder is the published way of computing, and which the exact reference.

Vocoders with several engines have an option ``engine`` whose words say what there is:

- ``official`` : weight norm on, eager, one utterance at a time, as the published code runs;
  ``librosa`` : librosa's functions in its place, for Griffin-Lim. This is the baseline.
- ``eager`` : the plain float32 network, weight norm removed. Errors are measured against it. It
  is the baseline where there is no ``official``: the published script removes weight norm itself.
"""

from dataclasses import replace

from evalsuite.engine_options import (
    ENGINE,
    EXACT_WEIGHTS,
    WEIGHTS,
    engine_of,
    engines,
    option_words,
)
from evalsuite.registry import SystemRequest

__all__ = [
    "BASELINE_ENGINES",
    "baseline_request",
    "other_requests",
    "reference_request",
]

BASELINE_ENGINES = ("official", "librosa", "eager")
REFERENCE_ENGINE = "eager"
#: The engine that computes with narrow weights.
_NARROW_ENGINE = "numba"


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
    # The published way and the reference are exact, so narrow weights are not theirs.
    options = {name: value for name, value in request.options.items() if name != WEIGHTS}
    return replace(request, options={**options, ENGINE: engine})


def other_requests(request: SystemRequest) -> list[SystemRequest]:
    """Return the same system with every engine, then with every kind of narrow weights."""
    choices: list[dict[str, str]] = [{ENGINE: engine} for engine in engines(request.vocoder)]
    if {ENGINE: _NARROW_ENGINE} in choices:
        kinds = option_words(request.vocoder, WEIGHTS)
        choices += [
            {ENGINE: _NARROW_ENGINE, WEIGHTS: kind} for kind in kinds if kind != EXACT_WEIGHTS
        ]
    return [
        replace(
            request,
            label="-".join([request.label, *choice.values()]),
            options={**request.options, **choice},
        )
        for choice in choices
    ]
